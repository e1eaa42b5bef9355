"""Which nodes serve one database: each notes once a second that it is alive, and looks who else does.

A node is lost when its note stays as it was for some seconds of the looking node's own clock, which then takes over
what that node looked after. Clocks are not compared, so they may differ; and what the looking node itself, or the
database, slept through does not count.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pymongo.errors import PyMongoError

from models.database import IDS_A_QUERY, Database, Stored
from models.fields import now
from models.hints import Hints
from models.periodic import Periodic, cancel

logger = logging.getLogger(__name__)

_EVERY_S: Final = 1.0
_LOST_S: Final = 8.0  # longer than a note may wait for a database that has much to do
_SLEPT_S: Final = 3.0  # since the last look: nobody can be blamed for it
_KEPT: Final = timedelta(days=1)
_DOWN: Final = timedelta(seconds=10)  # a note that is newer: of a server that serves

Lost = Callable[[frozenset[str]], Awaitable[None]]
Work = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _Seen:
    at: datetime
    when: float  # of the loop's clock
    lost: bool = False


class Nodes:
    """The notes. `node_id`: of this one."""

    def __init__(self, database: Database, hints: Hints) -> None:
        self._servers = database.servers
        self._hints = hints
        self.node_id = hints.node_id
        self._loop = asyncio.get_running_loop()
        self._alive = False
        self._seen: dict[str, _Seen] = {}
        self._looked = 0.0
        self._noted = 0.0
        self._on_lost: list[Lost] = []
        self._on_back: list[Work] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._periodic = Periodic(_EVERY_S, self._look, "noting that the server is alive")

    @property
    def shared(self) -> bool:
        """Whether there may be others, so that it looks for them."""
        return self._hints.shared

    @property
    def unnoted_s(self) -> float:
        """For how long this node could not note that it is alive; 0 before it serves."""
        return self._loop.time() - self._noted - _EVERY_S if self._alive else 0.0

    def on_lost(self, follower: Lost) -> None:
        """`follower` is told of nodes that were lost, once it is noticed, and again until it succeeds."""
        self._on_lost.append(follower)

    def on_back(self, follower: Work) -> None:
        """`follower` is called when others may have taken this node for lost."""
        self._on_back.append(follower)

    def serves(self, node_id: str | None) -> bool:
        """Whether this is another node that is alive, as far as can be told."""
        if not self.shared or node_id is None or node_id == self.node_id:
            return False
        seen = self._seen.get(node_id)
        return seen is not None and not seen.lost

    async def begin(self) -> timedelta | None:
        """Before this node serves: for how long none has; None where one does, or there was none before."""
        notes: list[Stored] = await self._servers.find({}).to_list(None)
        self._see(notes, {})
        if not notes:
            return None
        down = now() - max(note["at"] for note in notes)
        serving = self.shared and any(not note.get("closed") and now() - note["at"] < _DOWN for note in notes)
        return None if serving else max(timedelta(), down)

    def open(self) -> None:
        self._alive = True
        self._noted = self._loop.time()
        self._periodic.open()

    async def close(self) -> None:
        """Say that this node ends, so that others take over at once."""
        await self._periodic.close()
        await cancel(*self._tasks)
        if self._alive:
            with suppress(PyMongoError):
                await self._note(closed=True)

    async def _look(self) -> None:
        time = self._loop.time()
        await self._note()
        late, self._noted = time - self._noted > _LOST_S, self._loop.time()
        before = {node_id for node_id, seen in self._seen.items() if not seen.lost}
        if self.shared:
            notes: list[Stored] = await self._servers.find({}).to_list(None)
            self._see(notes, self._seen)
        lost = frozenset(one for one in before if one not in self._seen or self._seen[one].lost)
        if lost and self.shared:
            logger.warning("lost: the nodes %s", ", ".join(sorted(lost)))
            self._begin(*(functools.partial(follower, lost) for follower in self._on_lost))
        if late and self.shared:
            self._begin(*self._on_back)
        await self._tidy()

    def _begin(self, *work: Work) -> None:
        """Do it beside the notes, which must not wait."""
        for one in work:
            task = asyncio.create_task(self._until_done(one))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _until_done(self, work: Work) -> None:
        while True:
            try:
                return await work()
            except Exception as error:  # noqa: BLE001 whatever it is, somebody has to see to it
                logger.warning("what another node left is taken up later: %r", error)
                await asyncio.sleep(_EVERY_S)

    def _see(self, notes: list[Stored], before: dict[str, _Seen]) -> None:
        time = self._loop.time()
        slept = time - self._looked - _EVERY_S if self._looked and time - self._looked > _SLEPT_S else 0.0
        self._looked = time
        self._seen = {}
        for note in notes:
            node_id, at = note["_id"], note["at"]
            if node_id == self.node_id:
                continue
            seen = before.get(node_id)
            if seen is None:
                seen = _Seen(at, time)
            elif seen.at != at:
                seen.at, seen.when, seen.lost = at, time, False
            else:
                seen.when += slept
            seen.lost = seen.lost or bool(note.get("closed")) or time - seen.when > _LOST_S
            self._seen[node_id] = seen

    async def _note(self, *, closed: bool = False) -> None:
        note = {"$set": {"at": now(), "closed": closed}}
        await self._servers.update_one({"_id": self.node_id}, note, upsert=True)

    async def _tidy(self) -> None:
        """Nobody asks for the notes of nodes that ended a day ago, nor, where this one is alone, of any."""
        old = [one for one, seen in self._seen.items() if not self.shared or (seen.lost and now() - seen.at > _KEPT)]
        if old:
            await self._servers.delete_many({"_id": {"$in": old[:IDS_A_QUERY]}})
            for node_id in old[:IDS_A_QUERY]:
                del self._seen[node_id]
