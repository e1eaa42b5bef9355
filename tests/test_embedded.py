"""The embedded database's process: who may read it, and what it keeps."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pymongo
import pytest
from motor.frameworks import asyncio as motor_asyncio
from pymongo.errors import OperationFailure

from models.database import Health, health
from server import embedded
from server.embedded import EmbeddedDatabase, running_url
from tests.processes import stop


def things(url: str, wanted: Callable[[Any], Any]) -> Any:
    """What `wanted` makes of a collection. PyMongo's asynchronous client loses a socket where a database is silent."""
    with pymongo.timeout(5), pymongo.MongoClient[Any](url, connectTimeoutMS=5000) as client:
        return wanted(client.get_default_database().things)


async def write(url: str, number: int) -> None:
    await asyncio.to_thread(things, url, lambda collection: collection.insert_one({"_id": number}))


async def read(url: str) -> list[int]:
    found: list[int] = await asyncio.to_thread(
        things, url, lambda collection: [one["_id"] for one in collection.find().to_list()]
    )
    return found


@pytest.mark.parametrize("credentials", ["", "proctoring:wrong@"])
async def test_nobody_reads_it_without_its_password(tmp_path: Path, credentials: str) -> None:
    database = EmbeddedDatabase(tmp_path)
    await database.start()
    try:
        await write(database.url, 1)
        stranger = re.sub(r"//.*@", f"//{credentials}", database.url)
        assert stranger != database.url
        with pytest.raises(OperationFailure):
            await read(stranger)
        with pytest.raises(OperationFailure):
            await write(stranger, 2)
        assert await read(database.url) == [1]
    finally:
        await database.stop()


async def test_the_password_is_kept_for_the_owner_alone_and_holds_after_a_restart(tmp_path: Path) -> None:
    urls = []
    for number in (1, 2):
        database = EmbeddedDatabase(tmp_path)
        await database.start()
        urls.append(database.url)
        await write(database.url, number)
        assert running_url(tmp_path) == database.url
        for name in ("database_password", "database_url"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        if number == 2:
            assert await read(database.url) == [1, 2]
        await database.stop()
    first, second = (re.sub(r":\d+/", "/", url) for url in urls)
    assert first == second
    assert running_url(tmp_path) is None


async def test_it_asks_for_the_password_also_after_it_was_killed(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path)
    await database.start()
    try:
        await write(database.url, 1)
        before = database.pid
        answer: list[int] | Exception = []
        os.kill(before, signal.SIGKILL)
        began = time.monotonic()
        while database.pid == before or (answer := await answered(database.url)) != [1]:
            log = (tmp_path / "database.log").read_text(encoding="utf-8")
            assert time.monotonic() < began + 20, f"{database.pid} answers {answer!r}; its log: {log}"
            await asyncio.sleep(0.1)
        with pytest.raises(OperationFailure):
            await read(re.sub(r"//.*@", "//", database.url))
    finally:
        await database.stop()


async def answered(url: str) -> list[int] | Exception:
    try:
        return await read(url)
    except Exception as error:  # noqa: BLE001 whatever a driver says of a server that is coming up
        return error


async def test_a_folder_of_an_earlier_version_gets_a_password_and_keeps_its_data(tmp_path: Path) -> None:
    earlier = EmbeddedDatabase(tmp_path, secured=False)
    await earlier.start()
    await write(earlier.url, 1)
    await earlier.stop()
    database = EmbeddedDatabase(tmp_path)
    await database.start()
    try:
        assert await read(database.url) == [1]
        with pytest.raises(OperationFailure):
            await read(re.sub(r"//.*@", "//", database.url))
    finally:
        await database.stop()


async def test_a_start_that_was_killed_before_the_password_was_known_is_made_good(tmp_path: Path) -> None:
    database = EmbeddedDatabase(tmp_path)
    await database.start()
    await database.stop()
    (tmp_path / "database_user").unlink()  # as if the first start had ended right before this
    again = EmbeddedDatabase(tmp_path)
    await again.start()
    try:
        await write(again.url, 1)
        assert await read(again.url) == [1]
    finally:
        await again.stop()


@pytest.mark.parametrize("what", ["broken", "silent"])
async def test_a_database_that_is_there_and_works_no_more_is_ended_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: Health
) -> None:
    monkeypatch.setattr(embedded, "_LOOK_S", 0.05)
    database = EmbeddedDatabase(tmp_path, secured=False)
    await database.start()
    try:
        before, enough = database.pid, embedded._ENOUGH[what]
        looks = iter([what] * (enough - 1) + ["answers"] + [what] * enough)  # what only a full disk brings about

        async def health(_: str) -> str:
            return next(looks, "answers")

        monkeypatch.setattr(embedded, "health", health)
        async with asyncio.timeout(30):
            while database.pid == before:
                await asyncio.sleep(0.05)
        assert next(looks, None) is None
    finally:
        await database.stop()


async def test_one_that_stands_still_for_good_is_started_again_and_has_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_LOOK_S", 0.05)
    monkeypatch.setitem(embedded._ENOUGH, "silent", 1)
    database = EmbeddedDatabase(tmp_path)
    await database.start()
    try:
        await write(database.url, 1)
        before = database.pid
        stop(before)
        answer: list[int] | Exception = []
        async with asyncio.timeout(30):
            while database.pid == before or isinstance(answer, Exception) or not answer:
                answer = await answered(database.url)
        assert answer == [1]
    finally:
        await database.stop()


async def test_one_that_takes_long_to_recover_is_let_recover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_LOOK_S", 0.05)
    monkeypatch.setitem(embedded._ENOUGH, "silent", 1)
    looks: list[str] = []

    async def silent_at_first(url: str) -> str:
        looks.append("silent" if len(looks) < 20 else await health(url))
        return looks[-1]

    database = EmbeddedDatabase(tmp_path)
    await database.start()
    monkeypatch.setattr(embedded, "health", silent_at_first)
    try:
        before = database.pid
        os.kill(before, signal.SIGKILL)
        async with asyncio.timeout(30):
            while database.pid == before:
                await asyncio.sleep(0)
            looks.clear()
            recovering = database.pid
            while not looks or looks[-1] != "answers":
                await asyncio.sleep(0.05)
        assert database.pid == recovering
    finally:
        await database.stop()


async def test_it_is_looked_after_while_all_threads_wait_for_a_database(mongodb: str) -> None:
    over = threading.Event()
    try:
        for _ in range(100):
            motor_asyncio._EXECUTOR.submit(over.wait)
        async with asyncio.timeout(10):
            assert await health(f"{mongodb}/test") == "answers"
    finally:
        over.set()
