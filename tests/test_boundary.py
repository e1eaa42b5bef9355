"""The sockets' boundary: whatever is sent, there is one answer to it or the connection is closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from models.store import Store
from server.app import Running, running
from server.settings import Settings
from tests.clients import WAIT_S, Socket
from tests.conftest import Connect, Organisation
from tests.frames import Frames, event_frame, opened

MAX_FRAME = 256 * 1024
NOT_EVENTS = [
    *("connect", "disconnect", "on_connect", "connect_error", "message", "*", "", " ", "heartbeat ", "Heartbeat"),
    *("trigger_event", "emit", "send", "call", "on_start", "on_heartbeat", "__init__", "__class__", "_dispatch"),
    *("disconnected", "events", "roles", "server", "store", "binding", "_record", "join", "command", "review"),
    *("replaced", "session", "presence", "\u0000", "\u202e", "x" * 5000, "start\n"),
]


@contextlib.asynccontextmanager
async def started(http: aiohttp.ClientSession, school: Organisation, server: Running) -> AsyncIterator[Frames]:
    """A student's connection that has started."""
    async with opened(http, server.ws_url) as frames:
        assert "sid" in await frames.connect("/exam", {"token": school.student.token})
        ack = await frames.call("/exam", 1, "start", {"examId": school.exam_id})
        assert ack["ok"], ack
        yield frames


def code(ack: Any) -> str | None:
    assert set(ack) == ({"ok", "data"} if ack["ok"] else {"ok", "error"}), ack
    if ack["ok"]:
        return None
    assert set(ack["error"]) <= {"code", "message", "details", "retryAfterMs"}
    assert isinstance(ack["error"]["message"], str)
    return str(ack["error"]["code"])


async def outcome(frames: Frames, number: int, *sent: str | bytes) -> str:
    """What came of a frame whose ack's id is `number`: its error's code, or `closed`. Silence fails."""
    await frames.send(*sent, event_frame("/exam", 99, "heartbeat", {}))
    acks, closed = await frames.acks_until_closed_or(99)
    if number in acks:
        assert len(acks[number]) == 1, acks
        return code(acks[number][0]) or "ok"
    assert closed, f"silence on an open connection after {str(sent)[:80]}"
    return "closed"


