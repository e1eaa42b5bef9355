"""Hashing gives way, has a bound, and tells who is refused when to come again."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest
from bson import ObjectId

from models.database import Stored
from models.errors import Unavailable
from models.passwords import Passwords
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.clients import Socket
from tests.conftest import PASSWORD, Organisation


async def test_past_seconds_of_hashing_callers_are_told_when_to_come_again() -> None:
    passwords = Passwords(400_000, 64, "sha512")
    hashing = [asyncio.create_task(passwords.hash("password")) for _ in range(2)]
    await asyncio.sleep(0)
    with passwords.room():
        pass
    passwords._under_way += 1000
    with pytest.raises(Unavailable) as refused, passwords.room():
        pass
    with pytest.raises(Unavailable):
        await passwords.hash("password")
    passwords._under_way -= 1000
    wait_s = 1000 * passwords._hash_s / 2
    assert wait_s <= (refused.value.retry_after_ms or 0) / 1000 <= 2.1 * wait_s
    stored = await hashing[0]
    await hashing[1]
    assert await passwords.verify("password", stored)
    assert not await passwords.verify("password!", stored)
    assert not await passwords.verify("password", None)
    passwords.close()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux has a priority for each thread")
async def test_hashing_gives_way_to_all_else() -> None:
    passwords = Passwords(1, 64, "sha512")
    nice = await asyncio.get_running_loop().run_in_executor(
        passwords._threads, lambda: os.getpriority(os.PRIO_PROCESS, 0)
    )
    assert nice == os.getpriority(os.PRIO_PROCESS, 0) + 10
    passwords.close()


async def test_who_is_refused_costs_the_database_nothing(
    store: Store, school: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    by_email = store.users.by_email

    async def counted(email: str) -> Stored | None:
        nonlocal asked
        asked += 1
        return await by_email(email)

    monkeypatch.setattr(store.users, "by_email", counted)
    monkeypatch.setattr(store.passwords, "_hash_s", 1.0)
    sign_ins = [store.users.authenticate(school.student.email, PASSWORD) for _ in range(100)]
    answers = await asyncio.gather(*sign_ins, return_exceptions=True)
    signed_in = [one for one in answers if isinstance(one, dict)]
    assert {one["_id"] for one in signed_in} == {ObjectId(school.student.id)}
    assert 5 <= asked == len(signed_in) <= 11
    assert sum(isinstance(one, Unavailable) for one in answers) == 100 - asked


async def test_in_a_rush_of_sign_ins_some_are_refused_with_a_time_and_heartbeats_go_on(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    slow = settings.model_copy(update={"pbkdf2_iterations": 300_000})
    async with running(settings) as fast, running(slow) as server:
        stored = await fast.store.users.by_email(school.student.email)
        assert stored
        hard = await server.store.passwords.hash(PASSWORD)
        await server.store.database.users.update_one({"_id": stored["_id"]}, {"$set": hard})
        browser = await Socket(server.ws_url, "/exam").connect(school.student.token)
        await browser.ok("start", {"examId": school.exam_id})
        body = {"email": school.student.email, "password": PASSWORD}

        async def sign_in() -> tuple[int, str | None, float]:
            async with http.post(server.url + "/routes/auth/login", json=body) as response:
                await response.read()
                return response.status, response.headers.get("Retry-After"), time.monotonic()

        rush = [asyncio.create_task(sign_in()) for _ in range(150)]
        beats = 0
        while not all(task.done() for task in rush):
            assert (await browser.ok("heartbeat"))["status"] == "ACTIVE"
            beats += 1
        answers = await asyncio.gather(*rush)
        await browser.close()
    refused = [wait for status, wait, _ in answers if status == 503]
    assert Counter(status for status, *_ in answers) == {200: 150 - len(refused), 503: len(refused)}
    assert 0 < len(refused) < 150
    assert all(wait is not None and 1 <= int(wait) <= 120 for wait in refused)
    assert beats > 10
