"""One run: a server on a database of its own, with its students and consoles connected."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final
from uuid import uuid4

from bench.books import Books, Figures
from bench.client import Refused, clock
from bench.people import Console, Reader, Student
from bench.processes import Meter, Peer, Process, server_process
from bench.world import World, make_world, open_store

Finish = Callable[[], Awaitable[None]]

_AT_ONCE: Final = 32
_DRAIN_S: Final = 60.0
_WARM_UP_S: Final = 2.0
_POLL_S: Final = 0.05


class Hall:
    """Students and consoles of one server, not yet connected."""

    def __init__(self, world: World, server: Process, database: Process) -> None:
        self.server, self.database, self.world = server, database, world
        self.books = Books()
        self.students = [
            Student(self.books, token, world.exam_id, client_id=str(uuid4())) for _, token in world.students
        ]
        user_ids = (user_id for user_id, _ in world.students)
        reader = Reader(dict(zip(user_ids, self.students, strict=True)))
        self.consoles = [Console(self.books, token, world.exam_id, reader) for _, token in world.proctors]

    async def enter(self, people: Iterable[Student | Console]) -> None:
        """Connect and start students, connect and join consoles, a few at once."""
        few = asyncio.Semaphore(_AT_ONCE)

        async def one(client: Student | Console) -> None:
            async with few:
                await self.let_in(client)

        await asyncio.gather(*(one(client) for client in people))

    async def let_in(self, client: Student | Console) -> bool:
        """Connect and start or join; again, after `leave`. Whether it could; if not, the books have an error more."""
        try:
            await client.enter(self.server.host, self.server.port)
        except (Refused, OSError, TimeoutError) as error:
            self.books.errors[f"not let in: {type(error).__name__} {error}"] += 1
            return False
        return True

    async def measure(
        self, seconds: float, traffic: Coroutine[Any, Any, None] | None = None, finish: Finish | None = None
    ) -> Figures:
        """Warm up, then measure for `seconds`, end the sending and wait for what is under way.

        `traffic` is an open loop's, cancelled at the end, after which `finish` is awaited; a closed loop is started
        before and ends by `books.sending`.
        """
        sending = asyncio.create_task(traffic) if traffic else None
        gc.collect()
        gc.disable()  # the generator's pause would be told as the server's
        try:
            await asyncio.sleep(_WARM_UP_S)
            meter, begin = Meter(self.server, self.database), clock()
            await asyncio.sleep(seconds)
            used, end = meter.figures(), clock()
        finally:
            gc.enable()
            self.books.sending = False
            if sending:
                sending.cancel()
                await asyncio.wait([sending])
        if sending and not sending.cancelled():
            sending.result()
        if finish:
            await finish()
        await self.drain()
        return self.books.figures(begin, end, by_due=sending is not None) | used

    async def drain(self) -> None:
        """Wait until every event is acked and delivered to every console; what is not by then is an error."""
        until = clock() + _DRAIN_S
        while clock() < until and (self._unacked() or self._undelivered()):
            await asyncio.sleep(_POLL_S)
        for name, number in (("never acked", self._unacked()), ("never delivered", self._undelivered())):
            if number:
                self.books.errors[name] += number

    def _unacked(self) -> int:
        return sum(student.waiting for student in self.students)

    def _undelivered(self) -> int:
        return sum(len(self.books.event_due) - len(console.seen) for console in self.consoles)

    def leave(self) -> None:
        for client in (*self.students, *self.consoles):
            client.leave()


@contextlib.asynccontextmanager
async def hall_of(peer: Peer, database: Process, students: int, consoles: int = 0) -> AsyncIterator[Hall]:
    """A hall of this size within this block. What it stored stays: to drop it can take minutes."""
    url = f"mongodb://{database.host}:{database.port}/bench{uuid4().hex}"
    store = open_store(url)
    try:
        world = await make_world(store, students, consoles)
        async with server_process(peer, url) as server:
            hall = Hall(world, server, database)
            try:
                yield hall
            finally:
                hall.leave()
    finally:
        await store.close()
