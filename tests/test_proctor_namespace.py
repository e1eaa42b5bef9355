"""`/proctor`: joining and leaving an exam's log without a gap or a repeat, and writing to students."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from bson import ObjectId

from handlers.connections import Connection
from handlers.proctor_namespace import ProctorNamespace
from models.activity import Entry
from models.fields import now
from models.store import Store
from server.app import Running
from tests.clients import WAIT_S, Socket, lasting, uuid
from tests.conftest import Connect, Organisation, Person, make_exam
from tests.frames import Frames, event_frame, opened, parse

JOINED = {"exam", "epoch", "offset", "sessions", "activity", "truncated", "reset"}
EXAM = {
    *("id", "title", "duration", "organisationId", "users"),
    *("startsAt", "endsAt", "rehearsal", "policy", "accommodations", "createdAt", "updatedAt"),
}


async def write(store: Store, school: Organisation, count: int) -> None:
    """Put so many records into the exam's log, in batches that a database takes in one go."""
    entry = Entry(
        exam_id=ObjectId(school.exam_id),
        organisation_id=ObjectId(school.id),
        type="copy",
        source="client",
        received_at=now(),
    )
    for first in range(0, count, 500):
        results = await store.log.of(entry.exam_id).append([entry] * min(500, count - first))
        assert not [result for result in results if isinstance(result, Exception)]


@contextlib.asynccontextmanager
async def busy(store: Store, school: Organisation) -> AsyncIterator[None]:
    """The log grows, by one to four records at a time, as long as this block runs."""

    async def grow() -> None:
        for count in itertools.cycle((1, 3, 1, 2, 4)):
            await write(store, school, count)

    task = asyncio.create_task(grow())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def offsets(items: list[dict[str, Any]]) -> list[int]:
    return [item["offset"] for item in items]


async def joined(connect: Connect, person: Person, exam_id: str, **since: Any) -> tuple[Socket, dict[str, Any]]:
    console = await connect("/proctor", person.token)
    return console, await console.ok("join", {"examId": exam_id} | since)


