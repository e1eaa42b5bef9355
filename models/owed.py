"""What a session owes the log: stored with the change that it tells of, taken off once it is recorded.

After a crash in between, `recover`, or the next request for that session, records it. The log's guard makes that happen
once.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.activity import Entry, Source
from models.changes import Changes
from models.database import IDS_A_QUERY, Collection, Stored
from models.errors import ProctoringError
from models.groups import Groups
from models.log import ActivityLog
from models.periodic import cancel
from models.session import entry_of

logger = logging.getLogger(__name__)

_MOST: Final = 200
_CLEAN_S: Final = 5.0
_PATIENCE_S: Final = 8.0  # the log's own is shorter


def owing(
    session: Stored,
    type_: str,
    source: Source,
    at: datetime,
    data: dict[str, Any],
    actor_id: ObjectId | None,
) -> dict[str, Any]:
    """The change that makes `session` owe the log one more entry. Alike for all of a group: a student is its own
    actor.
    """
    actor_id = None if source == "client" else actor_id
    owed = {"type": type_, "source": source, "actorId": actor_id, "at": at, "data": data}
    return {"unlogged": [*session.get("unlogged", ()), owed]}


class Owed:
    """Records what sessions owe, by groups."""

    def __init__(self, sessions: Collection, log: ActivityLog, changes: Changes) -> None:
        self._sessions = sessions
        self._log = log
        self._changes = changes
        self._groups: Groups[tuple[Stored, bool], None] = Groups(self._record, _MOST, patience_s=_PATIENCE_S)
        self._recorded: list[Stored] = []
        self._cleaning: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Take off what is recorded."""
        if self._cleaning:
            await cancel(self._cleaning)
        await self._take_off()

    async def settle(self, session: Stored, *, told: bool = False) -> None:
        """Record, once, what the session owes; `told`: the subscribers of its changes know of it."""
        if session.get("unlogged"):
            await self._groups((session, told))

    async def _record(self, group: list[tuple[Stored, bool]]) -> list[Exception | None]:
        failed: dict[int, Exception] = {}
        new: set[int] = set()  # whose entries were not there yet
        entries: dict[ObjectId, list[tuple[int, Entry]]] = {}
        for number, (session, _) in enumerate(group):
            entries.setdefault(session["examId"], []).extend((number, one) for one in entries_owed(session))
        for exam_id, of_exam in entries.items():
            results = await self._log.of(exam_id).append([entry for _, entry in of_exam])
            for (number, _), result in zip(of_exam, results, strict=True):
                if isinstance(result, ProctoringError):
                    failed[number] = result
                elif not result.duplicate:
                    new.add(number)
        self._recorded += [session for n, (session, _) in enumerate(group) if n not in failed]
        if self._cleaning is None or self._cleaning.done():
            self._cleaning = asyncio.create_task(self._clean())
        # What an earlier process changed, nobody has been told of.
        untold = [session for n, (session, told) in enumerate(group) if n in new - failed.keys() and not told]
        if untold:
            await self._changes.tell(untold)
        return [failed.get(number) for number in range(len(group))]

    async def _clean(self) -> None:
        """Later: where a whole exam ends at once, the others' ends come first."""
        while self._recorded:
            await asyncio.sleep(_CLEAN_S)
            await self._take_off()

    async def _take_off(self) -> None:
        sessions, self._recorded = self._recorded, []
        alike: dict[tuple[datetime, ...], list[ObjectId]] = {}
        for session in sessions:
            if times := tuple(one["at"] for one in session.pop("unlogged", ())):
                alike.setdefault(times, []).append(session["_id"])
        try:
            for times, ids in alike.items():
                for first in range(0, len(ids), IDS_A_QUERY):
                    await self._sessions.update_many(
                        {"_id": {"$in": ids[first : first + IDS_A_QUERY]}},
                        {"$pull": {"unlogged": {"at": {"$in": list(times)}}}},
                    )
        except PyMongoError as error:  # `recover` finds it recorded
            logger.warning("%d sessions keep their notes for the log: %s", len(sessions), error)


def entries_owed(session: Stored) -> list[Entry]:
    """The log's entries for what a session owes."""
    return [
        entry_of(
            session,
            owed["type"],
            owed["source"],
            owed["data"],
            actor_id=session["userId"] if owed["source"] == "client" else owed["actorId"],
            received_at=owed["at"],
            once=f"{owed['type']}:{owed['at'].isoformat()}",
        )
        for owed in session.get("unlogged", ())
    ]
