"""Sealing: 24 hours after its end, when late replays are over, a session's record is closed by a signature.

A seal covers the activities after the one before it. So what is recorded of a session later (a review, or all that
follows a reinstatement) is sealed by a next one that continues the chain, and nothing has to be refused or locked: an
activity that is stored while a seal is made comes after it in the log, and so into the next.

A seal's `_id` is made of session and number, and it is only ever inserted: of two processes the first wins, and a kill
leaves it there or not. A session is noted as sealed after that; this saves looking again, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
from array import array
from collections.abc import Container
from datetime import datetime
from typing import Any, Final

from bson import ObjectId
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pymongo.errors import DuplicateKeyError

from models.chain import SALT_BYTES, Json, public_key_of
from models.database import Database, Stored, is_unavailable, patience
from models.errors import Conflict, NotFound
from models.fields import now, shape
from models.lifecycle import is_over
from models.log import ActivityLog
from models.organisations import OrganisationName
from models.periodic import Periodic
from models.seal import ERASED, make_seal, plain
from models.session import REPLAY_AFTER_END, LedgerItem, UserName
from models.sessions import Sessions
from models.users import ExamTitle

logger = logging.getLogger(__name__)

_EVERY_S: Final = 60.0
_MOST: Final = 50_000  # activities a seal: a document has at most 16 MiB


class Seals:
    """Makes seals, and finds them. `key`: the 32 bytes of the private key; None: one for this process alone."""

    def __init__(self, database: Database, sessions: Sessions, log: ActivityLog, key: bytes | None) -> None:
        self._database = database
        self._seals = database.seals
        self._sessions = sessions
        self._log = log
        self._key = Ed25519PrivateKey.from_private_bytes(key) if key else Ed25519PrivateKey.generate()
        self.public_key = public_key_of(self._key)
        self._due: dict[ObjectId, datetime] = {}
        self._looked = False
        self.periodic = Periodic(_EVERY_S, self.sweep, "sealing sessions")

    async def changed(self, sessions: list[Stored]) -> None:
        """These have changed, or have more in the log."""
        for session in sessions:
            self.expect(session)

    def expect(self, session: Stored) -> None:
        """Look at it when its seal is due."""
        if is_over(session):
            self._due[session["_id"]] = session["endTime"] + REPLAY_AFTER_END
        else:
            self._due.pop(session["_id"], None)

    async def sweep(self) -> None:
        """Seal what is due. The first time, what earlier processes left is looked for."""
        if not self._looked:
            await self.changed(await self.ended(now()))
            self._looked = True
        for session_id in [one for one, due in self._due.items() if due <= now()]:
            due = self._due.pop(session_id)
            try:
                await self.seal(session_id)
            except (NotFound, Conflict):
                pass  # it has gone, or runs again
            except BaseException as error:
                self._due.setdefault(session_id, due)
                if not isinstance(error, Exception):
                    raise
                if is_unavailable(error):
                    logger.warning("sealing sessions: next time; %s", error)
                    return
                logger.exception("session %s could not be sealed", session_id)

    async def ended(self, before: datetime) -> list[Stored]:
        """The sessions that ended before this moment and are not noted as sealed since."""
        query = {"endTime": {"$lt": before}, "$expr": {"$ne": ["$endTime", "$sealed"]}}
        with patience():
            found: list[Stored] = await self._database.sessions.find(query, {"status": 1, "endTime": 1}).to_list(None)
        return found

    async def seal(self, session_id: ObjectId) -> int:
        """Seal all that is in the log of a session that is over; how many activities were not sealed before.

        Conflict where it is not over.
        """
        sealed = 0
        try:
            while more := await self._seal_more(session_id):
                sealed += more
        except NotFound:  # a rehearsal that was deleted meanwhile takes its seals with it
            await self._seals.delete_many({"sessionId": session_id})
            raise
        return sealed

    async def of(self, session_id: ObjectId) -> list[Stored]:
        """A session's seals as they are stored, in order."""
        found: list[Stored] = await self._seals.find({"sessionId": session_id}).to_list(None)
        return sorted(found, key=lambda one: int(one["signed"]["number"]))

    async def erase(self, session_id: ObjectId, offsets: Container[int] | None = None) -> None:
        """Forget the salts of these activities; without `offsets`, of all, with names, title and ledger.

        To be called before the data itself is erased: from here on the record shows it as erased, and still verifies.
        """
        for seal in await self.of(session_id):
            salts = bytearray(seal["salts"])
            for place, offset in enumerate(array("I", seal["offsets"])):
                if offsets is None or offset in offsets:
                    salts[place * SALT_BYTES : (place + 1) * SALT_BYTES] = ERASED
            changes: dict[str, Any] = {"salts": bytes(salts)}
            if offsets is None:
                changes |= {"details": None, "detailsSalt": None}
            # As it was read: else what somebody else has erased meanwhile would be back.
            same = {"_id": seal["_id"], "salts": seal["salts"]}
            if not (await self._seals.update_one(same, {"$set": changes})).matched_count:
                await self.erase(session_id, offsets)
                break

    async def details_of(self, session: Stored) -> Json:
        """What a record says of a session beside the session itself, as it is now."""
        exam = await self._database.exams.find_one({"_id": session["examId"]})
        organisation = await self._database.organisations.find_one({"_id": session["organisationId"]})
        return plain(
            {
                "exam": exam and shape(ExamTitle, exam),
                "user": shape(UserName, session["user"]),
                "organisation": organisation and shape(OrganisationName, organisation),
                "timeLedger": [shape(LedgerItem, one) for one in session["timeLedger"]],
            }
        )

    async def _seal_more(self, session_id: ObjectId) -> int:
        """Make one more seal, or find that another process has; how many activities this one sealed. 0: all are."""
        while True:
            session = await self._sessions.by_id(session_id)
            if not is_over(session):
                raise Conflict("The session is not over.")
            await self._sessions.settle(session)
            before = await self.of(session_id)
            since = before[-1]["signed"]["lastOffset"] if before else 0
            records = await self._log.read_session(session["examId"], session_id, since, None, _MOST)
            if not records:
                if session["endTime"] + REPLAY_AFTER_END <= now():
                    sealed = {"$set": {"sealed": session["endTime"]}}
                    await self._database.sessions.update_one({"_id": session_id}, sealed)
                return 0
            details = await self.details_of(session)
            seal = await asyncio.to_thread(make_seal, self._key, session, before, records, details)
            try:
                await self._seals.insert_one(seal)
            except DuplicateKeyError:
                continue
            return len(records)