async def test_what_is_no_event_is_answered_unknown_event_once_and_changes_nothing(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        for number, name in enumerate(NOT_EVENTS, 100):
            for args in ([], [{}], [{"token": school.student.token}, {}]):
                await frames.send(event_frame("/exam", number, name, *args))
                await frames.send(event_frame("/exam", number + 1000, "heartbeat", {}))
                acks, closed = await frames.acks_until_closed_or(number + 1000)
                assert not closed, name
                assert [code(ack) for ack in acks[number]] == ["unknown_event"], name
                assert set(acks) == {number, number + 1000}
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    types = [one["type"] for one in log]
    assert types in (["session_started", "connected"], ["session_started", "connected", "disconnected"])


async def test_a_forged_connect_or_disconnect_gives_nobody_another_identity(
    school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    started = await student.ok("start", {"examId": school.exam_id})
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    for event in ("connect", "disconnect"):
        for args in ((), ({},), ({"aiohttp.request": {}}, {"token": school.other_student.token}), ("reason",)):
            assert await student.code(event, *args) == "unknown_event"
            assert await console.code(event, *args) == "unknown_event"
    await student.ok("tab_change", {})
    assert (await console.activity("tab_change"))["sessionId"] == started["session"]["id"]
    await console.silence("presence")


@pytest.mark.parametrize("name", [5, 1.5, None, True, [], ["heartbeat"], {}, {"a": 1}], ids=repr)
async def test_an_events_name_that_is_no_text_is_refused_or_closes(
    school: Organisation, server: Running, http: aiohttp.ClientSession, name: Any
) -> None:
    async with started(http, school, server) as frames:
        got = await outcome(frames, 7, event_frame("/exam", 7, name, {}))
        assert got in ("unknown_event", "closed")


async def test_a_payload_that_does_not_validate_is_refused_with_where_and_why(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    payloads: list[Any] = [None, [], [{}], "text", "", 5, 0, True, 1.5, deep]
    payloads += [{"x": 1}, {"seq": 1, "x": None}, {"__proto__": {}}, {"": 1}, {"hidden": deep}, {"Hidden": True}]
    payloads += [{"self": {}}, {"connection": 1}, {"duration_ms": 5}, {"occurred_at": None}, {"seq": 10**30}]
    async with started(http, school, server) as frames:
        for number, payload in enumerate(payloads, 100):
            ack = await frames.call("/exam", number, "tab_change", payload)
            assert code(ack) == "invalid_payload", payload
            for entry in ack["error"].get("details", []):
                assert set(entry) == {"loc", "msg"}
        ack = await frames.call("/exam", 50, "tab_change", {"hidden": "yes", "durationMs": -1})
        assert sorted(entry["loc"] for entry in ack["error"]["details"]) == [["durationMs"], ["hidden"]]
        assert "yes" not in json.dumps(ack), "what was sent is not repeated"
        for number, args in enumerate(([{}, {}], [{}, None], [{}, {}, {}], [None, None], [{}] * 50), 200):
            for event in ("heartbeat", "tab_change", "start"):
                assert code(await frames.call("/exam", number, event, *args)) == "invalid_payload", args
        for event in ("start", "chat", "activity", "replay"):
            assert code(await frames.call("/exam", 60, event)) == "invalid_payload", event
        for event in ("heartbeat", "tab_change"):
            assert code(await frames.call("/exam", 61, event)) is None, event
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
    assert [one["type"] for one in log if one["source"] == "client"] == ["session_started", "tab_change"]


async def test_binary_data_is_refused_with_one_answer(school: Organisation, connect: Connect) -> None:
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    console = await connect("/proctor", school.proctor.token)
    for event, payload in (
        ("tab_change", b"bytes"),
        ("tab_change", {"hidden": b"1"}),
        ("chat", {"text": b"Hello"}),
        ("activity", {"type": "copy", "data": {"durationMs": b"5"}}),
        ("replay", {"items": [b"a", b"b"]} | {"more": b"c"}),
        ("start", {"examId": b"123456789012"}),
    ):
        assert await student.code(event, payload) == "invalid_payload", payload
    assert await console.code("join", {"examId": school.exam_id, "epoch": b"x"}) == "invalid_payload"
    got = await student.ok("replay", {"items": [b"a", {"event": "chat", "payload": {"seq": 5, "text": b"b"}}]})
    assert [(one["seq"], one["error"]["code"]) for one in got["rejected"]] == [
        (None, "invalid_payload"),
        (5, "invalid_payload"),
    ]
    await student.ok("heartbeat")


async def test_ack_ids_of_any_size_are_answered_as_they_came(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        for number in (0, 0, 1, 7, 7, 2**31, 2**53, 10**18, 0):
            assert code(await frames.call("/exam", number, "heartbeat", {})) is None, number
            assert code(await frames.call("/exam", number, "nothing")) == "unknown_event", number
        # Acks that nobody asked for, of the id that python-socketio trips over among them.
        await frames.send("43/exam,0[]", "43/exam,0[1]", '43/exam,5[{"ok":true}]', "43/exam,[]")
        assert code(await frames.call("/exam", 8, "heartbeat", {})) is None


async def test_an_event_without_an_ack_id_is_handled_and_not_answered(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        await frames.send(event_frame("/exam", None, "tab_change", {}), event_frame("/exam", None, "nothing", {}))
        await frames.send(event_frame("/exam", 5, "heartbeat", {}))
        acks, closed = await frames.acks_until_closed_or(5)
        assert (list(acks), closed) == ([5], False)
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["type"] for one in log][:3] == ["session_started", "connected", "tab_change"]


async def test_events_are_answered_in_the_order_in_which_they_came(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        events = ["heartbeat", "nothing", "tab_change", "replay"] * 10
        await frames.send(*(event_frame("/exam", number, name, {}) for number, name in enumerate(events, 10)))
        acks, _ = await frames.acks_until_closed_or(10 + len(events) - 1)
        assert list(acks) == list(range(10, 10 + len(events)))


async def test_the_frame_size_is_announced_and_a_frame_over_it_closes_the_connection(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        assert frames.opened["maxPayload"] == MAX_FRAME == 262144
        empty = event_frame("/exam", 7, "tab_change", {"x": ""})
        most = event_frame("/exam", 7, "tab_change", {"x": "x" * (MAX_FRAME - len(empty))})
        assert len(most) == MAX_FRAME
        assert await outcome(frames, 7, most) == "invalid_payload"
        assert await outcome(frames, 8, event_frame("/exam", 8, "tab_change", {"x": "x" * MAX_FRAME})) == "closed"


MALFORMED: dict[str, str] = {
    "JSON that is cut off": '42/exam,7["tab_change",{"seq":1}',
    "JSON that is none": "42/exam,7tab_change",
    "JSON with more behind": '42/exam,7["tab_change",{}]]',
    "nested too deep": '42/exam,7["tab_change",' + "[" * 5000 + "]" * 5000 + "]",
    "nested deeper still": '42/exam,7["tab_change",' + '{"a":' * 40000 + "1" + "}" * 40000 + "]",
    "a number of 1000 digits": '42/exam,7["tab_change",{"seq":' + "9" * 1000 + "}]",
    "a number beyond a double": '42/exam,7["tab_change",{"seq":1e999}]',
    "NaN": '42/exam,7["tab_change",{"seq":NaN}]',
    "Infinity": '42/exam,7["tab_change",{"seq":-Infinity}]',
    "a lone surrogate": '42/exam,7["chat",{"text":"\\ud800"}]',
    "a lone surrogate as name": '42/exam,7["\\udfff"]',
    "no event's name": "42/exam,7[]",
    "an object for a list": "42/exam,7{}",
    "text for a list": '42/exam,7"tab_change"',
    "null for a list": "42/exam,7null",
    "no data": "42/exam,7",
    "an id of 200 digits": "42/exam," + "7" * 200 + '["tab_change",{}]',
    "an unknown packet type": '47/exam,7["tab_change",{}]',
    "a packet type that is none": '4x/exam,7["tab_change",{}]',
    "binary with no attachment": '450-/exam,7["tab_change",{}]',
    "binary without its number": '45/exam,7["tab_change",{}]',
    "binary with a wrong number": '451-/exam,7["tab_change",{"_placeholder":true,"num":5}]',
    "binary with too many": '4599999999999-/exam,7["tab_change",{}]',
    "text where an attachment is due": '451-/exam,7["tab_change",{"hidden":{"_placeholder":true,"num":0}}]',
}

# These ask for no ack.
QUIET: dict[str, str] = {
    "a negative id": '42/exam,-7["tab_change",{}]',
    "a client's CONNECT_ERROR": '44/exam,{"message":"no"}',
    "no packet": "4",
    "an unknown Engine.IO type": "9hello",
    "nothing": "",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_a_packet_that_is_malformed_is_refused_or_closes_and_is_never_met_with_silence(
    school: Organisation, server: Running, http: aiohttp.ClientSession, name: str
) -> None:
    async with started(http, school, server) as frames:
        async with asyncio.timeout(WAIT_S):
            got = await outcome(frames, 7, MALFORMED[name])
        assert got in ("invalid_payload", "unknown_event", "closed")
    async with started(http, school, server) as frames:
        assert code(await frames.call("/exam", 8, "heartbeat", {})) is None


@pytest.mark.parametrize("name", QUIET)
async def test_what_is_malformed_and_asks_for_nothing_closes_or_is_passed_over(
    school: Organisation, server: Running, http: aiohttp.ClientSession, name: str
) -> None:
    async with started(http, school, server) as frames:
        assert await outcome(frames, 99, QUIET[name]) in ("ok", "closed")
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert {one["type"] for one in log} <= {"session_started", "connected", "disconnected"}


@pytest.mark.parametrize("attachments", [[b"x"], [b"x", b"y"], [b""]], ids=repr)
async def test_binary_packets_by_hand_are_refused_with_one_answer(
    school: Organisation, server: Running, http: aiohttp.ClientSession, attachments: list[bytes]
) -> None:
    holders = {f"a{num}": {"_placeholder": True, "num": num} for num in range(len(attachments))}
    head = f"45{len(attachments)}-/exam,7" + json.dumps(["tab_change", holders])
    async with started(http, school, server) as frames:
        assert await outcome(frames, 7, head, *attachments) in ("invalid_payload", "closed")


async def test_an_attachment_that_belongs_to_nothing_does_no_harm(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        assert await outcome(frames, 99, b"bytes") in ("ok", "closed")


async def test_events_of_a_namespace_that_is_not_connected_are_unauthorized(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with opened(http, server.ws_url) as frames:
        for number, namespace in enumerate(("/exam", "/proctor", "/", "/nothing"), 1):
            for event in ("heartbeat", "join", "connect", "disconnect", "nothing"):
                ack = await frames.call(namespace, number, event, {})
                wanted = ("unauthorized",) if event in ("heartbeat", "join") else ("unauthorized", "unknown_event")
                assert code(ack) in wanted, (namespace, event)
        await frames.connect("/exam", {"token": school.student.token})
        assert code(await frames.call("/proctor", 7, "join", {"examId": school.exam_id})) == "unauthorized"
        assert code(await frames.call("/exam", 8, "start", {"examId": school.exam_id})) is None
        await frames.send("41/exam,")
        assert code(await frames.call("/exam", 9, "heartbeat", {})) == "unauthorized"
        await frames.connect("/exam", {"token": school.student.token})
        assert code(await frames.call("/exam", 10, "start", {"examId": school.exam_id})) is None


async def test_a_namespace_that_is_connected_twice_keeps_one_identity(
    school: Organisation, server: Running, http: aiohttp.ClientSession
) -> None:
    async with started(http, school, server) as frames:
        await frames.send("40/exam," + json.dumps({"token": school.other_student.token}))
        got = await outcome(frames, 7, event_frame("/exam", 7, "tab_change", {}))
        assert got in ("ok", "closed", "unauthorized", "conflict")
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert {one["userId"] for one in log} == {school.student.id}


@pytest.mark.parametrize("role", ["student", "proctor"])
async def test_too_fast_a_client_is_told_so_and_nothing_of_it_is_lost(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession, role: str
) -> None:
    namespace, event, payload = {
        "student": ("/exam", "tab_change", {}),
        "proctor": ("/proctor", "join", {"examId": school.exam_id, "since": 0}),
    }[role]
    async with running(settings.model_copy(update={"rate_limits": True})) as server:
        async with opened(http, server.ws_url) as frames:
            await frames.connect(namespace, {"token": getattr(school, role).token})
            if role == "student":
                assert code(await frames.call(namespace, 999, "start", {"examId": school.exam_id})) is None
            # So many that some are refused, also where each commit takes ten milliseconds.
            await frames.send(*(event_frame(namespace, number, event, payload) for number in range(1, 601)))
            acks, closed = await frames.acks_until_closed_or(600)
            assert not closed
            assert {number: len(got) for number, got in acks.items()} == dict.fromkeys(range(1, 601), 1)
            codes = Counter(code(got[0]) for got in acks.values())
            assert set(codes) == {None, "rate_limited"}
            assert codes[None] >= 100
            refused = [got[0]["error"] for got in acks.values() if not got[0]["ok"]]
            assert all(type(error["retryAfterMs"]) is int and 0 < error["retryAfterMs"] < 60_000 for error in refused)
            # Whoever waits as long as it was told is served; another client need not wait at all.
            await asyncio.sleep(max(error["retryAfterMs"] for error in refused) / 1000)
            assert code(await frames.call(namespace, 601, event, payload)) is None
            async with opened(http, server.ws_url) as other:
                await other.connect("/proctor", {"token": school.admin.token})
                assert code(await other.call("/proctor", 1, "join", {"examId": school.exam_id})) is None
        log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
        if role == "student":
            assert Counter(one["type"] for one in log)["tab_change"] == codes[None] + 1


async def test_an_unknown_event_is_called_so_however_fast_it_comes(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    fast = settings.model_copy(update={"rate_limits": True})
    async with running(fast) as server, opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        await frames.send(*(event_frame("/exam", number, "nothing") for number in range(1, 301)))
        acks, closed = await frames.acks_until_closed_or(300)
        assert not closed
        # unknown_event is tried before rate_limited.
        assert Counter(code(ack) for got in acks.values() for ack in got) == {"unknown_event": 300}


async def test_a_handler_that_crashes_answers_internal_with_a_request_id_that_is_in_the_log(
    school: Organisation,
    connect: Connect,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("a secret of the inside")

    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    console = await connect("/proctor", school.proctor.token)
    cases: list[tuple[Socket, str, dict[str, Any], Any, str]] = [
        (student, "heartbeat", {}, store.heartbeats, "beat"),
        (student, "tab_change", {}, store.log, "append"),
        (student, "end", {}, store.sessions, "end"),
        (console, "join", {"examId": school.exam_id}, store.exams, "get"),
    ]
    for socket, event, payload, owner, method in cases:
        caplog.clear()
        with monkeypatch.context() as patch:
            patch.setattr(owner, method, crash)
            ack = await socket.call(event, payload)
        assert code(ack) == "internal"
        assert "secret" not in json.dumps(ack)
        request_id = re.search(r"[0-9a-f-]{32,36}", ack["error"]["message"])
        assert request_id, ack
        (record,) = [one for one in caplog.records if request_id[0] in one.getMessage()]
        assert record.levelno == logging.ERROR
        assert record.exc_info
        assert "a secret of the inside" in str(record.exc_info[1])
        assert await socket.code(event, payload) is None
    await console.ok("join", {"examId": school.exam_id})


async def test_a_crash_while_connecting_lets_nobody_in_and_tells_nothing_of_itself(
    school: Organisation, store: Store, server: Running, monkeypatch: pytest.MonkeyPatch, http: aiohttp.ClientSession
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError("inside")

    connect_ = "40/exam," + json.dumps({"token": school.student.token})
    async with opened(http, server.ws_url) as frames:
        with monkeypatch.context() as patch:
            patch.setattr(store.tokens, "verify", crash)
            await frames.send(connect_)
            answer = await frames.receive()
        if answer is not None:  # not closed, so refused
            assert answer.startswith("44/exam,")
            assert json.loads(answer[8:])["data"]["code"] == "internal"
            assert "inside" not in answer
    async with started(http, school, server) as frames:
        assert code(await frames.call("/exam", 5, "heartbeat", {})) is None


async def test_one_clients_broken_frames_leave_the_others_alone(
    school: Organisation, server: Running, connect: Connect, http: aiohttp.ClientSession
) -> None:
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": school.exam_id})

    async def break_(frame: str) -> None:
        async with opened(http, server.ws_url) as frames:
            await frames.connect("/exam", {"token": school.student.token})
            await frames.send(frame)

    await asyncio.gather(*(break_(frame) for frame in [*MALFORMED.values(), *QUIET.values()]))
    await other.ok("tab_change", {})
    assert (await console.activity("tab_change"))["userId"] == school.other_student.id
