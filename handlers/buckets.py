"""So many a second, and so many at once: what one client may send, or how often it may come.

Kept as one number, the moment at which all would be granted again (the cell rate algorithm of ATM): nothing is stored
for each event, no timer refills anything, and how long to wait is known exactly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TEXT: Final = re.compile(r"(\d{1,9}) per (second|minute|hour), (\d{1,9}) at once")
_SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600}
_ROUNDING_S: Final = 1e-6  # of the loop's clock


@dataclass(frozen=True, slots=True)
class Flow:
    """`a_second` for good, and `at_once` after a while of nothing."""

    a_second: float
    at_once: int

    @classmethod
    def parse(cls, text: str) -> Flow:
        """From text like "50 per second, 200 at once"; ValueError for all else."""
        found = _TEXT.fullmatch(text)
        if found is None or int(found[1]) < 1 or int(found[3]) < 1:
            raise ValueError('something like "50 per second, 200 at once" is wanted')
        return cls(int(found[1]) / _SECONDS[found[2]], int(found[3]))

    @property
    def whole_s(self) -> float:
        """Seconds after which all that may come at once is granted again."""
        return self.at_once / self.a_second


class Bucket:
    """What one client has had of a flow. `now` is the loop's clock, in seconds."""

    __slots__ = ("_flow", "_full_at")

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._full_at = 0.0

    def take(self, now: float) -> int:
        """0, and one less is left; or, where none is left, for how many milliseconds there will be none."""
        full_at = max(now, self._full_at) + 1 / self._flow.a_second
        missing_s = full_at - now - self._flow.whole_s
        if missing_s > _ROUNDING_S:
            return int(1000 * missing_s) + 1
        self._full_at = full_at
        return 0

    def full(self, now: float) -> bool:
        """Whether nothing of it is remembered any more."""
        return self._full_at <= now
