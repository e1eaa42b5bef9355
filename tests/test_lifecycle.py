"""The lifecycle of a session: each transition that the contract allows, each that it does not, and their races."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.errors import Conflict
from models.lifecycle import TRANSITIONS, is_over, transition
from models.store import Store
from tests.clients import Socket, lasting, uuid
from tests.conftest import Connect, Organisation, Person, make_exam
from tests.test_starting import make_class

STATUSES = ["WAITING", "ACTIVE", "PAUSED", "SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"]
OVER = ["SUBMITTED", "TIMED_OUT", "TERMINATED", "DENIED"]
ACTIONS = ["admit", "deny", "pause", "resume", "submit", "terminate", "time_out", "reinstate"]
COMMANDS = ["admit", "deny", "pause", "resume", "terminate", "reinstate"]  # those of `command` that change a status

# As protocol.md has it. What is not in here is `conflict`.
ALLOWED = {
    ("WAITING", "admit"): "ACTIVE",
    ("WAITING", "deny"): "DENIED",
    ("WAITING", "time_out"): "TIMED_OUT",
    ("WAITING", "terminate"): "TERMINATED",
    ("ACTIVE", "pause"): "PAUSED",
    ("ACTIVE", "submit"): "SUBMITTED",
    ("ACTIVE", "time_out"): "TIMED_OUT",
    ("ACTIVE", "terminate"): "TERMINATED",
    ("PAUSED", "resume"): "ACTIVE",
    ("PAUSED", "submit"): "SUBMITTED",
    ("PAUSED", "time_out"): "TIMED_OUT",
    ("PAUSED", "terminate"): "TERMINATED",
    ("SUBMITTED", "reinstate"): "PAUSED",
    ("TIMED_OUT", "reinstate"): "PAUSED",
    ("TERMINATED", "reinstate"): "PAUSED",
}
ACTIVITIES = {
    "admit": "admitted",
    "deny": "session_ended",
    "pause": "paused",
    "resume": "resumed",
    "submit": "session_ended",
    "terminate": "session_ended",
    "time_out": "session_ended",
    "reinstate": "reinstated",
}
EVERY = [(status, action) for status in STATUSES for action in ACTIONS]
BY_EVENT = [pair for pair in ALLOWED if pair[1] != "time_out"]

# What goes with each action of `command`.
FIELDS: dict[str, dict[str, Any]] = {
    "admit": {},
    "deny": {},
    "warn": {"text": "Look at your own screen."},
    "pause": {"reason": "A fire alarm."},
    "resume": {},
    "extend": {"minutes": 10, "reason": "A power cut."},
    "terminate": {"reason": "A phone on the desk."},
    "reinstate": {"reason": "Submitted by mistake."},
}

AT = datetime(2026, 5, 4, 10, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def hand_made(status: str, **fields: Any) -> dict[str, Any]:
    """A session that was let in at nine and may take an hour and a half. What has stopped, did so at half past nine."""
    began, stopped = AT - minutes(60), AT - minutes(30)
    ran = status not in ("WAITING", "DENIED")
    return {
        "status": status,
        "connectivity": "CLOSED" if status in OVER else "ONLINE",
        "startTime": began,
        "endTime": stopped if status in OVER else None,
        "activatedAt": began if ran else None,
        "runningSince": began if ran else None,
        "pausedAt": stopped if status == "PAUSED" else None,
        "missingSince": None,
        "backAt": None,
        "timeLedger": [],
        "terms": {"allowedMs": 90 * 60_000, "endsAt": None, "outageCreditMs": 0},
    } | fields


async def order(console: Socket, exam_id: str, action: str, session_id: str | None = None, **fields: Any) -> Any:
    """The ack of a command, with what it needs unless it is given."""
    payload = {"requestId": uuid(), "examId": exam_id, "action": action, "sessionId": session_id}
    return await console.call("command", payload | FIELDS[action] | fields)


async def ordered(console: Socket, exam_id: str, action: str, session_id: str | None = None, **fields: Any) -> Any:
    """The commands that a command came to."""
    ack = await order(console, exam_id, action, session_id, **fields)
    assert ack["ok"], (action, ack)
    return ack["data"]["commands"]


async def refused(console: Socket, exam_id: str, action: str, session_id: str | None = None, **fields: Any) -> Any:
    """The code that a command is refused with; None where it is not."""
    ack = await order(console, exam_id, action, session_id, **fields)
    return None if ack["ok"] else ack["error"]["code"]


async def joined(connect: Connect, person: Person, exam_id: str) -> Socket:
    """A console that watches an exam."""
    console = await connect("/proctor", person.token)
    await console.ok("join", {"examId": exam_id})
    return console


async def shown(console: Socket, session_id: str, **wanted: Any) -> Any:
    """The session as a console is pushed it, once it is like this; what else is pushed before is passed over."""
    return (await all_shown(console, session_id, **wanted))[0]


async def all_shown(console: Socket, *session_ids: str, **wanted: Any) -> list[Any]:
    """`shown` for each of these sessions, in whatever order they come."""
    seen: dict[str, Any] = {}
    while not seen.keys() >= set(session_ids):
        for item in (await console.next("presence"))["items"]:
            if wanted.items() <= item.items():
                seen.setdefault(item["id"], item)
    return [seen[session_id] for session_id in session_ids]


async def silence(*waits: tuple[Socket, str]) -> None:
    """Nothing came of any of these."""
    await asyncio.gather(*(socket.silence(event) for socket, event in waits))


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def log_of(person: Person, exam_id: str, *types: str) -> list[dict[str, Any]]:
    """An exam's log, as a console's user reads it: all of it, or what is of these types."""
    log = await person.api.ok("GET", f"/routes/exams/{exam_id}/activity?limit=500")
    assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
    return [one for one in log if not types or one["type"] in types]


@dataclass
class Room:
    """An exam with a student in it, whose session is in some status, and two consoles that watch since then."""

    school: Organisation
    store: Store
    exam_id: str
    session_id: str
    student: Socket
    proctor: Socket
    admin: Socket

    async def stored(self) -> dict[str, Any]:
        """The session in the database, without what only says what is still to be recorded."""
        found = await self.store.database.sessions.find_one({"_id": ObjectId(self.session_id)})
        assert found
        found.pop("unlogged", None)
        return dict(found)

    async def everything(self) -> Any:
        """All that is stored of the exam."""
        of_exam = {"examId": ObjectId(self.exam_id)}
        return [
            await self.stored(),
            await log_of(self.school.admin, self.exam_id),
            await self.store.database.orders.find(of_exam).to_list(None),
            await self.store.database.fates.find(of_exam).to_list(None),
        ]

    async def session(self) -> Any:
        return await self.school.admin.api.ok("GET", f"/routes/proctoring/{self.session_id}")


async def enter(connect: Connect, school: Organisation, store: Store, status: str, **fields: Any) -> Room:
    """Bring a session into a status as it happens: by the student, by a proctor, by the clock."""
    if status in ("WAITING", "DENIED"):
        fields = {"policy": {"admission": "proctor"}} | fields
    exam = await make_exam(school.admin, school.proctor, school.student, school.other_student, **fields)
    student = await connect("/exam", school.student.token, uuid())
    session = (await student.ok("start", {"examId": exam["id"]}))["session"]
    console = await connect("/proctor", school.proctor.token)
    if command := {"PAUSED": "pause", "TERMINATED": "terminate", "DENIED": "deny"}.get(status):
        await ordered(console, exam["id"], command, session["id"])
        told = await student.next("command")
        await student.ok("command_ack", {"commandId": told["id"]})
    elif status == "SUBMITTED":
        await student.ok("end")
    elif status == "TIMED_OUT":
        await school.admin.api.ok("PUT", f"/routes/exams/{exam['id']}", {"endsAt": soon(0.02)})
    if session["status"] != status:
        await student.until("session", lambda one: one["status"] == status)
    while status == "TIMED_OUT" and not await log_of(school.admin, exam["id"], "session_ended"):
        await asyncio.sleep(0.01)  # by the server's clock, which waits for nobody
    watching = [await joined(connect, one, exam["id"]) for one in (school.proctor, school.admin)]
    room = Room(school, store, exam["id"], session["id"], student, *watching)
    assert (await room.stored())["status"] == status
    return room


@pytest.mark.parametrize(("status", "action"), EVERY)
def test_a_transition_is_allowed_exactly_where_the_contract_has_it(status: str, action: str) -> None:
    session = hand_made(status)
    before = copy.deepcopy(session)
    target = ALLOWED.get((status, action))
    if target is None:
        with pytest.raises(Conflict):
            transition(session, action, AT, actor_id=ObjectId(), reason="Why not")
    else:
        after = session | transition(session, action, AT, actor_id=ObjectId(), reason="Why not")
        assert after["status"] == target
        assert is_over(after) == (target in OVER)
        assert (after["connectivity"] == "CLOSED") == (target in OVER)
        assert after["endTime"] == (AT if target in OVER else None)
        assert after["pausedAt"] == (AT if target == "PAUSED" else None)
        if target == "ACTIVE":
            assert (after["activatedAt"], after["runningSince"]) == (session["activatedAt"] or AT, AT)
    assert session == before


def test_the_table_has_the_contracts_actions_and_what_each_is_recorded_as() -> None:
    assert {name: rule.activity for name, rule in TRANSITIONS.items()} == ACTIVITIES


def test_a_transition_credits_the_time_that_stood_still_with_who_gave_it_and_why() -> None:
    who = ObjectId()
    half_an_hour = {"kind": "pause", "ms": 30 * 60_000, "reason": "A mistake", "actorId": who, "at": AT}
    for status, action in (("PAUSED", "resume"), ("PAUSED", "submit"), ("PAUSED", "terminate"), ("PAUSED", "time_out")):
        changes = transition(hand_made(status), action, AT, actor_id=who, reason="A mistake")
        assert changes["timeLedger"] == [half_an_hour], (status, action)
    earlier = half_an_hour | {"ms": 5, "at": AT - minutes(40)}
    for status in ("SUBMITTED", "TIMED_OUT", "TERMINATED"):
        changes = transition(hand_made(status, timeLedger=[earlier]), "reinstate", AT, actor_id=who, reason="A mistake")
        assert changes["timeLedger"] == [earlier, half_an_hour], status
    for status, action in (("WAITING", "admit"), ("ACTIVE", "pause"), ("ACTIVE", "submit")):
        assert "timeLedger" not in transition(hand_made(status), action, AT), (status, action)
    # A session that was ended while it waited has had no time to be given back.
    never = hand_made("TERMINATED", activatedAt=None, runningSince=None)
    assert "timeLedger" not in transition(never, "reinstate", AT, actor_id=who, reason="A mistake")


@pytest.mark.parametrize(("status", "action"), BY_EVENT)
async def test_what_a_status_allows_changes_it_and_everybody_concerned_hears_of_it(
    school: Organisation, store: Store, connect: Connect, status: str, action: str
) -> None:
    room = await enter(connect, school, store, status)
    if status == "TIMED_OUT":  # so that another can begin
        await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", {"endsAt": None})
    bystander = await connect("/exam", school.other_student.token)
    await bystander.ok("start", {"examId": room.exam_id})
    for console in (room.proctor, room.admin):
        await console.ok("join", {"examId": room.exam_id})
        console.received.clear()
    before, target = await log_of(school.admin, room.exam_id), ALLOWED[status, action]
    expected: dict[str, Any] = {"type": ACTIVITIES[action], "severity": "info", "sessionId": room.session_id}
    if action == "submit":
        actor, other = school.student, room.proctor
        answered = (await room.student.ok("end"))["session"]
        assert answered["status"] == target
        expected |= {"source": "client", "data": {"status": target}}
    else:
        actor, giver, other = school.proctor, room.proctor, room.admin
        if action == "reinstate":
            actor, giver, other = school.admin, room.admin, room.proctor
        (command,) = await ordered(giver, room.exam_id, action, room.session_id)
        wanted = {"action": action, "sessionId": room.session_id, "actorId": actor.id}
        assert (wanted | FIELDS[action]).items() <= command.items()
        told = await room.student.next("command")
        assert (wanted | FIELDS[action] | {"id": command["id"]}).items() <= told.items()
        data = ({"status": target} if target in OVER else {}) | FIELDS[action]
        expected |= {"source": "proctor", "data": data}

    activity = await other.activity(ACTIVITIES[action])
    assert (expected | {"actorId": actor.id, "userId": school.student.id}).items() <= activity.items()
    assert await log_of(school.admin, room.exam_id) == [*before, activity]
    stored = await room.stored()
    assert stored["status"] == target
    pushed = await room.student.until("session", lambda one: one["status"] == target)
    assert not {"severity", "counts", "verdict"} & set(pushed)
    for console in (room.proctor, room.admin):
        seen = await shown(console, room.session_id, status=target)
        assert lasting(seen) == lasting(pushed)
        assert (seen["connectivity"] == "CLOSED") == (target in OVER)
        assert (seen["endTime"] is not None) == (target in OVER)
        assert (seen["deadline"] is None) == (seen["activatedAt"] is None or target in ("WAITING", "PAUSED"))
    assert lasting(pushed).items() <= lasting(await room.session()).items()
    await silence((bystander, "session"), (bystander, "command"), (room.student, "activity"))


@pytest.mark.parametrize("status", STATUSES)
async def test_what_a_status_does_not_allow_is_conflict_and_changes_nothing(
    school: Organisation, store: Store, connect: Connect, status: str
) -> None:
    room = await enter(connect, school, store, status)
    before = await room.everything()
    for action in COMMANDS:
        if (status, action) not in ALLOWED:
            assert await refused(room.admin, room.exam_id, action, room.session_id) == "conflict", action
            if action != "reinstate":
                assert await refused(room.proctor, room.exam_id, action, room.session_id) == "conflict", action
    if status in OVER:
        for action in ("warn", "extend"):
            assert await refused(room.admin, room.exam_id, action, room.session_id) == "conflict", action
    if status == "WAITING":
        assert await room.student.code("end") == "conflict"
        assert await school.student.api.code("PUT", f"/routes/proctoring/end/{room.session_id}") == "conflict"
    assert await room.everything() == before
    # To the whole exam it is no conflict: it fits nobody, and nothing is recorded.
    for action in COMMANDS:
        if (status, action) not in ALLOWED:
            assert await ordered(room.admin, room.exam_id, action) == [], action
    assert (await room.everything())[:2] == before[:2]
    await silence(
        *((room.student, event) for event in ("session", "command")),
        *((room.proctor, event) for event in ("presence", "activity", "commands")),
    )


@pytest.mark.parametrize("status", OVER)
async def test_end_and_its_rest_twin_answer_a_session_that_is_over_as_it_is(
    school: Organisation, store: Store, connect: Connect, status: str
) -> None:
    room = await enter(connect, school, store, status)
    before, path = await room.everything(), f"/routes/proctoring/end/{room.session_id}"
    for _ in range(2):
        session = lasting((await room.student.ok("end"))["session"])
        assert session["status"] == status
        for person in (school.student, school.proctor, school.admin):
            assert lasting(await person.api.ok("PUT", path)) == session
    assert await room.everything() == before
    await silence((room.student, "session"), (room.proctor, "presence"), (room.proctor, "activity"))


@pytest.mark.parametrize(
    ("status", "who", "target"),
    [
        ("ACTIVE", "student", "SUBMITTED"),
        ("PAUSED", "student", "SUBMITTED"),
        ("WAITING", "proctor", "TERMINATED"),
        ("ACTIVE", "admin", "TERMINATED"),
        ("PAUSED", "proctor", "TERMINATED"),
    ],
)
async def test_the_rest_twin_ends_what_the_event_ends(
    school: Organisation, store: Store, connect: Connect, status: str, who: str, target: str
) -> None:
    room = await enter(connect, school, store, status)
    person: Person = getattr(school, who)
    path = f"/routes/proctoring/end/{room.session_id}"
    first, *repeats = await asyncio.gather(*(person.api.ok("PUT", path) for _ in range(4)))
    assert first["status"] == target
    assert [lasting(one) for one in repeats] == [lasting(first)] * 3
    (ended,) = await log_of(school.admin, room.exam_id, "session_ended")
    source = "client" if who == "student" else "proctor"
    assert (ended["source"], ended["actorId"], ended["data"]) == (source, person.id, {"status": target})
    assert ended["receivedAt"] == first["endTime"]
    assert lasting(await room.student.next("session")) == lasting(first)
    assert lasting(await shown(room.proctor, room.session_id, status=target)) == lasting(first)
    await silence((room.student, "session"), (room.proctor, "presence"))


async def test_a_clock_ends_neither_who_is_paused_nor_who_is_over(
    school: Organisation, store: Store, connect: Connect
) -> None:
    for status in ("PAUSED", *OVER):
        room = await enter(connect, school, store, status)
        before = await room.everything()
        await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", {"endsAt": soon(-1)})
        session = await store.sessions.by_id(ObjectId(room.session_id))
        after = await store.sessions.time_out(session, datetime.now(UTC) + timedelta(days=30))
        assert after["status"] == status
        assert (await room.everything())[1:] == before[1:]
        assert await store.database.sessions.count_documents({"_id": session["_id"], "status": status}) == 1


async def test_a_session_begins_waiting_where_a_proctor_admits_and_active_where_it_is_open(
    school: Organisation, store: Store, connect: Connect
) -> None:
    for status, reason in (("WAITING", {"admission": "proctor"}), ("ACTIVE", {"admission": "open"}), ("ACTIVE", {})):
        exam = await make_exam(school.admin, school.student, school.proctor, policy=reason)
        student = await connect("/exam", school.student.token, uuid())
        started = await student.ok("start", {"examId": exam["id"]})
        session = started["session"]
        assert session["status"] == status
        assert (session["activatedAt"] is None) == (session["deadline"] is None) == (status == "WAITING")
        (began,) = await log_of(school.admin, exam["id"], "session_started")
        assert (began["source"], began["data"]) == ("client", {"status": status})
        listed = await school.proctor.api.ok("GET", f"/routes/proctoring?examId={exam['id']}&status={status}")
        assert [one["id"] for one in listed] == [session["id"]]


@pytest.mark.parametrize("status", ["WAITING", "PAUSED"])
async def test_reports_chat_and_heartbeats_are_taken_while_waiting_and_paused(
    school: Organisation, store: Store, connect: Connect, status: str
) -> None:
    room = await enter(connect, school, store, status)
    await room.student.ok("tab_change", {"seq": 1})
    await room.student.ok("chat", {"seq": 2, "text": "How long will it take?"})
    await room.student.ok("activity", {"seq": 3, "type": "window_blur"})
    assert (await room.student.ok("heartbeat"))["status"] == status
    log = await log_of(school.admin, room.exam_id)
    assert [(one["type"], one["late"]) for one in log if one["seq"]] == [
        ("tab_change", False),
        ("chat", False),
        ("window_blur", False),
    ]
    assert (await room.proctor.activity("chat"))["data"]["text"] == "How long will it take?"
    assert (await room.stored())["status"] == status


async def test_of_two_pauses_that_race_one_wins_and_the_other_is_a_conflict(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    for turn in range(3):
        got = await asyncio.gather(
            refused(room.proctor, room.exam_id, "pause", room.session_id),
            refused(room.admin, room.exam_id, "pause", room.session_id, reason="Me too."),
        )
        assert Counter(got) == {None: 1, "conflict": 1}
        paused = await log_of(school.admin, room.exam_id, "paused")
        assert len(paused) == turn + 1
        winner, reason = ((school.proctor, FIELDS["pause"]["reason"]), (school.admin, "Me too."))[got.index(None)]
        assert (paused[-1]["actorId"], paused[-1]["data"]) == (winner.id, {"reason": reason})
        assert (await room.student.next("command"))["reason"] == reason
        assert (await room.stored())["status"] == "PAUSED"
        await ordered(room.proctor, room.exam_id, "resume", room.session_id)
        assert (await room.student.next("command"))["action"] == "resume"
    await silence((room.student, "command"))


async def test_of_an_admission_and_a_denial_that_race_one_wins(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "WAITING")
    admitted, denied = await asyncio.gather(
        refused(room.proctor, room.exam_id, "admit", room.session_id),
        refused(room.admin, room.exam_id, "deny", room.session_id),
    )
    assert Counter((admitted, denied)) == {None: 1, "conflict": 1}
    status = (await room.stored())["status"]
    assert status == ("ACTIVE" if admitted is None else "DENIED")
    types = [one["type"] for one in await log_of(school.admin, room.exam_id)]
    assert types == ["session_started", "connected", "admitted" if admitted is None else "session_ended"]
    assert (await room.student.next("command"))["action"] == ("admit" if admitted is None else "deny")
    await silence((room.student, "command"))


async def test_50_who_end_while_50_are_terminated_end_exactly_once_each(
    school: Organisation, store: Store, connect: Connect
) -> None:
    users, exam = await make_class(store.database, 50)
    organisation = ObjectId(school.id)
    await store.database.users.update_many({"_id": {"$in": exam["users"]}}, {"$set": {"organisationId": organisation}})
    await store.database.exams.update_one(
        {"_id": exam["_id"]},
        {"$set": {"organisationId": organisation}, "$push": {"users": ObjectId(school.proctor.id)}},
    )
    exam_id = str(exam["_id"])

    async def begin(user: dict[str, Any]) -> tuple[Socket, str]:
        token = store.tokens.issue(user | {"organisationId": organisation})
        browser = await connect("/exam", token, uuid())
        return browser, (await browser.ok("start", {"examId": exam_id}))["session"]["id"]

    begun = await asyncio.gather(*(begin(user) for user in users))
    console = await joined(connect, school.proctor, exam_id)
    watcher = await joined(connect, school.admin, exam_id)
    # Each ends when the termination before its own is answered, or a few round trips later: when its own may be at any
    # step.
    turns = [asyncio.Event() for _ in range(51)]
    turns[0].set()

    async def terminate(number: int) -> Any:
        ack = await order(console, exam_id, "terminate", begun[number][1])
        turns[number + 1].set()
        return ack

    async def end(number: int) -> str:
        await turns[number].wait()
        for _ in range(number % 10 * 3):
            await begun[number][0].code("command_ack", {})
        return str((await begun[number][0].ok("end"))["session"]["status"])

    acks, ends = await asyncio.gather(
        asyncio.gather(*(terminate(number) for number in range(50))),
        asyncio.gather(*(end(number) for number in range(50))),
    )
    stored = {str(one["_id"]): one for one in await store.sessions.of_exam(exam["_id"])}
    log = await log_of(school.proctor, exam_id, "session_ended")
    assert Counter(one["sessionId"] for one in log) == {session_id: 1 for _, session_id in begun}
    data = {one["sessionId"]: one for one in log}
    seen: dict[str, list[str]] = {}
    while len(seen) < 50:
        for item in (await watcher.next("presence"))["items"]:
            if item["status"] != "ACTIVE":
                seen.setdefault(item["id"], []).append(item["status"])
    for number, (browser, session_id) in enumerate(begun):
        status, ended = stored[session_id]["status"], data[session_id]
        terminated = status == "TERMINATED"
        assert status in ("SUBMITTED", "TERMINATED")
        assert (ends[number], set(seen[session_id])) == (status, {status})
        assert (ended["data"]["status"], ended["source"]) == (status, "proctor" if terminated else "client")
        assert acks[number]["ok"] if terminated else acks[number]["error"]["code"] == "conflict"
        assert (await browser.next("session"))["status"] == status
        commands = await school.proctor.api.ok("GET", f"/routes/proctoring/{session_id}/commands")
        assert [one["action"] for one in commands] == ["terminate"] * terminated
    await silence(*((browser, "session") for browser, _ in begun))


async def test_only_an_admin_reinstates_and_only_with_a_reason(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "SUBMITTED")
    before = await room.everything()
    assert await refused(room.proctor, room.exam_id, "reinstate", room.session_id) == "forbidden"
    assert await refused(room.proctor, room.exam_id, "reinstate") == "forbidden"
    for bad in (None, "", "x" * 2001):
        assert await refused(room.admin, room.exam_id, "reinstate", room.session_id, reason=bad) == "invalid_payload"
    assert await room.everything() == before
    (command,) = await ordered(room.admin, room.exam_id, "reinstate", room.session_id)
    assert command["reason"] == FIELDS["reinstate"]["reason"]
    assert (await room.stored())["status"] == "PAUSED"


@pytest.mark.parametrize("status", ["SUBMITTED", "TIMED_OUT", "TERMINATED"])
async def test_who_is_reinstated_is_given_the_time_since_the_end_and_goes_on(
    school: Organisation, store: Store, connect: Connect, status: str
) -> None:
    room = await enter(connect, school, store, status)
    over = await room.session()
    started, ended = instant(over["deadline"]), instant(over["endTime"])
    await ordered(room.admin, room.exam_id, "reinstate", room.session_id)
    back = await room.student.until("session", lambda one: one["status"] == "PAUSED")
    (reinstated,) = await log_of(school.admin, room.exam_id, "reinstated")
    at = instant(reinstated["receivedAt"])
    (credit,) = back["timeLedger"]
    assert credit["kind"] == "pause"
    assert credit["ms"] == (at - ended) // timedelta(milliseconds=1)
    assert (credit["reason"], credit["actorId"]) == (FIELDS["reinstate"]["reason"], school.admin.id)
    assert (back["endTime"], back["deadline"]) == (None, None)
    assert back["connectivity"] != "CLOSED"
    left = (started - ended) // timedelta(milliseconds=1)
    assert back["remainingMs"] == left
    if status == "TIMED_OUT":  # it had nothing left, so it is given some
        assert left == 0
        await ordered(room.admin, room.exam_id, "extend", room.session_id, minutes=30)
    # Whoever is connected goes on without another start; whoever is heard of is online.
    await room.student.ok("chat", {"text": "Thank you."})
    assert (await room.student.ok("heartbeat"))["status"] == "PAUSED"
    await shown(room.proctor, room.session_id, connectivity="ONLINE")
    await ordered(room.proctor, room.exam_id, "resume", room.session_id)
    running = await room.student.until("session", lambda one: one["status"] == "ACTIVE")
    (resumed,) = await log_of(school.admin, room.exam_id, "resumed")
    given = minutes(30) if status == "TIMED_OUT" else timedelta(0)
    assert instant(running["deadline"]) == started + (instant(resumed["receivedAt"]) - ended) + given
    await room.student.ok("tab_change", {"seq": 1})
    assert (await room.student.ok("end"))["session"]["status"] == "SUBMITTED"
    statuses = [one["data"]["status"] for one in await log_of(school.admin, room.exam_id, "session_ended")]
    assert statuses == [status, "SUBMITTED"]


async def test_who_was_ended_while_waiting_is_reinstated_and_then_begins(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "WAITING")
    await ordered(room.proctor, room.exam_id, "terminate", room.session_id)
    await ordered(room.admin, room.exam_id, "reinstate", room.session_id)
    back = await room.student.until("session", lambda one: one["status"] == "PAUSED")
    assert (back["activatedAt"], back["timeLedger"], back["remainingMs"]) == (None, [], 60 * 60_000)
    await ordered(room.proctor, room.exam_id, "resume", room.session_id)
    running = await room.student.until("session", lambda one: one["status"] == "ACTIVE")
    assert running["activatedAt"] is not None
    assert instant(running["deadline"]) - instant(running["activatedAt"]) == minutes(60)
