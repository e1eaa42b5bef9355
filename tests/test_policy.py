"""What an exam decides beforehand: who is let in, how often its page may be hidden, who gets more time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from models.summary import Summary
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation, make_exam

DEFAULT = {
    "admission": "open",
    "tabChangeLimit": None,
    "onTabChangeLimit": "flag",
    "outageCreditMaxMinutes": 0,
}
OTHER = {
    "admission": "proctor",
    "tabChangeLimit": 3,
    "onTabChangeLimit": "terminate",
    "outageCreditMaxMinutes": 10,
}


class Room:
    """An exam with a policy, its student and a console that watches."""

    def __init__(self, school: Organisation, exam_id: str, student: Socket, console: Socket) -> None:
        self.school, self.exam_id, self.student, self.console = school, exam_id, student, console
        self.session: dict[str, Any] = {}

    @classmethod
    async def make(cls, school: Organisation, connect: Connect, **policy: Any) -> Room:
        exam = await make_exam(school.admin, school.proctor, school.student, school.other_student, policy=policy)
        console = await connect("/proctor", school.proctor.token)
        await console.ok("join", {"examId": exam["id"]})
        room = cls(school, exam["id"], await connect("/exam", school.student.token, uuid()), console)
        room.session = (await room.student.ok("start", {"examId": exam["id"]}))["session"]
        return room

    async def now(self) -> dict[str, Any]:
        path = f"/routes/proctoring/{self.session['id']}"
        got: dict[str, Any] = await self.school.proctor.api.ok("GET", path)
        return got

    async def log(self, *types: str) -> list[dict[str, Any]]:
        path = f"/routes/exams/{self.exam_id}/activity?limit=500"
        log = await self.school.proctor.api.ok("GET", path)
        assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
        return [one for one in log if not types or one["type"] in types]

    async def severities(self) -> list[str]:
        return [one["severity"] for one in await self.log("tab_change")]

    async def order(self, action: str, **fields: Any) -> dict[str, Any]:
        payload = {"requestId": uuid(), "examId": self.exam_id, "sessionId": self.session["id"], "action": action}
        (command,) = (await self.console.ok("command", payload | fields))["commands"]
        got: dict[str, Any] = command
        return got

    async def hide(self, seq: int, **fields: Any) -> dict[str, Any]:
        ack: dict[str, Any] = await self.student.ok("tab_change", {"seq": seq, "hidden": True} | fields)
        return ack

    async def stopped(self, action: str, status: str) -> dict[str, Any]:
        """The policy's one command, after all who are concerned have heard of it."""
        command = await self.student.next("command")
        assert (command["action"], command["actorId"], command["text"]) == (action, None, None)
        assert command["sessionId"] == self.session["id"]
        assert len(command["reason"].split()) > 3
        told = await self.student.until("session", lambda session: session["status"] == status)
        assert told["id"] == self.session["id"]
        await self.console.until("presence", lambda pushed: pushed["items"][-1]["status"] == status)
        kind = "paused" if action == "pause" else "session_ended"
        (record,) = [one for one in await self.log(kind) if one["source"] == "server"][-1:]
        assert (record["actorId"], record["data"]["reason"]) == (None, command["reason"])
        while (pushed := await self.console.activity(kind))["offset"] < record["offset"]:
            pass
        assert pushed == record
        assert (await self.now())["status"] == status
        got: dict[str, Any] = command
        return got

    async def left_alone(self) -> None:
        await self.student.silence("command")
        assert (await self.now())["status"] == "ACTIVE"
        assert await self.log("paused", "session_ended") == []


