"""Putting an organisation back, as a dump of it says, into a database that no server is on.

The organisation itself is written last: it is there when all is. Before anything else a note (collection `restores`)
says which exams are about to be written. So what a restore that was cut off has left, of this dump or of another, the
next one finds and takes away, and begins anew. Exams get a new `epoch`, by which a console that knew more of an exam
than the dump does notices that its log is another one.

What the database knows of erasures, sign-outs and of what staff did is never taken away: who was erased after the dump
was made does not come back with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from bson import ObjectId
from pymongo.errors import BulkWriteError

from models.database import DUPLICATE, IDS_A_QUERY, Database, Stored, is_unavailable, patience
from models.dump import Item, exam_ids_of
from models.errors import Conflict
from models.fields import now
from models.log import ActivityLog
from models.migrations import MIGRATIONS

_AT_ONCE: Final = 500
_ADDED: Final = ("revocations", "audit", "erasures")  # to what is there, and never taken away
_CLOCKS: Final = timedelta(minutes=10)  # by so much those of two machines may differ
_RECENT: Final = timedelta(seconds=15)
_LOOK_S: Final = 3.0  # a server says every second that it is alive


class Restore:
    """One restore of an organisation. `begin`, then `write` for all items in their order, then `finish`."""

    def __init__(self, database: Database, organisation_id: ObjectId) -> None:
        self._database = database
        self._organisation_id = organisation_id
        self._waiting: list[Item] = []
        self._last: list[Stored] = []

    async def begin(self, exam_ids: Iterable[ObjectId], email_keys: Collection[str], *, replace: bool) -> None:
        """See that it can be done, and take away what is there of the organisation.

        Conflict where a server runs, where the organisation is there and not to be replaced, where an e-mail address is
        another organisation's.
        """
        if await _is_served(self._database):
            raise Conflict("A server runs on this database: stop all of them first.")
        own = {"_id": self._organisation_id}
        if await self._database.organisations.find_one(own) and not replace:
            raise Conflict(f"The organisation {self._organisation_id} is there; --replace deletes it first.")
        await self._refuse_taken(list(email_keys))
        note: Stored | None = await self._database.restores.find_one(own)
        known = {*exam_ids, *(note["exams"] if note else ()), *await exam_ids_of(self._database, self._organisation_id)}
        content = {"exams": list(known), "at": now()}
        await self._database.restores.replace_one(own, content, upsert=True)
        with patience():
            await self._database.organisations.delete_one(own)
            for exam_id in known:
                await self._delete_exam(exam_id)
            await self._database.users.delete_many({"organisationId": self._organisation_id})

    async def write(self, item: Item) -> None:
        """Write a document, some at once."""
        name, document = item
        if name == "organisations":
            self._last.append(document)
            return
        if name == "exams":
            document = document | {"epoch": uuid4().hex}
        if self._waiting and (self._waiting[0][0] != name or len(self._waiting) >= _AT_ONCE):
            await self._flush()
        self._waiting.append((name, document))

    async def finish(self, migration: int, dumped_at: datetime) -> None:
        """Write what is left, make the migrations after `migration`, the dump's last, then write the organisation.

        Who was erased since `dumped_at` is erased again.
        """
        await self._flush()
        with patience():
            for later in (one for one in MIGRATIONS if one.number > migration):
                await later.run(self._database)
        await self._erase_again(dumped_at)
        await self._database.organisations.insert_many(self._last)
        await self._database.restores.delete_one({"_id": self._organisation_id})

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        if not waiting:
            return
        name, documents = waiting[0][0], [document for _, document in waiting]
        try:
            with patience():
                await self._database.collection(name).insert_many(documents, ordered=name not in _ADDED)
        except BulkWriteError as error:
            others = any(failed["code"] != DUPLICATE for failed in error.details["writeErrors"])
            if name not in _ADDED or others or is_unavailable(error):
                raise

    async def _erase_again(self, dumped_at: datetime) -> None:
        """Have those erased whom the dump may still know: the servers do it once they run."""
        since = {"organisationId": self._organisation_id, "at": {"$gt": dumped_at - _CLOCKS}}
        again = {"$set": {"due": now()}, "$unset": {"once": ""}}
        with patience():
            await self._database.erasures.update_many(since, again)

    async def _delete_exam(self, exam_id: ObjectId) -> None:
        await self._database.exams.delete_one({"_id": exam_id})
        for collection in self._database.of_exams:
            await collection.delete_many({"examId": exam_id})
        await ActivityLog(self._database).delete(exam_id)

    async def _refuse_taken(self, email_keys: list[str]) -> None:
        for first in range(0, len(email_keys), IDS_A_QUERY):
            query = {"emailKey": {"$in": email_keys[first : first + IDS_A_QUERY]}}
            found = await self._database.users.find(query, {"email": 1, "organisationId": 1}).to_list(None)
            taken = [one["email"] for one in found if one["organisationId"] != self._organisation_id]
            if taken:
                raise Conflict(f"In another organisation there is an account of {', '.join(sorted(taken))}.")


async def _is_served(database: Database) -> bool:
    """Whether a server has noted lately that it is alive, and does so again."""

    async def notes() -> dict[str, datetime]:
        found: list[Stored] = await database.servers.find({}).to_list(None)
        return {one["_id"]: one["at"] for one in found if not one.get("closed") and now() - one["at"] < _RECENT}

    before = await notes()
    until = asyncio.get_running_loop().time() + _LOOK_S
    while before and asyncio.get_running_loop().time() < until:
        if any(before.get(node) != at for node, at in (await notes()).items()):
            return True
        await asyncio.sleep(_LOOK_S / 10)
    return False
