"""What the doctor says of deployments that are well, and of those that are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId

from models.database import Database
from models.diagnosis import about, nodes_ahead, write_and_read
from models.fields import now
from models.migrations import migrate
from models.store import Store
from server.doctor.database import check_database
from server.doctor.findings import Finding
from server.doctor.machine import check_machine
from server.doctor.redis import check_redis
from server.doctor.secrets import check_secrets
from server.settings import Settings
from tests.conftest import SECRET
from tests.failover import Failure, failing
from tests.processes import run, serving, until
from tests.redis import RedisProcess, needs_redis


def levels(findings: Any) -> dict[str, str]:
    """The worst of each check."""
    order = ["ok", "warn", "fail"]
    found: dict[str, str] = {}
    for one in findings:
        found[one.check] = max(found.get(one.check, "ok"), one.level, key=order.index)
    return found


def said(findings: Any, check: str) -> str:
    return "; ".join(one.text for one in findings if one.check == check)


async def of_database(settings: Settings, **changes: Any) -> list[Finding]:
    settings = settings.model_copy(update=changes)
    return await check_database(settings, str(settings.database_url))


async def test_a_deployment_that_is_well_ends_with_0_and_has_a_line_for_each_check(tmp_path: Path) -> None:
    async with serving(tmp_path, "--demo", PBKDF2_ITERATIONS=""):
        status, out, err = await run("doctor", cwd=tmp_path, PBKDF2_ITERATIONS="")
        assert (status, err) == (0, "")
        lines = {line[6:20].strip(): line[:4].strip() for line in out.splitlines()}
        wanted = {"secrets", "passwords", "file modes", "open files", "memory", "disk", "listening", "pages"}
        wanted |= {"database", "write concern", "round trip", "clock", "writing", "migrations", "indexes", "nodes"}
        assert lines.keys() == wanted
        assert {check for check, level in lines.items() if level != "ok"} <= {"pages", "memory", "disk"}
        assert "1 are alive" in out
        status, out, _ = await run("doctor", "--json", cwd=tmp_path, PBKDF2_ITERATIONS="")
        told = json.loads(out)
        assert (status, told["ok"]) == (0, True)
        assert {one["check"] for one in told["checks"]} == wanted
        assert all(one.keys() == {"level", "check", "text"} for one in told["checks"])

        (tmp_path / "data" / "seal_key").chmod(0o640)
        status, out, _ = await run("doctor", "--connections", "100000000", cwd=tmp_path)
        assert status == 1
        assert "fail  file modes     data/seal_key is 0640: chmod 600 data/seal_key\n" in out
        assert "fail  open files " in out
        assert "warn  settings       PBKDF2_ITERATIONS is 1: " in out


async def test_a_database_that_does_not_answer_fails(settings: Settings, tmp_path: Path) -> None:
    found = await of_database(settings, database_url="mongodb://127.0.0.1:1/exams")
    assert [(one.level, one.check) for one in found] == [("fail", "database")]
    assert "127.0.0.1:1" in found[0].text
    url = "mongodb://127.0.0.1:1/exams"
    status, out, _ = await run("doctor", cwd=tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET)
    assert (status, out.count("\nfail  database ")) == (1, 1)


async def test_a_database_that_cannot_write_to_a_majority_fails(store: Store, settings: Settings) -> None:
    async with failing(str(settings.database_url)) as (url, answers):
        wrong = {"code": 100, "errmsg": "Not enough data-bearing nodes"}
        answers.collection, answers.for_good = "probes", True
        answers.failures = [Failure({"ok": 1.0, "n": 1, "writeConcernError": wrong}, carried_out=True)]
        found = await of_database(settings, database_url=url)
    assert levels(found)["database"] == "fail"
    assert "Not enough data-bearing nodes" in said(found, "database")


async def test_what_the_database_says_of_itself_is_told(store: Store) -> None:
    there = await about(store.database)
    assert (there.embedded, there.replica_set, there.members) == (True, None, 0)
    assert there.version.startswith("0.7")
    assert 0 < there.round_trip_ms < 3000
    assert abs(there.ahead_ms) < 3000
    assert await write_and_read(store.database) > 0
    assert await store.database.collection("probes").count_documents({}) == 0


@pytest.mark.parametrize(
    ("hello", "build", "options", "wanted"),
    [
        ({"setName": "rs0", "hosts": ["a", "b", "c"]}, "8.0.4", "", {}),
        ({"setName": "rs0", "hosts": ["a", "b"]}, "8.0.4", "", {"replica set": "warn"}),
        ({}, "8.0.4", "", {"replica set": "warn"}),
        ({"setName": "rs0", "hosts": ["a", "b", "c"]}, "5.0.1", "", {"database": "warn"}),
        ({"setName": "rs0", "hosts": ["a", "b", "c"]}, "8.0.4", "?w=1", {"write concern": "warn"}),
        ({"ahead": 2}, "", "", {"clock": "warn"}),
        ({"ahead": -60}, "", "", {"clock": "fail"}),
    ],
)
async def test_a_replica_set_its_version_its_write_concern_and_its_clock_are_judged(
    store: Store,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    hello: dict[str, Any],
    build: str,
    options: str,
    wanted: dict[str, str],
) -> None:
    """The embedded database is none of this, so its answers are changed."""
    real = Database.admin
    ahead = timedelta(seconds=hello.pop("ahead", 0))

    async def admin(self: Database, command: str) -> dict[str, Any]:
        answer = await real(self, command)
        if command == "hello":
            return answer | hello | {"localTime": answer["localTime"] + ahead}
        return {"version": build} if build else answer

    monkeypatch.setattr(Database, "admin", admin)
    found = levels(await of_database(settings, database_url=f"{settings.database_url}{options}"))
    assert {check: level for check, level in found.items() if level != "ok"} == wanted


async def test_nothing_acknowledged_is_a_failure(settings: Settings, store: Store) -> None:
    found = await of_database(settings, database_url=f"{settings.database_url}?w=0")
    assert levels(found)["write concern"] == "fail"


async def test_missing_migrations_and_lost_indexes_are_told_and_mended(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    await store.database.migrations.delete_one({"_id": 2})
    assert levels(await of_database(settings))["migrations"] == "warn"
    assert levels(await of_database(settings, migrate="check"))["migrations"] == "fail"
    await migrate(store.database)
    assert levels(await of_database(settings, migrate="check"))["migrations"] == "ok"
    newer = {"_id": 1000, "about": "what is new", "at": now(), "incompatible": False}
    await store.database.migrations.insert_one(newer)
    assert levels(await of_database(settings))["migrations"] == "warn"
    await store.database.migrations.update_one({"_id": 1000}, {"$set": {"incompatible": True}})
    assert levels(await of_database(settings))["migrations"] == "fail"
    await store.database.migrations.delete_one({"_id": 1000})

    await store.database.seals.drop_index("sessionId_1")
    found = await of_database(settings)
    assert levels(found)["indexes"] == "fail"
    assert "seals.sessionId_1" in said(found, "indexes")
    environment: dict[str, Any] = {"DATABASE_URL": settings.database_url, "JWT_SECRET": SECRET}
    status, _, err = await run("migrate", "--again", cwd=tmp_path, **environment)
    assert (status, err) == (0, "")
    assert levels(await of_database(settings))["indexes"] == "ok"


@contextlib.asynccontextmanager
async def another_node(store: Store, ahead: timedelta) -> AsyncIterator[str]:
    """One more that notes that it is alive, by a clock of its own."""
    node = str(ObjectId())

    async def note() -> None:
        while True:
            await store.database.servers.update_one({"_id": node}, {"$set": {"at": now() + ahead}}, upsert=True)
            await asyncio.sleep(0.3)

    task = asyncio.create_task(note())
    yield node
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_nodes_clock_and_nodes_without_redis_are_told(store: Store, settings: Settings) -> None:
    async def noted() -> bool:
        return await store.database.servers.find_one({}) is not None

    await until(noted)
    assert list(await nodes_ahead(store.database)) == [store.nodes.node_id]
    async with another_node(store, timedelta(seconds=20)) as node:
        found = await of_database(settings)
    assert (levels(found)["nodes"], levels(found)["clock"]) == ("fail", "fail")
    (told,) = [one for one in found if one.text.startswith(f"the node {node}'s is ")]
    assert (told.level, " s ahead of this machine's" in told.text) == ("fail", True)
    assert "REDIS_URL" in said(found, "nodes")


def test_what_the_machine_listens_on_and_has_is_judged(settings: Settings, tmp_path: Path) -> None:
    def of(connections: int = 10, **changes: Any) -> dict[str, str]:
        return levels(check_machine(settings.model_copy(update={"data_dir": tmp_path / "data"} | changes), connections))

    assert of(host="0.0.0.0")["listening"] == "warn"
    assert of(host="0.0.0.0", trusted_proxies=["10.0.0.0/8"])["listening"] == "ok"
    assert of()["listening"] == "warn"
    assert of(database_url=None)["listening"] == "ok"
    assert of(connections=10**9)["open files"] == "fail"
    assert of(connections=10**9)["memory"] == "warn"
    assert of(connections=1)["open files"] == "ok"
    assert not (tmp_path / "data").exists()


def test_secrets_are_judged_and_none_is_made(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def of(**changes: Any) -> list[Finding]:
        return list(check_secrets(settings.model_copy(update=changes)))

    assert levels(of())["secrets"] == "warn"  # with DATABASE_URL, each node would make a key of its own
    assert levels(of(database_url=None))["secrets"] == "ok"
    assert levels(of())["settings"] == "warn"  # PBKDF2_ITERATIONS
    assert list(settings.data_dir.iterdir()) == []
    env = tmp_path / ".env"
    env.write_text("PORT=3000\n", encoding="utf-8")
    env.chmod(0o644)
    assert "file modes" not in levels(of())
    env.write_text("PORT=3000\nJWT_SECRET=x\n", encoding="utf-8")
    assert levels(of())["file modes"] == "fail"
    env.chmod(0o600)
    assert levels(of())["file modes"] == "ok"


@needs_redis
async def test_redis_is_reached_and_tells_what_is_published(tmp_path: Path) -> None:
    redis = await RedisProcess(tmp_path).start()
    (found,) = await check_redis(redis.url)
    assert (found.level, "a message arrives" in found.text) == ("ok", True)
    await redis.kill()
    (found,) = await check_redis(redis.url)
    assert (found.level, "does not answer" in found.text) == ("fail", True)
    (found,) = await check_redis("http://127.0.0.1")
    assert (found.level, "REDIS_URL" in found.text) == ("fail", True)
