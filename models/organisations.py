"""Organisations: whom users and exams belong to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from weakref import WeakValueDictionary

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from models.actors import Actor
from models.database import Database, Stored, find_page
from models.errors import Conflict, NotFound
from models.fields import Document, Id, Instant, now, shape
from models.keeping import Retention, check, kept
from models.visibility import organisations_of

STAYS: Final[dict[str, Any]] = {"$unset": {"leavingAt": ""}}
_LEAVING: Final = timedelta(minutes=1)  # longer than whoever marked it is at work, unless a crash ended it


class Organisation(Document):
    id: Id
    name: str
    self_registration: bool
    retention: Retention
    created_at: Instant
    updated_at: Instant


class OrganisationName(Document):
    """An organisation as others show it."""

    id: Id
    name: str


class Organisations:
    """Named queries. Every one that takes an actor sees only what that actor may see."""

    def __init__(self, database: Database, retention: Mapping[str, int | None]) -> None:
        """`retention`: what holds for an organisation that has no settings of its own."""
        self._database = database
        self._retention = retention
        self._locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()

    def lock(self, organisation_id: ObjectId | None) -> asyncio.Lock:
        """Held by whoever changes which users and exams an organisation has, while looking and then acting.

        It holds in this process. Against other nodes, who takes away says so before looking (`is_leaving`), and who
        adds looks once more afterwards: of two that meet, one at least sees the other.
        """
        return self._locks.setdefault(organisation_id or ObjectId("0" * 24), asyncio.Lock())

    @asynccontextmanager
    async def adding(
        self, organisation_id: ObjectId | None, undo: Callable[[], Awaitable[object]]
    ) -> AsyncIterator[None]:
        """Within it, users or exams are added. NotFound where the organisation is not there; where it goes meanwhile,
        `undo` takes back what was added.
        """
        async with self.lock(organisation_id):
            await self._check(organisation_id)
            yield
            try:
                await self._check(organisation_id)
            except (NotFound, Conflict):
                await undo()
                raise

    async def _check(self, organisation_id: ObjectId | None) -> None:
        if organisation_id and is_leaving(await self.by_id(organisation_id)):
            raise Conflict("The organisation is being deleted.")

    async def create(self, new_id: ObjectId, name: str, self_registration: bool) -> Stored:
        time = now()
        document: Stored = {
            "_id": new_id,
            "name": name,
            "selfRegistration": self_registration,
            "createdAt": time,
            "updatedAt": time,
        }
        try:
            await self._database.organisations.insert_one(document)
        except DuplicateKeyError:  # the same request, once more
            return await self.by_id(new_id)
        return document

    async def page(self, actor: Actor, after: ObjectId | None, limit: int) -> list[Stored]:
        return await find_page(self._database.organisations, organisations_of(actor), after, limit)

    async def get(self, actor: Actor, organisation_id: ObjectId) -> Stored:
        if organisations_of(actor).get("_id", organisation_id) != organisation_id:
            raise NotFound("No such organisation.")
        return await self.by_id(organisation_id)

    async def by_id(self, organisation_id: ObjectId) -> Stored:
        found: Stored | None = await self._database.organisations.find_one({"_id": organisation_id})
        if found is None:
            raise NotFound("No such organisation.")
        return found

    async def update(self, organisation_id: ObjectId, changes: dict[str, Any]) -> Stored:
        """Of `retention` what is not named stays as it is; InvalidPayload where its parts do not fit."""
        if "retention" in changes:
            organisation = await self.by_id(organisation_id)
            own = organisation.get("retention", {}) | changes["retention"]
            check(kept({"retention": own}, self._retention))
            changes["retention"] = own
        await self._database.organisations.update_one(
            {"_id": organisation_id}, {"$set": changes | {"updatedAt": now()}}
        )
        return await self.by_id(organisation_id)

    def view(self, organisation: Stored) -> dict[str, Any]:
        """An Organisation."""
        return shape(Organisation, organisation) | {"retention": kept(organisation, self._retention)}

    async def delete(self, organisation_id: ObjectId) -> None:
        """Conflict while it has users or exams."""
        organisations, it = self._database.organisations, {"_id": organisation_id}
        async with self.lock(organisation_id):
            await organisations.update_one(it, leaves())
            for collection in (self._database.users, self._database.exams):
                if await collection.find_one({"organisationId": organisation_id}):
                    await organisations.update_one(it, STAYS)
                    raise Conflict("The organisation still has users or exams.")
            await organisations.delete_one(it)


def leaves() -> dict[str, Any]:
    """The change that marks a user or an organisation before it is taken away."""
    return {"$set": {"leavingAt": now()}}


def is_leaving(document: Stored) -> bool:
    """Whether it is being taken away, maybe by another node."""
    at: datetime | None = document.get("leavingAt")
    return at is not None and now() - at < _LEAVING
