"""The nodes' clock, set by Debian's libfaketime. As when a real one is set, the monotonic clock goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_LIBRARIES: Final = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def has_faketime() -> bool:
    return bool(_LIBRARIES)


class Clock:
    """`settings`: the environment of a process that has this clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.set(0)
        self.settings = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Let it be ahead of this machine's by so much."""
        draft = self._path.with_suffix(".new")
        draft.write_text(f"{seconds:+d}\n", encoding="ascii")
        draft.rename(self._path)
