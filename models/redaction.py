"""Emptying records: what was said goes, that something happened stays.

A log has no hole and its offsets are what consoles count by, so a record is never deleted while its exam stays. Its
`data` is emptied in place and `erased` set; type, offset, severity, times and ids stay. A session is sealed before, so
that the payload is replaced by its hash, and its salts are forgotten first, so that the hash says nothing of the
payload and the record verifies at every moment. All of it may be done again, or by two at once, to the same end.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from bson import ObjectId

from models.database import IDS_A_QUERY, Database, Stored, update_by_ids
from models.forgetting import Forgetting, Gone
from models.log import ActivityLog
from models.offsets import MAX_READ
from models.sealing import Seals

_ALL: Final = 2**31
_EMPTIED: Final = {"$set": {"data": {}, "erased": True}, "$unset": {"actorName": ""}}
# The verdict counts on: only what was written with it goes.
_EMPTIED_REVIEW: Final = {"$set": {"erased": True}, "$unset": {"data.note": ""}}


class Redaction:
    """Empties records, and has every process forget what they said."""

    def __init__(self, database: Database, log: ActivityLog, seals: Seals, forgetting: Forgetting) -> None:
        self._database = database
        self._log = log
        self._seals = seals
        self._forgetting = forgetting

    async def of_session(self, session: Stored, *, names: bool) -> None:
        """Empty the records of a session that is over, and what was ordered of it; with `names` also what the seals
        say of names, title and ledger. Conflict where it runs, NotFound where it is gone.
        """
        session_id, exam_id = session["_id"], session["examId"]
        await self._seals.seal(session_id)
        await self._seals.erase(session_id, None if names else range(_ALL))
        records = await self._log.read_session(exam_id, session_id, 0, None, _ALL)
        await self._empty(records)
        orders = await self._database.orders.find({"examId": exam_id}).to_list(None)
        texts = [one["_id"] for one in orders if one["sessionId"] == session_id and (one["text"] or one["reason"])]
        await update_by_ids(self._database.orders, texts, {"$set": {"text": None, "reason": None}})
        # An earlier version's notes of the log have the text of a hand in them; without one the log is read.
        await self._database.log_notes.delete_one({"_id": exam_id, "hands": {"$exists": False}})
        await self._forgetting.tell(Gone(exam_id=exam_id, session_ids=(session_id,)))

    async def of_staff(self, user_id: ObjectId, organisation_id: ObjectId | None) -> None:
        """Empty what somebody wrote in the organisation's exams; all their logs are read for it, a part at a time."""
        exams = await self._database.exams.find({"organisationId": organisation_id}, {"_id": 1}).to_list(None)
        for exam_id in [exam["_id"] for exam in exams]:
            since, found = 0, False
            while records := await self._log.read(exam_id, since, since + MAX_READ):
                since = records[-1]["offset"]
                written = [one for one in records if one["actorId"] == user_id and one["type"] == "chat"]
                offsets = {one["offset"] for one in written}
                for session_id in {one["sessionId"] for one in written} - {None}:
                    await self._seals.erase(session_id, offsets)
                await self._empty(written)
                found = found or bool(written)
            if found:
                await self._forgetting.tell(Gone(user_id=user_id, exam_id=exam_id))

    async def _empty(self, records: Iterable[Stored]) -> None:
        left = [one for one in records if not one.get("erased")]
        for first in range(0, len(left), IDS_A_QUERY):  # from the first on: what is emptied is a beginning
            part = left[first : first + IDS_A_QUERY]
            for changes, reviews in ((_EMPTIED, False), (_EMPTIED_REVIEW, True)):
                ids = [one["_id"] for one in part if (one["type"] == "reviewed") is reviews]
                await update_by_ids(self._database.activity, ids, changes)
