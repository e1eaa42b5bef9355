"""What is kept for a time only."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from pymongo.errors import AutoReconnect

from models import expiry
from models.fields import now
from models.migrations import INDEXES, MIGRATIONS
from models.store import Store

DAY = timedelta(days=1)
SECOND = timedelta(seconds=2)


async def fill(store: Store) -> None:
    await store.database.revocations.insert_many(
        [{"_id": "gone", "expiresAt": now() - SECOND}, {"_id": "holds", "expiresAt": now() + timedelta(minutes=1)}]
    )
    await store.database.idempotency.insert_many(
        [
            {"_id": "gone", "createdAt": now() - DAY - SECOND, "content": "", "answer": {}},
            {"_id": "holds", "createdAt": now() - DAY + timedelta(minutes=1), "content": "", "answer": {}},
        ]
    )


async def left(store: Store) -> list[str]:
    revocations = await store.database.revocations.find({}).to_list(None)
    return [one["_id"] for one in [*revocations, *await store.database.idempotency.find({}).to_list(None)]]


async def test_what_has_had_its_time_goes_and_the_rest_stays(store: Store) -> None:
    await fill(store)
    await store.expiry.expire()
    assert await left(store) == ["holds", "holds"]


async def test_it_goes_by_itself_also_after_the_database_was_away(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "_EVERY_S", 0.05)
    failures, expire = [AutoReconnect("gone")] * 2, expiry.Expiry.expire

    async def failing(own: expiry.Expiry) -> None:
        if failures:
            raise failures.pop()
        await expire(own)

    monkeypatch.setattr(expiry.Expiry, "expire", failing)
    own = expiry.Expiry(store.database).periodic
    await fill(store)
    own.open()
    async with asyncio.timeout(5):
        while len(await left(store)) > 2:
            await asyncio.sleep(0.02)
    await own.close()
    assert await left(store) == ["holds", "holds"]


async def test_no_collection_has_a_ttl_index_not_even_from_an_earlier_version(store: Store) -> None:
    await store.database.revocations.drop_indexes()
    await store.database.revocations.create_index([("expiresAt", 1)], expireAfterSeconds=0)
    for migration in MIGRATIONS:
        await migration.run(store.database)
    for name in INDEXES:
        indexes = await store.database.collection(name).index_information()
        assert not [index for index in indexes.values() if "expireAfterSeconds" in index], name
    assert "expiresAt_1" in await store.database.revocations.index_information()
