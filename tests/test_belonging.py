"""Who belongs to an organisation, when two nodes change it in one instant."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.actors import Role
from models.database import Stored
from models.errors import Conflict
from models.fields import now
from models.store import Store
from server.settings import Settings
from tests.clients import uuid
from tests.conftest import PASSWORD
from tests.test_starting import restarted


async def test_two_nodes_that_take_away_the_last_two_admins_at_once_leave_one(store: Store, settings: Settings) -> None:
    async with restarted(settings) as other:
        for way in ("delete", "demote"):
            for _ in range(5):
                organisation_id = (await store.organisations.create(ObjectId(), "School", False))["_id"]
                admins = [await an_admin(store, organisation_id) for _ in range(2)]
                nodes = zip((store, other), admins, strict=True)
                await asyncio.gather(*(go(node, admin, way) for node, admin in nodes), return_exceptions=True)
                left = await store.database.users.find({"organisationId": organisation_id, "role": "ADMIN"}).to_list(
                    None
                )
                assert left


async def an_admin(store: Store, organisation_id: ObjectId) -> Stored:
    email = f"{uuid()}@example.com"
    return await store.users.create(ObjectId(), "A", email, PASSWORD, Role.ADMIN, organisation_id)


async def go(store: Store, user: Stored, way: str) -> None:
    if way == "delete":
        await store.users.delete(user)
    else:
        await store.users.update(user, {"role": "PROCTOR"}, None)


async def test_an_admin_whose_going_was_refused_or_given_up_counts_again(store: Store) -> None:
    organisation_id = (await store.organisations.create(ObjectId(), "School", False))["_id"]
    first, second = [await an_admin(store, organisation_id) for _ in range(2)]
    await store.users.delete(first)
    with pytest.raises(Conflict):
        await store.users.delete(second)
    third = await an_admin(store, organisation_id)
    await store.users.delete(third)  # the second is there, though it was to go
    # A node that crashed has left its mark, which counts for a minute.
    fourth = await an_admin(store, organisation_id)
    for age, refused in ((timedelta(seconds=30), True), (timedelta(minutes=2), False)):
        await store.database.users.update_one({"_id": second["_id"]}, {"$set": {"leavingAt": now() - age}})
        if refused:
            with pytest.raises(Conflict):
                await store.users.delete(fourth)
        else:
            await store.users.delete(fourth)


async def test_what_is_added_while_another_node_deletes_the_organisation_is_refused_or_keeps_it(
    store: Store, settings: Settings
) -> None:
    async def add(node: Store, kind: str, organisation_id: ObjectId) -> Any:
        if kind == "user":
            return await an_admin(node, organisation_id)
        fields = {"title": "E", "duration": 5, "users": [], "startsAt": None, "endsAt": None, "rehearsal": False}
        return await node.exams.create(ObjectId(), organisation_id, fields)

    async with restarted(settings) as other:
        for kind in ("user", "exam"):
            for number in range(8):
                organisation_id = (await store.organisations.create(ObjectId(), "School", False))["_id"]

                async def delete(after_s: float, organisation_id: ObjectId = organisation_id) -> None:
                    await asyncio.sleep(after_s)
                    await store.organisations.delete(organisation_id)

                adding, deleting = await asyncio.gather(
                    add(other, kind, organisation_id), delete(number * 0.002), return_exceptions=True
                )
                kept = await store.database.organisations.find_one({"_id": organisation_id})
                added = await store.database.collection(f"{kind}s").find_one({"organisationId": organisation_id})
                assert bool(added) <= bool(kept), (kind, number)
                assert bool(added) == (not isinstance(adding, Exception))
                assert bool(kept) == isinstance(deleting, Conflict)
