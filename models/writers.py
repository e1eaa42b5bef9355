"""Who else writes to a log, as its records tell: five bytes of an ObjectId are of the process that made it."""

from __future__ import annotations

import asyncio
from typing import Final

from bson import ObjectId

_LATELY_S: Final = 2.0
_SLOWER: Final = 0.2  # how much the last turn counts for how long a turn takes
_MOST_S: Final = 0.5


class Writers:
    """Those of the last two seconds, and whose turn it is.

    Several nodes that write to one exam as fast as they can would spend most inserts on colliding, and one might never
    come first. So whoever has written leaves every other one the time of a turn before it writes again; whoever has
    collided tries again at once.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._seen: dict[bytes, float] = {}
        self._a_turn_s = 0.0
        self._not_before = 0.0

    def saw(self, record_id: ObjectId) -> None:
        """Another process has written this."""
        self._seen[record_id.binary[4:9]] = self._loop.time()

    def __len__(self) -> int:
        """How many others there are."""
        if self._seen:
            since = self._loop.time() - _LATELY_S
            self._seen = {one: at for one, at in self._seen.items() if at > since}
        return len(self._seen)

    def wrote(self, began: float) -> None:
        """This process has written, in a turn that began then (of the loop's clock)."""
        time = self._loop.time()
        self._a_turn_s += _SLOWER * (time - began - self._a_turn_s)
        self._not_before = time + min(_MOST_S, len(self) * self._a_turn_s)

    async def turn(self) -> None:
        """Wait until it is this process's turn."""
        wait_s = self._not_before - self._loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