async def pushed_items(console: Socket, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        found += (await console.next("activity"))["items"]
    return found


async def chat(console: Socket, exam_id: str, text: str, session_id: str | None = None) -> dict[str, Any]:
    body = {"requestId": uuid(), "examId": exam_id, "text": text}
    ack: dict[str, Any] = await console.ok("chat", body | ({"sessionId": session_id} if session_id else {}))
    return ack


async def test_join_answers_the_exam_its_sessions_and_its_latest_hundred(
    school: Organisation, connect: Connect, store: Store
) -> None:
    for person in (school.proctor, school.admin):
        _, empty = await joined(connect, person, school.exam_id)
        assert set(empty) == JOINED
        assert set(empty["exam"]) == EXAM
        assert empty["exam"] == school.exam
        got = [empty[name] for name in ("offset", "sessions", "activity", "truncated", "reset")]
        assert got == [0, [], [], False, False]
        assert isinstance(empty["epoch"], str)

    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    await write(store, school, 98)
    _, got = await joined(connect, school.proctor, school.exam_id)
    assert [lasting(one) for one in got["sessions"]] == [lasting(session)]
    assert offsets(got["activity"]) == list(range(1, 101))
    await write(store, school, 50)
    _, got = await joined(connect, school.proctor, school.exam_id)
    assert (got["offset"], offsets(got["activity"])) == (150, list(range(51, 151)))
    rest = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?since=50&limit=500")
    assert rest == got["activity"]


async def test_join_with_since_brings_everything_after_it(school: Organisation, connect: Connect, store: Store) -> None:
    await write(store, school, 350)
    console, first = await joined(connect, school.proctor, school.exam_id)
    for since, wanted in ((0, range(1, 351)), (1, range(2, 351)), (200, range(201, 351)), (349, [350]), (350, [])):
        for epoch in ({}, {"epoch": first["epoch"]}):
            got = await console.ok("join", {"examId": school.exam_id, "since": since} | epoch)
            assert offsets(got["activity"]) == list(wanted)
            assert [got[name] for name in ("offset", "truncated", "reset")] == [350, False, False]
            assert got["epoch"] == first["epoch"]


async def test_join_is_reset_where_since_is_ahead_or_the_epoch_another(
    school: Organisation, connect: Connect, store: Store
) -> None:
    await write(store, school, 120)
    console, plain = await joined(connect, school.proctor, school.exam_id)
    for since in ({"since": 121}, {"since": 10**9}, {"since": 5, "epoch": "another"}, {"since": 120, "epoch": ""}):
        got = await console.ok("join", {"examId": school.exam_id} | since)
        assert got == plain | {"reset": True}, since
        assert offsets(got["activity"]) == list(range(21, 121))
    await write(store, school, 1)
    assert offsets(await pushed_items(console, 1)) == [121]


async def test_join_refuses_what_is_malformed_or_not_to_be_seen(
    school: Organisation, college: Organisation, connect: Connect
) -> None:
    theirs = await make_exam(school.admin, school.student)
    console = await connect("/proctor", school.proctor.token)
    admin = await connect("/proctor", school.admin.token)
    for exam_id in (theirs["id"], college.exam_id, str(ObjectId())):
        for event, more in (("join", {}), ("leave", {}), ("chat", {"requestId": uuid(), "text": "Hello"})):
            assert await console.code(event, {"examId": exam_id} | more) == "not_found", event
            wanted = None if exam_id == theirs["id"] else "not_found"
            assert await admin.code(event, {"examId": exam_id} | more) == wanted, event
    bad: list[Any] = [{}, {"examId": None}, {"examId": "x"}, {"examId": 5}, {"examId": school.exam_id, "x": 1}]
    bad += [{"examId": school.exam_id, "since": one} for one in (-1, "5", 1.5, True, 2**64, [])]
    bad += [{"examId": school.exam_id, "epoch": one} for one in (5, [], {})]
    for payload in bad:
        assert await console.code("join", payload) == "invalid_payload", payload
    for payload in ({}, {"examId": "x"}, {"examId": school.exam_id, "since": 1}):
        assert await console.code("leave", payload) == "invalid_payload", payload


async def test_join_brings_5000_at_most_and_nothing_is_pushed_until_all_is_read(
    school: Organisation, connect: Connect, store: Store
) -> None:
    await write(store, school, 5000)
    console, got = await joined(connect, school.proctor, school.exam_id, since=0)
    assert (len(got["activity"]), got["offset"], got["truncated"]) == (5000, 5000, False)
    await write(store, school, 3)
    assert offsets(await pushed_items(console, 3)) == [5001, 5002, 5003]

    for since, wanted in ((0, 5000), (2, 5002)):
        got = await console.ok("join", {"examId": school.exam_id, "since": since})
        assert offsets(got["activity"]) == list(range(since + 1, wanted + 1))
        assert [got[name] for name in ("offset", "truncated", "reset")] == [wanted, True, False]
        await write(store, school, 1)
        await school.student.api.call("POST", "/routes/proctoring/start", {"examId": school.exam_id})
        await console.silence("activity")
        await console.silence("presence")
    head = (await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?since=5003"))[-1]["offset"]
    got = await console.ok("join", {"examId": school.exam_id, "since": got["offset"]})
    assert (offsets(got["activity"]), got["truncated"]) == (list(range(5003, head + 1)), False)
    await write(store, school, 2)
    assert offsets(await pushed_items(console, 2)) == [head + 1, head + 2]


async def _follow(frames: Frames, number: int, exam_id: str, seen: int) -> int:
    """Join with `seen`, look at some pushes; the last offset then. Each is seen once and in order."""
    before, ack = await _join(frames, number, exam_id, seen)
    last = seen
    for event, message in before:
        if event == "activity":  # the join before this one still pushes
            assert number > 1, "a push came before the ack of the first join"
            assert offsets(message["items"]) == list(range(last + 1, last + 1 + len(message["items"])))
            last += len(message["items"])
    assert offsets(ack["activity"]) == list(range(seen + 1, ack["offset"] + 1))
    seen = ack["offset"]
    for _ in range(number * 3 % 5):
        frame = await frames.receive()
        assert frame is not None
        event, message = _pushed(frame)
        if event == "activity":
            assert offsets(message["items"]) == list(range(seen + 1, seen + 1 + len(message["items"])))
            seen += len(message["items"])
    return seen


async def _join(frames: Frames, number: int, exam_id: str, since: int) -> tuple[list[tuple[str, Any]], Any]:
    await frames.send(event_frame("/proctor", number, "join", {"examId": exam_id, "since": since}))
    pushed, ack = await frames.until_ack("/proctor", number)
    assert ack["ok"], ack
    return pushed, ack["data"]


def _pushed(frame: str) -> tuple[str, Any]:
    kind, _, (event, message) = parse(frame)
    assert kind == "event", frame
    return event, message


async def test_pushes_continue_where_the_ack_ended_however_busy_the_exam_is(
    school: Organisation, server: Running, store: Store, http: aiohttp.ClientSession
) -> None:
    async def console() -> None:
        seen = 0
        for _ in range(4):  # connections
            async with opened(http, server.ws_url) as frames:
                await frames.connect("/proctor", {"token": school.proctor.token})
                for number in range(1, 6):  # joins of each
                    seen = await _follow(frames, number, school.exam_id, seen)

    async with busy(store, school):
        await asyncio.gather(*(console() for _ in range(8)))


async def test_nothing_is_pushed_after_the_ack_of_a_leave_however_busy_the_exam_is(
    school: Organisation, server: Running, store: Store, http: aiohttp.ClientSession
) -> None:
    async def console() -> None:
        async with opened(http, server.ws_url) as frames:
            await frames.connect("/proctor", {"token": school.proctor.token})
            for number in range(1, 9, 2):
                await _join(frames, number, school.exam_id, 0)
                await frames.receive()
                ack = await frames.call("/proctor", number + 1, "leave", {"examId": school.exam_id})
                assert ack == {"ok": True, "data": {}}
                assert await frames.pushed(0.05) == []

    async with busy(store, school):
        await asyncio.gather(*(console() for _ in range(6)))


async def test_leave_ends_the_pushes_of_that_exam_alone(school: Organisation, connect: Connect, store: Store) -> None:
    physics = await make_exam(school.admin, school.proctor, school.student)
    console, _ = await joined(connect, school.proctor, school.exam_id)
    other, _ = await joined(connect, school.admin, school.exam_id)
    await console.ok("join", {"examId": physics["id"]})
    for _ in range(2):  # to leave what one has left is nothing
        assert await console.ok("leave", {"examId": school.exam_id}) == {}
    await write(store, school, 1)
    await pushed_items(other, 1)
    await console.silence("activity")
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": physics["id"]})
    assert (await console.next("activity"))["examId"] == physics["id"]
    assert (await console.next("presence"))["examId"] == physics["id"]
    got = await console.ok("join", {"examId": school.exam_id, "since": 0})
    assert got["offset"] == 1
    await write(store, school, 1)
    assert offsets(await pushed_items(console, 1)) == [2]


async def test_a_second_join_begins_anew_and_pushes_nothing_twice(
    school: Organisation, connect: Connect, store: Store
) -> None:
    console, _ = await joined(connect, school.proctor, school.exam_id)
    for _ in range(3):
        await console.ok("join", {"examId": school.exam_id})
    await write(store, school, 1)
    assert await console.next("activity")
    await console.silence("activity")
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    assert offsets(await pushed_items(console, 1)) == [2]
    assert await console.next("presence")
    await console.silence("presence")


async def test_a_console_sees_nothing_of_an_exam_that_it_has_not_joined(
    school: Organisation, college: Organisation, connect: Connect, store: Store
) -> None:
    physics = await make_exam(school.admin, school.proctor)
    elsewhere = [
        (await joined(connect, school.proctor, physics["id"]))[0],
        (await joined(connect, college.proctor, college.exam_id))[0],
        await connect("/proctor", school.admin.token),
    ]
    await write(store, school, 3)
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    for console in elsewhere:
        await console.silence("activity")
        await console.silence("presence")


async def test_a_console_that_was_away_gets_exactly_what_it_missed(
    school: Organisation, connect: Connect, store: Store
) -> None:
    student = await connect("/exam", school.student.token)
    console, got = await joined(connect, school.proctor, school.exam_id, since=0)
    seen = list(got["activity"])
    await student.ok("start", {"examId": school.exam_id})
    for round_ in range(4):
        seen += await pushed_items(console, 2 if round_ == 0 else 1)
        await (console.drop() if round_ % 2 else console.close())
        for _ in range(3 * round_):
            await student.ok("tab_change", {})
        console, got = await joined(
            connect, school.proctor, school.exam_id, since=seen[-1]["offset"], epoch=got["epoch"]
        )
        assert not got["reset"]
        seen += got["activity"]
        await student.ok("chat", {"text": f"round {round_}"})
    seen += await pushed_items(console, 1)
    assert seen == await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
    assert offsets(seen) == list(range(1, len(seen) + 1))


async def test_presence_is_pushed_for_every_change_with_a_growing_rev(school: Organisation, connect: Connect) -> None:
    console, _ = await joined(connect, school.proctor, school.exam_id)
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    assert [lasting(one) for one in (await console.next("presence"))["items"]] == [lasting(session)]
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    await student.ok("raise_hand", {"text": "Paper, please"})
    raised = (await console.next("presence"))["items"][0]
    await school.admin.api.ok("PUT", f"/routes/users/{school.student.id}", {"name": "Sue"})
    renamed = (await console.next("presence"))["items"][0]
    ended = await school.admin.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    assert [lasting(one) for one in (await console.next("presence"))["items"]] == [lasting(ended)]
    changes = [session, raised, renamed, ended]
    assert [(one["status"], one["connectivity"], one["user"]["name"]) for one in changes] == [
        ("ACTIVE", "ONLINE", "student"),
        ("ACTIVE", "ONLINE", "student"),
        ("ACTIVE", "ONLINE", "Sue"),
        ("TERMINATED", "CLOSED", "Sue"),
    ]
    assert [one["rev"] for one in changes] == [1, 2, 3, 4]
    await console.silence("presence")


async def test_chat_reaches_one_student_or_all_of_the_exam_and_every_console(
    school: Organisation, connect: Connect
) -> None:
    students = [await connect("/exam", one.token) for one in (school.student, school.other_student)]
    sessions = [(await one.ok("start", {"examId": school.exam_id}))["session"]["id"] for one in students]
    idle = await connect("/exam", school.student.token)
    console, _ = await joined(connect, school.proctor, school.exam_id)
    admin, _ = await joined(connect, school.admin, school.exam_id)
    outside = await connect("/proctor", school.proctor.token)

    ack = await chat(console, school.exam_id, "To you", sessions[0])
    assert set(ack) == {"id", "offset"}
    told = await students[0].next("chat")
    assert set(told) == {"offset", "text", "from", "at"}
    assert (told["offset"], told["text"], told["from"]) == (ack["offset"], "To you", {"name": "proctor"})
    seen = await console.activity("chat")
    assert seen == await admin.activity("chat")
    assert (seen["id"], seen["source"], seen["severity"], seen["actorId"]) == (
        *(ack["id"], "proctor", "info"),
        school.proctor.id,
    )
    assert (seen["sessionId"], seen["userId"]) == (sessions[0], school.student.id)
    assert seen["data"] == {"text": "To you", "to": "student"}
    assert told["at"] == seen["receivedAt"]

    ack = await chat(admin, school.exam_id, "To all")
    for student in students:
        told = await student.next("chat")
        assert (told["offset"], told["text"], told["from"]["name"]) == (ack["offset"], "To all", "admin")
    seen = await console.activity("chat")
    assert (seen["sessionId"], seen["userId"], seen["data"]) == (None, None, {"text": "To all", "to": "exam"})
    # One who has not joined may write, and is told nothing.
    await chat(outside, school.exam_id, "From outside")
    assert [(await student.next("chat"))["text"] for student in students] == ["From outside"] * 2
    for socket in (*students, idle, outside):
        await socket.silence("chat")
    await outside.silence("activity")


async def test_a_chat_sent_again_answers_as_the_first_did_and_is_recorded_once(
    school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]["id"]
    console, _ = await joined(connect, school.proctor, school.exam_id)
    for target in ({}, {"sessionId": session}):
        body = {"requestId": uuid(), "examId": school.exam_id, "text": "Hello"} | target
        acks = await asyncio.gather(*(console.call("chat", body) for _ in range(3)))
        again = await connect("/proctor", school.proctor.token)
        acks += [await again.call("chat", body | {"requestId": body["requestId"].upper()})]
        assert acks == [{"ok": True, "data": acks[0]["data"]}] * 4
        assert set(acks[0]["data"]) == {"id", "offset"}
        assert (await console.activity("chat"))["offset"] == acks[0]["data"]["offset"]
        assert (await student.next("chat"))["offset"] == acks[0]["data"]["offset"]
        # Under the same requestId nothing else is recorded.
        await again.call("chat", body | {"text": "Another"})
    await student.ok("end")
    last = await connect("/proctor", school.proctor.token)
    assert (await last.ok("chat", body))["offset"] == acks[0]["data"]["offset"]
    await student.silence("chat")
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["type"] for one in log].count("chat") == 2


async def test_a_chat_that_was_stored_but_not_answered_is_answered_after_the_end_too(
    store: Store, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    console = await connect("/proctor", school.proctor.token)
    body = {"requestId": uuid(), "examId": school.exam_id, "sessionId": session["id"], "text": "Hello"}
    first = await console.ok("chat", body)
    await store.database.idempotency.delete_many({})  # as if the server had died before it was kept
    await student.ok("end")
    assert await console.ok("chat", body) == first
    assert await console.code("chat", body | {"requestId": uuid()}) == "conflict"


async def test_a_request_id_is_its_users_own_and_stands_for_one_message(school: Organisation, connect: Connect) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    console, _ = await joined(connect, school.proctor, school.exam_id)
    admin = await connect("/proctor", school.admin.token)
    body = {"requestId": uuid(), "examId": school.exam_id, "text": "Hello"}
    await console.ok("chat", body)
    await admin.ok("chat", body)
    await console.call("chat", body | {"sessionId": session["id"]})
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    wanted = [(school.proctor.id, "exam"), (school.admin.id, "exam")]
    assert [(one["actorId"], one["data"]["to"]) for one in log if one["type"] == "chat"] == wanted


async def test_chat_is_refused_where_nobody_could_read_it(
    school: Organisation, college: Organisation, connect: Connect
) -> None:
    physics = await make_exam(school.admin, school.proctor, school.student)
    api = school.student.api
    elsewhere = await api.ok("POST", "/routes/proctoring/start", {"examId": physics["id"]})
    theirs = await college.student.api.ok("POST", "/routes/proctoring/start", {"examId": college.exam_id})
    over = await api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    await api.ok("PUT", f"/routes/proctoring/end/{over['id']}")
    console, _ = await joined(connect, school.proctor, school.exam_id)
    good = {"requestId": uuid(), "examId": school.exam_id, "text": "Hello"}
    for session_id in (elsewhere["id"], theirs["id"], str(ObjectId())):
        assert await console.code("chat", good | {"sessionId": session_id}) == "not_found"
    assert await console.code("chat", good | {"sessionId": over["id"]}) == "conflict"
    bad: list[Any] = [{name: good[name] for name in good if name != left_out} for left_out in good]
    bad += [good | change for change in ({"text": ""}, {"text": "x" * 2001}, {"text": 5}, {"requestId": "x"})]
    bad += [good | change for change in ({"requestId": None}, {"sessionId": "x"}, {"examId": "x"}, {"to": "exam"})]
    for payload in bad:
        assert await console.code("chat", payload) == "invalid_payload", payload
    await console.silence("activity")


@pytest.mark.parametrize("count", [1, 40])
async def test_one_that_writes_to_many_consoles_reaches_each_once_and_in_order(
    school: Organisation, connect: Connect, count: int
) -> None:
    consoles = [(await joined(connect, school.proctor, school.exam_id))[0] for _ in range(5)]
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    await asyncio.gather(*(student.ok("tab_change", {"seq": seq}) for seq in range(1, count + 1)))
    for console in consoles:
        items = await pushed_items(console, count + 2)
        assert offsets(items) == list(range(1, count + 3))
        assert [item["seq"] for item in items[2:]] == list(range(1, count + 1))


async def test_joins_of_a_console_that_has_gone_read_nothing(
    server: Running, school: Organisation, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, gone = 0, asyncio.Event()

    async def join(self: ProctorNamespace, connection: Connection, *_: Any) -> dict[str, Any]:
        nonlocal begun
        begun += 1
        while self.server.is_open(connection.sid, self.namespace):
            await asyncio.sleep(0.01)
        return {}

    async def disconnected(*_: Any) -> None:
        gone.set()

    monkeypatch.setattr(ProctorNamespace, "_join", join)
    monkeypatch.setattr(ProctorNamespace, "disconnected", disconnected)
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/proctor", {"token": school.proctor.token})
        await frames.send(*(event_frame("/proctor", number, "join", {"examId": school.exam_id}) for number in range(9)))
        async with asyncio.timeout(WAIT_S):
            while not begun:
                await asyncio.sleep(0.01)
    await asyncio.wait_for(gone.wait(), WAIT_S)
    assert begun == 1
