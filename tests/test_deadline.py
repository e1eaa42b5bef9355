"""Everybody is answered in bounded time, whatever stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from handlers import deadline
from handlers.deadline import Deadline
from models.database import Database
from models.errors import Unavailable
from models.passwords import Passwords
from models.store import Store
from tests.clients import Api, Socket
from tests.conftest import SECRET, Organisation
from tests.processes import serving, stop
from tests.test_starting import make_class

ANSWER_S = 12  # the contract's 10, and what two noisy cores add


async def test_a_deadline_answers_while_the_work_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "_ANSWER_S", 0.1)
    monkeypatch.setattr(deadline, "_MOST_LATE", 2)
    one, go_on, ran = Deadline(), asyncio.Event(), []

    async def work(name: str) -> str:
        await go_on.wait()
        ran.append(name)
        return name

    for name in ("a", "b"):
        with pytest.raises(Unavailable):
            await one.keep(lambda name=name: work(name), key="k")  # type: ignore[misc]
    with pytest.raises(Unavailable):
        await one.keep(lambda: work("c"))
    with pytest.raises(Unavailable):  # two go on already
        await one.keep(lambda: work("d"))
    waiting = asyncio.create_task(one.keep(lambda: work("e"), key="k"))
    await asyncio.sleep(0)
    go_on.set()
    assert await waiting == "a"  # what goes on under the key
    assert await one.keep(lambda: work("f"), key="k") == "f"
    assert ran == ["a", "c", "f"]
    assert one._late == {}


async def test_while_the_database_stands_still_everybody_is_answered_and_then_all_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, JWT_SECRET=SECRET) as server, aiohttp.ClientSession() as http:
        database = Database((tmp_path / "data" / "database_url").read_text(encoding="utf-8").strip())
        users, exam = await make_class(database, 12)
        store = Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1))
        tokens = [store.tokens.issue(user) for user in users]
        browsers = [await Socket(server.ws_url, "/exam").connect(token) for token in tokens[:8]]
        start = {"examId": str(exam["_id"])}
        await asyncio.gather(*(one.ok("start", start) for one in browsers[:5]))
        answered: list[tuple[str, float]] = []

        async def timed(name: str, work: Any) -> Any:
            begun = time.monotonic()
            result = await work
            answered.append((name, time.monotonic() - begun))
            return result

        async def get(token: str) -> tuple[int, str]:
            headers = {"Authorization": f"Bearer {token}"}
            async with http.get(f"{server.url}/routes/exams/{exam['_id']}", headers=headers) as response:
                return response.status, (await response.json())["error"]["code"]

        async def connecting(token: str) -> str:
            try:
                await Socket(server.ws_url, "/exam").connect(token)
            except Exception:  # noqa: BLE001 whatever the library makes of a closed connection
                return "refused"
            return "connected"

        pid = server.database_pid()
        stop(pid)
        try:
            async with asyncio.timeout(60):
                gets = asyncio.gather(*(timed("GET", get(token)) for token in tokens * 10))
                beats = asyncio.gather(*(timed("heartbeat", one.code("heartbeat")) for one in browsers[:2]))
                tabs = asyncio.gather(*(timed("tab", one.code("tab_change", {"seq": 1})) for one in browsers[2:4]))
                ends = timed("end", browsers[4].code("end"))
                started = asyncio.gather(*(timed("start", one.code("start", start)) for one in browsers[5:]))
                connects = asyncio.gather(*(timed("connect", connecting(token)) for token in tokens[8:]))
                told = await asyncio.gather(gets, beats, tabs, asyncio.gather(ends), started, connects)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert set(told[0]) == {(503, "unavailable")}
        assert [set(codes) for codes in told[1:]] == [{"unavailable"}] * 4 + [{"refused"}]
        assert max(answered, key=lambda one: one[1])[1] < ANSWER_S, answered

        for one in browsers[:4]:
            assert (await one.ok("heartbeat"))["status"] == "ACTIVE"
            assert (await one.ok("tab_change", {"seq": 1}))["id"]
        for one in browsers[5:]:  # their starts went on; the next ones find that done
            assert (await one.ok("start", start))["session"]["connectivity"] == "ONLINE"
        log_of = dict.fromkeys(("session_started", "connected", "tab_change"), 0)
        records = await store.log.read(exam["_id"], 0, 100)
        assert [record["offset"] for record in records] == list(range(1, len(records) + 1))
        counts = Counter(record["type"] for record in records)
        assert {kind: counts[kind] for kind in log_of} == {"session_started": 8, "connected": 8, "tab_change": 4}
        await asyncio.gather(*(one.close() for one in browsers))
        database.close()


async def test_while_as_many_as_may_wait_do_the_others_are_refused_and_the_process_says_that_it_lives(
    api: Api, school: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "_MOST_LATE", 0)
    assert await school.student.api.code("GET", "/routes/auth/me") == "unavailable"
    assert await api.code("GET", "/readyz") == "unavailable"
    assert await api.ok("GET", "/healthz") == {"status": "ok"}
