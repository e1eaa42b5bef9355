"""Who is in the exam while something breaks: a rehearsal's students, consoles and supervisor."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Any, Final

from bench.world import World, make_world, open_store
from models.periodic import cancel
from server.rehearse.console import Console
from server.rehearse.student import Student
from server.rehearse.supervisor import Supervisor
from server.rehearse.tally import Tally
from tests.faults.deployment import Deployment

_CALLED: Final = ("LATE", "MISSING")


@dataclass(frozen=True, slots=True)
class Size:
    """How much, and how long. `every_s`: how often a student does something besides beating, on average. `away_s`: how
    long what breaks is broken, where it is not for a moment. `spread_s`: within which a node that ends lets its clients
    go. `timed`: whether students have to be back in time.
    """

    students: int
    consoles: int
    interval_ms: int
    every_s: float
    arrive_s: float
    before_s: float
    away_s: float
    after_s: float
    spread_s: float
    timed: bool


SMALL = Size(
    students=40,
    consoles=3,
    interval_ms=3000,
    every_s=1.0,
    arrive_s=1.0,
    before_s=1.0,
    away_s=2.5,
    after_s=1.0,
    spread_s=2.0,
    timed=False,
)


def large(students: int, consoles: int, every_s: float) -> Size:
    """As an exam has it."""
    return Size(
        students,
        consoles,
        interval_ms=5000,
        every_s=every_s,
        arrive_s=max(3.0, students / 50),
        before_s=8.0,
        away_s=10.0,
        after_s=15.0,
        spread_s=10.0,
        timed=True,
    )


class WatchingConsole(Console):
    """`called`: whom it was shown as LATE or MISSING, as (session, connectivity)."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally) -> None:
        super().__init__(url, token, exam_id, tally)
        self.called: set[tuple[str, str]] = set()

    def show(self, sessions: list[dict[str, Any]]) -> None:
        super().show(sessions)
        self.called |= {(one["id"], one["connectivity"]) for one in sessions if one["connectivity"] in _CALLED}


class Load:
    """Students who arrive, take part until they are told that it is over, and hand in."""

    def __init__(self, url: str, world: World, size: Size) -> None:
        self.world = world
        self.size = size
        self.tally = Tally()
        self.students = [Student(url, token, world.exam_id, self.tally, size.every_s) for _, token in world.students]
        self.consoles = [WatchingConsole(url, token, world.exam_id, self.tally) for _, token in world.proctors]
        self.supervisor = Supervisor(url, self.proctor_token, world.exam_id, self.tally)
        self.struck = 0.0
        self._over = False
        self._watching = [asyncio.create_task(console.watch()) for console in self.consoles]
        self._supervising: asyncio.Task[None]
        self._taking_part: list[asyncio.Task[None]] = []

    @classmethod
    async def make(cls, deployment: Deployment, size: Size) -> Load:
        store = open_store(deployment.database_url)
        try:
            world = await make_world(store, size.students, size.consoles)
        finally:
            store.database.close()
        return cls(deployment.url, world, size)

    @property
    def proctor_token(self) -> str:
        return self.world.proctors[0][1]

    async def arrive(self) -> None:
        """Returns when all are there."""

        starting = [asyncio.create_task(self._start(student)) for student in self.students]
        both = zip(self.students, starting, strict=True)
        self._taking_part = [asyncio.create_task(self._take_part(student, started)) for student, started in both]
        await asyncio.gather(*starting)
        seconds = 1.5 * (self.size.before_s + self.size.away_s)
        self._supervising = asyncio.create_task(self.supervisor.supervise(self.students, seconds))

    async def _start(self, student: Student) -> None:
        await asyncio.sleep(random.random() * self.size.arrive_s)
        await student.start()

    async def _take_part(self, student: Student, started: asyncio.Task[None]) -> None:
        await started
        await student.take_part(lambda: self._over)
        await student.finish()

    async def hand_in(self) -> None:
        """Let all end; returns when they have, and nothing is left with them."""
        await self._supervising
        self._over = True
        await asyncio.gather(*self._taking_part)

    async def leave(self) -> None:
        """Let the consoles go."""
        await cancel(*self._watching)
        for result in await asyncio.gather(*self._watching, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        await asyncio.gather(*(console.close() for console in self.consoles))

    def back_s(self) -> list[float]:
        """Of each student that what broke cut off: for how long it was not served, at most."""
        longest = [max((end - began for began, end in self._cut_off(one)), default=0.0) for one in self.students]
        return sorted(seconds for seconds in longest if seconds)

    def silences(self) -> dict[str, float]:
        """For how many intervals each session's student may not have been heard of, at most."""
        return {one.session_id: one.silence for one in self.students}

    def _cut_off(self, student: Student) -> list[tuple[float, float]]:
        return [(began, end) for began, end in student.outages if end > self.struck]

    async def strike(self, work: Any) -> None:
        """Let `work` break something while all take part."""
        await asyncio.sleep(self.size.before_s)
        self.struck = self.struck or time.perf_counter()
        await work
        await asyncio.sleep(self.size.after_s)
