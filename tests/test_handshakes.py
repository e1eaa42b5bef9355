"""How many transports one address may open, before anybody knows who is there."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from typing import Any

import aiohttp
import pytest
from bson import ObjectId

from handlers.handshakes import HandshakeRates, Handshakes, Place
from handlers.socket_limits import SocketLimits, SocketRates
from server.limiting import rates_of
from server.settings import Settings, load_settings
from tests.conftest import Organisation
from tests.frames import PATH, Frames, opened
from tests.test_socket_limits import Limited, limited

PROXY = {"trusted_proxies": [ipaddress.ip_network("127.0.0.1")]}
HERE, THERE = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}
POLLING = PATH.replace("websocket", "polling")


async def refused(http: aiohttp.ClientSession, limited: Limited, path: str = PATH, headers: Any = HERE) -> Any:
    """The error object that a handshake is answered with; checked as HTTP."""
    if path == PATH:
        headers = headers | {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
    async with http.get(limited.server.ws_url + path, headers=headers) as response:
        assert response.status == 429
        error = (await response.json())["error"]
        assert (error["code"], set(error)) == ("rate_limited", {"code", "message", "retryAfterMs"})
        assert int(response.headers["Retry-After"]) == -(-error["retryAfterMs"] // 1000)
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        return error


@contextlib.asynccontextmanager
async def connected(http: aiohttp.ClientSession, limited: Limited, token: str, headers: Any = HERE) -> Any:
    async with http.ws_connect(limited.server.ws_url + PATH, headers=headers) as ws:
        assert (await ws.receive_str(timeout=10)).startswith("0{")
        frames = Frames(ws, {})
        assert "sid" in await frames.connect("/exam", {"token": token})
        yield frames


async def again(http: aiohttp.ClientSession, limited: Limited) -> None:
    """Open a transport as soon as that is granted: the end of one before it takes a moment."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(aiohttp.WSServerHandshakeError):
                async with http.ws_connect(limited.server.ws_url + PATH, headers=HERE):
                    return
            await asyncio.sleep(0.02)


async def test_an_address_opens_so_many_in_a_time(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with limited(settings, **PROXY, new_connections_per_address="1 per minute, 3 at once") as there:
        for _ in range(3):
            async with connected(http, there, school.student.token):
                pass
        for path in (PATH, POLLING):
            assert 55_000 < (await refused(http, there, path))["retryAfterMs"] <= 60_001
        assert there.refused == {"new_connections_per_address": 2}
        async with connected(http, there, school.student.token, THERE) as frames:
            assert (await frames.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"]


async def test_an_address_has_so_many_open_and_an_end_makes_room(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with limited(settings, **PROXY, connections_per_address=2) as there:
        async with connected(http, there, school.student.token):
            async with connected(http, there, school.other_student.token):
                await refused(http, there)
                await refused(http, there, POLLING)
                async with connected(http, there, school.student.token, THERE):
                    pass
            await again(http, there)
        assert there.refused.get("connections_per_address", 0) >= 2


@pytest.mark.parametrize("path", [PATH, POLLING])
async def test_an_address_has_fewer_that_nobody_authenticated(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession, path: str
) -> None:
    limits = PROXY | {"unauthenticated_per_address": 2, "authenticate_within_s": 1.0}
    async with limited(settings, **limits) as there, contextlib.AsyncExitStack() as stack:
        for _ in range(5):  # those who are let in are not among them
            await stack.enter_async_context(connected(http, there, school.student.token))
        waiting = []
        for _ in range(2):
            if path == PATH:
                waiting.append(
                    await stack.enter_async_context(http.ws_connect(there.server.ws_url + path, headers=HERE))
                )
            else:
                async with http.get(there.server.ws_url + path, headers=HERE) as response:
                    assert response.status == 200
        await refused(http, there)
        await again(http, there)  # once their time is over
        for ws in waiting:
            while (await asyncio.wait_for(ws.receive(), 10)).type is aiohttp.WSMsgType.TEXT:
                pass
            assert ws.closed
        assert there.refused.get("authenticate_within_s", 0) == 2
        assert there.refused.get("unauthenticated_per_address", 0) >= 1


async def test_what_is_no_handshake_takes_no_place(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with limited(settings, **PROXY, connections_per_address=1) as there:
        wrong = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "12"} | HERE
        for _ in range(5):
            async with http.get(there.server.ws_url + PATH, headers=wrong) as response:
                assert response.status == 400
        async with connected(http, there, school.student.token):
            await refused(http, there)


async def test_a_client_that_polls_takes_one_place_also_when_it_changes_to_a_websocket(
    settings: Settings, http: aiohttp.ClientSession
) -> None:
    async with limited(settings, **PROXY, connections_per_address=1) as there:
        async with http.get(there.server.ws_url + POLLING, headers=HERE) as response:
            sid = (await response.text()).partition('"sid":"')[2].partition('"')[0]
        async with http.ws_connect(f"{there.server.ws_url}{PATH}&sid={sid}", headers=HERE) as ws:
            await ws.send_str("2probe")
            assert await ws.receive_str(timeout=10) == "3probe"
            await ws.send_str("5")
            await refused(http, there)
        await again(http, there)


async def test_off_is_off_for_handshakes(settings: Settings, http: aiohttp.ClientSession) -> None:
    limits = {"connections_per_address": 1, "unauthenticated_per_address": 1}
    limits |= {"new_connections_per_address": "1 per hour, 1 at once"}
    async with limited(settings, rate_limits=False, **limits) as there, contextlib.AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(opened(http, there.server.ws_url))
        assert there.refused == {}


async def test_an_exam_of_two_thousand_behind_one_address_connects_reloads_and_is_watched(settings: Settings) -> None:
    """By the defaults: all in one instant, twice over, as after a lost network, with fifty consoles of one account."""
    defaults = load_settings(_env_file=None)
    refusals: list[str] = []
    rates, socket_rates = rates_of(defaults, HandshakeRates), rates_of(defaults, SocketRates)
    assert rates
    assert socket_rates
    handshakes, limits = Handshakes(rates, refusals.append), SocketLimits(socket_rates, refusals.append)
    students, proctor = [ObjectId() for _ in range(2000)], ObjectId()

    def arrive() -> list[Place]:
        places = [handshakes.enter("192.0.2.1") for _ in range(2050)]
        for user in [*students, *[proctor] * 50]:
            limits.enter(user)
        return places

    arrive()  # the first are not authenticated yet, nor gone, when the same come again
    for place in arrive():
        place.authenticated()
    now = asyncio.get_running_loop().time()
    for user in students:
        allowance = limits.enter(user)
        assert allowance
        for event in ("start", "heartbeat", "chat", "replay", *["tab_change"] * 20):
            allowance.take(event, now)
    assert refusals == []
