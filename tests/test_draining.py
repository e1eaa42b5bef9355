"""SIGTERM: nobody new is let in, who is there is told and goes at a moment of its own, what was accepted is acked."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from bson import ObjectId

from server.app import Running
from tests.clients import Api, Socket, uuid
from tests.conftest import SECRET, Organisation
from tests.processes import ServerProcess, ready, serving, until

SPREAD_S = 3.0


@pytest.fixture
async def leaving(mongodb: str, server: Running, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A process on the database of `server`, which clients are to leave within three seconds."""
    settings = {
        "DATABASE_URL": f"{mongodb}/{server.store.database.name}",
        "JWT_SECRET": SECRET,
        "RATE_LIMITS": "false",
        "DRAIN_SPREAD_S": SPREAD_S,
        "DATA_DIR": tmp_path / uuid4().hex,
    }
    async with serving(tmp_path, **settings) as process:
        yield process


async def test_clients_are_told_and_closed_one_by_one_and_what_they_sent_is_acked_and_stored(
    leaving: ServerProcess, server: Running, school: Organisation, http: aiohttp.ClientSession
) -> None:
    loop = asyncio.get_running_loop()
    sockets = [await Socket(leaving.ws_url, "/proctor").connect(school.proctor.token) for _ in range(12)]
    student = await Socket(leaving.ws_url, "/exam").connect(school.student.token, uuid())
    await student.ok("start", {"examId": school.exam_id})
    acked: list[dict[str, Any]] = []

    async def report() -> None:
        seq = 0
        while True:
            seq += 1
            acked.append(await student.ok("tab_change", {"seq": seq, "hidden": seq % 2 == 1}))

    reporting = asyncio.create_task(report())
    await until(lambda: asyncio.sleep(0, len(acked) > 5))
    assert leaving.process
    began = loop.time()
    leaving.process.send_signal(signal.SIGTERM)
    told = {socket: (await socket.next("draining"))["reconnectInMs"] / 1000 for socket in [*sockets, student]}
    assert await ready(http, leaving.url) == 503
    async with http.get(f"{leaving.ws_url}/socket.io/?EIO=4&transport=polling") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert (await response.json())["error"]["code"] == "unavailable"
    gone: dict[Socket, float] = {}

    async def watch(socket: Socket) -> None:
        await socket.closed()
        gone[socket] = loop.time() - began

    await asyncio.gather(*map(watch, told))
    assert max(told.values()) <= SPREAD_S
    assert len(set(told.values())) > 1
    assert all(gone[socket] >= told[socket] - 0.01 for socket in told)  # and not before
    assert min(told, key=told.__getitem__) in sorted(gone, key=gone.__getitem__)[:4]
    reporting.cancel()
    assert await asyncio.wait_for(leaving.process.wait(), 30) == 0
    log = await server.store.log.read(ObjectId(school.exam_id), 0, 100_000)
    stored = [{"id": str(one["id"]), "offset": one["offset"]} for one in log if one["type"] == "tab_change"]
    assert stored[: len(acked)] == acked
    assert len(stored) - len(acked) <= 1  # the one whose ack met the closing


async def test_an_interrupt_or_a_second_signal_waits_for_nobody(
    leaving: ServerProcess, school: Organisation, api: Api
) -> None:
    socket = await Socket(leaving.ws_url, "/proctor").connect(school.proctor.token)
    assert leaving.process
    leaving.process.send_signal(signal.SIGTERM)
    await socket.next("draining")
    leaving.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(leaving.process.wait(), 30) == 0
    await socket.closed()
