"""What consoles are shown of each session beside its state: always exactly what the log comes to."""

from __future__ import annotations

import asyncio
import copy
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.activity import Entry
from models.actors import Actor, Role
from models.database import Stored
from models.fields import now
from models.places import Places
from models.session import entry_of
from models.store import Store
from server.settings import Settings
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation
from tests.test_starting import actor, make_class, restarted

NONE = dict.fromkeys(("info", "low", "medium", "high", "critical"), 0)
TECHNICAL = ("heartbeat_missing", "heartbeat_resumed")
REPORTS = ["copy", "window_blur", "multiple_displays", "network_restored", "print", "resize"]
FORBIDDEN = {"counts", "verdict", "severity"}


async def log_of(school: Organisation, session_id: str | None = None) -> list[dict[str, Any]]:
    """All of the exam's log, or what of it is of one session."""
    found: list[dict[str, Any]] = []
    while more := await school.admin.api.ok(
        "GET", f"/routes/exams/{school.exam_id}/activity?limit=500&since={len(found)}"
    ):
        found += more
    assert [one["offset"] for one in found] == list(range(1, len(found) + 1))
    return [one for one in found if session_id in (None, one["sessionId"])]


def tally(log: list[dict[str, Any]], session_id: str, offset: int | None = None) -> dict[str, Any]:
    """What a session's counts and last activity are by the log up to an offset."""
    own = [one for one in log if one["sessionId"] == session_id and (offset is None or one["offset"] <= offset)]
    counted = Counter(one["severity"] for one in own if one["type"] not in TECHNICAL)
    return {"counts": NONE | counted, "lastActivityAt": own[-1]["receivedAt"]}


def part(session: dict[str, Any]) -> dict[str, Any]:
    return {name: session[name] for name in ("counts", "lastActivityAt")}


async def join(console: Socket, school: Organisation) -> dict[str, dict[str, Any]]:
    """The sessions of a join's answer, by student."""
    return {one["userId"]: one for one in (await console.ok("join", {"examId": school.exam_id}))["sessions"]}


def names_in(value: Any) -> set[str]:
    """Every field's name in what was received, however deep."""
    if isinstance(value, dict):
        return set(value) | {name for one in value.values() for name in names_in(one)}
    return {name for one in value for name in names_in(one)} if isinstance(value, list) else set()


async def begin(school: Organisation, connect: Connect) -> tuple[Socket, Socket, dict[str, Any]]:
    """A console that has joined, a student who has started, its session."""
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    student = await connect("/exam", school.student.token, uuid())
    return console, student, (await student.ok("start", {"examId": school.exam_id}))["session"]


async def test_what_a_student_reports_is_counted_by_severity_in_join_rest_and_presence(
    school: Organisation, connect: Connect
) -> None:
    console, student, session = await begin(school, connect)
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": school.exam_id})
    reports = {"resize": 1, "copy": 2, "multiple_displays": 3, "network_restored": 4}
    for type_, times in reports.items():
        for _ in range(times):
            await student.ok("activity", {"type": type_})
    await student.ok("chat", {"text": "Is this counted?"})
    second = await connect("/exam", school.student.token, uuid())  # a second connection is critical
    await second.ok("start", {"examId": school.exam_id})
    expected = {
        "info": 2 + 4 + 1,  # started, connected, reported, said
        "low": 1,
        "medium": 2,
        "high": 3,
        "critical": 1,
    }
    log = await log_of(school)
    assert tally(log, session["id"])["counts"] == expected
    path = f"/routes/proctoring/{session['id']}"
    joined = await join(console, school)
    assert joined[school.other_student.id]["counts"] == NONE | {"info": 2}
    listed = await school.proctor.api.ok("GET", f"/routes/proctoring?examId={school.exam_id}")
    (from_list,) = [one for one in listed if one["id"] == session["id"]]
    for shown in (joined[school.student.id], await school.proctor.api.ok("GET", path), from_list):
        assert part(shown) == tally(log, session["id"])
        assert (shown["hand"], shown["verdict"]) == (None, "UNREVIEWED")
    while not console.received["presence"].empty():
        console.received["presence"].get_nowait()
    ended = await school.proctor.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    (pushed,) = (await console.next("presence"))["items"]
    for shown in (ended, pushed):
        before = expected | {"info": shown["counts"]["info"]}
        assert shown["counts"] == before
        assert expected["info"] <= shown["counts"]["info"] <= expected["info"] + 1  # the end itself, or not yet
        assert shown["verdict"] == "UNREVIEWED"
    assert part(await school.proctor.api.ok("GET", path)) == tally(await log_of(school), session["id"])


