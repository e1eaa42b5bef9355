"""How much one user may send over sockets, by kind and over all of its sockets; and how many it may have."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from handlers.buckets import Bucket, Flow
from server.app import Running, running
from server.settings import Settings, SettingsError, load_settings
from tests.clients import Socket, refusals
from tests.conftest import Organisation
from tests.frames import Frames, event_frame, opened, refusal

CHAT = {"text": "Hello"}


@dataclass
class Limited:
    """A server with limits, and what it has counted as refused."""

    server: Running

    @property
    def refused(self) -> dict[str, float]:
        return refusals(self.server.store.measures)


@contextlib.asynccontextmanager
async def limited(settings: Settings, **limits: Any) -> AsyncIterator[Limited]:
    settings = settings.model_copy(update={"rate_limits": True} | limits)
    async with running(settings) as server:
        yield Limited(server)


@contextlib.asynccontextmanager
async def student(http: aiohttp.ClientSession, limited: Limited, school: Organisation) -> AsyncIterator[Frames]:
    async with opened(http, limited.server.ws_url) as frames:
        assert "sid" in await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 0, "start", {"examId": school.exam_id}))["ok"]
        yield frames


async def flood(frames: Frames, number: int, event: str, *payload: Any) -> Counter[str | None]:
    """Send `number` of an event at once; what they are answered, by code, and `closed` where it was closed."""
    await frames.send(*(event_frame("/exam", one, event, *payload) for one in range(1, number + 1)))
    acks, closed = await frames.acks_until_closed_or(number)
    assert all(len(got) == 1 for got in acks.values())
    codes = Counter(None if got[0]["ok"] else got[0]["error"]["code"] for got in acks.values())
    return codes + Counter({"closed": 1} if closed else {})


@pytest.mark.parametrize(
    ("event", "payload", "limit"),
    [
        ("heartbeat", {}, "heartbeats_per_user"),
        ("chat", CHAT, "chats_per_user"),
        ("replay", {"items": []}, "replays_per_user"),
        ("tab_change", {}, "events_per_user"),
    ],
)
async def test_each_kind_is_counted_by_itself(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession, event: str, payload: Any, limit: str
) -> None:
    others = {"heartbeat": {}, "chat": CHAT, "replay": {"items": []}, "tab_change": {}}
    del others[event]
    async with limited(settings, **{limit: "6 per minute, 5 at once"}) as there, student(http, there, school) as frames:
        granted = 4 if event == "tab_change" else 5  # `start` is one of those
        assert await flood(frames, 20, event, payload) == {None: granted, "rate_limited": 20 - granted}
        assert there.refused == {limit: 20 - granted}
        refused = (await frames.call("/exam", 21, event, payload))["error"]
        assert 0 < refused["retryAfterMs"] <= 10_001
        for number, (name, content) in enumerate(others.items(), 22):
            assert (await frames.call("/exam", number, name, content))["ok"], name


async def test_many_sockets_of_one_user_send_no_more_than_one_and_others_are_not_concerned(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with (
        limited(settings, events_per_user="1 per hour, 40 at once") as there,
        contextlib.AsyncExitStack() as all_,
    ):
        codes: Counter[str | None] = Counter()
        for number in range(10):
            frames = await all_.enter_async_context(opened(http, there.server.ws_url))
            assert "sid" in await frames.connect("/exam", {"token": school.student.token})
            codes += await flood(frames, 10, "command_ack", {"commandId": school.exam_id})
            if number % 2:
                await frames.ws.close()  # who comes back has not more
        assert codes == {"conflict": 40, "rate_limited": 60}
        other = await all_.enter_async_context(opened(http, there.server.ws_url))
        await other.connect("/exam", {"token": school.other_student.token})
        assert (await other.call("/exam", 1, "start", {"examId": school.exam_id}))["ok"]


@pytest.mark.parametrize("event", ["tab_change", "nothing"])
async def test_who_goes_on_after_so_many_refusals_is_disconnected_and_again_when_it_comes_back(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession, event: str
) -> None:
    limits = {"events_per_user": "1 per hour, 20 at once", "refusals_per_user": "1 per hour, 30 at once"}
    code = "unknown_event" if event == "nothing" else "rate_limited"
    async with limited(settings, **limits) as there:
        async with student(http, there, school) as frames:
            codes = await flood(frames, 500, event)
            # 20 but for `start`, then 30 refusals and the one that was one too many; then what was under way.
            assert codes["closed"] == 1
            assert codes.total() < 100
            if event == "tab_change":
                assert (codes[None], codes[code]) == (19, 31)
        assert there.refused.get("refusals_per_user", 0) == 1
        async with opened(http, there.server.ws_url) as frames:
            assert "sid" in await frames.connect("/exam", {"token": school.student.token})
            assert (await flood(frames, 20, event))["closed"] == 1
        async with opened(http, there.server.ws_url) as frames:
            await frames.connect("/proctor", {"token": school.proctor.token})
            assert (await frames.call("/proctor", 1, "join", {"examId": school.exam_id}))["ok"]


async def test_a_user_has_so_many_connections_at_once(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    async with limited(settings, connections_per_user=3) as there:
        url, token = there.server.ws_url, {"token": school.student.token}
        sockets = [await Socket(url, "/exam").connect(school.student.token) for _ in range(3)]
        async with opened(http, url) as frames:
            refused = await frames.connect("/exam", token)
            assert refused["data"]["code"] == "rate_limited"
            assert refused["data"]["retryAfterMs"] == 1000
            assert there.refused == {"connections_per_user": 1}
            await sockets[0].close()
            while (answer := await frames.connect("/exam", token)).get("data"):  # its end takes a moment
                assert answer["data"]["code"] == "rate_limited"
                await asyncio.sleep(0.02)
            assert await refusal(http, url, "/exam", {"token": school.other_student.token}) is None
        await asyncio.gather(*(socket.close() for socket in sockets[1:]))


async def test_a_user_connects_so_often(settings: Settings, school: Organisation, http: aiohttp.ClientSession) -> None:
    async with limited(settings, new_connections_per_user="1 per minute, 4 at once") as there:
        url, token = there.server.ws_url, {"token": school.student.token}
        for _ in range(4):
            assert await refusal(http, url, "/exam", token) is None
        async with opened(http, url) as frames:
            refused = await frames.connect("/exam", token)
            assert refused["data"]["code"] == "rate_limited"
            assert 50_000 < refused["data"]["retryAfterMs"] <= 60_001
            assert there.refused == {"new_connections_per_user": 1}
            assert "sid" in await frames.connect("/exam", {"token": school.other_student.token})


async def test_one_namespace_again_and_again_on_one_transport_is_as_many_connections(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    few = {"new_connections_per_user": "1 per hour, 5 at once"}
    async with limited(settings, **few) as there, opened(http, there.server.ws_url) as frames:
        for _ in range(5):
            assert "sid" in await frames.connect("/exam", {"token": school.student.token})
            await frames.send("41/exam,")
        assert (await frames.connect("/exam", {"token": school.student.token}))["data"]["code"] == "rate_limited"


@pytest.mark.parametrize("frame", ["40/exam," + '{"token":"guess"}', event_frame("/proctor", 1, "join", {})])
async def test_what_no_namespace_counts_is_refused_so_often_on_one_transport(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession, frame: str
) -> None:
    async with limited(settings, refusals_per_user="1 per hour, 25 at once") as there:
        async with student(http, there, school) as frames:
            await frames.send(*[frame] * 60)
            answers = 0
            while (got := await frames.receive()) is not None:
                answers += got.startswith(("44/exam,", "43/proctor,"))
            assert 25 <= answers <= 60
        assert there.refused.get("refusals_per_user", 0) == 1


async def test_off_is_off_for_sockets(settings: Settings, school: Organisation, http: aiohttp.ClientSession) -> None:
    few = "1 per hour, 1 at once"
    names = ("events", "heartbeats", "chats", "replays", "refusals", "new_connections")
    limits = {f"{name}_per_user": few for name in names} | {"connections_per_user": 1}
    async with limited(settings, rate_limits=False, **limits) as there, contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            frames = await stack.enter_async_context(opened(http, there.server.ws_url))
            assert "sid" in await frames.connect("/exam", {"token": school.student.token})
        assert (await frames.call("/exam", 0, "start", {"examId": school.exam_id}))["ok"]
        assert await flood(frames, 700, "heartbeat") == {None: 700}
        assert there.refused == {}


def test_a_pace_grants_so_many_at_once_and_then_so_many_a_second() -> None:
    bucket, now = Bucket(Flow.parse("10 per second, 5 at once")), 1000.0
    assert [bucket.take(now) for _ in range(7)] == [0] * 5 + [101, 101]
    assert bucket.take(now + 0.099) > 0
    assert [bucket.take(now + 0.101) for _ in range(2)] == [0, 100]
    assert not bucket.full(now + 0.5)
    now += 50
    assert bucket.full(now)
    assert [bucket.take(now + one / 10) for one in range(300)] == [0] * 300


@pytest.mark.parametrize(
    "wrong", ["", "50", "50 per second", "0 per second, 5 at once", "5 per second, 0 at once", "-"]
)
def test_a_pace_is_so_many_a_time_and_so_many_at_once(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^EVENTS_PER_USER: "):
        load_settings(_env_file=None, events_per_user=wrong)
    assert Flow.parse("90 per minute, 7 at once") == Flow(1.5, 7)


def test_heartbeats_come_as_often_as_clients_are_told() -> None:
    load_settings(_env_file=None, heartbeat_interval_ms=100)
    with pytest.raises(SettingsError, match=r"^HEARTBEATS_PER_USER: "):
        load_settings(_env_file=None, heartbeat_interval_ms=500, heartbeats_per_user="1 per second, 100 at once")


@pytest.mark.parametrize(("text", "on"), [("off", False), ("on", True), ("false", False), ("true", True)])
def test_limits_are_on_or_off(monkeypatch: pytest.MonkeyPatch, text: str, *, on: bool) -> None:
    monkeypatch.setenv("RATE_LIMITS", text)
    assert load_settings(_env_file=None).rate_limits is on
