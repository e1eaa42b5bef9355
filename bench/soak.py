"""A long exam: does memory stay flat, and does every ack come?"""

from __future__ import annotations

import asyncio
import heapq
import random
from typing import Final

from rich.console import Console as Screen

from bench import pace
from bench.books import median
from bench.client import clock
from bench.hall import Hall, hall_of
from bench.people import Console, Student
from bench.processes import PEERS, database_process
from bench.results import Measured, Run, measured
from bench.scenarios import Size

_BEAT_S: Final = 5.0
_CHANGES_A_SECOND: Final = 50.0
_RETURNS_A_SECOND: Final = 1.0
_CONSOLE_RETURNS_A_SECOND: Final = 0.05
_SAMPLE_S: Final = 10.0
_MB: Final = 1e6


class Exam:
    """Students who beat, change tabs, and now and then lose their connection; consoles that do too."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._away: set[Student | Console] = set()
        self._returning: set[asyncio.Task[None]] = set()

    async def go_on(self) -> None:
        """Until cancelled."""
        students, consoles, begin = self._hall.students, self._hall.consoles, clock()
        beats = [self.if_here(student, student.beat) for student in students]
        changes = [self.if_here(student, student.change_tab) for student in students]
        await pace.at_moments(
            heapq.merge(
                pace.in_turn(_BEAT_S, beats, begin),
                pace.at_random(_CHANGES_A_SECOND, changes, begin),
                pace.at_random(_RETURNS_A_SECOND, [self.returns(one) for one in students], begin),
                pace.at_random(_CONSOLE_RETURNS_A_SECOND, [self.returns(one) for one in consoles], begin),
                key=lambda upcoming: upcoming[0],
            )
        )

    async def everybody_is_back(self) -> None:
        await asyncio.gather(*self._returning)

    def if_here(self, student: Student, action: pace.Action) -> pace.Action:
        def act(due: float) -> None:
            if student not in self._away:
                action(due)

        return act

    def returns(self, client: Student | Console) -> pace.Action:
        def act(due: float) -> None:
            # One that waits for an ack stays: whether its event was stored could not be told.
            if client not in self._away and not client.waiting:
                self._away.add(client)
                task = asyncio.create_task(self._come_back(client))
                self._returning.add(task)
                task.add_done_callback(self._returning.discard)

        return act

    async def _come_back(self, client: Student | Console) -> None:
        client.leave()
        await asyncio.sleep(random.uniform(0.1, 2.0))
        if await self._hall.let_in(client):
            self._away.discard(client)


async def soak(size: Size, screen: Screen) -> Measured:
    """The samples are seconds since the begin and the server's memory in MB."""
    samples: list[tuple[float, float]] = []
    async with database_process() as database, hall_of(PEERS["ours"], database, size.students, size.consoles) as hall:
        await hall.enter(hall.students)
        await hall.enter(hall.consoles)
        exam = Exam(hall)
        sampling = asyncio.create_task(_sample(hall, samples, screen))
        figures = await hall.measure(size.seconds, exam.go_on(), finish=exam.everybody_is_back)
        sampling.cancel()
        run = Run("ours", size, figures | memory_figures(samples), dict(hall.books.errors))
    return measured([run], samples)


async def _sample(hall: Hall, samples: list[tuple[float, float]], screen: Screen) -> None:
    begin, told, acks = clock(), 0, hall.books.acks
    while True:
        samples.append((round(clock() - begin, 1), round(hall.server.rss() / _MB, 2)))
        longest = max((acks.done[place] - acks.due[place] for place in range(told, len(acks.done))), default=0.0)
        told = len(acks.done)
        memory = f"{samples[-1][0]:7.0f} s  {samples[-1][1]:6.1f} MB"
        screen.print(
            f"{memory}  longest ack {longest * 1000:6.0f} ms  errors {hall.books.errors.total()}", highlight=False
        )
        await asyncio.sleep(_SAMPLE_S)


def memory_figures(samples: list[tuple[float, float]]) -> dict[str, float]:
    """The trend in MB an hour over the second half, and by what part its end is above its begin.

    The first half is left out: what is kept of each student and each minute has to fill first.
    """
    second = samples[len(samples) // 2 :]
    if len(second) < 4:
        return {}
    middle_at = sum(at for at, _ in second) / len(second)
    middle = sum(value for _, value in second) / len(second)
    slope = sum((at - middle_at) * (value - middle) for at, value in second)
    slope /= sum((at - middle_at) ** 2 for at, _ in second)
    quarter = len(second) // 2
    begin, end = median(value for _, value in second[:quarter]), median(value for _, value in second[-quarter:])
    return {"memoryMb": end, "memoryMbAnHour": slope * 3600, "memoryGrowth": end / begin - 1}