async def test_a_repeat_is_counted_once(school: Organisation, connect: Connect) -> None:
    console, student, session = await begin(school, connect)
    items = [{"event": "activity", "payload": {"seq": seq, "type": "copy"}} for seq in (1, 2, 2, 3)]
    for _ in range(3):
        await student.ok("replay", {"items": items})
        await student.ok("activity", {"seq": 1, "type": "copy"})
    joined = (await join(console, school))[school.student.id]
    assert joined["counts"] == NONE | {"info": 2, "medium": 3}
    assert part(joined) == tally(await log_of(school), session["id"])


async def test_what_is_said_to_the_whole_exam_is_counted_for_nobody(school: Organisation, connect: Connect) -> None:
    console, _, session = await begin(school, connect)
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": "Ten minutes."})
    order = {"examId": school.exam_id, "action": "warn", "text": "Quiet, please."}
    await console.ok("command", {"requestId": uuid()} | order)
    joined = (await join(console, school))[school.student.id]
    assert joined["counts"] == NONE | {"info": 2}
    assert part(joined) == tally(await log_of(school), session["id"])


async def test_that_a_heartbeat_was_missing_counts_against_nobody(
    school: Organisation, connect: Connect, store: Store
) -> None:
    console, _, session = await begin(school, connect)
    stored = await store.sessions.by_id(ObjectId(session["id"]))
    before = (await join(console, school))[school.student.id]["counts"]
    for type_ in TECHNICAL * 3:
        await store.log.append(entry_of(stored, type_, "server", {"durationMs": 5}, actor_id=None))
    log = await log_of(school)
    missing = [one for one in log if one["type"] in TECHNICAL]
    assert [one["severity"] for one in missing] == ["high", "info"] * 3
    assert (await join(console, school))[school.student.id]["counts"] == before == NONE | {"info": 2}


async def test_a_hand_and_a_verdict_are_in_join_and_rest_and_pushed(school: Organisation, connect: Connect) -> None:
    console, student, session = await begin(school, connect)
    await console.next("presence")
    await student.ok("raise_hand", {"text": "Paper"})
    (raised,) = (await console.next("presence"))["items"]
    await console.ok("review", {"requestId": uuid(), "sessionId": session["id"], "verdict": "SUSPICIOUS"})
    (reviewed,) = (await console.next("presence"))["items"]
    assert (raised["hand"]["text"], raised["verdict"]) == ("Paper", "UNREVIEWED")
    assert (reviewed["hand"], reviewed["verdict"]) == (raised["hand"], "SUSPICIOUS")
    assert session["rev"] < raised["rev"] < reviewed["rev"]
    assert reviewed["counts"] == NONE | {"info": 4}
    joined = (await join(console, school))[school.student.id]
    got = await school.proctor.api.ok("GET", f"/routes/proctoring/{session['id']}")
    for name in ("hand", "verdict", "rev", "counts", "lastActivityAt"):
        assert joined[name] == got[name] == reviewed[name], name


async def test_a_join_counts_exactly_what_the_log_says_up_to_its_offset_however_busy_the_exam_is(
    school: Organisation, connect: Connect
) -> None:
    students = []
    for person in (school.student, school.other_student):
        student = await connect("/exam", person.token, uuid())
        session = (await student.ok("start", {"examId": school.exam_id}))["session"]
        students.append((student, session["id"]))
    chance, going = random.Random(4), True

    async def write(student: Socket) -> None:
        seq = 0
        while going:
            singly = [{"seq": seq + n, "type": chance.choice(REPORTS)} for n in range(1, 6)]
            items = [
                {"event": "activity", "payload": {"seq": seq + n, "type": chance.choice(REPORTS)}}
                for n in range(6, chance.randint(10, 40))
            ]
            await asyncio.gather(
                student.ok("replay", {"items": items}), *(student.ok("activity", one) for one in singly)
            )
            seq += 50

    async def joins(console: Socket) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for number in range(30):
            since = {} if number % 3 else {"since": max(0, (found or [{"offset": 0}])[-1]["offset"] - 50)}
            found.append(await console.ok("join", {"examId": school.exam_id} | since))
        return found

    writers = [asyncio.create_task(write(student)) for student, _ in students]
    consoles = [await connect("/proctor", school.proctor.token) for _ in range(3)]
    acks = [ack for found in await asyncio.gather(*(joins(one) for one in consoles)) for ack in found]
    going = False
    await asyncio.gather(*writers)
    log = await log_of(school)
    assert len({ack["offset"] for ack in acks}) > 10
    for ack in acks:
        assert not ack["truncated"]
        shown = {one["id"]: part(one) for one in ack["sessions"]}
        assert shown == {session_id: tally(log, session_id, ack["offset"]) for _, session_id in students}
    joined = await join(consoles[0], school)
    assert {one["id"]: part(one) for one in joined.values()} == {
        session_id: tally(log, session_id) for _, session_id in students
    }


