"""The students and consoles that a run is made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import orjson

from bench import frames
from bench.books import Books
from bench.client import Client, clock

_HEARTBEAT = frames.event("heartbeat", {})


class Student(Client):
    """Beats and changes tabs. `events` holds the number in the books of each of its tab changes, in order of `seq`."""

    def __init__(self, books: Books, token: str, exam_id: str, client_id: str) -> None:
        super().__init__(books, "/exam", {"token": token, "clientId": client_id})
        self._exam_id = exam_id
        self.events: list[int] = []
        self._again: Callable[[float], None] | None = None

    async def enter(self, host: str, port: int) -> None:
        """Connect and start."""
        await self.connect(host, port)
        await self.call("start", {"examId": self._exam_id})

    def beat(self, due: float) -> None:
        self.send(_HEARTBEAT, due)

    def change_tab(self, due: float) -> None:
        self.events.append(len(self.books.event_due))
        self.books.event_due.append(due)
        seq = len(self.events)
        self.send(b'["tab_change",{"seq":%d,"hidden":%s}]' % (seq, b"true" if seq % 2 else b"false"), due)

    def loop(self, action: Callable[[float], None]) -> None:
        """Do `action` again and again, each time once the one before is acked, until the books take no more."""
        self._again = action
        action(clock())

    def acked(self, due: float, now: float) -> None:
        super().acked(due, now)
        if self._again and self.books.sending:
            self._again(now)


class Reader:
    """Reads what is pushed to consoles: one message goes to all of them, so it is parsed once."""

    def __init__(self, students: dict[str, Student]) -> None:
        self._students = students
        self.read = lru_cache(maxsize=256)(self._read)

    def _read(self, event: bytes) -> tuple[list[int], list[int]]:
        """The offsets of its records, where the server numbers them, and the books' numbers of the tab changes."""
        name, message = orjson.loads(event)
        if name != "activity":
            return [], []
        items: list[dict[str, Any]] = message["items"]
        numbers = [self._students[one["userId"]].events[one["seq"] - 1] for one in items if one.get("seq")]
        return [one["offset"] for one in items if "offset" in one], numbers


class Console(Client):
    """Watches an exam: counts each tab change once, and sees that the log has no hole. `offset`: the last it has."""

    def __init__(self, books: Books, token: str, exam_id: str, reader: Reader) -> None:
        super().__init__(books, "/proctor", {"token": token})
        self._exam_id, self._reader = exam_id, reader
        self.offset: int | None = None
        self.seen: set[int] = set()
        self._early: list[bytes] | None = None

    async def enter(self, host: str, port: int) -> None:
        """Connect and join; what was missed since the last time is in the ack."""
        # Pushes may come in one piece with the ack, and are then here before it is looked at.
        self._early = []
        await self.connect(host, port)
        request = {"examId": self._exam_id}
        joined = await self.call("join", request if self.offset is None else request | {"since": self.offset})
        if self.offset is None:
            self.offset = joined.get("offset")
        else:
            self._see(orjson.dumps(["activity", {"items": joined["activity"]}]))
        early, self._early = self._early, None
        for event in early:
            self.pushed(event)

    def pushed(self, event: bytes) -> None:
        if self._early is not None:
            self._early.append(event)
            return
        now = clock()
        for number in self._see(event):
            self.books.deliveries.due.append(self.books.event_due[number])
            self.books.deliveries.done.append(now)

    def _see(self, event: bytes) -> list[int]:
        """The numbers of the tab changes in what the server sent."""
        offsets, numbers = self._reader.read(event)
        if offsets and self.offset is not None:
            if offsets[0] != self.offset + 1 or offsets[-1] - offsets[0] + 1 != len(offsets):
                self.books.errors["a hole in the log"] += 1
            self.offset = offsets[-1]
        if not self.seen.isdisjoint(numbers):
            self.books.errors["delivered twice"] += 1
        self.seen.update(numbers)
        return numbers
