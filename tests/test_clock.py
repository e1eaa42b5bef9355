"""The server's clock: the contract's formula to the millisecond, and sessions that keep to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models import orders as orders_module
from models.clock import deadline, outage_ms, remaining_ms, terms_of, times_out_at
from models.fields import now
from models.lifecycle import transition
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation, make_exam
from tests.test_lifecycle import (
    AT,
    OVER,
    all_shown,
    enter,
    hand_made,
    instant,
    joined,
    log_of,
    minutes,
    ordered,
    shown,
    soon,
)
from tests.test_starting import Failing, Killed, actor, make_class, restarted, store_on

BEGAN = AT - minutes(60)
MINUTE = 60_000


def given(kind: str, ms: int) -> dict[str, Any]:
    return {"kind": kind, "ms": ms, "reason": None, "actorId": None, "at": AT}


def terms(allowed: float, ends_at: datetime | None = None, outage: float = 0) -> dict[str, Any]:
    return {"allowedMs": int(allowed * MINUTE), "endsAt": ends_at, "outageCreditMs": int(outage * MINUTE)}


def missing(since: datetime, status: str = "ACTIVE", **fields: Any) -> dict[str, Any]:
    return hand_made(status, connectivity="MISSING", missingSince=since, **fields)


def left(session: dict[str, Any], at: datetime) -> timedelta:
    return remaining_ms(session, at) * timedelta(milliseconds=1)


def test_terms_are_the_exams_duration_with_the_students_own_accommodation() -> None:
    one, other = ObjectId(), ObjectId()
    exam = {
        "duration": 90,
        "endsAt": AT,
        "policy": {"outageCreditMaxMinutes": 7},
        "accommodations": [{"userId": one, "extraMinutes": 30}],
    }
    assert terms_of(exam, one) == {"allowedMs": 120 * MINUTE, "endsAt": AT, "outageCreditMs": 7 * MINUTE}
    assert terms_of(exam, other) == {"allowedMs": 90 * MINUTE, "endsAt": AT, "outageCreditMs": 7 * MINUTE}


@pytest.mark.parametrize(
    ("ends_at", "ledger", "expected"),
    [
        (None, [], BEGAN + minutes(90)),
        (BEGAN + minutes(91), [], BEGAN + minutes(90)),
        (BEGAN + minutes(90), [], BEGAN + minutes(90)),
        (BEGAN + minutes(80), [], BEGAN + minutes(80)),
        (None, [given("extension", 10 * MINUTE)], BEGAN + minutes(100)),
        # What is given may pass the exam's end: the sum comes after the minimum.
        (BEGAN + minutes(80), [given("extension", 30 * MINUTE)], BEGAN + minutes(110)),
        (BEGAN + minutes(95), [given("extension", 10 * MINUTE)], BEGAN + minutes(100)),
        (
            BEGAN + minutes(80),
            [given("pause", 90_000), given("outage", 1), given("extension", MINUTE), given("pause", 499)],
            BEGAN + minutes(80) + timedelta(milliseconds=90_000 + 1 + MINUTE + 499),
        ),
    ],
)
def test_a_deadline_is_the_earlier_of_both_ends_and_then_all_that_was_given(
    ends_at: datetime | None, ledger: list[dict[str, Any]], expected: datetime
) -> None:
    session = hand_made("ACTIVE", terms=terms(90, ends_at), timeLedger=ledger)
    assert deadline(session) == times_out_at(session) == expected
    for before in (minutes(20), timedelta(milliseconds=1), timedelta(0)):
        assert left(session, expected - before) == before
    assert remaining_ms(session, expected + timedelta(milliseconds=1)) == 0


def test_there_is_no_deadline_while_a_session_waits_or_is_paused() -> None:
    for status in ("WAITING", "PAUSED"):
        assert deadline(hand_made(status, terms=terms(90, AT + minutes(5)))) is None
    assert deadline(hand_made("DENIED")) is None
    assert deadline(hand_made("TERMINATED", activatedAt=None, runningSince=None)) is None


@pytest.mark.parametrize("status", OVER)
def test_a_session_that_is_over_has_nothing_left_and_is_never_timed_out(status: str) -> None:
    session = hand_made(status)
    assert (remaining_ms(session, BEGAN), remaining_ms(session, AT), times_out_at(session)) == (0, 0, None)


def test_who_waits_times_out_when_the_exam_ends_and_has_until_then_all_of_its_time() -> None:
    assert times_out_at(hand_made("WAITING")) is None
    waiting = hand_made("WAITING", terms=terms(90, AT + minutes(100)))
    assert times_out_at(waiting) == AT + minutes(100)
    for at in (BEGAN, AT, AT + minutes(10)):
        assert left(waiting, at) == minutes(90)
    assert left(waiting, AT + minutes(11)) == minutes(89)
    assert left(waiting, AT + minutes(101)) == minutes(0)


def test_what_remains_stands_still_in_a_pause_and_the_pause_is_given_back_in_full() -> None:
    for ends_at in (None, BEGAN + minutes(70)):
        session = hand_made("ACTIVE", terms=terms(90, ends_at))
        before = deadline(session)
        assert before
        paused = session | transition(session, "pause", AT)
        stopped = remaining_ms(session, AT)
        for later in (timedelta(0), timedelta(seconds=90), minutes(600)):
            assert remaining_ms(paused, AT + later) == stopped
        assert times_out_at(paused) is None
        resumed = paused | transition(paused, "resume", AT + timedelta(seconds=90))
        assert deadline(resumed) == before + timedelta(seconds=90)
        assert remaining_ms(resumed, AT + timedelta(seconds=90)) == stopped
        assert [(one["kind"], one["ms"]) for one in resumed["timeLedger"]] == [("pause", 90_000)]


def test_two_pauses_are_each_given_back_once() -> None:
    session = hand_made("ACTIVE")
    for start, seconds in ((0, 90), (200, 30.001)):
        began = AT + timedelta(seconds=start)
        session |= transition(session, "pause", began)
        session |= transition(session, "resume", began + timedelta(seconds=seconds))
    assert [one["ms"] for one in session["timeLedger"]] == [90_000, 30_001]
    assert deadline(session) == BEGAN + minutes(90) + timedelta(milliseconds=120_001)


def test_the_clock_stands_still_while_a_student_is_missing_and_credit_is_left() -> None:
    since = BEGAN + minutes(20)
    session = missing(since, terms=terms(90, outage=15))
    assert deadline(session) == BEGAN + minutes(90)
    for gone in (0, 1, 14, 15):
        assert outage_ms(session, since + minutes(gone)) == gone * MINUTE
        assert left(session, since + minutes(gone)) == minutes(70), gone
    for gone in (16, 20, 85):
        assert outage_ms(session, since + minutes(gone)) == 15 * MINUTE
        assert left(session, since + minutes(gone)) == minutes(85 - gone), gone
    assert times_out_at(session) == BEGAN + minutes(105)


def test_without_credit_the_clock_runs_on_while_a_student_is_missing() -> None:
    session = missing(BEGAN + minutes(20))
    assert left(session, BEGAN + minutes(50)) == minutes(40)
    assert times_out_at(session) == BEGAN + minutes(90)


def test_an_outage_credits_only_what_earlier_ones_have_left_of_the_cap() -> None:
    ledger = [given("outage", 10 * MINUTE), given("pause", 50 * MINUTE), given("extension", 50 * MINUTE)]
    session = missing(BEGAN + minutes(20), terms=terms(90, outage=15), timeLedger=ledger)
    assert outage_ms(session, BEGAN + minutes(60)) == 5 * MINUTE
    assert times_out_at(session) == BEGAN + minutes(90 + 110 + 5)
    used_up = session | {"timeLedger": [given("outage", 15 * MINUTE)]}
    assert outage_ms(used_up, BEGAN + minutes(60)) == 0
    lowered = session | {"terms": terms(90, outage=3)}  # by an exam that was changed meanwhile
    assert outage_ms(lowered, BEGAN + minutes(60)) == 0


def test_only_a_student_who_is_missing_is_in_an_outage() -> None:
    since = BEGAN + minutes(20)
    for connectivity in ("ONLINE", "LATE"):
        session = missing(since, terms=terms(90, outage=15)) | {"connectivity": connectivity}
        assert outage_ms(session, AT) == 0
        assert times_out_at(session) == deadline(session) == BEGAN + minutes(90)


def test_a_pause_within_an_outage_is_given_back_once_as_a_pause() -> None:
    since = BEGAN + minutes(20)
    session = missing(since, terms=terms(90, outage=60))
    # Missing for 5 minutes, paused for 10, then missing for 7 more.
    session |= transition(session, "pause", since + minutes(5))
    assert [(one["kind"], one["ms"]) for one in session["timeLedger"]] == [("outage", 5 * MINUTE)]
    assert left(session, since + minutes(9)) == minutes(70)
    session |= transition(session, "resume", since + minutes(15))
    assert [(one["kind"], one["ms"]) for one in session["timeLedger"][1:]] == [("pause", 10 * MINUTE)]
    assert outage_ms(session, since + minutes(15)) == 0
    assert outage_ms(session, since + minutes(22)) == 7 * MINUTE
    assert left(session, since + minutes(22)) == minutes(70)
    session |= transition(session, "submit", since + minutes(22))
    assert sum(one["ms"] for one in session["timeLedger"]) == 22 * MINUTE


def test_an_outage_that_begins_in_a_pause_counts_from_its_end() -> None:
    paused = hand_made("PAUSED", pausedAt=BEGAN + minutes(20), terms=terms(90, outage=60))
    paused |= {"connectivity": "MISSING", "missingSince": BEGAN + minutes(25)}
    assert left(paused, BEGAN + minutes(40)) == minutes(70)
    resumed = paused | transition(paused, "resume", BEGAN + minutes(30))
    assert [(one["kind"], one["ms"]) for one in resumed["timeLedger"]] == [("pause", 10 * MINUTE)]
    assert outage_ms(resumed, BEGAN + minutes(33)) == 3 * MINUTE


def test_an_outage_that_is_over_is_stored_by_the_end_it_ran_into() -> None:
    session = missing(BEGAN + minutes(80), terms=terms(90, outage=15))
    due = times_out_at(session)
    assert due == BEGAN + minutes(105)
    over = session | transition(session, "time_out", due)
    assert [(one["kind"], one["ms"]) for one in over["timeLedger"]] == [("outage", 15 * MINUTE)]
    assert deadline(over) == over["endTime"] == due


def test_an_extension_counts_in_every_state_that_has_a_clock() -> None:
    ledger = [given("extension", 10 * MINUTE)]
    for status, expected in (("WAITING", 100), ("ACTIVE", 40), ("PAUSED", 70)):
        assert left(hand_made(status, timeLedger=ledger), AT) == minutes(expected), status
    never = hand_made("PAUSED", activatedAt=None, runningSince=None, timeLedger=ledger)
    assert left(never, AT) == minutes(100)


async def begin(connect: Connect, who: Any, exam: dict[str, Any]) -> tuple[Socket, dict[str, Any]]:
    student = await connect("/exam", who.token, uuid())
    return student, await student.ok("start", {"examId": exam["id"]})


def runs_for(session: dict[str, Any]) -> timedelta:
    """From a session's activation to its deadline."""
    return instant(session["deadline"]) - instant(session["activatedAt"])