async def test_counts_that_a_console_goes_on_with_by_itself_come_to_what_the_next_join_says(
    school: Organisation, connect: Connect
) -> None:
    """A console adds what it is pushed to what it joined with, and is right."""
    console, student, session = await begin(school, connect)
    joined = (await join(console, school))[school.student.id]
    console.seen.clear()
    while not console.received["activity"].empty():
        console.received["activity"].get_nowait()
    for seq in range(1, 31):
        await student.ok("activity", {"seq": seq, "type": REPORTS[seq % len(REPORTS)]})
    counted = Counter(joined["counts"])
    seen = 0
    while seen < 30:
        items = (await console.next("activity"))["items"]
        counted.update(one["severity"] for one in items if one["sessionId"] == session["id"])
        seen += len(items)
    assert NONE | counted == (await join(console, school))[school.student.id]["counts"]


async def fill(store: Store, sessions: list[Stored], seed: int, count: int = 60) -> None:
    chance = random.Random(seed)
    log = store.log.of(sessions[0]["examId"])
    entries: list[Entry] = []
    for number in range(count):
        session, data = chance.choice(sessions), {}
        kind: Any = chance.choice([*REPORTS, *TECHNICAL, "hand_raised", "hand_lowered", "reviewed", "tab_change"])
        more: dict[str, Any] = {}
        if kind == "reviewed":
            data = {"verdict": chance.choice(["CLEARED", "SUSPICIOUS", "VIOLATION"])}
        elif kind == "hand_raised":
            data = {"text": f"{seed}/{number}"}
        elif kind == "tab_change":
            data, more = {"hidden": True}, {"counted": True}
        entries.append(entry_of(session, kind, "server", data, actor_id=None, **more))
    results = await log.append(entries)
    assert not any(isinstance(one, Exception) for one in results)


async def views(store: Store, exam: Stored) -> list[dict[str, Any]]:
    proctor = Actor(ObjectId(), Role.PROCTOR, exam["organisationId"], "P", "t", now() + timedelta(hours=1))
    shown = await store.sessions.views(proctor, await store.sessions.of_exam(exam["_id"]))
    log = await store.log.read(exam["_id"], 0, 5000)
    for one in shown:
        own = [record for record in log if record["sessionId"] == one["id"]]
        counted = Counter(record["severity"] for record in own if record["type"] not in TECHNICAL)
        assert one["counts"] == NONE | counted
        assert one["lastActivityAt"] == own[-1]["receivedAt"]
        hands = [record for record in own if record["type"].startswith("hand_")]
        raised = hands[-1] if hands and hands[-1]["type"] == "hand_raised" else None
        assert one["hand"] == (raised and {"raisedAt": raised["receivedAt"], "text": raised["data"].get("text")})
        verdicts = [record["data"]["verdict"] for record in own if record["type"] == "reviewed"]
        assert one["verdict"] == (verdicts[-1] if verdicts else "UNREVIEWED")
    return [{name: value for name, value in one.items() if name != "remainingMs"} for one in shown]


def hidden(store: Store, sessions: list[Stored]) -> list[tuple[int, int]]:
    """How many hidden tabs count, and how many did lately."""
    log = store.log.of(sessions[0]["examId"])
    return [(log.summary(one["_id"]).hidden, log.summary(one["_id"]).hidden_recently(now())) for one in sessions]


async def test_a_restart_forgets_nothing_whether_it_finds_a_note_an_old_one_or_none(settings: Settings) -> None:
    async with restarted(settings) as store:
        users, exam = await make_class(store.database, 4)
        sessions = [one for one, _ in [await store.starting.start(actor(user), exam) for user in users]]
        await fill(store, sessions, seed=1)
        shown, known = await views(store, exam), hidden(store, sessions)
        assert sum(total for total, _ in known) > 0
    async with restarted(settings) as store:  # from the note that the first one left at its end
        old = copy.deepcopy(await store.database.log_notes.find_one({"_id": exam["_id"]}))
        assert old is not None
        assert (await views(store, exam), hidden(store, sessions)) == (shown, known)
        await fill(store, sessions, seed=2)
        shown, known = await views(store, exam), hidden(store, sessions)
    async with restarted(settings) as store:
        assert (await views(store, exam), hidden(store, sessions)) == (shown, known)
    async with restarted(settings) as store:  # from an old note and the records after it
        await store.database.log_notes.replace_one({"_id": exam["_id"]}, old)
        assert (await views(store, exam), hidden(store, sessions)) == (shown, known)
    async with restarted(settings) as store:  # from the log alone
        await store.database.log_notes.delete_one({"_id": exam["_id"]})
        assert (await views(store, exam), hidden(store, sessions)) == (shown, known)
        await store.database.drop()


