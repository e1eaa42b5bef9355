"""Proctoring sessions: one a student and exam.

A change is one conditional update on `rev`. What is to be recorded of it in the log is stored with it (`unlogged`)
and taken off once it is recorded; after a crash in between, `recover` records it. The log's guard makes that happen
once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.actors import Actor, Role
from models.database import Database, Stored, find_page, patience
from models.errors import NotFound
from models.exams import Exams
from models.fields import now, shape
from models.groups import Lookup
from models.heartbeats import Heartbeats
from models.log import ActivityLog
from models.organisations import OrganisationName
from models.presence import Presence
from models.session import Connectivity, entry_of, view
from models.users import ExamTitle

logger = logging.getLogger(__name__)

Subscriber = Callable[[list[Stored]], Awaitable[None]]

_ALL_S: Final = 8.0  # for reading all sessions of an exam, under load


class Sessions:
    """Named queries and the transitions. Every query that takes an actor sees only what that actor may see."""

    def __init__(self, database: Database, exams: Exams, log: ActivityLog, heartbeats: Heartbeats) -> None:
        self._database = database
        self._sessions = database.sessions
        self._exams = exams
        self._log = log
        self._heartbeats = heartbeats
        self._by_id: Lookup[ObjectId] = Lookup(database.sessions)
        self._presence = Presence(database.sessions, self.tell)
        self._subscribers: list[Subscriber] = []
        self._cleaning: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Wait for what is being cleaned up."""
        await asyncio.gather(*self._cleaning, return_exceptions=True)

    def subscribe(self, subscriber: Subscriber) -> None:
        """`subscriber` hears of all sessions that changed, some at once, after the change is stored."""
        self._subscribers.append(subscriber)

    async def end(self, session: Stored, actor: Actor, reason: str | None = None) -> Stored:
        """End it: SUBMITTED by its student, else TERMINATED. One that is over is answered as it is."""
        student = actor.role is Role.STUDENT
        status = "SUBMITTED" if student else "TERMINATED"
        data = {"status": status} | ({"reason": reason} if reason else {})
        while session["status"] == "ACTIVE":
            await self.settle(session)
            time = now()
            changes = {
                "status": status,
                "connectivity": "CLOSED",
                "endTime": time,
                "unlogged": {
                    "type": "session_ended",
                    "source": "client" if student else "proctor",
                    "actorId": actor.id,
                    "at": time,
                    "data": data,
                },
            }
            changed = await self._change(session, changes)
            if changed:
                await self.tell([changed])
                await self.settle(changed, told=True)
                return changed
            session = await self.by_id(session["_id"])
        await self.settle(session)
        return session

    async def set_connectivity(self, session: Stored, connectivity: Connectivity) -> Stored:
        """The session with this connectivity; one that is over stays CLOSED. `session` may be out of date."""
        return await self._presence.set(session, connectivity)

    async def get(self, actor: Actor, session_id: ObjectId) -> Stored:
        found = await self._by_id(session_id)
        if found is None or (actor.role is Role.STUDENT and found["userId"] != actor.id):
            raise NotFound("No such session.")
        try:
            await self._exams.check(actor, found["examId"])
        except NotFound as error:
            raise NotFound("No such session.") from error
        return found

    async def by_id(self, session_id: ObjectId) -> Stored:
        found = await self._by_id(session_id)
        if found is None:
            raise NotFound("No such session.")
        return found

    async def page(
        self, actor: Actor, exam_id: ObjectId | None, status: str | None, after: ObjectId | None, limit: int
    ) -> list[Stored]:
        """The sessions that `actor` may see, in id order. NotFound for an exam that it may not see."""
        query: dict[str, Any] = {}
        if exam_id:
            await self._exams.check(actor, exam_id)
            query["examId"] = exam_id
        else:
            query["examId"] = {"$in": await self._exams.visible_ids(actor)}
        if status:
            query["status"] = status
        return await find_page(self._sessions, query, after, limit)

    async def of_exam(self, exam_id: ObjectId) -> list[Stored]:
        """All of an exam's sessions, in id order."""
        with patience(_ALL_S):
            found: list[Stored] = await self._sessions.find({"examId": exam_id}).sort("_id", 1).to_list(None)
        return found

    def view(self, session: Stored) -> dict[str, Any]:
        """A ProctoringSession."""
        return view(session, self._heartbeats.last.get(session["_id"]))

    async def view_record(self, session: Stored) -> dict[str, Any]:
        """A ProctoringSessionRecord."""
        exam = await self._database.exams.find_one({"_id": session["examId"]})
        organisation = await self._database.organisations.find_one({"_id": session["organisationId"]})
        return self.view(session) | {
            "exam": exam and shape(ExamTitle, exam),
            "organisation": organisation and shape(OrganisationName, organisation),
        }

    async def rename_user(self, user_id: ObjectId, name: str) -> None:
        """Show a user's new name in its sessions."""
        for session in await self._sessions.find({"userId": user_id}).to_list(None):
            while session["user"]["name"] != name:
                changed = await self._change(session, {"user": {"_id": user_id, "name": name}})
                if changed:
                    await self.tell([changed])
                session = changed or await self.by_id(session["_id"])

    async def forget_exam(self, exam_id: ObjectId) -> None:
        """Drop what is remembered of a rehearsal that is about to be deleted."""
        self._heartbeats.forget({session["_id"] for session in await self.of_exam(exam_id)})
        self._log.forget(exam_id)

    async def _change(self, session: Stored, changes: dict[str, Any]) -> Stored | None:
        """`session` with `changes`, or None where it had changed meanwhile."""
        changes = changes | {"rev": session["rev"] + 1, "updatedAt": now()}
        result = await self._sessions.update_one({"_id": session["_id"], "rev": session["rev"]}, {"$set": changes})
        return session | changes if result.matched_count else None

    async def settle(self, session: Stored, *, told: bool = False) -> None:
        """Record in the log, once, what is stored with the session as `unlogged`; `told`: its subscribers know it."""
        change = session.get("unlogged")
        if change is None:
            return
        entry = entry_of(
            session,
            change["type"],
            change["source"],
            change["data"],
            actor_id=change["actorId"],
            received_at=change["at"],
            once=f"{change['type']}:{change['at'].isoformat()}",
        )
        recorded = await self._log.append(entry)
        session.pop("unlogged", None)
        if not (told or recorded.duplicate):
            await self.tell([session])
        task = asyncio.create_task(self._take_off(session["_id"], change["at"]))
        self._cleaning.add(task)
        task.add_done_callback(self._cleaning.discard)

    async def _take_off(self, session_id: ObjectId, at: datetime) -> None:
        try:
            await self._sessions.update_one({"_id": session_id, "unlogged.at": at}, {"$unset": {"unlogged": ""}})
        except PyMongoError as error:  # `recover` finds it recorded
            logger.warning("session %s keeps its note for the log: %s", session_id, error)

    async def tell(self, sessions: list[Stored]) -> None:
        """Let the subscribers know of sessions that changed."""
        for subscriber in self._subscribers:
            await subscriber(sessions)
