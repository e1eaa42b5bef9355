"""Proctoring sessions: one a student and exam."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import PyMongoError

from models.activity import Source
from models.actors import Actor, Role
from models.changes import Changes, Decide, Subscriber
from models.clock import terms_of, times_out_at
from models.database import Database, Stored, find_by_ids, find_page, patience
from models.errors import NotFound, Unavailable
from models.exams import Exams
from models.fields import shape
from models.forgetting import Gone
from models.groups import Lookup
from models.heartbeats import Heartbeats
from models.hints import Hints
from models.lifecycle import is_over, transition
from models.log import ActivityLog
from models.organisations import OrganisationName
from models.owed import Owed, owing
from models.session import view
from models.users import ExamTitle

logger = logging.getLogger(__name__)

_RETRY_S: Final = 0.5
_ALL_S: Final = 8.0  # for reading all sessions of an exam, under load


class Sessions:
    """Named queries, and the ends of sessions. Every query that takes an actor sees only what that actor may see."""

    def __init__(
        self, database: Database, exams: Exams, log: ActivityLog, heartbeats: Heartbeats, hints: Hints | None = None
    ) -> None:
        self._database = database
        self._sessions = database.sessions
        self._exams = exams
        self._log = log
        self._heartbeats = heartbeats
        self._by_id: Lookup[ObjectId] = Lookup(database.sessions)
        self.changes = Changes(database.sessions, hints)
        self._owed = Owed(database.sessions, log, self.changes)

    async def close(self) -> None:
        """Wait for what is being cleaned up."""
        await self._owed.close()

    def subscribe(self, subscriber: Subscriber, *, own: bool = False) -> None:
        """`subscriber` hears of all sessions that changed, some at once, after the change is stored; with `own`, only
        of those that this node changed.
        """
        self.changes.subscribe(subscriber, own=own)

    async def end(self, session: Stored, actor: Actor) -> Stored:
        """End it: SUBMITTED by its student, else TERMINATED. One that is over is answered as it is; Conflict for a
        student who has not been admitted yet.
        """
        name: str
        source: Source
        name, source = ("submit", "client") if actor.role is Role.STUDENT else ("terminate", "proctor")

        def decide(current: Stored, at: datetime) -> dict[str, Any] | None:
            if is_over(current):
                return None
            changes = transition(current, name, at, actor_id=actor.id)
            return changes | owing(current, "session_ended", source, at, {"status": changes["status"]}, actor.id)

        session, changed = await self.changes.change(session, decide)
        await self.settle(session, told=changed)
        return session

    async def time_out(self, session: Stored, now: datetime) -> Stored:
        """End it where its time is up at `now`; it is over from its deadline on, whenever that is noticed."""

        def decide(current: Stored, _: datetime) -> dict[str, Any] | None:
            due = times_out_at(current)
            if due is None or due > now:
                return None
            changes = transition(current, "time_out", due)
            return changes | owing(current, "session_ended", "server", due, {"status": changes["status"]}, None)

        session, changed = await self.changes.change(session, decide)
        while changed:
            try:
                await self.settle(session, told=True)
                break
            except (PyMongoError, Unavailable) as error:
                logger.warning("the end of session %s is recorded later: %s", session["_id"], error)
                await asyncio.sleep(_RETRY_S)
        return session

    async def terminate(self, session: Stored) -> Stored:
        """End it, where it is not over, as the session of somebody who is gone; what it owes the log is recorded."""

        def decide(current: Stored, at: datetime) -> dict[str, Any] | None:
            if is_over(current):
                return None
            changes = transition(current, "terminate", at)
            return changes | owing(current, "session_ended", "server", at, {"status": changes["status"]}, None)

        session, changed = await self.changes.change(session, decide)
        await self.settle(session, told=changed)
        return session

    async def erased(self, gone: Gone) -> None:
        """Show what was erased of a person's sessions, by whichever process."""
        if gone.user_id and gone.session_ids:
            await self.changes.saw(list((await find_by_ids(self._sessions, gone.session_ids)).values()))

    async def settle(self, session: Stored, *, told: bool = False) -> None:
        """Record in the log, once, what is stored with the session as owed; `told`: its subscribers know it."""
        await self._owed.settle(session, told=told)

    async def renew_terms(self, exam: Stored) -> None:
        """Let the sessions that are not over have what the exam allows them now."""
        await self.changes.change_all(await self.of_exam(exam["_id"]), _renewing(exam))

    async def renew_terms_of(self, session: Stored, exam: Stored) -> Stored:
        """The session with what the exam allows it now."""
        return (await self.changes.change(session, _renewing(exam)))[0]

    async def rename_user(self, user_id: ObjectId, name: str) -> None:
        """Show a user's new name in its sessions."""
        user = {"_id": user_id, "name": name}
        sessions: list[Stored] = await self._sessions.find({"userId": user_id}).to_list(None)
        await self.changes.change_all(sessions, lambda current, _: None if current["user"] == user else {"user": user})

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

    async def open_logs(self, exam_ids: Iterable[ObjectId]) -> None:
        """What `view` shows follows in part from the log: have these exams' logs open, up to now."""
        for exam_id in set(exam_ids):
            await self._log.of(exam_id).fresh()

    def upto(self, session: Stored) -> int:
        """The offset of the last record that `view` takes into account."""
        return self._log.of(session["examId"]).summary(session["_id"]).offset

    def view(self, session: Stored, *, for_student: bool = False) -> dict[str, Any]:
        """A ProctoringSession, once its exam's log is open."""
        summary = self._log.of(session["examId"]).summary(session["_id"])
        return view(session, summary, self._heartbeats.last.get(session["_id"]), for_student=for_student)

    async def views(self, actor: Actor, sessions: Sequence[Stored]) -> list[dict[str, Any]]:
        """Each as a ProctoringSession, as `actor` may see it."""
        await self.open_logs(session["examId"] for session in sessions)
        return [self.view(session, for_student=actor.role is Role.STUDENT) for session in sessions]

    async def view_record(self, actor: Actor, session: Stored) -> dict[str, Any]:
        """A ProctoringSessionRecord."""
        exam = await self._database.exams.find_one({"_id": session["examId"]})
        organisation = await self._database.organisations.find_one({"_id": session["organisationId"]})
        return (await self.views(actor, [session]))[0] | {
            "exam": exam and shape(ExamTitle, exam),
            "organisation": organisation and shape(OrganisationName, organisation),
        }

    async def forget_exam(self, exam_id: ObjectId) -> None:
        """Drop what is remembered of a rehearsal that is about to be deleted."""
        self._heartbeats.forget({session["_id"] for session in await self.of_exam(exam_id)})


def _renewing(exam: Stored) -> Decide:
    def decide(current: Stored, _: datetime) -> dict[str, Any] | None:
        terms = terms_of(exam, current["userId"])
        return None if is_over(current) or terms == current["terms"] else {"terms": terms}

    return decide
