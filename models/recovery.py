"""After a start of the server, or the loss of a node: what a crash kept from the log is recorded, and what was under
way is carried on.

All of it may be done again after another crash in between: the log's guards make each entry once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from bson import ObjectId

from models.activity import Entry
from models.clock import MILLISECOND
from models.database import Database, Stored, find_by_ids, patience
from models.errors import Unavailable
from models.fields import now
from models.lifecycle import LIVE, is_over
from models.log import ActivityLog
from models.orders import Orders
from models.presence import absences
from models.session import node_of
from models.sessions import Sessions
from models.starting import started_entry


class Recovery:
    """Takes up what other processes left. Whoever they left it to may do it at the same time."""

    def __init__(
        self, database: Database, sessions: Sessions, log: ActivityLog, orders: Orders, serves: Callable[[Any], bool]
    ) -> None:
        """`serves`: whether a node, by its id, still sees to its own."""
        self._database = database
        self._sessions = sessions
        self._log = log
        self._orders = orders
        self._serves = serves

    async def recover(self, down: timedelta | None) -> list[Stored]:
        """Returns the sessions that are not over. One append an exam, whatever its size.

        `down`: for how long there was no server; None where there was none before, or where there is another one.
        """
        notes = [note async for note in self._database.starts.find({}) if not self._serves(note.get("node"))]
        started = await find_by_ids(self._database.sessions, [one for note in notes for one in note["sessions"]])
        entries: dict[ObjectId, list[Entry]] = {}
        for session in started.values():
            entries.setdefault(session["examId"], []).append(started_entry(session))
        left = [session for session in await self._left() if not self._serves(node_of(session))]
        if down is not None:
            for entry in _restarts([session for session in left if not is_over(session)], down):
                entries.setdefault(entry.exam_id, []).append(entry)
        for session in left:
            for entry in absences(session):
                if not await self._log.of(entry.exam_id).has(entry):
                    entries.setdefault(entry.exam_id, []).append(entry)
        for exam_id, of_exam in entries.items():
            for result in await self._log.of(exam_id).append(of_exam):
                if isinstance(result, Unavailable):  # another error: the exam was half deleted
                    raise result
        for session in left:
            await self._sessions.settle(session, told=True)
        await self._orders.recover(self._serves)
        for note in notes:
            await self._database.starts.delete_one({"_id": note["_id"]})
        return [session for session in await self._left() if not is_over(session)]

    async def _left(self) -> list[Stored]:
        with patience():
            query = {"$or": [{"status": {"$in": LIVE}}, {"unlogged.0": {"$exists": True}}]}
            found: list[Stored] = await self._database.sessions.find(query).to_list(None)
        return found


def _restarts(live: Iterable[Stored], down: timedelta) -> list[Entry]:
    """What the log of each exam with sessions says of the restart."""
    of_exam: dict[ObjectId, list[Stored]] = {}
    for session in live:
        of_exam.setdefault(session["examId"], []).append(session)
    return [
        Entry(
            exam_id=exam_id,
            organisation_id=sessions[0]["organisationId"],
            type="server_restarted",
            source="server",
            received_at=now(),
            data={"durationMs": down // MILLISECOND, "sessions": len(sessions)},
        )
        for exam_id, sessions in of_exam.items()
    ]
