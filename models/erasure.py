"""Erasing a person: name, e-mail, what was written and what was observed go; that it happened stays, under an id.

It is noted first, so that a kill at any moment leaves a note, which the next start, a server that runs, or the same
request carries on from the beginning: every step may be done again. What was on its way while a person was erased (an
answer that was being kept, heartbeats that were being folded, a seal that was being made) is met by going through
all of it once more three minutes later. The note, of ids alone, stays: it says who was erased, when and by whom.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from bson import ObjectId

from models.actors import Actor, Role
from models.audit import Audit
from models.database import Database, Stored
from models.errors import Conflict, NotFound
from models.fields import now
from models.forgetting import Forgetting, Gone
from models.heartbeats import Heartbeats
from models.idempotency import Idempotency
from models.lifecycle import LIVE
from models.organisations import Organisations
from models.periodic import Periodic
from models.redaction import Redaction
from models.sessions import Sessions
from models.users import Users

NAME: Final = "[erased]"

_EVERY_S: Final = 30.0
_AGAIN: Final = timedelta(minutes=3)  # heartbeats are folded within two


class Erasures:
    """Erases people, whatever happens meanwhile."""

    def __init__(
        self,
        database: Database,
        organisations: Organisations,
        users: Users,
        sessions: Sessions,
        heartbeats: Heartbeats,
        redaction: Redaction,
        forgetting: Forgetting,
        idempotency: Idempotency,
        audit: Audit,
    ) -> None:
        self._database = database
        self._notes = database.erasures
        self._organisations = organisations
        self._users = users
        self._sessions = sessions
        self._heartbeats = heartbeats
        self._redaction = redaction
        self._forgetting = forgetting
        self._idempotency = idempotency
        self._audit = audit
        self._locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()
        self.periodic = Periodic(_EVERY_S, self.sweep, "erasing people")

    async def find(self, user_id: ObjectId) -> Stored | None:
        """The note on a person who is erased, or being erased: `{_id, organisationId, role, at, by, due?}`."""
        found: Stored | None = await self._notes.find_one({"_id": user_id})
        return found

    async def erase(self, user: Stored, by: Actor | None) -> None:
        """Erase a person; `by`: None for the command line.

        Conflict for an organisation's last ADMIN and while a session of the person runs.
        """
        async with self._organisations.lock(user["organisationId"]):
            if await self._database.sessions.find_one({"userId": user["_id"], "status": {"$in": LIVE}}):
                raise Conflict("A session of this person is running.")
            await self._users.refuse_last_admin(user)
            note = {
                "_id": user["_id"],
                "organisationId": user["organisationId"],
                "role": user["role"],
                "staff": user["role"] != Role.STUDENT or bool(user.get("wasStaff")),
                "at": now(),
                "by": by and by.id,
                "due": now(),
            }
            # In place of one that was there: who was erased a while ago may have been made anew, by the same request.
            await self._notes.replace_one({"_id": user["_id"]}, note, upsert=True)
        await self.carry_on(user["_id"])

    async def carry_on(self, user_id: ObjectId) -> None:
        """Erase what is left of a person whose erasure is noted and due."""
        async with self._locks.setdefault(user_id, asyncio.Lock()):
            note = await self.find(user_id)
            if note is None or "due" not in note or note["due"] > now():
                return
            await self._go_through(note)
            changes: dict[str, Any] = {"$unset": {"due": ""}} if note.get("once") else {"$set": {"due": now() + _AGAIN}}
            await self._notes.update_one({"_id": user_id}, changes | {"$max": {"once": now()}})

    async def sweep(self) -> None:
        """Carry on what is due."""
        for note in await self._notes.find({"due": {"$lte": now()}}).to_list(None):
            await self.carry_on(note["_id"])

    async def _go_through(self, note: Stored) -> None:
        user_id, organisation_id = note["_id"], note["organisationId"]
        await self._database.users.delete_one({"_id": user_id})  # no token holds from here on
        await self._users.unassign(user_id, organisation_id)
        await self._forgetting.tell(Gone(user_id=user_id))
        # Nobody starts any more: who was starting is found here, or was taken back.
        sessions: list[Stored] = await self._database.sessions.find({"userId": user_id}).to_list(None)
        for session in sessions:
            try:
                await self._erase_session(session)
            except NotFound:
                continue  # it has gone meanwhile
        if note["staff"]:
            await self._redaction.of_staff(user_id, organisation_id)
        await self._idempotency.erase(user_id, {session["_id"] for session in sessions})
        await self._audit.erase_actor(user_id)

    async def _erase_session(self, session: Stored) -> None:
        session = await self._sessions.terminate(session)
        await self._redaction.of_session(session, names=True)
        await self._heartbeats.erase(session)
        await self._sessions.changes.change(session, _anonymous)
        gone = Gone(user_id=session["userId"], exam_id=session["examId"], session_ids=(session["_id"],))
        await self._forgetting.tell(gone)


def _anonymous(session: Stored, _: datetime) -> dict[str, Any] | None:
    """A session without what names its student, or was written about them."""
    changes = {
        "user": {"_id": session["userId"], "name": NAME},
        "timeLedger": [one | {"reason": None} for one in session["timeLedger"]],
        "unlogged": [],  # all of it is recorded
        "erased": True,
    }
    return None if all(session.get(name) == value for name, value in changes.items()) else changes
