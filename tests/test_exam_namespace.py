"""`/exam`, event by event: what is acked, what is stored, what others are told and what nobody is told."""

from __future__ import annotations

import asyncio
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from tests.clients import Socket, lasting, uuid
from tests.conftest import Connect, Organisation, Person, make_exam

SESSION = {
    *("id", "rev", "status", "connectivity", "startTime", "endTime", "examId", "userId"),
    *("organisationId", "lastHeartbeatAt", "user", "createdAt", "updatedAt"),
    *("activatedAt", "deadline", "timeLedger", "remainingMs", "hand", "lastActivityAt"),
}
EXAM = {
    *("id", "title", "duration", "organisationId", "startsAt", "endsAt", "rehearsal", "policy", "createdAt"),
    "updatedAt",
}
ACTIVITY = {
    *("id", "offset", "examId", "sessionId", "userId", "organisationId", "type", "severity", "source"),
    *("actorId", "clientId", "seq", "occurredAt", "receivedAt", "late", "data"),
}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# type, data as sent, data as stored where it differs, severity
REPORTS: list[tuple[str, dict[str, Any], dict[str, Any] | None, str]] = [
    ("tab_change", {"hidden": True}, None, "medium"),
    ("tab_change", {}, {"hidden": True}, "medium"),
    ("tab_change", {"hidden": True, "durationMs": 60_000}, None, "medium"),
    ("tab_change", {"hidden": False}, None, "info"),
    ("tab_change", {"hidden": False, "durationMs": 30_000}, None, "info"),
    ("tab_change", {"hidden": False, "durationMs": 30_001}, None, "high"),
    ("window_blur", {}, None, "low"),
    ("window_blur", {"durationMs": 60_000}, None, "low"),
    ("window_focus", {}, None, "info"),
    ("window_focus", {"durationMs": 2_000}, None, "info"),
    ("window_focus", {"durationMs": 2_001}, None, "medium"),
    ("fullscreen_exit", {"durationMs": 0}, None, "medium"),
    ("fullscreen_enter", {"durationMs": 90_000}, None, "info"),
    *((one, {}, None, "medium") for one in ("copy", "cut", "paste", "print", "page_reload", "network_lost")),
    *((one, {"durationMs": 5}, None, "medium") for one in ("copy", "cut", "paste", "print")),
    *((one, {"durationMs": 5}, None, "medium") for one in ("page_reload", "network_lost")),
    ("network_restored", {"durationMs": 100_000}, None, "info"),
    *((one, {}, None, "low") for one in ("right_click", "resize", "blocked_shortcut")),
    ("resize", {"width": 800, "height": 600}, None, "low"),
    ("blocked_shortcut", {"key": "F12"}, None, "low"),
    ("right_click", {"key": "ContextMenu"}, None, "low"),
    ("multiple_displays", {}, None, "high"),
    ("devtools_suspected", {}, None, "high"),
    ("chat", {"text": "May I leave?"}, {"text": "May I leave?", "to": "proctors"}, "info"),
]
BAD_DATA: list[tuple[str, Any]] = [
    ("tab_change", {"hidden": "yes"}),
    ("tab_change", {"hidden": 1}),
    ("tab_change", {"hidden": None}),
    ("tab_change", {"key": "a"}),
    *(("window_blur", {"durationMs": bad}) for bad in (-1, 1.5, "5", True, {"ms": 5}, [5])),
    ("copy", {"text": "what was copied"}),
    ("right_click", {"durationMs": 1}),
    ("resize", {"width": "800"}),
    ("blocked_shortcut", {"key": "k" * 3000}),
    ("multiple_displays", {"displays": 2}),
    ("devtools_suspected", {"durationMs": 1}),
    ("chat", {}),
    ("chat", {"text": ""}),
    ("chat", {"text": "x" * 2001}),
    ("chat", {"text": "To all", "to": "exam"}),
    ("copy", []),
    ("copy", "text"),
    ("copy", None),
]
SERVER_TYPES = ["session_started", "session_ended", "connected", "disconnected", "second_connection", "heartbeat"]
MALFORMED_SEQS: list[Any] = [0, -1, 2**31, 2**63, 2**64, 1.0, 1.5, "1", True, [1], {}]


