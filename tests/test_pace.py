"""Load decides the pace: heartbeats farther apart, fewer connections at a time, and each is told."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from itertools import pairwise

import aiohttp
import pytest

from handlers.pace import Pace
from models.heartbeats import Heartbeats
from models.store import Store
from server.app import Running, running
from server.settings import Settings
from tests.conftest import Connect, Organisation


@pytest.fixture
async def few(settings: Settings) -> AsyncIterator[Running]:
    """A server that takes three connections at once, and one in ten seconds after that."""
    async with running(settings.model_copy(update={"connects_per_second": 0.1, "connects_burst": 3})) as serving:
        yield serving
        await serving.store.database.drop()


async def test_a_loop_that_is_late_slows_heartbeats_down_and_quickens_them_again(
    school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    started = await student.ok("start", {"examId": school.exam_id})
    usual = started["heartbeatIntervalMs"]
    assert (await student.ok("heartbeat"))["nextHeartbeatMs"] == usual
    slowest = usual
    for _ in range(8):
        time.sleep(0.9)  # noqa: ASYNC251 it is the loop that is to be late
        slowest = max(slowest, (await student.ok("heartbeat"))["nextHeartbeatMs"])
    assert usual < slowest <= 4 * usual
    while (await student.ok("heartbeat"))["nextHeartbeatMs"] > usual:
        pass


async def test_the_pace_slows_step_by_step_to_a_quarter_and_quickens_only_well_below(store: Store) -> None:
    pace = Pace(Heartbeats(store.database), 1000, connects_a_second=10, burst=10)
    pace.adapt(0.1, 0)
    assert pace.interval_ms == 1000
    pace.adapt(0.3, 0)
    assert pace.interval_ms == 1500
    pace.adapt(0, 2)
    assert pace.interval_ms == 2250
    for _ in range(9):
        pace.adapt(9, 9)
    assert pace.interval_ms == 4000
    pace.adapt(0.2, 0)  # neither
    assert pace.interval_ms == 4000
    pace.adapt(0.1, 0)
    assert pace.interval_ms == 3600
    for _ in range(20):
        pace.adapt(0, 0)
    assert pace.interval_ms == 1000


async def test_who_comes_in_too_many_is_refused_and_each_is_told_another_moment(
    few: Running, http: aiohttp.ClientSession
) -> None:
    path = f"{few.ws_url}/socket.io/?EIO=4&transport=polling"
    waits: list[int] = []
    for number in range(6):
        async with http.get(path) as response:
            if number < 3:
                assert response.status == 200
            else:
                error = (await response.json())["error"]
                assert (response.status, error["code"]) == (503, "unavailable")
                assert int(response.headers["Retry-After"]) >= error["retryAfterMs"] / 1000
                waits.append(error["retryAfterMs"])
    assert waits == sorted(waits)
    assert all(later - earlier > 9000 for earlier, later in pairwise(waits))
