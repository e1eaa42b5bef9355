"""Counters in memory, for the library `limits`.

Its own keeps the same, but looks through every key after every hit to find those whose time is over: with the keys of
2,000 students that is most of the time that a request takes. Here that is done every few seconds.
"""

from __future__ import annotations

import time
from typing import Final

from limits.aio.storage import Storage

_SWEEP_S: Final = 10.0


class Counters(Storage):
    """How often each key was counted, until its time is over. A key's time begins with its first count."""

    STORAGE_SCHEME = ["async+counters"]

    def __init__(self) -> None:
        super().__init__()
        self._counts: dict[str, tuple[int, float]] = {}  # and when its time is over
        self._swept = time.time()

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return ValueError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        at = time.time()
        if at - self._swept > _SWEEP_S:
            self._swept = at
            self._counts = {key: one for key, one in self._counts.items() if one[1] > at}
        count, ends = self._counts.get(key, (0, 0.0))
        if ends <= at:
            count, ends = 0, at + expiry
        self._counts[key] = (count + amount, ends)
        return count + amount

    async def get(self, key: str) -> int:
        count, ends = self._counts.get(key, (0, 0.0))
        return count if ends > time.time() else 0

    async def get_expiry(self, key: str) -> float:
        at = time.time()
        return max(self._counts.get(key, (0, at))[1], at)

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        forgotten = len(self._counts)
        self._counts.clear()
        return forgotten

    async def clear(self, key: str) -> None:
        self._counts.pop(key, None)
