"""Two nodes on one database and one Redis: what happens at one is seen at the other, whatever becomes of Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import socketio
from bson import ObjectId
from pydantic import SecretStr

from handlers import following
from models.fields import format_instant, now
from server.app import Running, running
from server.settings import Settings
from tests.clients import Api, Socket, uuid
from tests.conftest import Organisation, make_exam
from tests.redis import RedisProcess, needs_redis

pytestmark = needs_redis


@pytest.fixture(scope="session")
async def redis(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RedisProcess]:
    process = await RedisProcess(tmp_path_factory.mktemp("redis")).start()
    yield process
    await process.kill()


@pytest.fixture
async def settings(settings: Settings, redis: RedisProcess) -> Settings:
    if redis.process is None or redis.process.returncode is not None:
        await redis.start()
    return settings.model_copy(update={"redis_url": SecretStr(redis.url), "heartbeat_interval_ms": 1000})


@pytest.fixture
async def other(server: Running, settings: Settings) -> AsyncIterator[Running]:
    """The second node."""
    async with running(settings) as serving:
        await hear_of_each_other(server, serving)
        yield serving


@pytest.fixture
async def connect() -> AsyncIterator[Any]:
    """`await connect(server, "/exam", person, client_id)`"""
    sockets: list[Socket] = []

    async def make(server: Running, namespace: str, person: Any, *rest: Any) -> Socket:
        sockets.append(Socket(server.ws_url, namespace))
        return await sockets[-1].connect(person.token, *rest)

    yield make
    for socket in sockets:
        with contextlib.suppress(Exception):
            await socket.close()
    assert [one.wrong for one in sockets if one.wrong] == []


async def hear_of_each_other(*servers: Running, healthy: bool = True) -> None:
    async with asyncio.timeout(15):
        while any(one.store.hints.healthy is not healthy for one in servers):
            await asyncio.sleep(0.05)


def there(api: Api, server: Running) -> Api:
    """The same user's REST at another node."""
    return Api(api.http, server.url, api.contract, api.token)