async def test_who_is_admitted_by_a_proctor_waits_and_reports_meanwhile_and_then_the_clock_starts(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, admission="proctor")
    assert room.session["status"] == "WAITING"
    assert (room.session["activatedAt"], room.session["deadline"]) == (None, None)
    assert room.session["remainingMs"] == 60 * 60_000
    (started,) = await room.log("session_started")
    assert started["data"] == {"status": "WAITING"}
    beat = await room.student.ok("heartbeat")
    assert (beat["status"], beat["remainingMs"]) == ("WAITING", 60 * 60_000)
    await room.hide(1)
    await room.student.ok("chat", {"seq": 2, "text": "I am here."})
    await room.student.ok("activity", {"seq": 3, "type": "copy"})
    items = [{"event": "activity", "payload": {"seq": 4, "type": "window_blur"}}]
    assert (await room.student.ok("replay", {"items": items}))["recorded"] == 1
    await room.student.ok("raise_hand", {"seq": 5})
    reported = await room.log("tab_change", "chat", "copy", "window_blur", "hand_raised")
    assert [one["seq"] for one in reported] == [1, 2, 3, 4, 5]
    assert await room.console.activity("chat") == reported[1]
    assert await room.student.code("end") == "conflict"

    given = await room.order("admit")
    command = await room.student.next("command")
    assert (command["id"], command["action"]) == (given["id"], "admit")
    assert command["actorId"] == school.proctor.id
    told = await room.student.until("session", lambda session: session["status"] == "ACTIVE")
    assert told["deadline"] is not None
    (admitted,) = await room.log("admitted")
    assert (admitted["source"], admitted["actorId"]) == ("proctor", school.proctor.id)
    assert await room.console.activity("admitted") == admitted
    now = await room.now()
    assert (now["status"], now["activatedAt"]) == ("ACTIVE", admitted["receivedAt"])
    assert (await room.student.ok("heartbeat"))["status"] == "ACTIVE"
    payload = {"requestId": uuid(), "examId": room.exam_id, "sessionId": room.session["id"]}
    assert await room.console.code("command", payload | {"action": "admit"}) == "conflict"
    assert await room.console.code("command", payload | {"action": "deny"}) == "conflict"


async def test_who_is_denied_is_told_why_and_reports_nothing_more(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, admission="proctor")
    await room.order("deny", reason="You are not on the list.")
    command = await room.student.next("command")
    assert (command["action"], command["reason"]) == ("deny", "You are not on the list.")
    told = await room.student.until("session", lambda session: session["status"] == "DENIED")
    assert (told["activatedAt"], told["remainingMs"], told["connectivity"]) == (None, 0, "CLOSED")
    assert told["endTime"] is not None
    (ended,) = await room.log("session_ended")
    assert ended["data"] == {"status": "DENIED", "reason": "You are not on the list."}
    assert await room.student.code("tab_change", {"seq": 1}) == "conflict"
    assert await room.student.code("heartbeat") == "conflict"
    assert (await room.student.ok("start", {"examId": room.exam_id}))["session"]["status"] == "DENIED"
    assert await room.log("tab_change", "admitted") == []