async def log_of(school: Organisation, *types: str) -> list[dict[str, Any]]:
    """The exam's log, as a proctor reads it over REST: all of it, or what is of these types."""
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
    assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
    return [one for one in log if not types or one["type"] in types]


async def begin(
    connect: Connect, school: Organisation, who: Person | None = None, client_id: str | None = None
) -> Socket:
    socket = await connect("/exam", (who or school.student).token, client_id)
    await socket.ok("start", {"examId": school.exam_id})
    return socket


async def next_items(console: Socket, count: int) -> list[dict[str, Any]]:
    """The next activities that a console is pushed, however they are grouped."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += (await console.next("activity"))["items"]
    assert len(found) == count, found
    return found


async def watch(connect: Connect, school: Organisation) -> Socket:
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    return console


def in_an_hour(hours: float = 1) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def test_start_answers_the_whole_state_and_begins_the_session_once(
    school: Organisation, connect: Connect
) -> None:
    console = await watch(connect, school)
    client_id = uuid()
    student = await connect("/exam", school.student.token, client_id)
    got = await student.ok("start", {"examId": school.exam_id})

    assert set(got) == {
        *("session", "exam", "clientId", "lastSeq", "serverTime", "remainingMs", "heartbeatIntervalMs", "chat")
    }
    assert set(got["session"]) == SESSION
    assert set(got["exam"]) == EXAM
    assert got["exam"]["id"] == got["session"]["examId"] == school.exam_id
    assert (got["session"]["status"], got["session"]["connectivity"]) == ("ACTIVE", "ONLINE")
    assert got["session"]["user"] == {"id": school.student.id, "name": "student"}
    assert (got["clientId"], got["lastSeq"], got["chat"]) == (client_id, 0, [])
    assert 59 * 60_000 < got["remainingMs"] <= 60 * 60_000
    assert isinstance(got["heartbeatIntervalMs"], int)
    assert INSTANT.fullmatch(got["serverTime"])

    log = await log_of(school)
    assert [(one["type"], one["source"], one["severity"]) for one in log] == [
        ("session_started", "client", "info"),
        ("connected", "server", "info"),
    ]
    assert [set(one) for one in log] == [ACTIVITY] * 2
    assert log[0]["data"] == {"status": "ACTIVE"}
    assert [(await console.activity(one["type"])) for one in log] == log
    pushed = await console.next("presence")
    assert pushed["examId"] == school.exam_id
    assert [lasting(one) for one in pushed["items"]] == [lasting(got["session"])]

    again = await student.ok("start", {"examId": school.exam_id})
    assert lasting(again["session"]) == lasting(got["session"])
    assert await log_of(school) == log
    without = await connect("/exam", school.other_student.token)
    given = (await without.ok("start", {"examId": school.exam_id}))["clientId"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", given)


async def test_start_and_rest_begin_the_same_session(school: Organisation, connect: Connect) -> None:
    made = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    sockets = [await connect("/exam", school.student.token, client_id) for client_id in [uuid()] * 3]

    async def started(socket: Socket) -> str | None:
        """The session's id; None for a connection that was replaced before its ack."""
        ack = asyncio.create_task(socket.ok("start", {"examId": school.exam_id}))
        gone = asyncio.create_task(socket.gone.wait())
        await asyncio.wait([ack, gone], return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if ack.done():
            return str(ack.result()["session"]["id"])
        ack.cancel()
        return None

    assert set(await asyncio.gather(*(started(one) for one in sockets))) - {None} == {made["id"]}
    assert len(await log_of(school, "session_started")) == 1


async def test_start_is_refused_where_there_is_nothing_to_start(
    school: Organisation, college: Organisation, connect: Connect
) -> None:
    theirs = await make_exam(school.admin, school.other_student)
    student = await connect("/exam", school.student.token)
    for exam_id in (theirs["id"], college.exam_id, str(ObjectId())):
        assert await student.code("start", {"examId": exam_id}) == "not_found"
    for bad in ({}, {"examId": "x"}, {"examId": None}, {"examId": school.exam_id, "x": 1}):
        assert await student.code("start", bad) == "invalid_payload", bad
    for since in (-1, "0", 1.5, True):
        assert await student.code("start", {"examId": school.exam_id, "chatSince": since}) == "invalid_payload"
    assert await log_of(school) == []
    # None of these has bound the connection.
    await student.ok("start", {"examId": school.exam_id})


async def test_start_keeps_to_the_exams_window(school: Organisation, connect: Connect) -> None:
    early = await make_exam(school.admin, school.student, startsAt=in_an_hour())
    late = await make_exam(school.admin, school.student, endsAt=in_an_hour(-1))
    short = await make_exam(school.admin, school.student, startsAt=in_an_hour(-1), endsAt=in_an_hour(0.25))
    student = await connect("/exam", school.student.token)
    assert await student.code("start", {"examId": early["id"]}) == "conflict"
    assert await student.code("start", {"examId": late["id"]}) == "conflict"
    remaining = (await student.ok("start", {"examId": short["id"]}))["remainingMs"]
    assert 14 * 60_000 < remaining <= 15 * 60_000


async def test_a_connection_has_one_session_and_nothing_goes_before_its_start(
    school: Organisation, connect: Connect
) -> None:
    physics = await make_exam(school.admin, school.student)
    student = await connect("/exam", school.student.token)
    events: dict[str, Any] = {
        "heartbeat": {},
        "tab_change": {"seq": 1},
        "chat": {"text": "Hello"},
        "activity": {"type": "copy"},
        "replay": {"items": []},
        "end": {},
    }
    for event, payload in events.items():
        assert await student.code(event, payload) == "conflict", event
    assert await student.code("tab_change", {"seq": 0}) == "invalid_payload"  # the payload is looked at first
    started = await student.ok("start", {"examId": school.exam_id})
    assert await student.code("start", {"examId": physics["id"]}) == "conflict"
    again = (await student.ok("start", {"examId": school.exam_id}))["session"]
    assert lasting(again) == lasting(started["session"])
    listed = await school.admin.api.ok("GET", f"/routes/proctoring?examId={physics['id']}")
    assert listed == []


async def test_a_session_that_is_over_is_returned_and_takes_nothing_but_replay(
    school: Organisation, connect: Connect
) -> None:
    client_id = uuid()
    student = await begin(connect, school, client_id=client_id)
    await student.ok("end")
    again = await connect("/exam", school.student.token, client_id)
    for socket in (student, again):
        got = await socket.ok("start", {"examId": school.exam_id})
        assert (got["session"]["status"], got["session"]["connectivity"]) == ("SUBMITTED", "CLOSED")
        assert got["remainingMs"] == 0
    before = await log_of(school)
    for event, payload in (
        ("heartbeat", {}),
        ("tab_change", {}),
        ("chat", {"text": "Wait"}),
        ("activity", {"type": "copy"}),
    ):
        assert await again.code(event, payload) == "conflict", event
    await again.close()
    assert await log_of(school) == before
    assert before[-1]["type"] == "session_ended"


async def test_chat_since_brings_what_the_student_missed_and_only_that(school: Organisation, connect: Connect) -> None:
    console = await watch(connect, school)
    student = await begin(connect, school)
    other = await begin(connect, school, school.other_student)
    mine, theirs = [
        one["id"] for one in await school.proctor.api.ok("GET", f"/routes/proctoring?examId={school.exam_id}")
    ]

    async def write(text: str, session_id: str | None = None) -> int:
        body = {"requestId": uuid(), "examId": school.exam_id, "text": text}
        ack = await console.ok("chat", body | ({"sessionId": session_id} if session_id else {}))
        return int(ack["offset"])

    first = await write("one", mine)
    await write("not for you", theirs)
    await student.ok("chat", {"text": "from me"})
    second = await write("two")
    assert [(await student.next("chat"))["offset"] for _ in range(2)] == [first, second]
    await student.close()
    third = await write("three", mine)

    back = await connect("/exam", school.student.token)
    got = await back.ok("start", {"examId": school.exam_id, "chatSince": first})
    assert [(one["offset"], one["text"]) for one in got["chat"]] == [(second, "two"), (third, "three")]
    assert [set(one) for one in got["chat"]] == [{"offset", "text", "from", "at"}] * 2
    assert got["chat"][0]["from"] == {"name": "proctor"}
    assert INSTANT.fullmatch(got["chat"][0]["at"])
    all_of_it = await back.ok("start", {"examId": school.exam_id})
    assert [one["offset"] for one in all_of_it["chat"]] == [first, second, third]
    assert [(await other.next("chat"))["text"] for _ in range(2)] == ["not for you", "two"]
    await other.silence("chat")
    await back.silence("chat")


async def test_at_most_a_hundred_messages_come_with_the_start(school: Organisation, connect: Connect) -> None:
    console = await watch(connect, school)
    for number in range(103):
        body = {"requestId": uuid(), "examId": school.exam_id, "text": f"{number}"}
        await console.ok("chat", body)
    student = await connect("/exam", school.student.token)
    chat = (await student.ok("start", {"examId": school.exam_id}))["chat"]
    offsets = [one["offset"] for one in chat]
    assert len(chat) == 100
    assert offsets == list(range(offsets[0], offsets[0] + 100))


async def test_a_heartbeat_is_kept_and_answered_with_the_time_that_is_left(
    school: Organisation, connect: Connect
) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    acks = [await student.ok("heartbeat", *payload) for payload in ([{}], [], [{}])]
    for ack in acks:
        assert set(ack) == {"serverTime", "remainingMs", "nextHeartbeatMs", "status"}
        assert ack["status"] == "ACTIVE"
        assert 59 * 60_000 < ack["remainingMs"] <= 60 * 60_000
    assert await student.code("heartbeat", {"at": acks[0]["serverTime"]}) == "invalid_payload"
    session = (await console.ok("join", {"examId": school.exam_id}))["sessions"][0]
    assert session["lastHeartbeatAt"] == acks[-1]["serverTime"]
    kept = await school.proctor.api.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")
    assert kept == [{"receivedAt": ack["serverTime"]} for ack in acks]
    assert await log_of(school, "heartbeat") == []
    await console.silence("activity")


async def test_a_tab_change_is_hidden_unless_said_otherwise_and_keeps_the_clients_time(
    school: Organisation, connect: Connect
) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    sent = [
        ({}, {"hidden": True}, None),
        ({"hidden": False, "durationMs": 31_000}, {"hidden": False, "durationMs": 31_000}, None),
        ({"occurredAt": "2026-05-04T09:00:00.1239+02:00"}, {"hidden": True}, "2026-05-04T07:00:00.123Z"),
        ({"occurredAt": "1999-01-01T00:00:00Z"}, {"hidden": True}, "1999-01-01T00:00:00.000Z"),
    ]
    started = datetime.now(UTC) - timedelta(seconds=5)
    for payload, data, occurred_at in sent:
        ack = await student.ok("tab_change", payload)
        assert set(ack) == {"id", "offset"}
        seen = await console.activity("tab_change")
        assert (seen["id"], seen["offset"]) == (ack["id"], ack["offset"])
        assert (seen["data"], seen["occurredAt"], seen["seq"]) == (data, occurred_at, None)
        assert datetime.fromisoformat(seen["receivedAt"]) > started
        assert (await log_of(school))[-1] == seen
    assert len(await log_of(school, "tab_change")) == len(sent)
    bad: list[Any] = [{"hidden": "no"}, {"hidden": None}, {"durationMs": -1}, {"x": 1}, {"severity": "info"}]
    bad += [{"occurredAt": one} for one in ("now", 5, "2026-05-04", "2026-05-04T09:00:00", "2026-13-01T00:00:00Z")]
    bad += [{"sessionId": str(ObjectId())}, {"type": "copy"}, {"data": {}}]
    for payload in bad:
        assert await student.code("tab_change", payload) == "invalid_payload", payload
    await console.silence("activity")


async def test_every_type_of_the_table_is_recorded_with_its_data_and_severity(
    school: Organisation, connect: Connect
) -> None:
    client_id = uuid()
    student = await begin(connect, school, client_id=client_id)
    console = await watch(connect, school)
    for seq, (type_, data, stored, severity) in enumerate(REPORTS, 1):
        payload = {"seq": seq, "type": type_, "data": data} if data else {"seq": seq, "type": type_}
        ack = await student.ok("activity", payload)
        assert set(ack) == {"id", "offset"}, type_
        seen = await console.activity(type_)
        wanted = (ack["id"], ack["offset"], seq, client_id, "client", school.student.id, severity)
        names = ("id", "offset", "seq", "clientId", "source", "actorId", "severity")
        assert tuple(seen[name] for name in names) == wanted, (type_, data)
        assert seen["data"] == (data if stored is None else stored)
        assert seen["late"] is False
    log = await log_of(school, *(type_ for type_, *_ in REPORTS))
    assert [(one["type"], one["severity"]) for one in log] == [(type_, severity) for type_, _, _, severity in REPORTS]


async def test_what_is_not_of_the_table_is_refused_and_recorded_nowhere(school: Organisation, connect: Connect) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    for type_, data in BAD_DATA:
        assert await student.code("activity", {"type": type_, "data": data}) == "invalid_payload", (type_, data)
    for type_ in [*SERVER_TYPES, "nothing", "", "Copy"]:
        assert await student.code("activity", {"type": type_}) == "invalid_payload", type_
    for payload in ({}, {"type": 5}, {"type": "copy", "severity": "info"}, {"type": "copy", "occurredAt": "x"}):
        assert await student.code("activity", payload) == "invalid_payload", payload
    await console.silence("activity")
    assert [one["type"] for one in await log_of(school)] == ["session_started", "connected"]


async def test_a_students_chat_reaches_the_consoles_and_no_other_student(
    school: Organisation, connect: Connect
) -> None:
    student = await begin(connect, school)
    other = await begin(connect, school, school.other_student)
    console = await watch(connect, school)
    for text in ("?", "ü" * 2000, "<b>not html</b>"):
        ack = await student.ok("chat", {"text": text})
        seen = await console.activity("chat")
        assert (seen["offset"], seen["data"]) == (ack["offset"], {"text": text, "to": "proctors"})
    at = "2026-05-04T09:00:00Z"
    for bad in ({}, {"text": ""}, {"text": "x" * 2001}, {"text": 5}, {"text": "x", "to": "exam"}):
        assert await student.code("chat", bad) == "invalid_payload", bad
    assert await student.code("chat", {"text": "x", "occurredAt": at}) == "invalid_payload"
    await other.silence("chat")
    await student.silence("chat")
    assert len(await log_of(school, "chat")) == 3


async def test_a_seq_is_recorded_once_and_a_repeat_answers_as_the_first_did(
    school: Organisation, connect: Connect
) -> None:
    client_id = uuid()
    student = await begin(connect, school, client_id=client_id)
    console = await watch(connect, school)
    reports: list[tuple[str, dict[str, Any]]] = [
        ("tab_change", {"seq": 1, "hidden": False, "occurredAt": "2026-05-04T09:00:00.000Z"}),
        ("chat", {"seq": 2, "text": "Hello"}),
        ("activity", {"seq": 2**31 - 1, "type": "copy", "data": {"durationMs": 5}}),
    ]
    firsts = [await student.ok(event, payload) for event, payload in reports]
    seen = [await console.activity(type_) for type_ in ("tab_change", "chat", "copy")]
    assert [one["offset"] for one in seen] == [ack["offset"] for ack in firsts]

    again = await connect("/exam", school.student.token, client_id)
    started = await again.ok("start", {"examId": school.exam_id})
    assert started["lastSeq"] == 2**31 - 1
    for _ in range(2):
        for (event, payload), first in zip(reports, firsts, strict=True):
            assert await again.ok(event, payload) == first | {"duplicate": True}
    others: list[tuple[str, dict[str, Any]]] = [
        ("tab_change", {"seq": 1, "hidden": True, "occurredAt": "2026-05-04T09:00:00.000Z"}),
        ("tab_change", {"seq": 1, "hidden": False}),
        ("tab_change", {"seq": 1, "hidden": False, "occurredAt": "2026-05-04T09:00:00.001Z"}),
        ("chat", {"seq": 2, "text": "Hello!"}),
        ("chat", {"seq": 1, "text": "Hello"}),
        ("activity", {"seq": 2**31 - 1, "type": "cut", "data": {"durationMs": 5}}),
        ("activity", {"seq": 2**31 - 1, "type": "copy"}),
    ]
    for event, payload in others:
        assert await again.code(event, payload) == "conflict", payload
    await console.silence("activity")
    assert await log_of(school, "tab_change", "chat", "copy", "cut") == seen


async def test_a_seq_guards_only_its_own_client_and_session_and_is_a_number_from_1_to_2_31(
    school: Organisation, connect: Connect
) -> None:
    client_id = uuid()
    student = await begin(connect, school, client_id=client_id)
    other = await begin(connect, school, school.other_student, client_id)
    for seq in MALFORMED_SEQS:
        assert await student.code("tab_change", {"seq": seq}) == "invalid_payload", repr(seq)
    acks = [await student.ok("tab_change", {"seq": 7}), await other.ok("tab_change", {"seq": 7})]
    second = await connect("/exam", school.student.token, uuid())
    assert (await second.ok("start", {"examId": school.exam_id}))["lastSeq"] == 0
    acks += [await second.ok("tab_change", payload) for payload in ({"seq": 7}, {}, {})]
    assert len({ack["id"] for ack in acks}) == len(acks) == 5
    assert not any("duplicate" in ack for ack in acks)
    assert len(await log_of(school, "tab_change")) == 5


async def test_one_seq_sent_many_times_at_once_is_recorded_once(school: Organisation, connect: Connect) -> None:
    student = await begin(connect, school)
    acks = await asyncio.gather(*(student.ok("tab_change", {"seq": 1 + number % 3}) for number in range(12)))
    assert len({ack["offset"] for ack in acks}) == 3
    assert sum("duplicate" in ack for ack in acks) == 9
    assert [one["seq"] for one in await log_of(school, "tab_change")] == [1, 2, 3]


def _item(seq: Any, event: str = "tab_change", **payload: Any) -> dict[str, Any]:
    return {"event": event, "payload": {"seq": seq} | payload}


async def test_a_replay_records_what_is_new_and_names_what_is_not(school: Organisation, connect: Connect) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    await student.ok("tab_change", {"seq": 1})
    await student.ok("tab_change", {"seq": 2})
    items: list[Any] = [
        _item(1),  # a repeat
        _item(2, hidden=False),  # other content
        _item(3, hidden=False, durationMs=40_000, occurredAt="2026-05-04T09:00:00Z"),
        _item(4, "chat", text="Hello"),
        _item(0),
        _item(5, "activity", type="paste"),
        _item(6, "activity", type="connected"),
        _item(7, "nothing"),
        {"event": "heartbeat", "payload": {}},
        {"event": "end", "payload": {}},
        {"event": "start", "payload": {"examId": school.exam_id}},
        {"event": "replay", "payload": {"items": []}},
        {"event": "connect", "payload": {}},
        "no item",
        {"event": "tab_change", "payload": {"seq": 8}, "more": 1},
        _item(5, "activity", type="paste"),  # a repeat within
        _item(9, "activity", type="print"),
        {"event": "tab_change"},
    ]
    got = await student.ok("replay", {"items": items})
    assert set(got) == {"recorded", "duplicates", "rejected"}
    assert (got["recorded"], got["duplicates"]) == (5, 2)
    assert sorted((one["seq"] or 0, one["error"]["code"]) for one in got["rejected"]) == [
        *((0, "invalid_payload"),) * 4,
        *((0, "invalid_payload"),) * 2,
        (0, "unknown_event"),
        (2, "conflict"),
        (6, "invalid_payload"),
        (7, "unknown_event"),
        (8, "invalid_payload"),
    ]
    assert all(set(one) == {"seq", "error"} and one["error"]["message"] for one in got["rejected"])
    wanted = [(3, "tab_change", "high"), (4, "chat", "info"), (5, "paste", "medium"), (9, "print", "medium")]
    wanted.append((None, "tab_change", "medium"))
    log = await log_of(school)
    assert [(one["seq"], one["type"], one["severity"]) for one in log[4:]] == wanted
    assert {one["late"] for one in log} == {False}
    assert await next_items(console, len(log) - 2) == log[2:]
    session = await school.student.api.ok("GET", f"/routes/proctoring/{log[0]['sessionId']}")
    assert session["status"] == "ACTIVE"


async def test_a_replay_has_at_most_500_items_and_each_is_recorded_in_order(
    school: Organisation, connect: Connect
) -> None:
    student = await begin(connect, school)
    items = [_item(seq, hidden=bool(seq % 2)) for seq in range(1, 502)]
    for bad in ({}, {"items": {}}, {"items": None}, {"items": items}, {"items": [], "x": 1}):
        assert await student.code("replay", bad) == "invalid_payload"
    assert await log_of(school, "tab_change") == []
    nothing = {"recorded": 0, "duplicates": 0, "rejected": []}
    assert await student.ok("replay", {"items": []}) == nothing
    assert await student.ok("replay", {"items": items[:500]}) == nothing | {"recorded": 500}
    assert await student.ok("replay", {"items": items[1:]}) == nothing | {"recorded": 1, "duplicates": 499}
    got = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500&since=2")
    assert [one["seq"] for one in got] == list(range(1, 501))


async def test_what_comes_after_the_end_is_replayed_as_late_for_a_day(
    school: Organisation, connect: Connect, store: Store
) -> None:
    client_id = uuid()
    student = await begin(connect, school, client_id=client_id)
    console = await watch(connect, school)
    await student.ok("tab_change", {"seq": 1})
    session = (await student.ok("end"))["session"]
    got = await student.ok("replay", {"items": [_item(1), _item(2), _item(3, "chat", text="Late")]})
    assert got == {"recorded": 2, "duplicates": 1, "rejected": []}
    seen = await next_items(console, 4)
    assert [(one["seq"], one["late"]) for one in seen] == [(1, False), (None, False), (2, True), (3, True)]

    for hours, code in ((23.9, None), (24.1, "conflict")):
        ended = datetime.now(UTC) - timedelta(hours=hours)
        await store.database.sessions.update_one({"_id": ObjectId(session["id"])}, {"$set": {"endTime": ended}})
        back = await connect("/exam", school.student.token, client_id)
        assert (await back.ok("start", {"examId": school.exam_id}))["session"]["status"] == "SUBMITTED"
        assert await back.code("replay", {"items": [_item(int(hours * 10))]}) == code
    log = await log_of(school)
    assert [one["seq"] for one in log if one["late"]] == [2, 3, 239]


async def test_end_submits_once_and_tells_the_student_and_the_consoles(school: Organisation, connect: Connect) -> None:
    student = await begin(connect, school)
    other = await begin(connect, school, school.other_student)
    console = await watch(connect, school)
    assert await student.code("end", {"sessionId": str(ObjectId())}) == "invalid_payload"
    first, *repeats = await asyncio.gather(*(student.ok("end", *payload) for payload in ([{}], [], [{}], [])))
    assert repeats == [first] * 3
    assert set(first) == {"session"}
    session = first["session"]
    path = f"/routes/proctoring/end/{session['id']}"
    again = await asyncio.gather(*(school.proctor.api.ok("PUT", path) for _ in range(3)), student.ok("end"))
    assert [lasting(one) for one in (*again[:3], again[3]["session"])] == [lasting(session)] * 4
    assert set(session) == SESSION
    assert (session["status"], session["connectivity"]) == ("SUBMITTED", "CLOSED")
    assert session["endTime"] is not None
    assert lasting(await student.next("session")) == lasting(session)
    ended = await console.activity("session_ended")
    assert (ended["source"], ended["actorId"], ended["data"]) == ("client", school.student.id, {"status": "SUBMITTED"})
    assert [lasting(one) for one in (await console.next("presence"))["items"]] == [lasting(session)]

    assert len(await log_of(school, "session_ended")) == 1
    await student.silence("session")
    await console.silence("presence")
    await other.silence("session")


async def test_a_session_that_a_proctor_ends_tells_its_student(school: Organisation, connect: Connect) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    session_id = (await log_of(school))[0]["sessionId"]
    await school.proctor.api.ok("PUT", f"/routes/proctoring/end/{session_id}")
    told = await student.next("session")
    assert (told["status"], told["connectivity"]) == ("TERMINATED", "CLOSED")
    assert not {"severity", "counts", "verdict"} & set(told)
    ended = await console.activity("session_ended")
    assert (ended["source"], ended["actorId"], ended["data"]["status"]) == ("proctor", school.proctor.id, "TERMINATED")
    assert await student.code("tab_change", {}) == "conflict"
    assert lasting((await student.ok("end"))["session"]) == lasting(told)
    await student.close()
    assert [one["type"] for one in await log_of(school)] == ["session_started", "connected", "session_ended"]


async def test_another_client_of_the_student_replaces_the_first_and_is_recorded(
    school: Organisation, connect: Connect
) -> None:
    first = await begin(connect, school, client_id=uuid())
    console = await watch(connect, school)
    client_id = uuid()
    second = await begin(connect, school, client_id=client_id)
    await first.closed()
    assert await first.next("replaced") == {}
    seen = await console.activity("second_connection")
    assert (seen["severity"], seen["source"], seen["clientId"]) == ("critical", "server", None)
    assert set(seen["data"]) == {"address", "userAgent"}
    assert seen["data"]["address"] == "127.0.0.1"
    assert "aiohttp" in seen["data"]["userAgent"]
    await second.ok("tab_change", {"seq": 1})
    assert (await console.activity("tab_change"))["clientId"] == client_id
    await console.silence("activity")
    await second.silence("replaced")
    types = [one["type"] for one in await log_of(school)]
    assert types == ["session_started", "connected", "second_connection", "tab_change"]
    session = (await console.ok("join", {"examId": school.exam_id}))["sessions"][0]
    assert session["connectivity"] == "ONLINE"


async def test_a_reload_of_the_same_client_replaces_in_silence(school: Organisation, connect: Connect) -> None:
    client_id = uuid()
    sockets = [await begin(connect, school, client_id=client_id)]
    console = await watch(connect, school)
    for spelled in (client_id, client_id.upper(), client_id):
        sockets.append(await begin(connect, school, client_id=spelled))
        await sockets[-2].closed()
    await sockets[-1].ok("heartbeat")
    await sockets[0].silence("replaced")
    await console.silence("activity")
    await console.silence("presence")
    assert [one["type"] for one in await log_of(school)] == ["session_started", "connected"]


async def test_a_connection_that_goes_and_comes_back_in_time_is_recorded_and_changes_nothing_else(
    school: Organisation, connect: Connect
) -> None:
    console = await watch(connect, school)
    client_id = uuid()
    for way in ("close", "drop"):
        student = await begin(connect, school, client_id=client_id)
        connected = await console.activity("connected")
        assert (connected["source"], connected["severity"], connected["actorId"]) == ("server", "info", None)
        await getattr(student, way)()
        gone = await console.activity("disconnected")
        assert (gone["source"], gone["severity"]) == ("server", "info")
        assert set(gone["data"]) <= {"reason"}
    student = await begin(connect, school, client_id=client_id)
    await student.ok("end")
    told = [(await console.next("presence"))["items"][0] for _ in range(2)]
    assert [(one["rev"], one["status"], one["connectivity"]) for one in told] == [
        (1, "ACTIVE", "ONLINE"),
        (2, "SUBMITTED", "CLOSED"),
    ]
    await student.close()
    await console.silence("presence")
    types = [one["type"] for one in await log_of(school)]
    assert types == ["session_started", *["connected", "disconnected"] * 2, "connected", "session_ended"]


@pytest.mark.parametrize("over", [False, True])
async def test_a_student_is_never_told_a_severity(school: Organisation, connect: Connect, over: bool) -> None:
    student = await begin(connect, school)
    console = await watch(connect, school)
    answers: list[Any] = [
        await student.ok("tab_change", {"seq": 1}),
        await student.ok("tab_change", {"seq": 1}),
        await student.ok("activity", {"type": "devtools_suspected"}),
        await student.ok("replay", {"items": [_item(3)]}),
        await student.ok("heartbeat"),
    ]
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": "Hello"})
    answers.append(await student.next("chat"))
    if over:
        answers += [await student.ok("end"), await student.next("session")]
    answers.append(await student.ok("start", {"examId": school.exam_id}))
    text = json.dumps([answers, [list(queue._queue) for queue in student.received.values()]])  # type: ignore[attr-defined]
    assert "severity" not in text
    assert "medium" not in text
    await student.silence("activity")
    await student.silence("presence")


async def test_a_report_that_is_not_valid_is_told_so_before_the_start_too(
    school: Organisation, connect: Connect
) -> None:
    socket = await connect("/exam", school.student.token)
    for report in ({"type": "reviewed"}, {"type": "tab_change", "data": {"hidden": "perhaps"}}):
        assert await socket.code("activity", report) == "invalid_payload"
    assert await socket.code("activity", {"type": "copy"}) == "conflict"