async def test_what_is_recorded_while_a_note_is_stored_counts_once_for_whoever_reads_the_note(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, exam = await make_class(store.database, 4)
    sessions = [one for one, _ in [await store.starting.start(actor(user), exam) for user in users]]
    await fill(store, sessions, seed=1)
    real = Places.store

    async def slow(places: Places, upto: int) -> None:
        monkeypatch.setattr(Places, "store", real)
        await fill(store, sessions, seed=2)
        await real(places, upto)

    monkeypatch.setattr(Places, "store", slow)
    await store.log.of(exam["_id"]).close()  # which notes what is known
    assert Places.store is real
    shown = await views(store, exam)
    async with restarted(settings) as other:
        assert await views(other, exam) == shown


async def test_two_processes_on_one_database_show_the_same(store: Store, settings: Settings) -> None:
    users, exam = await make_class(store.database, 3)
    sessions = [one for one, _ in [await store.starting.start(actor(user), exam) for user in users]]
    async with restarted(settings) as other:
        for seed in range(4):
            await fill(store if seed % 2 else other, sessions, seed, count=30)
        # Who appends has seen all before.
        await fill(store, sessions, seed=10, count=1)
        await fill(other, sessions, seed=11, count=1)
        await views(other, exam)
        await fill(store, sessions, seed=12, count=1)
        await views(store, exam)


async def test_a_student_never_sees_counts_verdict_or_severity(school: Organisation, connect: Connect) -> None:
    console, student, session = await begin(school, connect)
    seen: list[Any] = [session]
    student_id, body = session["id"], {"sessionId": session["id"]}
    api = school.student.api
    seen.append(await student.ok("tab_change", {"seq": 1}))
    seen.append(await student.ok("activity", {"seq": 2, "type": "multiple_displays"}))
    seen.append(await student.ok("chat", {"seq": 3, "text": "Hello"}))
    seen.append(await student.ok("raise_hand", {"seq": 4}))
    seen.append(await student.ok("heartbeat"))
    seen.append(await student.ok("replay", {"items": [{"event": "activity", "payload": {"seq": 5, "type": "copy"}}]}))
    review = {"requestId": uuid(), "sessionId": student_id, "verdict": "VIOLATION", "note": "Two people."}
    await console.ok("review", review)
    order = {"examId": school.exam_id, "sessionId": student_id}
    for action, more in (
        ("warn", {"text": "Quiet."}),
        ("pause", {"reason": "A fire alarm."}),
        ("extend", {"minutes": 5, "reason": "The alarm."}),
        ("resume", {}),
    ):
        await console.ok("command", {"requestId": uuid(), "action": action} | order | more)
        seen.append(await student.next("command"))
    seen.append(await student.until("session", lambda one: one["status"] == "PAUSED"))
    seen.append(await student.until("session", lambda one: one["status"] == "ACTIVE"))
    await console.ok("chat", {"requestId": uuid(), "text": "Hello"} | order)
    seen.append(await student.next("chat"))
    seen.append(await student.ok("start", {"examId": school.exam_id}))
    seen.append(await api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id}))
    seen.append(await api.ok("GET", f"/routes/proctoring/{student_id}"))
    seen.append(await api.ok("POST", "/routes/proctoring/tab-change", body))
    seen.append(await api.ok("POST", "/routes/proctoring/heartbeat", body))
    seen.append(await api.ok("GET", f"/routes/users/{school.student.id}"))
    seen.append(await api.ok("GET", f"/routes/exams/{school.exam_id}"))
    seen.append((await student.ok("end"))["session"])
    seen.append(await student.until("session", lambda one: one["status"] == "SUBMITTED"))
    seen.append(await api.ok("PUT", f"/routes/proctoring/end/{student_id}"))
    while not student.received["session"].empty():
        seen.append(student.received["session"].get_nowait())
    for one in seen:
        assert not FORBIDDEN & names_in(one), one
    assert set(student.received) <= {"session", "command", "chat"}
    for path in ("activity", "heartbeats", "commands"):
        assert await api.code("GET", f"/routes/proctoring/{student_id}/{path}") == "forbidden"
    assert await api.code("GET", f"/routes/exams/{school.exam_id}/activity") == "forbidden"
    assert await api.code("GET", "/routes/proctoring") == "forbidden"
