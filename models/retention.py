"""Retention: what an organisation keeps for a time only goes after it, counted from each session's end.

Heartbeats are deleted; what records say is emptied (`models/redaction.py`); a session is deleted with its seals and
orders, and its student taken off the exam. What then is left of it in the exam's log are ids, types and times, until
the exam is deleted. Rehearsals are sessions too.

Every step may be done again: a kill leaves a beginning, and two processes at once come to the same end. What was done
to a session is noted with it, and with it the end that this was counted from, so that one which was reinstated has its
time anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from bson import ObjectId

from models.audit import Audit
from models.database import Database, Stored, patience
from models.errors import Conflict, NotFound
from models.fields import now
from models.heartbeats import Heartbeats
from models.keeping import had_its_time, kept
from models.periodic import Periodic
from models.redaction import Redaction

logger = logging.getLogger(__name__)

_EVERY_S: Final = 3600.0
_FIELDS: Final = {"endTime": 1, "organisationId": 1, "past": 1}


class Sweep:
    """Deletes what has had its time. `defaults`: for organisations with no settings of their own; `audit_days`: how
    long the audit log is kept, None for ever.
    """

    def __init__(
        self,
        database: Database,
        redaction: Redaction,
        heartbeats: Heartbeats,
        audit: Audit,
        defaults: Mapping[str, int | None],
        audit_days: int | None,
    ) -> None:
        self._database = database
        self._sessions = database.sessions
        self._redaction = redaction
        self._heartbeats = heartbeats
        self._audit = audit
        self._defaults = defaults
        self._audit_days = audit_days
        self.periodic = Periodic(_EVERY_S, lambda: self.sweep(now()), "deleting what has had its time")

    async def sweep(self, at: datetime) -> None:
        """Delete what has had its time at `at`."""
        if self._audit_days is not None:
            await self._audit.expire(at - timedelta(days=self._audit_days))
        organisations = await self._database.organisations.find({}, {"retention": 1}).to_list(None)
        terms = {one["_id"]: kept(one, self._defaults) for one in organisations}
        shortest = min((days for one in terms.values() for days in one.values() if days is not None), default=None)
        if shortest is None:
            return
        query = {"endTime": {"$lte": at - timedelta(days=shortest)}}
        with patience():
            found: list[Stored] = await self._sessions.find(query, _FIELDS).to_list(None)
        for session in found:
            try:
                await self._sweep_session(session, terms.get(session["organisationId"], {}), at)
            except (NotFound, Conflict):
                continue  # it has gone, or runs again

    async def _sweep_session(self, session: Stored, terms: Mapping[str, int | None], at: datetime) -> None:
        ended: datetime = session["endTime"]
        past = {name for name, counted_from in session.get("past", {}).items() if counted_from == ended}
        due = {name for name, days in terms.items() if had_its_time(ended, days, at)} - past
        if not due:
            return
        whole: Stored | None = await self._sessions.find_one({"_id": session["_id"], "endTime": ended})
        if whole is None:
            return
        if "sessionsDays" in due:
            await self._delete(whole)
            return
        if "heartbeatsDays" in due:
            await self._heartbeats.erase(whole)
        if "activityDays" in due:
            await self._redaction.of_session(whole, names=False)
        done = {f"past.{name}": ended for name in due}
        await self._sessions.update_one({"_id": session["_id"]}, {"$set": done})

    async def _delete(self, session: Stored) -> None:
        """Delete a session, which goes last. Its student is taken off the exam first, and does not start anew."""
        session_id, exam_id = session["_id"], session["examId"]
        await self._take_off(exam_id, session["userId"])
        await self._redaction.of_session(session, names=True)
        await self._heartbeats.erase(session)
        of_session = {"examId": exam_id, "sessionId": session_id}
        await self._database.orders.delete_many(of_session)
        await self._database.seals.delete_many({"sessionId": session_id})
        await self._sessions.delete_one({"_id": session_id, "endTime": session["endTime"]})

    async def _take_off(self, exam_id: ObjectId, user_id: ObjectId) -> None:
        granted = {"users": user_id, "accommodations": {"userId": user_id}}
        await self._database.exams.update_one({"_id": exam_id}, {"$pull": granted})
