"""WORKERS: several processes behind one port, on one database; one that dies is started again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest

from server.app import Running
from tests.clients import Socket
from tests.conftest import SECRET, Organisation
from tests.processes import ServerProcess, alive, run, serving, until
from tests.redis import RedisProcess, needs_redis


@pytest.fixture
async def workers(mongodb: str, server: Running, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    redis = await RedisProcess(tmp_path).start()
    process = ServerProcess(
        tmp_path,
        WORKERS=3,
        PORT=0,
        DATABASE_URL=f"{mongodb}/{server.store.database.name}",
        JWT_SECRET=SECRET,
        REDIS_URL=redis.url,
        RATE_LIMITS="false",
        DRAIN_SPREAD_S=1,
        DATA_DIR=tmp_path / uuid4().hex,
    )
    try:
        await process.start()
        for _ in range(2):
            await process.line("Listening on")
        yield process
    finally:
        if process.process and process.process.returncode is None:
            await process.end(signal.SIGKILL)
        await redis.kill()


def children(pid: int) -> set[int]:
    """The processes that this one has started."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))


@needs_redis
async def test_clients_of_one_port_are_spread_over_workers_that_are_one_server(
    workers: ServerProcess, school: Organisation, http: aiohttp.ClientSession
) -> None:
    assert workers.process
    pids = children(workers.process.pid)
    assert len(pids) == 3
    console = await Socket(workers.ws_url, "/proctor").connect(school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    for person in (school.student, school.other_student):
        for _ in range(4):  # each time perhaps at another one
            student = await Socket(workers.ws_url, "/exam").connect(person.token)
            await student.ok("start", {"examId": school.exam_id})
            await student.ok("tab_change", {"hidden": True})
            seen = await console.activity("tab_change")
            assert seen["userId"] == person.id
            await student.close()
    victim = pids.pop()
    os.kill(victim, signal.SIGKILL)
    await workers.line("Listening on")
    assert workers.process
    await until(lambda: asyncio.sleep(0, len(children(workers.process.pid) - pids) == 1))
    assert victim not in children(workers.process.pid)
    assert await workers.end() == 0
    assert not any(map(alive, pids))


@needs_redis
async def test_each_worker_has_metrics_on_a_port_of_its_own(
    mongodb: str, server: Running, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    first = two_free_ports()
    redis = await RedisProcess(tmp_path).start()
    more = {"DATABASE_URL": f"{mongodb}/{server.store.database.name}", "JWT_SECRET": SECRET, "REDIS_URL": redis.url}
    try:
        async with serving(tmp_path, WORKERS=2, METRICS_PORT=first, DRAIN_SPREAD_S=0, **more) as workers:
            said = {(await workers.line("Metrics on")).rpartition(" ")[2] for _ in range(2)}
            assert said == {f"http://127.0.0.1:{port}/metrics" for port in (first, first + 1)}
            for url in said:
                async with http.get(url) as response:
                    assert "proctoring_redis_up " in await response.text()
            assert await workers.end() == 0
    finally:
        await redis.kill()


def two_free_ports() -> int:
    """The first of two, one after the other."""
    while True:
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                other.bind(("127.0.0.1", port + 1))
                return port


async def test_more_than_one_worker_wants_redis(tmp_path: Path) -> None:
    status, _, err = await run("serve", cwd=tmp_path, PORT=0, WORKERS=2)
    assert (status, err) == (
        2,
        "proctoring-server: WORKERS: more than one want REDIS_URL, by which they hear of each other\n",
    )
