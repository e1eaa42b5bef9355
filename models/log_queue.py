"""The entries of one exam that wait for their commit; past a bound their callers wait too, and none is dropped."""

from __future__ import annotations

import asyncio
from typing import Final

from bson import ObjectId

from models.activity import Entry
from models.database import Stored

_MOST: Final = 10_000
_MOST_BYTES: Final = 32 * 1024**2
_MOST_AT_ONCE: Final = 500  # so that the slowest insert ends long before it would time out


class Waiting:
    """An entry that waits for its commit. The future's result is the stored record, or None for a repeat."""

    __slots__ = ("entry", "future", "record_id")

    def __init__(self, entry: Entry, loop: asyncio.AbstractEventLoop) -> None:
        self.entry = entry
        self.record_id = ObjectId()
        self.future: asyncio.Future[Stored | None] = loop.create_future()

    def resolve(self, record: Stored | None) -> None:
        """It is stored, as `record`, or was before."""
        if not self.future.done():  # its caller may be gone
            self.future.set_result(record)


class LogQueue:
    """First in, first out. Its length is the number of entries."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._bytes = 0
        self._room = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    async def put(self, waiting: list[Waiting]) -> None:
        """Add these, once there is room."""
        while len(self._waiting) >= _MOST or self._bytes >= _MOST_BYTES:
            self._room.clear()
            await self._room.wait()
        self._waiting.extend(waiting)
        self._bytes += sum(one.entry.size for one in waiting)

    def take(self) -> list[Waiting]:
        """The next batch."""
        batch, self._waiting = self._waiting[:_MOST_AT_ONCE], self._waiting[_MOST_AT_ONCE:]
        self._bytes -= sum(one.entry.size for one in batch)
        self._room.set()
        return batch
