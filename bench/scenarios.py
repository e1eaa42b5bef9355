"""What is measured of every server: each scenario is one run of one of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bench import pace
from bench.books import Figures, quantile
from bench.client import clock
from bench.hall import Hall
from bench.http import post
from bench.people import Student
from bench.world import PASSWORD

_FIRST: Final = 50  # connected before memory is read, so that what is loaded once is not counted
_SETTLE_S: Final = 3.0
_BEAT_S: Final = 5.0
_OFTEN_S: Final = 2.0
_FANOUT_RATE: Final = 200.0
_INSIDE: Final = 200  # who are in before the others arrive
_RUSH_BEAT_S: Final = 1.0
_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Size:
    students: int
    consoles: int = 0
    seconds: float = 8.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """`run` returns the figures of one run in a hall that nobody has entered yet."""

    title: str
    run: Callable[[Hall, Size], Awaitable[Figures]]
    sizes: tuple[Size, ...]
    peers: tuple[str, ...]
    rounds: int = 3


async def heartbeat(hall: Hall, size: Size) -> Figures:
    """Each student beats as soon as its last heartbeat is acked."""
    await hall.enter(hall.students)
    for student in hall.students:
        student.loop(student.beat)
    return await hall.measure(size.seconds)


async def fanout_closed(hall: Hall, size: Size) -> Figures:
    """Each student changes tabs as soon as its last change is acked; consoles watch."""
    await hall.enter(hall.students)
    await hall.enter(hall.consoles)
    for student in hall.students:
        student.loop(student.change_tab)
    return await hall.measure(size.seconds)


async def fanout(hall: Hall, size: Size) -> Figures:
    """Tab changes at a fixed rate, whatever the server does; consoles watch."""
    await hall.enter(hall.students)
    await hall.enter(hall.consoles)
    actions = [student.change_tab for student in hall.students]
    return await hall.measure(size.seconds, pace.at_moments(pace.at_random(_FANOUT_RATE, actions, clock())))


async def idle(hall: Hall, size: Size, interval: float = _BEAT_S) -> Figures:
    """An exam as it mostly is: every student beats every five seconds."""
    first = hall.students[:_FIRST]
    await hall.enter(first)
    await asyncio.sleep(_SETTLE_S)
    before = hall.server.rss()
    await hall.enter(hall.students[_FIRST:])
    await asyncio.sleep(_SETTLE_S)
    memory = (hall.server.rss() - before) / max(1, len(hall.students) - len(first))
    actions = [student.beat for student in hall.students]
    figures = await hall.measure(size.seconds, pace.at_moments(pace.in_turn(interval, actions, clock())))
    return figures | {"bytesAConnection": memory}


async def herd(hall: Hall, size: Size) -> Figures:
    """All connect and start at once."""
    begin = clock()
    took: list[float] = []

    async def one(student: Student) -> None:
        if await hall.let_in(student):
            took.append(clock() - begin)

    await asyncio.gather(*(one(student) for student in hall.students))
    took.sort()
    if not took:
        return {}
    return {
        "rate": len(took) / took[-1],
        "ackP50Ms": quantile(took, 0.5) * 1000,
        "ackP99Ms": quantile(took, 0.99) * 1000,
        "ackMaxMs": took[-1] * 1000,
    }


async def rush(hall: Hall, arrive: Callable[[Student, str], Awaitable[None]]) -> Figures:
    """The first students beat every second; all others arrive within two seconds. The beats that were due while they
    did, until the last was served.
    """
    inside, outside = hall.students[:_INSIDE], list(zip(hall.students, hall.world.emails, strict=True))[_INSIDE:]
    await hall.enter(inside)
    beats = pace.at_moments(pace.in_turn(_RUSH_BEAT_S, [student.beat for student in inside], clock()))
    beating = asyncio.create_task(beats)
    await asyncio.sleep(_SETTLE_S)
    dice = random.Random(len(outside))

    async def one(student: Student, email: str) -> None:
        await asyncio.sleep(dice.uniform(0, _WITHIN_S))
        await arrive(student, email)

    begin = clock()
    await asyncio.gather(*(one(*person) for person in outside))
    end = clock()
    beating.cancel()
    await asyncio.wait([beating])
    await hall.drain()
    return hall.books.figures(begin, end, by_due=True)


async def arrivals(hall: Hall, size: Size) -> Figures:
    """Heartbeats while a thousand others connect and start."""

    async def arrive(student: Student, _: str) -> None:
        await hall.let_in(student)

    return await rush(hall, arrive)


async def sign_ins(hall: Hall, size: Size) -> Figures:
    """Heartbeats while two thousand others sign in."""

    async def arrive(_: Student, email: str) -> None:
        status = await post(hall.server, "/routes/auth/login", {"email": email, "password": PASSWORD})
        if status not in (200, 503):  # done, or told to come again
            hall.books.errors[f"a sign-in was answered {status}"] += 1

    return await rush(hall, arrive)


async def idle_often(hall: Hall, size: Size) -> Figures:
    """Every student beats every two seconds."""
    return await idle(hall, size, interval=_OFTEN_S)


SCENARIOS: Final = {
    "heartbeat": Scenario(
        "Heartbeats, closed loop", heartbeat, (Size(500),), ("ours", "node", "plain", "node-bare", "echo")
    ),
    "fanout-closed": Scenario(
        "Tab changes, closed loop", fanout_closed, (Size(200, 5),), ("ours", "node", "plain", "node-bare")
    ),
    "fanout": Scenario("Tab changes, 200 a second", fanout, (Size(200, 5),), ("ours", "node", "plain")),
    "idle": Scenario("A heartbeat every 5 s", idle, (Size(2000, seconds=10.0),), ("ours", "node")),
    "herd": Scenario("Connecting and starting at once", herd, (Size(1000),), ("ours", "node")),
    "arrivals": Scenario("Heartbeats while 1,000 connect and start", arrivals, (Size(1200),), ("ours",)),
    "sign-ins": Scenario("Heartbeats while 2,000 sign in", sign_ins, (Size(2200),), ("ours",)),
    "growth-students": Scenario(
        "A heartbeat every 2 s",
        idle_often,
        tuple(Size(students, seconds=10.0) for students in (250, 500, 1000, 2000, 4000)),
        ("ours",),
        rounds=1,
    ),
    "growth-consoles": Scenario(
        "Tab changes, 200 a second",
        fanout,
        tuple(Size(200, consoles) for consoles in (1, 2, 5, 10, 20, 50)),
        ("ours",),
        rounds=1,
    ),
}
