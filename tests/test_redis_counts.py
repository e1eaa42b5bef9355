"""Requests and sign-ins, counted by Redis for all nodes; by each node alone while Redis is away or stands still."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
from collections.abc import AsyncIterator

import pytest
from limits import RateLimitItemPerHour
from pydantic import SecretStr

from handlers.limits import Windows
from models.measures import Measures
from server.app import running
from server.redis_counts import RedisCounts
from server.settings import Settings, SettingsError
from tests.clients import Api
from tests.conftest import PASSWORD, Organisation
from tests.redis import RedisProcess, needs_redis

pytestmark = needs_redis

ME, LOGIN = "/routes/auth/me", "/routes/auth/login"
PROXY = {"trusted_proxies": [ipaddress.ip_network("127.0.0.1")]}
RATE = RateLimitItemPerHour(3)


@pytest.fixture(scope="module")
async def redis_process(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisProcess]:
    process = await RedisProcess(tmp_path_factory.mktemp("redis")).start()
    yield process
    await process.kill()


@pytest.fixture
async def redis(redis_process: RedisProcess) -> RedisProcess:
    if redis_process.process is None or redis_process.process.returncode is not None:
        await redis_process.start()
    return redis_process


@contextlib.asynccontextmanager
async def counting(redis: RedisProcess, prefix: str) -> AsyncIterator[Windows]:
    """What one node counts by."""
    counts = RedisCounts(redis.url, prefix)
    yield Windows(counts, Measures().refused)
    await counts.close()


async def left(windows: Windows, wanted: int) -> None:
    """Wait until a node sees so many as left: it asks Redis again a second after it was away."""
    async with asyncio.timeout(10):
        while await windows.left(RATE, "key") != wanted:
            await asyncio.sleep(0.05)


@pytest.fixture
async def nodes(settings: Settings, api: Api, redis: RedisProcess) -> AsyncIterator[tuple[Api, Api]]:
    """REST at two nodes on one database and one Redis."""
    limits = {
        "rate_limits": True,
        "redis_url": SecretStr(redis.url),
        "requests_per_account": "6 per hour",
        "sign_in_failures": "4 per hour",
    }
    settings = settings.model_copy(update=PROXY | limits)
    async with running(settings) as one, running(settings) as two:
        yield Api(api.http, one.url, api.contract), Api(api.http, two.url, api.contract)


async def test_two_nodes_count_requests_together(nodes: tuple[Api, Api], school: Organisation) -> None:
    students = [node.as_(school.student.token) for node in nodes]
    for _ in range(3):
        for student in students:
            assert await student.code("GET", ME) is None
    for student in students:
        refused = await student.call("GET", ME)
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert 3500 < int(refused.headers["Retry-After"]) <= 3601
    assert await nodes[0].as_(school.other_student.token).code("GET", ME) is None


async def test_two_nodes_count_failed_sign_ins_together_and_know_who_was_let_in(
    nodes: tuple[Api, Api], school: Organisation
) -> None:
    async def sign_in(node: Api, password: str, address: str) -> int:
        body = {"email": school.student.email, "password": password}
        return (await node.call("POST", LOGIN, body, {"X-Forwarded-For": address})).status

    guesses = [await sign_in(nodes[number % 2], "guess", "192.0.2.66") for number in range(6)]
    assert guesses == [401] * 4 + [429] * 2
    assert [await sign_in(node, PASSWORD, "192.0.2.66") for node in nodes] == [429, 429]
    assert [await sign_in(node, PASSWORD, "192.0.2.7") for node in nodes] == [200, 200]


async def test_what_is_counted_is_kept_under_a_prefix_and_ends(redis: RedisProcess) -> None:
    async with counting(redis, "one") as one, counting(redis, "two") as two:
        for _ in range(3):
            await one.count(RATE, "key")
        assert (await one.left(RATE, "key"), await two.left(RATE, "key")) == (0, 3)
        await one.forget(RATE, "key")
        assert await one.left(RATE, "key") == 3


async def test_while_redis_is_away_a_node_goes_on_with_its_own_share(
    redis: RedisProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server")
    async with counting(redis, "away") as one, counting(redis, "away") as two:
        await one.count(RATE, "key")
        await two.count(RATE, "key")
        assert [await node.left(RATE, "key") for node in (one, two)] == [1, 1]
        await redis.kill()
        assert [await node.left(RATE, "key") for node in (one, two)] == [2, 2]  # what each has counted itself
        for _ in range(5):
            await one.count(RATE, "key")
        assert [await node.left(RATE, "key") for node in (one, two)] == [0, 2]
        async with asyncio.timeout(10):
            while caplog.text.count("Redis is away") < 2:
                assert await one.left(RATE, "key") == 0
                await two.left(RATE, "key")
                await asyncio.sleep(0.05)
        await redis.start()
        await left(one, 3)  # Redis has come back with nothing
        await two.count(RATE, "key")
        await left(two, 2)
    said = [record.message.partition(",")[0] for record in caplog.records if record.name == "server.redis_counts"]
    assert said == ["Redis is away"] * 2 + ["requests and sign-ins are counted in Redis again"] * 2


async def test_a_redis_that_stands_still_holds_up_one_request_and_no_other(
    nodes: tuple[Api, Api], school: Organisation, redis: RedisProcess
) -> None:
    student = nodes[0].as_(school.student.token)
    assert await student.code("GET", ME) is None
    assert redis.process
    redis.process.send_signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(5):  # by far less than a request would wait for an answer that does not come
            codes = [await student.code("GET", ME) for _ in range(8)]
        assert codes == [None] * 5 + ["rate_limited"] * 3  # the first was counted here as well
    finally:
        redis.process.send_signal(signal.SIGCONT)


async def test_of_a_thousand_at_once_none_waits_for_the_others_and_all_are_counted(redis: RedisProcess) -> None:
    many = RateLimitItemPerHour(10_000)
    async with counting(redis, "many") as one:
        await asyncio.gather(*(one.count(many, "key") for _ in range(1000)))
    async with counting(redis, "many") as other:
        assert await other.left(many, "key") == 9000


async def test_a_url_that_is_none_ends_the_start() -> None:
    with pytest.raises(SettingsError, match=r"^REDIS_URL: "):
        RedisCounts("nothing://here", "prefix")
