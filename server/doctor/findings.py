"""What a check finds: one line, and whether something is to be mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`text`: what is, and where it is not well, what to do."""

    level: Level
    check: str
    text: str


def judged(check: str, text: str, *, warn: str | None = None, fail: str | None = None) -> Finding:
    """`text` with the first of `fail` and `warn` that there is, as what it means."""
    if fail or warn:
        return Finding("fail" if fail else "warn", check, f"{text}: {fail or warn}")
    return Finding("ok", check, text)
