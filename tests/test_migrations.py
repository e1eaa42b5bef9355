"""Migrations: each is made once, also by two at once and after a kill, and a start says what is missing or too new."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from models import migrations
from models.database import Database
from models.errors import Conflict
from models.fields import now
from models.migrations import INDEXES, MIGRATIONS, Migration, check, migrate, state_of
from tests.conftest import SECRET
from tests.processes import run, serving

NUMBERS = [one.number for one in MIGRATIONS]


@pytest.fixture
async def database(mongodb: str) -> AsyncIterator[Database]:
    made = Database(f"{mongodb}/test{uuid4().hex}")
    yield made
    await made.drop()
    made.close()


async def earlier(database: Database) -> None:
    """As a version before there were migrations left it."""
    await database.activity.create_index([("examId", 1), ("sessionId", 1), ("offset", 1)])
    await database.revocations.create_index([("expiresAt", 1)], expireAfterSeconds=0)
    await database.exams.insert_many([{"title": str(number)} for number in range(20)])


async def expected(database: Database) -> None:
    for name in INDEXES:
        found = await database.collection(name).index_information()
        assert set(found) == {"_id_", *(index.document["name"] for index in INDEXES[name])}
        assert not [index for index in found.values() if "expireAfterSeconds" in index]
    assert list(await database.activity.index_information()) in ([], ["_id_"])
    assert await database.exams.count_documents({"policy": {"$exists": False}}) == 0
    assert [one["_id"] for one in await database.migrations.find({}).sort("_id", 1).to_list(None)] == NUMBERS


async def test_numbers_run_from_1_and_none_is_used_twice() -> None:
    assert list(range(1, len(MIGRATIONS) + 1)) == NUMBERS


@pytest.mark.parametrize("old", [False, True], ids=["empty", "of an earlier version"])
async def test_a_database_gets_all_once(database: Database, old: bool) -> None:
    if old:
        await earlier(database)
    assert await migrate(database) == list(MIGRATIONS)
    await expected(database)
    done = (await state_of(database)).done
    assert await migrate(database) == []
    assert (await state_of(database)).done == done
    await check(database)


async def test_two_processes_at_once_come_to_the_same(database: Database, mongodb: str) -> None:
    await earlier(database)
    others = [Database(f"{mongodb}/{database.activity.database.name}") for _ in range(3)]
    await asyncio.gather(*(migrate(one) for one in (database, *others)))
    await expected(database)
    for other in others:
        other.close()


async def test_one_that_is_cut_off_is_made_the_next_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await earlier(database)

    async def cut_off(_: Database) -> None:
        await database.collection("users").create_indexes(INDEXES["users"][:1])
        raise ConnectionError

    one, two, three = MIGRATIONS
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (one, Migration(2, two.about, cut_off), three))
        with pytest.raises(ConnectionError):
            await migrate(database)
    assert [one.number for one in (await state_of(database)).missing] == [2, 3]
    with pytest.raises(Conflict, match=r"\(2, 3\): run proctoring-server migrate"):
        await check(database)
    assert await migrate(database) == [two, three]
    await expected(database)


async def note(database: Database, number: int, *, incompatible: bool) -> None:
    await database.migrations.insert_one(
        {"_id": number, "about": "what comes later", "incompatible": incompatible, "at": now()}
    )


@pytest.mark.parametrize("prepare", [migrate, check])
async def test_a_newer_database_is_told_of_and_an_incompatible_one_refused(
    database: Database, prepare: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(database)
    await note(database, 1001, incompatible=False)
    await prepare(database)
    assert "a newer version has made migration 1001 (what comes later)" in caplog.text
    await note(database, 1002, incompatible=True)
    with pytest.raises(Conflict, match="1002"):
        await prepare(database)


async def test_a_start_with_migrate_check_refuses_until_the_command_was_run(mongodb: str, tmp_path: Path) -> None:
    url = f"{mongodb}/test{uuid4().hex}"
    settings: dict[str, Any] = {"PORT": 0, "DATABASE_URL": url, "JWT_SECRET": SECRET, "MIGRATE": "check"}
    with contextlib.closing(Database(url)) as database:
        status, _, err = await run("serve", cwd=tmp_path, **settings)
        assert status == 2
        assert err.splitlines()[-1] == (
            "proctoring-server: MIGRATE is check, and the database lacks migrations (1, 2, 3): "
            "run proctoring-server migrate"
        )
        status, out, _ = await run("migrate", "--list", cwd=tmp_path, **settings)
        assert (status, re.findall(r"^ +(\d+)  not done ", out, re.MULTILINE)) == (0, ["1", "2", "3"])
        assert (await state_of(database)).done == {}
        status, out, _ = await run("migrate", cwd=tmp_path, **settings)
        assert (status, re.findall(r"^ +(\d+)  20\S+Z ", out, re.MULTILINE)) == (0, ["1", "2", "3"])
        await expected(database)
        async with serving(tmp_path, **settings) as server:
            assert await server.end() == 0
        await note(database, 1002, incompatible=True)
        status, out, _ = await run("migrate", "--list", cwd=tmp_path, **settings)
        assert re.search(r"^1002  20\S+Z  what comes later \(a newer version's\)$", out, re.MULTILINE)
        status, _, err = await run("serve", cwd=tmp_path, **settings | {"MIGRATE": "auto"})
        assert (status, "cannot run on the database any more" in err.splitlines()[-1]) == (2, True)
        await database.drop()
