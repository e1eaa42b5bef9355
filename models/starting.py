"""How sessions come to be: by groups, as a thousand students start within two seconds.

A group of new sessions is one insert, and what the log says of them one append. Before the insert the group leaves a
note of its ids, which goes when the log has its entries: so after a crash at any moment `recover` finds what was
inserted and not recorded. A start is never given up half-way: while the database does not answer, it is tried again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from models.activity import Entry
from models.actors import Actor
from models.clock import terms_of
from models.database import Database, Stored, is_unavailable
from models.errors import Conflict, NotFound, Unavailable
from models.exams import Exams
from models.fields import now
from models.groups import Groups
from models.hints import Hints
from models.log import ActivityLog
from models.session import Holder, entry_of
from models.sessions import Sessions

logger = logging.getLogger(__name__)

_MOST: Final = 50  # longer lists cost the embedded database more for each session
_RETRY_S: Final = 0.2

_Key: TypeAlias = tuple[ObjectId, ObjectId]  # an exam and a user


@dataclass(frozen=True, slots=True, eq=False)
class _Start:
    actor: Actor
    exam: Stored
    session_id: ObjectId
    sid: str | None
    holder: Holder | None

    @property
    def key(self) -> _Key:
        return self.exam["_id"], self.actor.id


@dataclass(slots=True)
class _Group:
    """`notes`: the ids of what was noted for `recover`, one a try."""

    starts: list[_Start]
    notes: list[ObjectId] = field(default_factory=list)


class Starting:
    """Makes sessions, one a student and exam."""

    def __init__(
        self, database: Database, exams: Exams, log: ActivityLog, sessions: Sessions, hints: Hints | None = None
    ) -> None:
        self._hints = hints or Hints()
        self._collection = database.sessions
        self._notes = database.starts
        self._exams = exams
        self._log = log
        self._sessions = sessions
        self._groups = Groups(self._start, _MOST, patience_s=None)

    async def start(
        self,
        actor: Actor,
        exam: Stored,
        new_id: ObjectId | None = None,
        sid: str | None = None,
        client_id: str | None = None,
    ) -> tuple[Stored, bool]:
        """The actor's session in `exam`, and whether it is new: then its id is `new_id`, and with `sid` that
        connection, of this client, is recorded as `connected`. Conflict outside the exam's window.
        """
        new_id = new_id or ObjectId()
        holder = Holder(node=self._hints.node_id, clientId=client_id) if self._hints.shared else None
        session = await self._groups(_Start(actor, exam, new_id, sid, holder))
        await self._sessions.settle(session)
        return session, session["_id"] == new_id

    async def _start(self, starts: list[_Start]) -> list[Stored | Exception]:
        group = _Group(starts)
        while True:
            try:
                return await self._try(group)
            except (PyMongoError, Unavailable) as error:
                if not is_unavailable(error):
                    raise
                logger.warning("%d starts wait for the database: %s", len(starts), error)
                await asyncio.sleep(_RETRY_S)

    async def _try(self, group: _Group) -> list[Stored | Exception]:
        """Each start's session, or why there is none. What an earlier try did is found done."""
        refused: dict[_Start, Exception] = {}
        sessions = await self._find({one.key for one in group.starts})
        new: dict[_Key, Stored] = {}
        for one in group.starts:
            if one.key not in sessions and one.key not in new:
                try:
                    new[one.key] = _new_session(one)
                except Conflict as error:
                    refused[one] = error
        if new:
            sessions |= await self._insert(group, new)
        own = [one for one in group.starts if one.key in sessions and sessions[one.key]["_id"] == one.session_id]
        # Whose exam, or assignment, went while they were starting, has no session; who got more time, has it.
        exams = await self._exams.seen([(one.exam["_id"], one.actor) for one in own])
        gone = {one for one, exam in zip(own, exams, strict=True) if exam is None}
        if gone:
            await self._collection.delete_many({"_id": {"$in": [one.session_id for one in gone]}})
            refused |= dict.fromkeys(gone, NotFound("No such exam."))
        for one, exam in zip(own, exams, strict=True):
            session = sessions[one.key]
            if exam is not None and terms_of(exam, one.actor.id) != session["terms"]:
                sessions[one.key] = await self._sessions.renew_terms_of(session, exam)
        started = [(one, sessions[one.key]) for one in own if one not in refused]
        if started:
            await self._record(started)
        if group.notes:
            await self._notes.delete_many({"_id": {"$in": group.notes}})
        missing = NotFound("No such exam.")
        return [refused.get(one) or sessions.get(one.key) or missing for one in group.starts]

    async def _find(self, keys: set[_Key]) -> dict[_Key, Stored]:
        by_exam: dict[ObjectId, list[ObjectId]] = {}
        for exam_id, user_id in keys:
            by_exam.setdefault(exam_id, []).append(user_id)
        found: dict[_Key, Stored] = {}
        for exam_id, user_ids in by_exam.items():
            query = {"examId": exam_id, "userId": {"$in": user_ids}}
            found |= {(exam_id, one["userId"]): one for one in await self._collection.find(query).to_list(None)}
        return found

    async def _insert(self, group: _Group, new: dict[_Key, Stored]) -> dict[_Key, Stored]:
        """What is stored then: the new sessions, and those that others stored meanwhile."""
        group.notes.append(ObjectId())
        await self._notes.insert_one(
            {
                "_id": group.notes[-1],
                "node": self._hints.node_id,
                "sessions": [one["_id"] for one in new.values()],
            }
        )
        try:
            await self._collection.insert_many(new.values(), ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if is_unavailable(error) or any(one["code"] != 11000 for one in failed):
                raise
            taken = {(one["op"]["examId"], one["op"]["userId"]) for one in failed}
            inserted = {key: one for key, one in new.items() if key not in taken}
            return inserted | await self._find(taken)
        return new

    async def _record(self, started: list[tuple[_Start, Stored]]) -> None:
        await self._sessions.changes.tell([session for _, session in started])
        entries: dict[ObjectId, list[Entry]] = {}
        for one, session in started:
            of_exam = entries.setdefault(session["examId"], [])
            of_exam.append(started_entry(session))
            if one.sid is not None:
                once = f"connected:{one.sid}"
                of_exam.append(entry_of(session, "connected", "server", {}, actor_id=None, once=once))
        for exam_id, of_exam in entries.items():
            for result in await self._log.of(exam_id).append(of_exam):
                if isinstance(result, Unavailable):  # another error: the exam was deleted meanwhile
                    raise result


def started_entry(session: Stored) -> Entry:
    """What the log says of a new session, once."""
    at, student, once = session["startTime"], session["userId"], "session_started"
    data = {"status": "ACTIVE" if session["activatedAt"] == at else "WAITING"}
    return entry_of(session, once, "client", data, actor_id=student, received_at=at, once=once)


def _new_session(start: _Start) -> Stored:
    """Conflict outside the exam's window."""
    exam, actor, time = start.exam, start.actor, now()
    if exam["startsAt"] and time < exam["startsAt"]:
        raise Conflict("The exam has not opened yet.")
    if exam["endsAt"] and time >= exam["endsAt"]:
        raise Conflict("The exam is over.")
    admitted = exam["policy"]["admission"] == "open"
    return {
        "_id": start.session_id,
        "rev": 1,
        "status": "ACTIVE" if admitted else "WAITING",
        "connectivity": "ONLINE",
        "startTime": time,
        "endTime": None,
        "activatedAt": time if admitted else None,
        "runningSince": time if admitted else None,
        "pausedAt": None,
        "missingSince": None,
        "backAt": None,
        "terms": terms_of(exam, actor.id),
        "timeLedger": [],
        "orders": [],
        "examId": exam["_id"],
        "userId": actor.id,
        "organisationId": exam["organisationId"],
        "lastHeartbeatAt": None,
        "holder": start.holder,
        "user": {"_id": actor.id, "name": actor.name},
        "createdAt": time,
        "updatedAt": time,
    }