async def test_who_has_an_accommodation_has_a_later_deadline_and_others_have_not(
    school: Organisation, connect: Connect
) -> None:
    extra = [{"userId": school.student.id, "extraMinutes": 15}]
    exam = await make_exam(school.admin, school.student, school.other_student, accommodations=extra)
    for who, expected in ((school.student, 75), (school.other_student, 60)):
        student, started = await begin(connect, who, exam)
        assert runs_for(started["session"]) == minutes(expected)
        assert (expected - 1) * MINUTE < started["remainingMs"] <= expected * MINUTE
        beat = await student.ok("heartbeat")
        assert (instant(started["session"]["deadline"]) - instant(beat["serverTime"])) == timedelta(
            milliseconds=beat["remainingMs"]
        )
        assert "accommodations" not in started["exam"]
    (one, other) = await school.admin.api.ok("GET", f"/routes/proctoring?examId={exam['id']}")
    assert runs_for(one) - runs_for(other) == minutes(15)


async def test_an_extension_moves_the_deadline_of_one_or_of_all_and_may_pass_the_exams_end(
    school: Organisation, store: Store, connect: Connect
) -> None:
    exam = await make_exam(school.admin, school.proctor, school.student, school.other_student, endsAt=soon(600))
    student, started = await begin(connect, school.student, exam)
    other, others = await begin(connect, school.other_student, exam)
    session, before = started["session"], instant(exam["endsAt"])
    assert instant(session["deadline"]) == before
    console = await joined(connect, school.proctor, exam["id"])

    await ordered(console, exam["id"], "extend", session["id"], minutes=30)
    pushed = await student.next("session")
    assert instant(pushed["deadline"]) == before + minutes(30)
    told = await student.next("command")
    assert (told["action"], told["minutes"], told["reason"]) == ("extend", 30, "A power cut.")
    assert (await shown(console, session["id"], rev=pushed["rev"]))["deadline"] == pushed["deadline"]
    await other.silence("session")

    await ordered(console, exam["id"], "extend", minutes=5)
    pushed = await student.next("session")
    assert instant(pushed["deadline"]) == before + minutes(35)
    assert instant((await other.next("session"))["deadline"]) == before + minutes(5)
    assert [(one["kind"], one["ms"], one["reason"], one["actorId"]) for one in pushed["timeLedger"]] == [
        ("extension", 30 * MINUTE, "A power cut.", school.proctor.id),
        ("extension", 5 * MINUTE, "A power cut.", school.proctor.id),
    ]
    log = await log_of(school.admin, exam["id"], "time_added")
    assert [(one["sessionId"], one["data"]) for one in log] == [
        (session["id"], {"minutes": 30, "reason": "A power cut."}),
        (None, {"minutes": 5, "reason": "A power cut.", "sessions": 2}),
    ]
    assert [one["at"] for one in pushed["timeLedger"]] == [one["receivedAt"] for one in log]
    beat = await student.ok("heartbeat")
    assert instant(beat["serverTime"]) + timedelta(milliseconds=beat["remainingMs"]) == before + minutes(35)
    assert others["session"]["timeLedger"] == []


