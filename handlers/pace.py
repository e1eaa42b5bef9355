"""How fast clients may come, from how much there is to do: heartbeats farther apart, fewer new connections a second.

Two things tell that there is more to do than can be done: the event loop comes late to what it meant to do at a
moment, and heartbeats wait long for their commit. While either does, the pace slows down step by step; once both are
well below, it quickens again. Whoever is connected is served first: those who come are told when to come again.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from models.heartbeats import Heartbeats
from models.periodic import Periodic

logger = logging.getLogger(__name__)

_LOOK_S: Final = 0.5
_LATE_S: Final = 0.25  # of the loop: acks of everybody are late by as much
_SLOW_S: Final = 1.5  # of a heartbeat's commit
_SLOWER: Final = 1.5
_QUICKER: Final = 0.9
_MOST: Final = 4.0


class Pace:
    """`factor`: 1 where there is time, up to 4. `interval_ms`: between heartbeats where there is."""

    def __init__(self, heartbeats: Heartbeats, interval_ms: int, connects_a_second: float, burst: int) -> None:
        self._heartbeats = heartbeats
        self._interval_ms = interval_ms
        self._connects_a_second = connects_a_second
        self._burst = burst
        self._loop = asyncio.get_running_loop()
        self._tokens, self._counted = float(burst), self._loop.time()
        self._booked = 0.0
        self._looking = Periodic(_LOOK_S, self._look, "looking how much there is to do")
        self._due = 0.0
        self.factor = 1.0
        self.late_s = 0.0  # the loop, last time

    def open(self) -> None:
        self._due = self._loop.time()
        self._looking.open()

    async def close(self) -> None:
        await self._looking.close()

    @property
    def interval_ms(self) -> int:
        """What a client is told now: milliseconds to its next heartbeat."""
        return int(self._interval_ms * self.factor)

    def refuses_for(self) -> float | None:
        """Whether one more connection has to wait, and for how many seconds; None where it may come now."""
        time, rate = self._loop.time(), self._connects_a_second / self.factor
        self._tokens = min(self._burst / self.factor, self._tokens + (time - self._counted) * rate)
        self._counted = time
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        self._booked = max(self._booked, time) + 1 / rate  # each is told another moment
        return self._booked - time

    async def _look(self) -> None:
        time = self._loop.time()
        self.late_s, self._due = max(0.0, time - self._due), time + _LOOK_S
        self.adapt(self.late_s, self._heartbeats.waits_s)

    def adapt(self, late_s: float, waits_s: float) -> None:
        """Take into account how late the loop is, and how long heartbeats wait."""
        before = self.factor
        if late_s > _LATE_S or waits_s > _SLOW_S:
            self.factor = min(_MOST, self.factor * _SLOWER)
        elif late_s < _LATE_S / 2 and waits_s < _SLOW_S / 2:
            self.factor = max(1.0, self.factor * _QUICKER)
        if before == 1.0 < self.factor:
            logger.warning("there is more to do than can be done: clients are slowed down")
        elif self.factor == 1.0 < before:
            logger.info("clients are no longer slowed down")