async def log_of(api: Api, exam_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await api.ok("GET", f"/routes/exams/{exam_id}/activity?limit=500")
    assert [one["offset"] for one in found] == list(range(1, len(found) + 1))
    return found


async def test_a_console_at_one_node_sees_students_of_the_other_in_order_and_without_a_gap(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    console = await connect(other, "/proctor", school.proctor)
    joined = await console.ok("join", {"examId": school.exam_id})
    students = [await connect(server, "/exam", school.student), await connect(other, "/exam", school.other_student)]
    for student in students:
        await student.ok("start", {"examId": school.exam_id})

    async def report(student: Socket) -> None:
        for seq in range(1, 41):
            await student.ok("tab_change", {"seq": seq, "hidden": seq % 2 == 1})

    await asyncio.gather(*map(report, students))
    offsets: list[int] = []
    while len(offsets) < 84:  # with each one's session_started and connected
        offsets += [item["offset"] for item in (await console.next("activity"))["items"]]
    assert offsets == list(range(joined["offset"] + 1, joined["offset"] + 85))


async def test_presence_crosses_nodes_with_what_the_log_comes_to(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    console = await connect(other, "/proctor", school.proctor)
    await console.ok("join", {"examId": school.exam_id})
    student = await connect(server, "/exam", school.student)
    session_id = (await student.ok("start", {"examId": school.exam_id}))["session"]["id"]
    await student.ok("raise_hand", {"text": "May I?"})
    while True:
        for item in (await console.next("presence"))["items"]:
            if item["id"] == session_id and item["hand"]:
                assert item["hand"]["text"] == "May I?"
                assert item["connectivity"] == "ONLINE"
                return


async def test_what_proctors_write_and_order_at_one_node_reaches_a_student_at_the_other_and_its_answer_comes_back(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    student = await connect(server, "/exam", school.student)
    session_id = (await student.ok("start", {"examId": school.exam_id}))["session"]["id"]
    console = await connect(other, "/proctor", school.proctor)
    await console.ok("join", {"examId": school.exam_id})
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "sessionId": session_id, "text": "Calm"})
    assert (await student.next("chat"))["text"] == "Calm"
    order = {
        "requestId": uuid(),
        "examId": school.exam_id,
        "sessionId": session_id,
        "action": "pause",
        "reason": "Fire",
    }
    (command,) = (await console.ok("command", order))["commands"]
    received = await student.next("command")
    assert (received["id"], received["action"]) == (command["id"], "pause")
    assert (await student.next("session"))["status"] == "PAUSED"
    await student.ok("command_ack", {"commandId": command["id"]})
    fates: list[str] = []
    while "ACKNOWLEDGED" not in fates:
        shown = [one for one in (await console.next("commands"))["items"] if one["id"] == command["id"]]
        fates += [one["fate"] for one in shown]
    assert fates in (["QUEUED", "ACKNOWLEDGED"], ["QUEUED", "DELIVERED", "ACKNOWLEDGED"])  # hints gather
    assert shown[-1]["deliveredAt"] is not None
    assert [one["type"] for one in await log_of(school.proctor.api, school.exam_id)].count("paused") == 1


async def test_what_is_revoked_at_one_node_closes_at_the_other(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    signed_out = await connect(other, "/exam", school.student)
    await signed_out.ok("start", {"examId": school.exam_id})
    removed = await connect(other, "/exam", school.other_student)
    await removed.ok("start", {"examId": school.exam_id})
    stays = await connect(other, "/proctor", school.proctor)
    await stays.ok("join", {"examId": school.exam_id})
    await school.student.api.ok("POST", "/routes/auth/logout")
    await asyncio.wait_for(signed_out.gone.wait(), 3)
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"remove": [school.other_student.id]})
    await asyncio.wait_for(removed.gone.wait(), 3)
    assert not stays.gone.is_set()
    await school.admin.api.ok("DELETE", f"/routes/users/{school.proctor.id}")
    await asyncio.wait_for(stays.gone.wait(), 3)


async def test_an_exam_that_changes_at_one_node_is_known_at_the_other(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    student = await connect(other, "/exam", school.student)
    await student.ok("start", {"examId": school.exam_id})
    policy = {"tabChangeLimit": 0, "onTabChangeLimit": "pause"}
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", {"policy": policy})
    async with asyncio.timeout(5):  # until the hint is there, it counts by the old policy
        while student.received["session"].empty():
            await student.ok("tab_change", {"hidden": True})
    assert (await student.next("session"))["status"] == "PAUSED"


async def test_a_second_device_at_another_node_takes_over_and_is_recorded(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    first = await connect(server, "/exam", school.student, uuid())
    await first.ok("start", {"examId": school.exam_id})
    second = await connect(other, "/exam", school.student, uuid())
    await second.ok("start", {"examId": school.exam_id})
    await first.next("replaced")
    await asyncio.wait_for(first.gone.wait(), 5)
    await second.ok("heartbeat")
    types = [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]
    assert types == ["session_started", "connected", "second_connection"]


async def test_the_same_client_goes_from_node_to_node_in_silence_and_its_numbers_go_on(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    client_id = uuid()
    first = await connect(server, "/exam", school.student, client_id)
    await first.ok("start", {"examId": school.exam_id})
    acks = [await first.ok("tab_change", {"seq": seq, "hidden": True}) for seq in (1, 2, 3)]
    second = await connect(other, "/exam", school.student, client_id)
    assert (await second.ok("start", {"examId": school.exam_id}))["lastSeq"] == 3
    await asyncio.wait_for(first.gone.wait(), 5)
    assert first.received["replaced"].empty()
    assert await second.ok("tab_change", {"seq": 2, "hidden": True}) == acks[1] | {"duplicate": True}
    assert await second.code("tab_change", {"seq": 2, "hidden": False}) == "conflict"
    await second.ok("tab_change", {"seq": 4, "hidden": False})
    types = [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]
    assert types == ["session_started", "connected", *["tab_change"] * 4]


async def test_who_left_one_node_and_comes_to_another_with_another_device_is_no_second_connection(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    first = await connect(server, "/exam", school.student, uuid())
    session_id = (await first.ok("start", {"examId": school.exam_id}))["session"]["id"]
    await first.close()

    async def left() -> bool:
        return (await other.store.sessions.by_id(ObjectId(session_id)))["holder"]["clientId"] is None

    async with asyncio.timeout(10):
        while not await left():
            await asyncio.sleep(0.05)
    second = await connect(other, "/exam", school.student, uuid())
    await second.ok("start", {"examId": school.exam_id})
    types = [one["type"] for one in await log_of(school.proctor.api, school.exam_id)]
    assert types == ["session_started", "connected", "disconnected", "connected"]


async def test_a_console_that_goes_to_another_node_has_missed_nothing(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    there_before = await connect(other, "/proctor", school.admin)  # so that the log is open there, and may be behind
    await there_before.ok("join", {"examId": school.exam_id})
    student = await connect(server, "/exam", school.student)
    await student.ok("start", {"examId": school.exam_id})
    console = await connect(server, "/proctor", school.proctor)
    joined = await console.ok("join", {"examId": school.exam_id})
    for round_ in range(20):
        ack = await student.ok("tab_change", {"hidden": True})
        moved = await connect(other, "/proctor", school.proctor)
        again = await moved.ok("join", {"examId": school.exam_id, "since": ack["offset"] - 1, "epoch": joined["epoch"]})
        assert (again["reset"], again["offset"]) == (False, ack["offset"]), round_
        assert [one["offset"] for one in again["activity"]] == [ack["offset"]]
        await moved.close()


async def test_heartbeats_over_rest_at_whichever_node_keep_a_student_online_and_are_all_read_at_both(
    server: Running, other: Running, school: Organisation
) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    here = school.student.api
    for number in range(8):  # every half second, where a student is late after two
        await (here, there(here, other))[number > 0].ok(
            "POST", "/routes/proctoring/heartbeat", {"sessionId": session["id"]}
        )
        await asyncio.sleep(0.5)
    for node in (server, other):
        api = there(school.proctor.api, node)
        assert len(await api.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")) == 8
        shown = await api.ok("GET", f"/routes/proctoring/{session['id']}")
        assert (shown["connectivity"], shown["rev"]) == ("ONLINE", 1)
    assert [one["type"] for one in await log_of(school.proctor.api, school.exam_id)] == ["session_started"]


async def test_a_node_that_starts_later_knows_the_heartbeats_of_who_is_not_heard_of_any_more(
    server: Running, settings: Settings, school: Organisation
) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    for _ in range(3):
        await school.student.api.ok("POST", "/routes/proctoring/heartbeat", {"sessionId": session["id"]})
    await school.student.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    path = f"/routes/proctoring/{session['id']}"
    beats = await school.proctor.api.ok("GET", f"{path}/heartbeats")
    assert len(beats) == 3
    async with running(settings) as later:
        api = there(school.proctor.api, later)
        assert await api.ok("GET", f"{path}/heartbeats") == beats
        assert (await api.ok("GET", path))["lastHeartbeatAt"] == beats[-1]["receivedAt"]


async def test_heartbeats_whose_hint_was_lost_are_read_all_the_same(
    server: Running, other: Running, school: Organisation, redis: RedisProcess
) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    await redis.kill()
    await hear_of_each_other(server, other, healthy=False)
    for _ in range(3):
        await school.student.api.ok("POST", "/routes/proctoring/heartbeat", {"sessionId": session["id"]})
    api = there(school.proctor.api, other)
    assert len(await api.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")) == 3


async def test_a_deadline_ends_a_session_once_however_many_nodes_look(
    server: Running, other: Running, school: Organisation, connect: Any
) -> None:
    ends_at = format_instant(now() + timedelta(seconds=3))
    exam = await make_exam(school.admin, school.student, school.proctor, endsAt=ends_at)
    student = await connect(other, "/exam", school.student)
    await student.ok("start", {"examId": exam["id"]})
    while (await student.next("session"))["status"] != "TIMED_OUT":
        pass
    await asyncio.sleep(4)  # past the moment at which the other node would
    types = [one["type"] for one in await log_of(school.proctor.api, exam["id"])]
    assert types.count("session_ended") == 1


async def test_while_redis_is_away_consoles_and_students_are_late_and_miss_nothing(
    server: Running, other: Running, school: Organisation, connect: Any, redis: RedisProcess
) -> None:
    student = await connect(server, "/exam", school.student)
    session_id = (await student.ok("start", {"examId": school.exam_id}))["session"]["id"]
    console = await connect(other, "/proctor", school.proctor)
    joined = await console.ok("join", {"examId": school.exam_id})
    await redis.kill()
    await hear_of_each_other(server, other, healthy=False)
    offsets: list[int] = []
    for _ in range(3):
        await student.ok("tab_change", {"hidden": True})
        offsets += [item["offset"] for item in (await console.next("activity"))["items"]]
    assert offsets == list(range(joined["offset"] + 1, joined["offset"] + 4))
    order = {"requestId": uuid(), "examId": school.exam_id, "sessionId": session_id, "action": "warn", "text": "Hush"}
    await console.ok("command", order)
    assert (await student.next("command"))["text"] == "Hush"
    await school.student.api.ok("POST", "/routes/auth/logout")
    await asyncio.wait_for(student.gone.wait(), 10)
    await redis.start()
    await hear_of_each_other(server, other)
    student = await connect(server, "/exam", school.other_student)
    await student.ok("start", {"examId": school.exam_id})
    assert (await console.activity("session_started"))["userId"] == school.other_student.id


async def test_with_redis_websocket_alone_is_offered(server: Running, school: Organisation) -> None:
    polling = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await polling.connect(
            server.ws_url, namespaces=["/exam"], auth={"token": school.student.token}, transports=["polling"]
        )


async def test_a_subscription_that_is_dead_in_silence_is_noticed_and_made_anew(
    server: Running, other: Running, school: Organisation, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_CHECK", 1)
    monkeypatch.setattr(following, "_LATE_S", 0.3)
    console = await connect(other, "/proctor", school.proctor)
    await console.ok("join", {"examId": school.exam_id})
    hears = other.store.hints.hear
    monkeypatch.setattr(other.store.hints, "hear", lambda message: None)  # it still hears itself
    student = await connect(server, "/exam", school.student)
    await student.ok("start", {"examId": school.exam_id})
    await console.activity("session_started")  # found by looking
    monkeypatch.setattr(other.store.hints, "hear", hears)
    await hear_of_each_other(server, other)
    await student.ok("tab_change", {"hidden": True})
    await console.activity("tab_change")