async def test_a_pause_of_90_s_moves_the_deadline_by_90_s(
    school: Organisation, store: Store, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    before = instant((await room.session())["deadline"])
    at = now()
    monkeypatch.setattr(orders_module, "now", lambda: at)
    await ordered(room.proctor, room.exam_id, "pause", room.session_id)
    paused = await room.student.next("session")
    assert (paused["status"], paused["deadline"]) == ("PAUSED", None)
    standing = (before - at) // timedelta(milliseconds=1)
    for _ in range(2):
        assert (await room.student.ok("heartbeat"))["remainingMs"] == paused["remainingMs"] == standing
    at += timedelta(seconds=90)
    await ordered(room.admin, room.exam_id, "resume", room.session_id)
    resumed = await room.student.next("session")
    assert instant(resumed["deadline"]) == before + timedelta(seconds=90)
    (credit,) = resumed["timeLedger"]
    assert (credit["kind"], credit["ms"], credit["actorId"]) == ("pause", 90_000, school.admin.id)
    assert (await shown(room.proctor, room.session_id, status="ACTIVE"))["deadline"] == resumed["deadline"]
    stored = await room.session()
    assert (stored["deadline"], stored["timeLedger"]) == (resumed["deadline"], [credit])


async def test_an_outage_is_credited_when_the_student_comes_back_up_to_the_policys_limit(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE", policy={"outageCreditMaxMinutes": 1})
    before = instant((await room.session())["deadline"])
    for gone, credited in ((40, 40_000), (40, 15_000), (40, None)):
        session = await store.sessions.by_id(ObjectId(room.session_id))
        since = now() - timedelta(seconds=gone)
        lost = {"connectivity": "MISSING", "missingSince": since, "backAt": None, "runningSince": since - minutes(60)}
        await store.sessions.changes.change(session, lambda *_, lost=lost: lost)  # type: ignore[misc]
        assert (await shown(room.proctor, room.session_id, connectivity="MISSING"))["remainingMs"] > 0
        await room.student.ok("heartbeat")
        back = await shown(room.proctor, room.session_id, connectivity="ONLINE")
        if credited is None:
            assert instant(back["deadline"]) == before
        else:
            ms = back["timeLedger"][-1]["ms"]
            assert back["timeLedger"][-1]["kind"] == "outage"
            assert credited <= ms <= credited + 5_000
            before += timedelta(milliseconds=ms)
            assert instant(back["deadline"]) == before
            assert instant((await room.student.next("session"))["deadline"]) == before
    assert sum(one["ms"] for one in (await room.session())["timeLedger"]) == MINUTE


async def test_a_change_of_the_exam_moves_the_deadlines_of_sessions_that_run(
    school: Organisation, store: Store, connect: Connect
) -> None:
    exam = await make_exam(school.admin, school.proctor, school.student, school.other_student)
    student, started = await begin(connect, school.student, exam)
    other, others = await begin(connect, school.other_student, exam)
    console, path = await joined(connect, school.proctor, exam["id"]), f"/routes/exams/{exam['id']}"
    mine, theirs = started["session"], others["session"]

    ends_at = (await school.admin.api.ok("PUT", path, {"endsAt": soon(1800)}))["endsAt"]
    seen = await all_shown(console, mine["id"], theirs["id"], deadline=ends_at)
    for socket, session, watched in zip((student, other), (mine, theirs), seen, strict=True):
        pushed = await socket.next("session")
        assert (pushed["id"], pushed["deadline"]) == (session["id"], ends_at)
        assert pushed["rev"] == watched["rev"] > session["rev"]
    assert 29 * MINUTE < (await student.ok("heartbeat"))["remainingMs"] <= 30 * MINUTE

    await school.admin.api.ok("PUT", path, {"endsAt": None})
    for socket, session in ((student, mine), (other, theirs)):
        assert (await socket.next("session"))["deadline"] == session["deadline"]

    extra = [{"userId": school.student.id, "extraMinutes": 20}]
    await school.admin.api.ok("PUT", path, {"accommodations": extra})
    pushed = await student.next("session")
    assert runs_for(pushed) == minutes(80)
    await shown(console, mine["id"], deadline=pushed["deadline"])
    await other.silence("session")

    await school.admin.api.ok("PUT", path, {"accommodations": []})
    assert (await student.next("session"))["deadline"] == mine["deadline"]
    await school.admin.api.ok("PUT", path, {"policy": {"outageCreditMaxMinutes": 9}})
    stored = await store.sessions.of_exam(ObjectId(exam["id"]))
    assert [one["terms"]["outageCreditMs"] for one in stored] == [9 * MINUTE] * 2
    await school.admin.api.ok("PUT", path, {"title": "Geography"})
    await student.silence("session")  # neither moves a deadline
    assert await log_of(school.admin, exam["id"], "time_added") == []


async def test_who_starts_while_the_exam_is_changed_has_the_exam_as_it_is_then(
    school: Organisation, store: Store, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = await make_exam(school.admin, school.student)
    real = store.database.sessions.insert_many
    put: list[Any] = []

    async def change_first(*arguments: Any, **options: Any) -> Any:
        extra = [{"userId": school.student.id, "extraMinutes": 30}]
        put.append(await school.admin.api.ok("PUT", f"/routes/exams/{exam['id']}", {"accommodations": extra}))
        return await real(*arguments, **options)

    collection: Any = Failing(store.database.sessions, "", Killed(), after=False)
    collection.insert_many = change_first
    monkeypatch.setattr(store.starting, "_collection", collection)
    _, started = await begin(connect, school.student, exam)
    assert put
    assert runs_for(started["session"]) == minutes(90)


@pytest.mark.parametrize("change", ["endsAt", "accommodations"])
async def test_who_is_reinstated_has_the_exam_as_it_has_become_meanwhile(
    school: Organisation, store: Store, connect: Connect, change: str
) -> None:
    room = await enter(connect, school, store, "TIMED_OUT")
    changes: dict[str, Any] = {"endsAt": soon(24 * 3600)}
    allowed = minutes(60)
    if change == "accommodations":
        changes["accommodations"] = [{"userId": school.student.id, "extraMinutes": 45}]
        allowed = minutes(105)
    await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", changes)
    await ordered(room.admin, room.exam_id, "reinstate", room.session_id)
    await ordered(room.proctor, room.exam_id, "resume", room.session_id)
    running_ = await room.student.until("session", lambda one: one["status"] == "ACTIVE")
    credited = sum(one["ms"] for one in running_["timeLedger"])
    assert runs_for(running_) == allowed + timedelta(milliseconds=credited)


@pytest.mark.parametrize("status", ["WAITING", "ACTIVE", "PAUSED"])
async def test_the_duration_cannot_change_while_a_session_is_not_over(
    school: Organisation, store: Store, connect: Connect, status: str
) -> None:
    room = await enter(connect, school, store, status)
    path, before = f"/routes/exams/{room.exam_id}", await room.everything()
    assert await school.admin.api.code("PUT", path, {"duration": 61}) == "conflict"
    assert await room.everything() == before
    assert (await school.admin.api.ok("PUT", path, {"duration": 60}))["duration"] == 60
    await ordered(room.proctor, room.exam_id, "terminate", room.session_id)
    assert (await school.admin.api.ok("PUT", path, {"duration": 61}))["duration"] == 61


async def test_an_exam_that_has_not_begun_is_not_started(school: Organisation, connect: Connect) -> None:
    exam = await make_exam(school.admin, school.student, startsAt=soon(0.3))
    student = await connect("/exam", school.student.token)
    assert await student.code("start", {"examId": exam["id"]}) == "conflict"
    assert await school.student.api.code("POST", "/routes/proctoring/start", {"examId": exam["id"]}) == "conflict"
    assert await log_of(school.admin, exam["id"]) == []
    await asyncio.sleep(max(0.0, (instant(exam["startsAt"]) - now()).total_seconds()) + 0.005)
    started = await student.ok("start", {"examId": exam["id"]})
    assert instant(started["session"]["activatedAt"]) >= instant(exam["startsAt"])


async def test_a_session_is_timed_out_by_itself_within_a_second_of_its_deadline(
    school: Organisation, connect: Connect
) -> None:
    fields: dict[str, Any] = {"endsAt": soon(1.3)}
    people = (school.proctor, school.student, school.other_student)
    exam = await make_exam(school.admin, *people, **fields)
    hall = await make_exam(school.admin, *people, policy={"admission": "proctor"}, **fields)
    student, started = await begin(connect, school.student, exam)
    waiting, waits = await begin(connect, school.student, hall)
    # Without a connection the clock runs as well.
    absent = await school.other_student.api.ok("POST", "/routes/proctoring/start", {"examId": exam["id"]})
    console = await joined(connect, school.proctor, exam["id"])
    door = await joined(connect, school.admin, hall["id"])
    ends_at = instant(exam["endsAt"])
    assert instant(started["session"]["deadline"]) == ends_at
    assert (waits["session"]["status"], waits["session"]["deadline"]) == ("WAITING", None)

    watched = await all_shown(console, started["session"]["id"], absent["id"], status="TIMED_OUT")
    watched += await all_shown(door, waits["session"]["id"], status="TIMED_OUT")
    for socket, watcher, seen in ((student, console, watched[0]), (waiting, door, watched[2])):
        pushed = await socket.next("session")
        assert now() < ends_at + timedelta(seconds=1)
        assert (pushed["status"], pushed["connectivity"], pushed["remainingMs"]) == ("TIMED_OUT", "CLOSED", 0)
        assert instant(pushed["endTime"]) == ends_at
        assert (seen["endTime"], seen["rev"]) == (pushed["endTime"], pushed["rev"])
        assert await socket.code("tab_change", {}) == "conflict"
        assert await socket.code("heartbeat") == "conflict"
        assert (await socket.ok("end"))["session"]["status"] == "TIMED_OUT"
        activity = await watcher.activity("session_ended")
        assert (activity["source"], activity["actorId"], activity["data"]) == ("server", None, {"status": "TIMED_OUT"})
    ended = await log_of(school.admin, exam["id"], "session_ended")
    assert Counter(one["sessionId"] for one in ended) == {started["session"]["id"]: 1, absent["id"]: 1}
    assert len(await log_of(school.admin, hall["id"], "session_ended")) == 1
    await student.silence("session")
    await waiting.silence("command")


async def test_an_extension_at_the_last_moment_is_kept_and_a_shortened_exam_ends_at_once(
    school: Organisation, store: Store, connect: Connect
) -> None:
    exam = await make_exam(school.admin, school.proctor, school.student, endsAt=soon(0.5))
    student, started = await begin(connect, school.student, exam)
    console = await joined(connect, school.proctor, exam["id"])
    await ordered(console, exam["id"], "extend", started["session"]["id"], minutes=1)
    pushed = await student.next("session")
    assert (pushed["status"], instant(pushed["deadline"])) == ("ACTIVE", instant(exam["endsAt"]) + minutes(1))
    await asyncio.sleep(max(0.0, (instant(exam["endsAt"]) - now()).total_seconds()) + 0.5)
    assert (await student.ok("heartbeat"))["status"] == "ACTIVE"
    await student.silence("session")
    shortened = now()
    changed = await school.admin.api.ok("PUT", f"/routes/exams/{exam['id']}", {"endsAt": soon(-60)})
    over = await student.until("session", lambda one: one["status"] == "TIMED_OUT")
    assert now() < shortened + timedelta(seconds=1)
    assert instant(over["endTime"]) == instant(over["deadline"]) == instant(changed["endsAt"]) + minutes(1)
    (ended,) = await log_of(school.admin, exam["id"], "session_ended")
    assert ended["source"] == "server"


async def test_a_deadline_that_passes_while_the_server_is_down_is_kept_at_its_next_start_once(
    settings: Settings,
) -> None:
    async with running(settings) as first:
        users, exam = await make_class(first.store.database, 3)
        ends_at = now() + timedelta(seconds=0.6)
        await first.store.database.exams.update_one({"_id": exam["_id"]}, {"$set": {"endsAt": ends_at}})
        exam["endsAt"] = ends_at
        for user in users:
            session, _ = await first.store.starting.start(actor(user), exam)
        await first.store.orders.give(
            ObjectId(), exam, session, orders_module.Wish(action="pause", reason="A fire alarm.")
        )
    await asyncio.sleep(max(0.0, (ends_at - now()).total_seconds()) + 0.05)
    for _ in range(2):
        async with running(settings) as second:
            store = second.store
            until = now() + timedelta(seconds=1)
            while Counter(one["status"] for one in await store.sessions.of_exam(exam["_id"])) != {
                "TIMED_OUT": 2,
                "PAUSED": 1,
            }:
                assert now() < until
                await asyncio.sleep(0.02)
            await store.watch.idle()
            sessions = await store.sessions.of_exam(exam["_id"])
            assert [one["endTime"] for one in sessions if one["status"] == "TIMED_OUT"] == [ends_at] * 2
            log = await store.log.read(exam["_id"], 0, 100)
            ended = [one for one in log if one["type"] == "session_ended"]
            assert sorted(one["sessionId"] for one in ended) == [one["_id"] for one in sessions if one["endTime"]]
            assert {(one["source"], one["actorId"]) for one in ended} == {("server", None)}
    async with restarted(settings) as last:
        await last.database.drop()


async def test_two_nodes_that_see_a_deadline_pass_time_the_session_out_once(store: Store, settings: Settings) -> None:
    users, exam = await make_class(store.database, 20)
    exam["endsAt"] = now() + timedelta(seconds=0.4)
    await store.database.exams.update_one({"_id": exam["_id"]}, {"$set": {"endsAt": exam["endsAt"]}})
    got = await asyncio.gather(*(store.starting.start(actor(user), exam) for user in users))
    other = store_on(type(store.database)(str(settings.database_url)))
    await asyncio.sleep(max(0.0, (exam["endsAt"] - now()).total_seconds()) + 0.01)
    await asyncio.gather(*(one.sessions.time_out(session, now()) for session, _ in got for one in (store, other)))
    await store.watch.idle()
    stored = await store.sessions.of_exam(exam["_id"])
    assert {(one["status"], one["endTime"]) for one in stored} == {("TIMED_OUT", exam["endsAt"])}
    log = await store.log.read(exam["_id"], 0, 200)
    ended = Counter(one["sessionId"] for one in log if one["type"] == "session_ended")
    assert ended == {session["_id"]: 1 for session, _ in got}
    await other.sessions.close()
    await other.log.close()
    other.database.close()