async def test_reports_and_chat_are_taken_while_paused(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    await room.order("pause", reason="A fire alarm.")
    await room.student.until("session", lambda session: session["status"] == "PAUSED")
    await room.hide(1)
    await room.student.ok("chat", {"seq": 2, "text": "Where to?"})
    items = [{"event": "tab_change", "payload": {"seq": 3, "hidden": False}}]
    assert (await room.student.ok("replay", {"items": items}))["recorded"] == 1
    beats = [await room.student.ok("heartbeat") for _ in range(2)]
    assert {one["status"] for one in beats} == {"PAUSED"}
    assert len({one["remainingMs"] for one in beats}) == 1
    assert [one["seq"] for one in await room.log("tab_change", "chat")] == [1, 2, 3]


async def test_without_a_limit_nothing_happens_however_often_the_page_is_hidden(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, onTabChangeLimit="terminate")
    for seq in range(1, 21):
        await room.hide(seq)
    await room.left_alone()
    assert await room.severities() == ["medium"] * 20


async def test_a_limit_that_flags_records_what_is_past_it_as_high_and_lets_go_on(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2)
    for seq in range(1, 5):
        await room.hide(2 * seq)
        await room.student.ok("tab_change", {"seq": 2 * seq + 1, "hidden": False})
    await room.left_alone()
    hidden = [one["severity"] for one in await room.log("tab_change") if one["data"]["hidden"]]
    assert hidden == ["medium", "medium", "high", "high"]
    assert (await room.now())["counts"]["high"] == 2


@pytest.mark.parametrize(("action", "status"), [("pause", "PAUSED"), ("terminate", "TERMINATED")])
async def test_the_hidden_tab_past_the_limit_acts_and_the_student_is_told_why(
    school: Organisation, connect: Connect, action: str, status: str
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2, onTabChangeLimit=action)
    for seq in (1, 2):
        await room.hide(seq)
        await room.student.ok("tab_change", {"seq": seq + 10, "hidden": False})
    await room.left_alone()
    ack = await room.hide(3)
    assert set(ack) == {"id", "offset"}
    command = await room.stopped(action, status)
    assert await room.student.ok("command_ack", {"commandId": command["id"]}) == {}
    await room.student.silence("command")
    commands = await room.console.until("commands", lambda pushed: pushed["items"][-1]["fate"] == "ACKNOWLEDGED")
    assert commands["items"][-1]["id"] == command["id"]
    assert "verdict" not in command
    hidden = [one["severity"] for one in await room.log("tab_change") if one["data"]["hidden"]]
    assert hidden == ["medium", "medium", "high"]
    assert await room.student.code("tab_change", {"seq": 4}) == (None if action == "pause" else "conflict")


async def test_a_limit_of_none_at_all_stops_at_the_first(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="terminate")
    await room.student.ok("tab_change", {"seq": 1, "hidden": False})
    await room.left_alone()
    await room.hide(2)
    await room.stopped("terminate", "TERMINATED")


async def test_a_repeat_does_not_count_twice(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=1, onTabChangeLimit="terminate")
    first = await room.hide(1)
    for _ in range(3):
        assert await room.hide(1) == first | {"duplicate": True}
    items = [{"event": "tab_change", "payload": {"seq": 1, "hidden": True}}] * 3
    assert await room.student.ok("replay", {"items": items}) == {"recorded": 0, "duplicates": 3, "rejected": []}
    await room.left_alone()
    assert await room.severities() == ["medium"]
    await room.hide(2)
    await room.stopped("terminate", "TERMINATED")


async def test_what_is_hidden_while_waiting_or_paused_does_not_count(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, admission="proctor", tabChangeLimit=1, onTabChangeLimit="pause")
    for seq in (1, 2, 3):
        await room.hide(seq)
    await room.order("admit")
    assert (await room.student.next("command"))["action"] == "admit"
    await room.hide(4)
    await room.left_alone()
    await room.order("pause", reason="A fire alarm.")
    assert (await room.student.next("command"))["action"] == "pause"
    for seq in (5, 6):
        await room.hide(seq)
    await room.order("resume")
    assert (await room.student.next("command"))["action"] == "resume"
    await room.student.silence("command")
    assert (await room.now())["status"] == "ACTIVE"
    assert await room.severities() == ["medium"] * 6
    await room.hide(7)
    await room.stopped("pause", "PAUSED")


async def test_a_replay_that_passes_the_limit_acts_once_and_its_repeat_does_nothing(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2, onTabChangeLimit="pause")
    items = [{"event": "tab_change", "payload": {"seq": seq, "hidden": True}} for seq in range(1, 5)]
    assert (await room.student.ok("replay", {"items": items}))["recorded"] == 4
    await room.stopped("pause", "PAUSED")
    assert await room.severities() == ["medium", "medium", "high", "high"]
    assert (await room.student.ok("replay", {"items": items}))["duplicates"] == 4
    await room.student.silence("command")
    assert len(await room.log("paused")) == 1


async def test_a_repeat_within_a_replay_makes_nothing_else_high(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2)
    await room.hide(1)
    items = [{"event": "tab_change", "payload": {"seq": seq, "hidden": True}} for seq in (1, 1, 2, 2, 3)]
    assert await room.student.ok("replay", {"items": items}) == {"recorded": 2, "duplicates": 3, "rejected": []}
    assert await room.severities() == ["medium", "medium", "high"]


async def test_hidden_tabs_reported_as_activity_count_as_well(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=1, onTabChangeLimit="pause")
    for seq in (1, 2):
        await room.student.ok("activity", {"seq": seq, "type": "tab_change", "data": {"hidden": True}})
    await room.stopped("pause", "PAUSED")


async def test_those_sent_without_waiting_for_acks_are_each_acked_and_judged_in_their_order(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2)
    acks = await asyncio.gather(*(room.hide(seq) for seq in range(1, 7)))
    assert len({ack["offset"] for ack in acks}) == 6
    await room.left_alone()
    assert await room.severities() == ["medium"] * 2 + ["high"] * 4


async def test_of_many_past_the_limit_at_once_one_pauses_and_all_that_are_stored_are_acked(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="pause")
    acks = await asyncio.gather(*(room.student.call("tab_change", {"seq": seq}) for seq in range(1, 9)))
    assert [ack for ack in acks if not ack["ok"]] == []
    await room.stopped("pause", "PAUSED")
    await room.student.silence("command")
    assert len(await room.log("paused")) == 1
    assert len(await room.log("tab_change")) == 8


async def test_of_many_past_the_limit_at_once_one_ends_it_and_what_is_refused_is_not_stored(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="terminate")
    acks = await asyncio.gather(*(room.student.call("tab_change", {"seq": seq}) for seq in range(1, 9)))
    await room.stopped("terminate", "TERMINATED")
    stored = {one["seq"] for one in await room.log("tab_change")}
    assert {seq for seq, ack in enumerate(acks, 1) if ack["ok"]} == stored
    assert {ack["error"]["code"] for ack in acks if not ack["ok"]} <= {"conflict"}
    assert len(await room.log("session_ended")) == 1


async def test_over_rest_it_counts_and_acts_as_over_the_socket(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=3, onTabChangeLimit="pause")
    body, path, key = {"sessionId": room.session["id"]}, "/routes/proctoring/tab-change", uuid()
    await room.hide(1)
    for _ in range(3):
        await school.student.api.ok("POST", path, body, headers={"Idempotency-Key": key})
    await school.student.api.ok("POST", path, body | {"hidden": False})
    await school.student.api.ok("POST", path, body)
    await room.left_alone()
    answer = await school.student.api.ok("POST", path, body)
    assert "severity" not in answer
    await room.stopped("pause", "PAUSED")
    hidden = [one["severity"] for one in await room.log("tab_change") if one["data"]["hidden"]]
    assert hidden == ["medium"] * 3 + ["high"]


async def test_who_is_ended_by_the_policy_while_away_is_told_why_at_the_next_start(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="terminate")
    await room.student.close()
    await room.console.activity("disconnected")
    await school.student.api.ok("POST", "/routes/proctoring/tab-change", {"sessionId": room.session["id"]})
    assert (await room.now())["status"] == "TERMINATED"
    back = await connect("/exam", school.student.token)
    assert (await back.ok("start", {"examId": room.exam_id}))["session"]["status"] == "TERMINATED"
    command = await back.next("command")
    assert (command["action"], command["actorId"]) == ("terminate", None)
    assert command["reason"]
    assert await back.ok("command_ack", {"commandId": command["id"]}) == {}


async def test_what_comes_late_to_a_session_that_is_over_does_not_count(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="terminate")
    await room.student.ok("end")
    items = [{"event": "tab_change", "payload": {"seq": seq}} for seq in (1, 2)]
    assert (await room.student.ok("replay", {"items": items}))["recorded"] == 2
    await room.student.silence("command")
    assert await room.severities() == ["medium"] * 2
    assert (await room.now())["status"] == "SUBMITTED"


async def test_one_student_who_is_stopped_stops_no_other(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=0, onTabChangeLimit="pause")
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": room.exam_id})
    await room.hide(1)
    await room.stopped("pause", "PAUSED")
    await other.silence("command")
    assert (await other.ok("heartbeat"))["status"] == "ACTIVE"


async def test_a_limit_that_is_changed_counts_for_who_is_already_there(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect, tabChangeLimit=1, onTabChangeLimit="pause")
    await room.hide(1)
    await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", {"policy": {"tabChangeLimit": 2}})
    await room.hide(2)
    await room.left_alone()
    await room.hide(3)
    await room.stopped("pause", "PAUSED")


def hidden_at(at: datetime, offset: int) -> dict[str, Any]:
    return {
        "type": "tab_change",
        "offset": offset,
        "receivedAt": at,
        "severity": "medium",
        "data": {"hidden": True},
        "counted": True,
    }


def test_what_was_hidden_over_ten_minutes_ago_makes_nothing_high_and_counts_towards_the_limit_all_the_same() -> None:
    summary, first = Summary(), datetime(2026, 5, 4, 9, tzinfo=UTC)
    minute, moment = timedelta(minutes=1), timedelta(milliseconds=1)
    assert summary.hidden_recently(first) == 0
    for number, after in enumerate((0, 4, 8), 1):
        summary.add(hidden_at(first + after * minute, number))
    assert summary.hidden_recently(first + 8 * minute) == 3
    assert summary.hidden_recently(first + 10 * minute - moment) == 3
    assert summary.hidden_recently(first + 10 * minute + moment) == 2
    summary.add(hidden_at(first + 13 * minute, 4))
    assert summary.hidden_recently(first + 13 * minute) == 3
    assert summary.hidden_recently(first + 14 * minute + moment) == 2
    again = Summary.noted(summary.note())
    assert again.hidden_recently(first + 18 * minute + moment) == 1
    assert again.hidden_recently(first + 24 * minute) == 0
    assert (summary.hidden, again.hidden) == (4, 4)


async def test_hidden_tabs_are_medium_again_when_the_earlier_ones_are_over_ten_minutes_old(
    school: Organisation, connect: Connect, store: Store
) -> None:
    room = await Room.make(school, connect, tabChangeLimit=2)
    for seq in (1, 2, 3):
        await room.hide(seq)
    assert await room.severities() == ["medium", "medium", "high"]
    exam_id, session_id = ObjectId(room.exam_id), ObjectId(room.session["id"])
    exam, session = await store.exams.by_id(exam_id), await store.sessions.by_id(session_id)
    at = datetime.now(UTC)
    traits = store.tab_limit.traits(exam, session, "tab_change", {"hidden": True}, at)
    assert traits == {"counted": True, "severity": "high"}
    later = store.tab_limit.traits(exam, session, "tab_change", {"hidden": True}, at + timedelta(minutes=11))
    assert later == {"counted": True}


async def test_an_exam_has_the_default_policy_and_keeps_what_it_is_given(school: Organisation) -> None:
    made = await make_exam(school.admin, school.student)
    assert (made["policy"], made["accommodations"]) == (DEFAULT, [])
    accommodations = [{"userId": school.student.id, "extraMinutes": 30}]
    made = await make_exam(school.admin, school.student, policy=OTHER, accommodations=accommodations)
    assert (made["policy"], made["accommodations"]) == (OTHER, accommodations)
    got = await school.proctor.api.call("GET", f"/routes/exams/{made['id']}")
    assert got.code == "not_found"  # it is not assigned
    got = await school.admin.api.ok("GET", f"/routes/exams/{made['id']}")
    assert (got["policy"], got["accommodations"]) == (OTHER, accommodations)
    made = await make_exam(school.admin, policy={"tabChangeLimit": 0})
    assert made["policy"] == DEFAULT | {"tabChangeLimit": 0}


async def test_a_put_changes_what_it_names_of_the_policy_and_keeps_the_rest(school: Organisation) -> None:
    accommodations = [{"userId": school.student.id, "extraMinutes": 30}]
    made = await make_exam(school.admin, school.student, policy=OTHER, accommodations=accommodations)
    path, expected = f"/routes/exams/{made['id']}", OTHER
    changes: list[dict[str, Any]] = [{name: value} for name, value in DEFAULT.items()]
    for change in (*changes, {}, OTHER):
        got = await school.admin.api.ok("PUT", path, {"policy": change})
        expected = expected | change
        assert (got["policy"], got["accommodations"]) == (expected, accommodations), change
    got = await school.admin.api.ok("PUT", path, {"title": "Latin"})
    assert (got["policy"], got["accommodations"]) == (OTHER, accommodations)
    got = await school.admin.api.ok("PUT", path, {"accommodations": []})
    assert (got["policy"], got["accommodations"]) == (OTHER, [])
    assert (await school.admin.api.ok("GET", path))["accommodations"] == []


BAD_POLICIES: list[Any] = [
    None,
    [],
    "open",
    {"admission": "closed"},
    {"admission": None},
    {"admission": "OPEN"},
    {"tabChangeLimit": -1},
    {"tabChangeLimit": 1.5},
    {"tabChangeLimit": "3"},
    {"tabChangeLimit": True},
    {"tabChangeLimit": 2**31},
    {"onTabChangeLimit": "warn"},
    {"onTabChangeLimit": None},
    {"outageCreditMaxMinutes": -1},
    {"outageCreditMaxMinutes": None},
    {"outageCreditMaxMinutes": 0.5},
    {"outageCreditMaxMinutes": 10**9},
    {"tab_change_limit": 3},
    {"else": 1},
]


async def test_a_policy_of_another_shape_is_refused_and_changes_nothing(school: Organisation) -> None:
    before = await school.admin.api.ok("GET", "/routes/exams")
    for bad in BAD_POLICIES:
        body = {"title": "Latin", "duration": 60, "policy": bad}
        assert await school.admin.api.code("POST", "/routes/exams", body) == "invalid_payload", bad
        path = f"/routes/exams/{school.exam_id}"
        assert await school.admin.api.code("PUT", path, {"policy": bad}) == "invalid_payload", bad
    assert await school.admin.api.ok("GET", "/routes/exams") == before


async def test_accommodations_are_for_students_of_the_organisation_once_each(
    school: Organisation, college: Organisation
) -> None:
    student = school.student.id
    bad: list[Any] = [
        None,
        {},
        [student],
        [{"userId": student}],
        [{"extraMinutes": 5}],
        [{"userId": "x", "extraMinutes": 5}],
        *([{"userId": student, "extraMinutes": minutes}] for minutes in (0, -5, 1.5, "5", True, None, 10**9)),
        [{"userId": student, "extraMinutes": 5, "else": 1}],
        *(
            [{"userId": user_id, "extraMinutes": 5}]
            for user_id in (str(ObjectId()), school.proctor.id, school.admin.id, college.student.id)
        ),
        [{"userId": student, "extraMinutes": 5}, {"userId": student, "extraMinutes": 10}],
        [{"userId": student, "extraMinutes": 5}, {"userId": str(ObjectId()), "extraMinutes": 10}],
        [{"userId": student, "extraMinutes": 5}] * 2,
    ]
    before = await school.admin.api.ok("GET", "/routes/exams")
    for accommodations in bad:
        body = {"title": "Latin", "duration": 60, "users": [student], "accommodations": accommodations}
        assert await school.admin.api.code("POST", "/routes/exams", body) == "invalid_payload", accommodations
        path, change = f"/routes/exams/{school.exam_id}", {"accommodations": accommodations}
        assert await school.admin.api.code("PUT", path, change) == "invalid_payload", accommodations
    assert await school.admin.api.ok("GET", "/routes/exams") == before


async def test_who_has_an_accommodation_has_so_much_longer_and_no_student_sees_who_has_one(
    school: Organisation, connect: Connect
) -> None:
    accommodations = [{"userId": school.student.id, "extraMinutes": 15}]
    exam = await make_exam(
        school.admin, school.proctor, school.student, school.other_student, accommodations=accommodations
    )
    for person, minutes in ((school.student, 75), (school.other_student, 60)):
        student = await connect("/exam", person.token)
        got = await student.ok("start", {"examId": exam["id"]})
        assert (minutes - 1) * 60_000 < got["remainingMs"] <= minutes * 60_000
        one = await person.api.ok("GET", f"/routes/exams/{exam['id']}")
        (listed,) = [one for one in await person.api.ok("GET", "/routes/exams") if one["id"] == exam["id"]]
        for seen in (got["exam"], one, listed):
            assert "accommodations" not in seen
            assert "users" not in seen
    for person in (school.proctor, school.admin):
        assert (await person.api.ok("GET", f"/routes/exams/{exam['id']}"))["accommodations"] == accommodations
    console = await connect("/proctor", school.proctor.token)
    assert (await console.ok("join", {"examId": exam["id"]}))["exam"]["accommodations"] == accommodations


async def test_students_and_proctors_change_no_policy(school: Organisation) -> None:
    for person in (school.student, school.proctor):
        change = {"policy": {"admission": "proctor"}}
        assert await person.api.code("PUT", f"/routes/exams/{school.exam_id}", change) == "forbidden"
