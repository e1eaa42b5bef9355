"""What staff did, and whose records they opened: entries that are only ever added.

Ids alone: names are looked up by whoever reads it, as long as there are any. Entries gather and are inserted by groups.
An answer to staff waits until its entry is stored, for up to a second; what is then not stored is tried on until it
is, or the process ends. So an entry can be missing only of what was done right before a crash, or where the process
ended while the database was away.

What is looked at again within ten minutes (the pages of a list, a console that comes back) is one entry.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from models.actors import Actor, Role
from models.database import Database, Stored, is_duplicate, patience
from models.fields import Document, Id, Instant, RoleName, now
from models.groups import Groups

logger = logging.getLogger(__name__)

_MOST: Final = 500
_WAITED_S: Final = 0.8  # an import may take 8 s of the 9 in which a request is answered
_RETRY_S: Final = 0.5
_ONE_LOOK: Final = timedelta(minutes=10)
_MOST_LOOKS: Final = 10_000
_BEGINNING: Final = datetime(2020, 1, 1, tzinfo=UTC)
_WINDOW: Final = timedelta(hours=1)


class AuditEntry(Document):
    """`actorId` and `role` are null for the command line. `outcome`: `ok`, or the code of the error."""

    id: Id
    at: Instant
    actor_id: Id | None
    role: RoleName | None
    organisation_id: Id | None
    action: str
    user_id: Id | None
    session_id: Id | None
    exam_id: Id | None
    address: str | None
    outcome: str


class Audit:
    """Adds entries and reads them."""

    def __init__(self, database: Database) -> None:
        self._entries = database.audit
        self._groups = Groups(self._store, _MOST, patience_s=None)
        self._looks: dict[tuple[object, ...], datetime] = {}
        self._ending = False

    async def close(self) -> None:
        """Wait for what is being stored; where the database is away, it is lost."""
        self._ending = True
        await self._groups.close()

    async def did(
        self,
        actor: Actor | None,
        action: str,
        on: dict[str, ObjectId | None],
        *,
        organisation_id: ObjectId | None = None,
        address: str | None = None,
        outcome: str = "ok",
    ) -> None:
        """Add an entry. `on`: `userId`, `sessionId`, `examId`, those that there are. `organisation_id`: whose ADMINs
        may read it, where the actor has none.
        """
        entry: Stored = {
            "_id": ObjectId(),
            "at": now(),
            "actorId": actor and actor.id,
            "role": actor and actor.role.value,
            "organisationId": (actor and actor.organisation_id) or organisation_id,
            "action": action,
            "userId": on.get("userId"),
            "sessionId": on.get("sessionId"),
            "examId": on.get("examId"),
            "address": address,
            "outcome": outcome,
        }
        stored = self._groups(entry)
        await asyncio.wait([stored], timeout=_WAITED_S)
        if not stored.done():
            logger.warning("an entry of the audit log waits for the database: %s", entry)

    def first_look(self, actor: Actor, action: str, on: dict[str, ObjectId | None]) -> bool:
        """Whether `actor` has not looked at this within the last ten minutes, as far as this process knows."""
        key, time = (actor.id, action, *on.values()), now()
        if len(self._looks) >= _MOST_LOOKS:
            self._looks = {one: at for one, at in self._looks.items() if at > time - _ONE_LOOK}
        first = self._looks.get(key, _BEGINNING) <= time - _ONE_LOOK
        if first:
            self._looks[key] = time
        return first

    async def page(
        self,
        actor: Actor,
        start: datetime | None,
        end: datetime | None,
        actor_id: ObjectId | None,
        user_id: ObjectId | None,
        after: ObjectId | None,
        limit: int,
    ) -> list[Stored]:
        """What `actor` may read with `start <= at < end`, the newest first: an ADMIN its organisation's, SALES its own.
        `after`: only those older than this one, where it is in the last millisecond before `end`.
        """
        wanted: dict[str, Any] = {"organisationId": actor.organisation_id}
        if actor.role is Role.SALES:
            wanted = {"actorId": actor.id}
        if actor_id:
            wanted["actorId"] = actor_id if wanted.get("actorId", actor_id) == actor_id else None
        if user_id:
            wanted["userId"] = user_id
        # One index a query; the embedded database reads by one field beside the time.
        key = next(name for name in ("userId", "actorId", "organisationId") if name in wanted)
        start, end = start or _BEGINNING, min(end or now() + _WINDOW, now() + _WINDOW)
        found: list[Stored] = []
        width = _WINDOW
        while end > start and len(found) < limit:
            lower = max(start, end - width)
            query = {key: wanted[key], "at": {"$gte": lower, "$lt": end}}
            entries: list[Stored] = await self._entries.find(query).to_list(None)
            entries.sort(key=lambda one: (one["at"], one["_id"]), reverse=True)
            found += [one for one in entries if all(one[name] == value for name, value in wanted.items())]
            if after:
                place = next((n for n, one in enumerate(found) if one["_id"] == after), -1)
                found, after = found[place + 1 :], None
            end, width = lower, 2 * width
        return found[:limit]

    async def about(self, user_id: ObjectId) -> list[Stored]:
        """All entries on a user, in order."""
        found: list[Stored] = await self._entries.find({"userId": user_id}).to_list(None)
        return sorted(found, key=lambda one: (one["at"], one["_id"]))

    async def by(self, user_id: ObjectId) -> list[Stored]:
        """All entries of what a user did, in order."""
        found: list[Stored] = await self._entries.find({"actorId": user_id}).to_list(None)
        return sorted(found, key=lambda one: (one["at"], one["_id"]))

    async def erase_actor(self, user_id: ObjectId) -> None:
        """Forget where somebody was who is erased; that they did it stays."""
        with patience():
            await self._entries.update_many({"actorId": user_id, "address": {"$ne": None}}, {"$set": {"address": None}})

    async def expire(self, before: datetime) -> None:
        """Delete what is older than this: for retention alone."""
        with patience():
            await self._entries.delete_many({"at": {"$lt": before}})

    async def _store(self, entries: list[Stored]) -> list[None]:
        while True:
            try:
                await self._insert(entries)
                break
            except PyMongoError as error:
                if self._ending:
                    logger.error("%d entries of the audit log are lost: %s", len(entries), entries)  # noqa: TRY400 said whole
                    break
                logger.warning("the audit log waits for the database: %s", error)
                await asyncio.sleep(_RETRY_S)
        return [None] * len(entries)

    async def _insert(self, entries: list[Stored]) -> None:
        try:
            await self._entries.insert_many(entries, ordered=False)
        except BulkWriteError as error:
            if not is_duplicate(error):  # else it had been stored, and its answer was lost
                raise
