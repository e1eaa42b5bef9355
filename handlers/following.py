"""How a node keeps up with what other nodes do: by their hints, and by looking where hints may be missing.

While hints come through, one look in half a minute shows whether they really do. While they do not, everything that
somebody here is concerned with is looked at every few seconds, and once more when they come again: so a node is late
then, and misses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from handlers.connections import Connection, Connections
from models.fields import now
from models.groups import Groups
from models.hints import Hints, ids_of
from models.periodic import Periodic
from models.store import Store

logger = logging.getLogger(__name__)

_TICK_S: Final = 1.0  # without hints, logs are looked at each time
_LOOK: Final = 5  # ticks, without hints, from one look at everything to the next
_CHECK: Final = 30  # ticks, with hints
_LATE_S: Final = 2.0
_SKEW: Final = timedelta(seconds=60)  # that clocks of nodes may differ


class Following:
    """Follows the hints of other nodes, on behalf of who is connected here."""

    def __init__(self, store: Store, connections: Connections, hints: Hints) -> None:
        self._store = store
        self._connections = connections
        self._hints = hints
        self._looking = Periodic(_TICK_S, self._tick, "looking what other nodes did")
        self._ticks = 0
        self._was_healthy = False
        self._looks: Groups[None, None] = Groups(self._look_at_all, most=1000, patience_s=None)
        self._looked_at = now()
        self._seen: dict[ObjectId, int] = {}  # sessions that were told while hints are missing, as of which `rev`
        hints.follow("logs", lambda ids: store.log.follow(ids_of(ids)))
        hints.follow("sessions", lambda ids: store.sessions.changes.follow(ids_of(ids)))
        hints.follow("commands", lambda ids: store.commands.follow(ids_of(ids)))
        hints.follow("exams", self._exams)
        hints.follow("users", self._users)
        hints.follow("tokens", self._tokens)
        hints.follow("heard", self._heard)

    def open(self) -> None:
        if self._hints.shared:
            self._looking.open()

    async def close(self) -> None:
        await self._looking.close()
        await self._looks.close()

    async def look(self) -> None:
        """See everything anew, as it is from now on, that somebody here is concerned with; one look at a time."""
        await self._looks(None)

    async def _look_at_all(self, askers: list[None]) -> list[None]:
        began, since = now(), self._looked_at - _SKEW
        exam_ids = self._concerned()
        await self._recheck(self._connections.all())
        await self._follow_exams(exam_ids)
        await self._store.log.follow(exam_ids)
        await self._store.commands.follow(exam_ids)
        for exam_id in exam_ids:
            recent = [one for one in await self._store.sessions.of_exam(exam_id) if one["updatedAt"] >= since]
            await self._store.sessions.changes.saw([one for one in recent if self._seen.get(one["_id"]) != one["rev"]])
            self._seen |= {one["_id"]: one["rev"] for one in recent}
        self._looked_at = began
        return askers

    def _concerned(self) -> set[ObjectId]:
        """The exams that somebody here is in, or watches; their logs are not forgotten."""
        exam_ids = {exam_id for connection in self._connections.all() for exam_id in connection.exams}
        for exam_id in exam_ids:
            self._store.log.of(exam_id)
        return exam_ids

    async def _tick(self) -> None:
        healthy, was_healthy, self._was_healthy = self._hints.healthy, self._was_healthy, self._hints.healthy
        self._ticks += 1
        if healthy and was_healthy:
            self._looked_at, self._seen = now(), {}
            if self._ticks % _CHECK == 0:
                await self._check()
        elif healthy or self._ticks % _LOOK == 0:
            await self.look()
        else:
            await self._store.log.follow(self._concerned())

    async def _check(self) -> None:
        """Whether the hints come: what is found here was there, and hinted at, a while before."""
        behind = await self._store.log.behind(self._concerned())
        await asyncio.sleep(_LATE_S)
        if any(self._store.log.of(exam_id).head == head for exam_id, head in behind.items()):
            logger.warning("hints of other nodes do not come: subscribing anew")
            self._hints.doubted = True

    async def _exams(self, ids: list[str]) -> None:
        await self._follow_exams(set(ids_of(ids)))

    async def _follow_exams(self, exam_ids: set[ObjectId]) -> None:
        """Let the connections of these exams know them as they are; who does not see one any more is closed."""
        wanted = [
            (exam_id, connection) for connection in self._connections.all() for exam_id in exam_ids & connection.exams
        ]
        seen = await self._store.exams.seen([(exam_id, connection.actor) for exam_id, connection in wanted])
        for (exam_id, connection), exam in zip(wanted, seen, strict=True):
            if exam is None:
                await self._connections.disconnect(connection)
            elif connection.exam is not None and connection.exam["_id"] == exam_id:
                connection.exam = exam

    async def _users(self, ids: list[str]) -> None:
        concerned = set(ids_of(ids))
        self._connections.shut_out(concerned)
        await self._recheck([one for one in self._connections.all() if one.actor.id in concerned])

    async def _tokens(self, ids: list[str]) -> None:
        concerned = set(ids)
        self._connections.shut_out(concerned)
        await self._recheck([one for one in self._connections.all() if one.actor.token_id in concerned])

    async def _recheck(self, connections: list[Connection]) -> None:
        """Close those whose token was revoked."""
        hold = await asyncio.gather(*(self._store.tokens.holds(one.actor) for one in connections))
        for connection, holds in zip(connections, hold, strict=True):
            if not holds:
                await self._connections.disconnect(connection)

    async def _heard(self, heard: list[str]) -> None:
        for one in heard:
            session, _, milliseconds = one.partition("@")
            if ObjectId.is_valid(session) and milliseconds.isdecimal():
                at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
                self._store.heartbeats.heard_elsewhere(ObjectId(session), at)
                self._store.watch.heard_elsewhere(ObjectId(session))
