"""Commands and their fates: given, confirmed, given again, expired, and never lost, doubled or half carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import aiohttp
import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import exam_log
from models.database import Database, Stored
from models.errors import Conflict, ProctoringError
from models.fields import now
from models.orders import Wish
from models.store import Store
from server.app import Running, running
from server.settings import Settings
from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation, make_exam
from tests.frames import event_frame, opened, parse
from tests.test_exam_namespace import INSTANT
from tests.test_lifecycle import (
    FIELDS,
    Room,
    enter,
    instant,
    joined,
    log_of,
    order,
    ordered,
    refused,
    shown,
    silence,
    soon,
)
from tests.test_organisations import pages
from tests.test_starting import Killed, actor, make_class, store_on

COMMAND = {
    *("id", "examId", "sessionId", "action", "reason", "text", "minutes", "actorId", "fate"),
    *("createdAt", "deliveredAt", "acknowledgedAt", "expiresAt"),
}
DAY = timedelta(hours=24)
SEVEN_DAYS = 7 * 24 * 60


async def fates(console: Socket, command_id: str, until: str) -> list[str]:
    """How one command's fate changed as a console was pushed it, up to this one."""
    found: list[str] = []
    while not found or found[-1] != until:
        message = await console.next("commands")
        found += [one["fate"] for one in message["items"] if one["id"] == command_id]
    return found


async def commands_of(room: Room) -> list[dict[str, Any]]:
    path = f"/routes/proctoring/{room.session_id}/commands"
    listed: list[dict[str, Any]] = await room.school.proctor.api.ok("GET", path)
    return listed


async def warn(room: Room, text: str) -> dict[str, Any]:
    (command,) = await ordered(room.proctor, room.exam_id, "warn", room.session_id, text=text)
    return dict(command)


async def start_again(connect: Connect, room: Room) -> Socket:
    """The student, on a new connection."""
    student = await connect("/exam", room.school.student.token, uuid())
    await student.ok("start", {"examId": room.exam_id})
    return student


async def given(student: Socket, count: int) -> list[dict[str, Any]]:
    return [await student.next("command") for _ in range(count)]


async def gone(room: Room) -> None:
    """The student's connection is lost, and the server knows it."""
    await room.student.drop()
    await room.proctor.activity("disconnected")


# action, fields, whether they go together
PAYLOADS: list[tuple[str, dict[str, Any], bool]] = [
    *((action, fields, True) for action, fields in FIELDS.items() if action not in ("admit", "deny")),
    ("extend", {"minutes": 1, "reason": "x"}, True),
    ("extend", {"minutes": SEVEN_DAYS, "reason": "x" * 2000}, True),
    ("warn", {"text": "x" * 2000}, True),
    *((action, {}, False) for action in ("warn", "pause", "extend", "terminate", "reinstate")),
    *((action, {"reason": bad}, False) for action in ("pause", "terminate") for bad in ("", "x" * 2001, 5, ["x"])),
    *(("warn", {"text": bad}, False) for bad in ("", "x" * 2001, 5, None)),
    ("warn", {"reason": "x"}, False),
    ("warn", {"text": "x", "reason": "x"}, False),
    ("warn", {"text": "x", "minutes": 5}, False),
    *((action, {"text": "x"}, False) for action in ("admit", "deny", "resume")),
    *((action, {"minutes": 5}, False) for action in ("admit", "deny", "resume")),
    *((action, {"reason": "x"}, False) for action in ("admit", "resume")),
    *((action, {"reason": "x", "text": "x"}, False) for action in ("pause", "terminate", "reinstate")),
    *((action, {"reason": "x", "minutes": 5}, False) for action in ("pause", "terminate", "reinstate")),
    ("extend", {"minutes": 5}, False),
    ("extend", {"reason": "x"}, False),
    ("extend", {"minutes": 5, "reason": "x", "text": "x"}, False),
    *(("extend", {"minutes": bad, "reason": "x"}, False) for bad in (0, -5, 1.5, 5.0, "5", True, SEVEN_DAYS + 1, None)),
    *((bad, {}, False) for bad in ("", "end", "submit", "time_out", "Pause", None, 5, ["pause"])),
]


async def test_each_action_takes_what_it_needs_and_nothing_else(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    hall = await make_exam(school.admin)  # of nobody, where every command is well-formed and fits no one
    before = await room.everything()
    body = {"examId": hall["id"], "sessionId": None}
    for action, fields, good in PAYLOADS:
        payload = {"requestId": uuid(), "action": action} | body | fields
        expected = None if good else "invalid_payload"
        assert await room.admin.code("command", payload) == expected, (action, fields)
    for name, bads in {
        "requestId": (None, "", "x", 5, "0" * 36),
        "examId": (None, "", "x", 5),
        "sessionId": ("", "x", 5),
        "sessionIds": ([],),
        "actorId": (school.proctor.id,),
        "fate": ("EXPIRED",),
    }.items():
        for bad in bads:
            payload = {"requestId": uuid(), "action": "resume"} | body | {name: bad}
            assert await room.admin.code("command", payload) == "invalid_payload", (name, bad)
    for name in ("requestId", "examId", "action"):
        payload = {"requestId": uuid(), "action": "resume"} | body
        del payload[name]
        assert await room.admin.code("command", payload) == "invalid_payload", name
    for payloads in ((), (None,), ("warn",), ([],), ({}, {})):
        assert await room.admin.code("command", *payloads) == "invalid_payload"
    for bad in ({}, {"commandId": None}, {"commandId": "x"}, {"commandId": str(ObjectId()), "x": 1}):
        assert await room.student.code("command_ack", bad) == "invalid_payload", bad
    assert await room.everything() == before
    await silence((room.student, "command"), (room.proctor, "commands"), (room.proctor, "activity"))


async def test_a_denial_may_give_a_reason_or_none(school: Organisation, store: Store, connect: Connect) -> None:
    for fields, data in (({}, {}), ({"reason": "No identification."},) * 2):
        room = await enter(connect, school, store, "WAITING")
        (command,) = await ordered(room.proctor, room.exam_id, "deny", room.session_id, **fields)
        assert command["reason"] == data.get("reason")
        assert (await room.student.next("command"))["reason"] == data.get("reason")
        (ended,) = await log_of(school.admin, room.exam_id, "session_ended")
        assert ended["data"] == {"status": "DENIED"} | data


async def test_a_command_is_for_sessions_that_one_may_see_in_the_exam_that_it_names(
    school: Organisation, college: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    elsewhere = await make_exam(school.admin, school.student)  # not the proctor's
    before = await room.everything()
    stranger = await connect("/proctor", college.admin.token)
    for console, exam_id, session_id in (
        (room.admin, str(ObjectId()), None),
        (room.admin, room.exam_id, str(ObjectId())),
        (room.admin, elsewhere["id"], room.session_id),
        (room.proctor, elsewhere["id"], None),
        (room.admin, college.exam_id, room.session_id),
        (stranger, room.exam_id, None),
        (stranger, room.exam_id, room.session_id),
        (stranger, college.exam_id, room.session_id),
    ):
        assert await refused(console, exam_id, "pause", session_id) == "not_found"
    payload = {"requestId": uuid(), "examId": room.exam_id, "action": "resume"}
    ack = await room.student.client.call("command", payload, namespace="/exam")
    assert ack["error"]["code"] == "unknown_event"
    assert await room.everything() == before
    await silence((room.student, "command"), (room.student, "session"), (room.proctor, "commands"))


async def test_a_command_reaches_the_connected_student_and_every_console_sees_each_fate(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": room.exam_id})
    await room.proctor.activity("connected")
    other_exam = await make_exam(school.admin, school.proctor)
    elsewhere = await joined(connect, school.admin, other_exam["id"])
    sent = now()
    ack = await order(room.proctor, room.exam_id, "warn", room.session_id)
    assert set(ack["data"]) == {"commands"}
    (command,) = ack["data"]["commands"]
    told = await room.student.next("command")
    assert set(command) == set(told) == COMMAND
    fixed = {
        "id": command["id"],
        "examId": room.exam_id,
        "sessionId": room.session_id,
        "action": "warn",
        "reason": None,
        "text": "Look at your own screen.",
        "minutes": None,
        "actorId": school.proctor.id,
        "createdAt": command["createdAt"],
        "acknowledgedAt": None,
        "expiresAt": command["expiresAt"],
    }
    assert fixed.items() <= command.items()
    assert fixed.items() <= told.items()
    assert command["fate"] in ("QUEUED", "DELIVERED")
    assert all(INSTANT.fullmatch(command[name]) for name in ("createdAt", "expiresAt"))
    assert sent <= instant(command["createdAt"]) <= now()
    assert instant(command["expiresAt"]) - instant(command["createdAt"]) == DAY
    for console in (room.proctor, room.admin):
        for fate in ("QUEUED", "DELIVERED"):
            message = await console.next("commands")
            assert set(message) == {"examId", "items"}
            assert message["examId"] == room.exam_id
            (item,) = message["items"]
            assert set(item) == COMMAND
            assert (fixed | {"fate": fate}).items() <= item.items()
            assert (item["deliveredAt"] is not None) == (fate == "DELIVERED")
    (warned,) = await log_of(school.admin, room.exam_id, "warned")
    assert (warned["source"], warned["severity"], warned["actorId"]) == ("proctor", "info", school.proctor.id)
    assert (warned["sessionId"], warned["data"]) == (room.session_id, {"text": "Look at your own screen."})
    assert await room.admin.activity("warned") == await room.proctor.activity("warned") == warned
    before = await log_of(school.admin, room.exam_id)

    assert await room.student.ok("command_ack", {"commandId": command["id"]}) == {}
    for console in (room.proctor, room.admin):
        (item,) = (await console.next("commands"))["items"]
        assert (fixed | {"fate": "ACKNOWLEDGED", "acknowledgedAt": item["acknowledgedAt"]}).items() <= item.items()
        assert instant(item["acknowledgedAt"]) >= instant(item["deliveredAt"]) >= instant(item["createdAt"])
    assert await commands_of(room) == [item]
    repeats = await asyncio.gather(*(room.student.ok("command_ack", {"commandId": command["id"]}) for _ in range(3)))
    assert repeats == [{}] * 3
    assert await commands_of(room) == [item]
    assert await log_of(school.admin, room.exam_id) == before  # fates are not in the log
    await silence(
        (room.student, "command"),
        (room.student, "session"),
        (room.proctor, "commands"),
        (room.proctor, "activity"),
        (other, "command"),
        (elsewhere, "commands"),
    )


async def test_two_confirmations_at_once_are_one_change_of_fate(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    command = await warn(room, "One")
    payload = {"commandId": command["id"]}
    assert await asyncio.gather(*(room.student.ok("command_ack", payload) for _ in range(5))) == [{}] * 5
    assert await fates(room.admin, command["id"], "ACKNOWLEDGED") == ["QUEUED", "DELIVERED", "ACKNOWLEDGED"]
    await silence((room.admin, "commands"))


async def test_only_the_sessions_own_client_confirms_a_command(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    other = await connect("/exam", school.other_student.token)
    command = await warn(room, "Look at your own screen.")
    assert await other.code("command_ack", {"commandId": command["id"]}) == "conflict"  # before its start
    await other.ok("start", {"examId": room.exam_id})
    assert await other.code("command_ack", {"commandId": command["id"]}) == "not_found"
    assert await room.student.code("command_ack", {"commandId": str(ObjectId())}) == "not_found"
    assert await fates(room.proctor, command["id"], "DELIVERED") == ["QUEUED", "DELIVERED"]
    assert [one["fate"] for one in await commands_of(room)] == ["DELIVERED"]
    await silence((room.proctor, "commands"))


async def test_who_is_away_is_given_its_commands_after_the_next_start_in_order_until_it_confirms(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    await gone(room)
    wanted = [await warn(room, "One")]
    wanted += await ordered(room.admin, room.exam_id, "pause", room.session_id)
    wanted += await ordered(room.admin, room.exam_id, "extend")
    wanted += [await warn(room, "Two")]
    ids = [one["id"] for one in wanted]
    assert [one["fate"] for one in wanted] == ["QUEUED"] * 4
    assert [(one["id"], one["fate"]) for one in await commands_of(room)] == [(one, "QUEUED") for one in ids]
    assert (await room.stored())["status"] == "PAUSED"  # the state does not wait for the student

    student = await start_again(connect, room)
    got = await given(student, 4)
    assert [one["id"] for one in got] == ids
    assert [one["action"] for one in got] == ["warn", "pause", "extend", "warn"]
    for console in (room.proctor, room.admin):
        for one in ids:
            assert await fates(console, one, "QUEUED") == ["QUEUED"]
        delivered = (await console.next("commands"))["items"]
        assert [(one["id"], one["fate"]) for one in delivered] == [(one, "DELIVERED") for one in ids]
    # Two are confirmed, out of their order; the others come again, on this connection and on the next.
    for one in (ids[2], ids[0]):
        await student.ok("command_ack", {"commandId": one})
    await student.ok("start", {"examId": room.exam_id})
    assert [one["id"] for one in await given(student, 2)] == [ids[1], ids[3]]
    student = await start_again(connect, room)
    assert [one["id"] for one in await given(student, 2)] == [ids[1], ids[3]]
    await student.silence("command")
    listed = await commands_of(room)
    assert [one["fate"] for one in listed] == ["ACKNOWLEDGED", "DELIVERED", "ACKNOWLEDGED", "DELIVERED"]
    assert [one["deliveredAt"] for one in listed] == [one["deliveredAt"] for one in delivered]
    for one in (ids[1], ids[3]):
        await student.ok("command_ack", {"commandId": one})
    again = await start_again(connect, room)
    await silence((again, "command"), (student, "command"))
    assert {one["fate"] for one in await commands_of(room)} == {"ACKNOWLEDGED"}


async def test_commands_that_wait_come_after_the_ack_of_the_start(
    server: Running, school: Organisation, store: Store, connect: Connect, http: aiohttp.ClientSession
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    await gone(room)
    await warn(room, "One")
    (paused,) = await ordered(room.proctor, room.exam_id, "pause", room.session_id)
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token})
        await frames.send(event_frame("/exam", 1, "start", {"examId": room.exam_id}))
        before, ack = await frames.until_ack("/exam", 1)
        assert before == []
        assert ack["data"]["session"]["status"] == "PAUSED"
        pushed = []
        while len(pushed) < 2:
            frame = await frames.receive()
            assert frame is not None
            kind, _, data = parse(frame)
            assert kind == "event"
            pushed.append((data[0], data[1]["action"]))
        assert pushed == [("command", "warn"), ("command", "pause")]
        assert await frames.call("/exam", 2, "command_ack", {"commandId": paused["id"]}) == {"ok": True, "data": {}}


async def test_a_session_that_was_never_connected_has_its_commands_kept(
    school: Organisation, store: Store, connect: Connect
) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    console = await joined(connect, school.proctor, school.exam_id)
    (command,) = await ordered(console, school.exam_id, "warn", session["id"])
    assert command["fate"] == "QUEUED"
    assert await fates(console, command["id"], "QUEUED") == ["QUEUED"]
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    assert (await student.next("command"))["id"] == command["id"]
    assert await fates(console, command["id"], "DELIVERED") == ["DELIVERED"]


async def test_an_exam_whose_commands_were_long_forgotten_has_the_next_one_delivered_at_once(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    await store.commands.expire(now())  # nothing is pending, so it need not be remembered
    (command,) = await ordered(room.proctor, room.exam_id, "pause", room.session_id)
    assert (await room.student.next("command"))["id"] == command["id"]
    assert await fates(room.admin, command["id"], "DELIVERED") == ["QUEUED", "DELIVERED"]


async def test_a_command_to_the_whole_exam_is_one_activity_and_fits_whom_it_fits(
    school: Organisation, store: Store, connect: Connect
) -> None:
    exam, people = await whole_exam(school, store, connect)
    console, watcher = [await joined(connect, one, exam["id"]) for one in (school.proctor, school.admin)]
    over, paused = people[0], people[1]
    for action, one in (("terminate", over), ("pause", paused)):
        await ordered(console, exam["id"], action, one[1])
        await one[0].next("command")
    before = {one["id"]: one for one in await school.admin.api.ok("GET", f"/routes/proctoring?examId={exam['id']}")}
    log = await log_of(school.admin, exam["id"])

    commands = await ordered(console, exam["id"], "pause")
    fitting = people[2:]
    assert sorted(one["sessionId"] for one in commands) == sorted(session_id for _, session_id in fitting)
    assert len({one["id"] for one in commands}) == len(fitting)
    for socket, session_id in fitting:
        told = await socket.next("command")
        assert (told["sessionId"], told["action"], told["reason"]) == (session_id, "pause", "A fire alarm.")
        assert (await socket.until("session", lambda one: one["status"] == "PAUSED"))["id"] == session_id
    (activity,) = (await log_of(school.admin, exam["id"]))[len(log) :]
    assert (activity["type"], activity["source"], activity["actorId"]) == ("paused", "proctor", school.proctor.id)
    assert (activity["sessionId"], activity["userId"]) == (None, None)
    assert activity["data"] == {"reason": "A fire alarm.", "sessions": len(fitting)}
    assert [one["id"] for one in await seen_from(watcher, activity["id"])] == [activity["id"]]
    after = {one["id"]: one for one in await school.admin.api.ok("GET", f"/routes/proctoring?examId={exam['id']}")}
    for _, session_id in (over, paused):
        assert after[session_id]["rev"] == before[session_id]["rev"]
        assert after[session_id]["status"] == before[session_id]["status"]
    assert {after[session_id]["status"] for _, session_id in fitting} == {"PAUSED"}
    # What only says something, or gives time, fits all who are not over.
    for action, type_ in (("warn", "warned"), ("extend", "time_added"), ("resume", "resumed")):
        commands = await ordered(console, exam["id"], action)
        assert {one["sessionId"] for one in commands} == {session_id for _, session_id in people[1:]}
        (activity,) = await log_of(school.admin, exam["id"], type_)
        assert activity["data"] == FIELDS[action] | {"sessions": len(people) - 1}
    # Nobody at all is nothing to be recorded.
    log = await log_of(school.admin, exam["id"])
    assert await ordered(console, exam["id"], "resume") == []
    assert await ordered(console, exam["id"], "admit") == []
    assert await log_of(school.admin, exam["id"]) == log
    # Every end is one `session_ended` of its own session.
    commands = await ordered(console, exam["id"], "terminate", reason="It is over.")
    ended = (await log_of(school.admin, exam["id"]))[len(log) :]
    assert Counter(one["sessionId"] for one in ended) == {session_id: 1 for _, session_id in people[1:]}
    assert {one["data"]["reason"] for one in ended} == {"It is over."}
    await silence(*((over[0], event) for event in ("command",)))


async def whole_exam(
    school: Organisation, store: Store, connect: Connect, count: int = 4
) -> tuple[dict[str, Any], list[tuple[Socket, str]]]:
    """An exam and its students: each one's socket and the id of its session."""
    users, exam = await make_class(store.database, count)
    organisation = ObjectId(school.id)
    everyone = {"_id": {"$in": exam["users"]}}
    await store.database.users.update_many(everyone, {"$set": {"organisationId": organisation}})
    staff = {"$set": {"organisationId": organisation}, "$push": {"users": ObjectId(school.proctor.id)}}
    await store.database.exams.update_one({"_id": exam["_id"]}, staff)
    people = []
    for user in users:
        socket = await connect("/exam", store.tokens.issue(user | {"organisationId": organisation}), uuid())
        people.append((socket, (await socket.ok("start", {"examId": str(exam["_id"])}))["session"]["id"]))
    return exam | {"id": str(exam["_id"])}, people


async def seen_from(console: Socket, activity_id: str) -> list[dict[str, Any]]:
    """What a console is pushed in the message that has this activity, from there on."""
    while True:
        items = (await console.next("activity"))["items"]
        ids = [one["id"] for one in items]
        if activity_id in ids:
            return list(items[ids.index(activity_id) :])


async def test_the_same_request_again_is_answered_the_same_and_happens_once(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    twin = await connect("/proctor", school.proctor.token)
    for session_id in (room.session_id, None):
        payload = {"requestId": uuid(), "examId": room.exam_id, "action": "extend"} | FIELDS["extend"]
        payload |= {"sessionId": session_id} if session_id else {}
        before = await log_of(school.admin, room.exam_id)
        got = await asyncio.gather(
            *(console.ok("command", payload) for console in (room.proctor, twin, room.proctor, twin))
        )
        assert got == [got[0]] * 4
        (command,) = got[0]["commands"]
        assert (await room.student.next("command"))["id"] == command["id"]
        assert await room.proctor.ok("command", payload) == got[0]
        assert await room.proctor.ok("command", payload | {"requestId": payload["requestId"].upper()}) == got[0]
        assert [one["type"] for one in (await log_of(school.admin, room.exam_id))[len(before) :]] == ["time_added"]
        # Confirmed meanwhile, it is answered as it first was.
        await room.student.ok("command_ack", {"commandId": command["id"]})
        assert await twin.ok("command", payload) == got[0]
        for other in ({"minutes": 11}, {"reason": "Another."}, {"action": "warn", "text": "x"}):
            changed = {name: one for name, one in (payload | other).items() if one is not None}
            if "text" in other:
                changed = {name: one for name, one in changed.items() if name not in ("minutes", "reason")}
            assert await room.proctor.code("command", changed) == "conflict", other
    other_one = {name: one for name, one in payload.items() if name != "sessionId"}
    assert await room.proctor.code("command", other_one | {"sessionId": room.session_id}) == "conflict"
    # Another person's request is another one.
    assert (await room.admin.ok("command", payload))["commands"][0]["id"] != command["id"]
    assert [one["ms"] for one in (await room.session())["timeLedger"]] == [600_000] * 3
    assert len(await commands_of(room)) == 3
    await room.student.next("command")
    await room.student.silence("command")


async def test_a_request_whose_first_answer_was_lost_happens_once(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    payload = {"requestId": uuid(), "examId": room.exam_id, "sessionId": room.session_id, "action": "extend"}
    payload |= FIELDS["extend"]
    first = await room.proctor.ok("command", payload)
    await store.database.idempotency.delete_many({})
    before = await room.everything()
    again = await room.proctor.ok("command", payload)
    assert [one["id"] for one in again["commands"]] == [one["id"] for one in first["commands"]]
    assert await room.everything() == before


async def test_a_request_whose_first_answer_was_lost_is_a_conflict_with_other_content(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    payload = {"requestId": uuid(), "examId": room.exam_id, "sessionId": room.session_id, "action": "extend"}
    payload |= FIELDS["extend"]
    await room.proctor.ok("command", payload)
    before = await room.everything()
    for other in ({"minutes": 11}, {"action": "pause", "minutes": None}, {"sessionId": None}):
        await store.database.idempotency.delete_many({})
        assert await room.proctor.code("command", payload | other) == "conflict", other
    assert await room.everything() == before


async def test_an_answer_does_not_change_between_its_keeping_and_its_sending(
    school: Organisation, store: Store, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    real = store.idempotency.keep

    async def keep(*arguments: Any) -> None:
        """The student is quicker than the answer."""
        await real(*arguments)
        told = await room.student.next("command")
        await room.student.ok("command_ack", {"commandId": told["id"]})

    monkeypatch.setattr(type(store.idempotency), "keep", lambda _, *arguments: keep(*arguments))
    payload = {"requestId": uuid(), "examId": room.exam_id, "sessionId": room.session_id, "action": "resume"}
    payload |= {"action": "warn"} | FIELDS["warn"]
    first = await room.proctor.ok("command", payload)
    assert await room.proctor.ok("command", payload) == first


async def test_what_is_pending_expires_when_the_session_ends_but_for_what_ended_it(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    confirmed = await warn(room, "Confirmed")
    await room.student.ok("command_ack", {"commandId": confirmed["id"]})
    delivered = await warn(room, "Delivered")
    await fates(room.admin, delivered["id"], "DELIVERED")
    await gone(room)
    queued = await warn(room, "Queued")
    (ended,) = await ordered(room.proctor, room.exam_id, "terminate", room.session_id)
    seen: dict[str, str] = {}
    while list(seen.values()).count("EXPIRED") < 2:
        seen |= {one["id"]: one["fate"] for one in (await room.admin.next("commands"))["items"]}
    expected = ["ACKNOWLEDGED", "EXPIRED", "EXPIRED", "QUEUED"]
    assert [one["fate"] for one in await commands_of(room)] == expected
    student = await connect("/exam", school.student.token, uuid())
    started = await student.ok("start", {"examId": room.exam_id})
    assert started["session"]["status"] == "TERMINATED"
    told = await student.next("command")
    assert (told["id"], told["reason"]) == (ended["id"], FIELDS["terminate"]["reason"])
    assert await student.ok("command_ack", {"commandId": ended["id"]}) == {}
    for one in (delivered, queued):
        assert await student.code("command_ack", {"commandId": one["id"]}) == "conflict"
    assert [one["fate"] for one in await commands_of(room)] == [*expected[:3], "ACKNOWLEDGED"]
    await student.ok("start", {"examId": room.exam_id})
    await student.silence("command")


@pytest.mark.parametrize("way", ["submit", "time_out", "rest"])
async def test_what_is_pending_expires_however_the_session_ends(
    school: Organisation, store: Store, connect: Connect, way: str
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    command = await warn(room, "Pending")
    await fates(room.admin, command["id"], "DELIVERED")
    if way == "submit":
        await room.student.ok("end")
    elif way == "rest":
        await school.proctor.api.ok("PUT", f"/routes/proctoring/end/{room.session_id}")
    else:
        await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", {"endsAt": soon(0.02)})
    assert await fates(room.admin, command["id"], "EXPIRED") == ["EXPIRED"]
    assert [one["fate"] for one in await commands_of(room)] == ["EXPIRED"]
    student = await start_again(connect, room)
    await student.silence("command")


async def test_who_is_reinstated_before_it_heard_of_its_end_is_told_both_in_order(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    await gone(room)
    await ordered(room.proctor, room.exam_id, "terminate", room.session_id)
    await ordered(room.admin, room.exam_id, "reinstate", room.session_id)
    student = await start_again(connect, room)
    assert [one["action"] for one in await given(student, 2)] == ["terminate", "reinstate"]


async def test_a_command_expires_after_a_day_and_consoles_see_it(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    confirmed = await warn(room, "Confirmed")
    await room.student.ok("command_ack", {"commandId": confirmed["id"]})
    await gone(room)
    old = await warn(room, "Old")
    await asyncio.sleep(0.01)
    young = await warn(room, "Young")
    assert await fates(room.admin, young["id"], "QUEUED") == ["QUEUED"]
    expires_at = instant(old["expiresAt"])
    await store.commands.expire(expires_at - timedelta(milliseconds=1))
    assert [one["fate"] for one in await commands_of(room)] == ["ACKNOWLEDGED", "QUEUED", "QUEUED"]
    await room.admin.silence("commands")
    await store.commands.expire(expires_at)
    (item,) = (await room.admin.next("commands"))["items"]
    assert (item["id"], item["fate"]) == (old["id"], "EXPIRED")
    expected = ["ACKNOWLEDGED", "EXPIRED", "QUEUED"]
    assert [one["fate"] for one in await commands_of(room)] == expected
    student = await start_again(connect, room)
    assert (await student.next("command"))["id"] == young["id"]
    await student.silence("command")
    assert await student.code("command_ack", {"commandId": old["id"]}) == "conflict"
    await store.commands.expire(expires_at + DAY)
    assert [one["fate"] for one in await commands_of(room)] == ["ACKNOWLEDGED", "EXPIRED", "EXPIRED"]
    assert (await room.stored())["status"] == "ACTIVE"


async def test_a_sessions_commands_are_read_by_its_proctors_and_admins_alone(
    school: Organisation, college: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    path = f"/routes/proctoring/{room.session_id}/commands"
    assert await school.admin.api.ok("GET", path) == []
    commands = [await warn(room, text) for text in ("One", "Two")]
    for person in (school.proctor, school.admin):
        listed = await person.api.ok("GET", path)
        assert [(one["id"], set(one)) for one in listed] == [(one["id"], COMMAND) for one in commands]
    by_one = [one["id"] for page in await pages(school.admin.api, f"{path}?limit=1") for one in page]
    assert by_one == [one["id"] for one in commands]
    assert await school.student.api.code("GET", path) == "forbidden"
    assert await school.other_student.api.code("GET", path) == "forbidden"
    for person in (college.proctor, college.admin):
        assert await person.api.code("GET", path) == "not_found"
    assert await school.admin.api.code("GET", f"/routes/proctoring/{ObjectId()}/commands") == "not_found"
    assert await school.admin.api.code("GET", "/routes/proctoring/x/commands") == "not_found"
    removed = {"users": [school.student.id]}
    await school.admin.api.ok("PUT", f"/routes/exams/{room.exam_id}", removed)
    assert await school.proctor.api.code("GET", path) == "not_found"


class Served:
    """A server that begins now, with sockets of an exam that was there before."""

    def __init__(self, server: Running, exam: Stored, users: list[Stored]) -> None:
        self.server, self.store, self.exam, self.users = server, server.store, exam, users
        self.sockets: list[Socket] = []

    async def connect(self, namespace: str, user: Stored) -> Socket:
        socket = Socket(self.server.ws_url, namespace)
        self.sockets.append(socket)
        return await socket.connect(self.store.tokens.issue(user))

    async def console(self) -> Socket:
        console = await self.connect("/proctor", self.users[-1])
        await console.ok("join", {"examId": str(self.exam["_id"])})
        return console

    async def student(self, number: int = 0) -> Socket:
        student = await self.connect("/exam", self.users[number])
        await student.ok("start", {"examId": str(self.exam["_id"])})
        return student


@asynccontextmanager
async def served(settings: Settings, exam: Stored, users: list[Stored]) -> AsyncIterator[Served]:
    async with running(settings) as server:
        serving = Served(server, exam, users)
        yield serving
        for socket in serving.sockets:
            await socket.close()


async def test_pending_commands_and_fates_outlive_the_server(settings: Settings) -> None:
    database = Database(str(settings.database_url))
    users, exam = await make_class(database, 2)
    proctor = users[0] | {"_id": ObjectId(), "role": "PROCTOR", "name": "Paul", "emailKey": "paul@example.com"}
    await database.users.insert_one(proctor)
    await database.exams.update_one({"_id": exam["_id"]}, {"$push": {"users": proctor["_id"]}})
    users.append(proctor)
    exam_id = str(exam["_id"])
    async with served(settings, exam, users) as first:
        student, other, console = await first.student(0), await first.student(1), await first.console()
        sessions = {one["userId"]: str(one["_id"]) for one in await first.store.sessions.of_exam(exam["_id"])}
        session_id, other_id = sessions[users[0]["_id"]], sessions[users[1]["_id"]]
        (confirmed,) = await ordered(console, exam_id, "warn", session_id, text="Confirmed")
        await student.ok("command_ack", {"commandId": confirmed["id"]})
        (delivered,) = await ordered(console, exam_id, "warn", session_id, text="Delivered")
        await fates(console, delivered["id"], "DELIVERED")
        await student.close()
        await console.activity("disconnected")
        payload = {"requestId": uuid(), "examId": exam_id, "action": "pause", "sessionId": session_id}
        payload |= FIELDS["pause"]
        (paused,) = (await console.ok("command", payload))["commands"]
        # The other has a command that expires, and one that ends it.
        (expired,) = await ordered(console, exam_id, "warn", other_id, text="Expired")
        (ended,) = await ordered(console, exam_id, "terminate", other_id)
        assert (await fates(console, expired["id"], "EXPIRED"))[-1] == "EXPIRED"
        assert [one["action"] for one in await given(other, 2)] == ["warn", "terminate"]
        before = {
            key: first.store.commands and list((await first.store.commands.of(exam["_id"])).of(ObjectId(key)))
            for key in (session_id, other_id)
        }
    expected = {
        session_id: [(confirmed["id"], "ACKNOWLEDGED"), (delivered["id"], "DELIVERED"), (paused["id"], "QUEUED")],
        other_id: [(expired["id"], "EXPIRED"), (ended["id"], "DELIVERED")],
    }
    async with served(settings, exam, users) as second:
        commands = await second.store.commands.of(exam["_id"])
        for key, items in expected.items():
            of_session = commands.of(ObjectId(key))
            assert [(str(one["id"]), one["fate"]) for one in of_session] == items
            assert of_session == before[key]
        console, other = await second.console(), await second.student(1)
        assert (await other.next("command"))["id"] == ended["id"]
        student = await second.student(0)
        assert [one["id"] for one in await given(student, 2)] == [delivered["id"], paused["id"]]
        assert await fates(console, paused["id"], "DELIVERED") == ["DELIVERED"]
        for one in (paused, delivered):
            assert await student.ok("command_ack", {"commandId": one["id"]}) == {}
        # The request that was answered by the first server is answered the same by the second.
        assert (await console.ok("command", payload))["commands"] == [paused]
        await silence((student, "command"), (other, "command"))
    async with served(settings, exam, users) as third:
        student = await third.student(0)
        await student.silence("command")
        commands = await third.store.commands.of(exam["_id"])
        assert {one["fate"] for one in commands.of(ObjectId(session_id))} == {"ACKNOWLEDGED"}
        log = await third.store.log.read(exam["_id"], 0, 200)
        assert Counter(one["type"] for one in log if one["type"] in ("paused", "warned", "session_ended")) == {
            "paused": 1,
            "warned": 3,
            "session_ended": 1,
        }
    await database.drop()
    database.close()


@asynccontextmanager
async def reopened(settings: Settings) -> AsyncIterator[Store]:
    """The store as a process that starts now has it."""
    store = store_on(Database(str(settings.database_url)))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


Wrap = Callable[[Any], Any]


@asynccontextmanager
async def node(settings: Settings, **wraps: Wrap) -> AsyncIterator[Store]:
    """Another process on the same database, some of whose collections are wrapped; it ends without a word."""
    database = Database(str(settings.database_url))
    for name, wrap in wraps.items():
        setattr(database, name, wrap(getattr(database, name)))
    store = store_on(database)
    try:
        yield store
    finally:
        await store.sessions.close()
        await store.commands.close()
        database.close()


class Broken:
    """A collection whose writes fail that are called like this: before they do what they should, or after; not the
    first `well` of them. `times`: how many fail; None for a process that is dead from there on.
    """

    def __init__(
        self, real: Any, method: str, error: Exception, *, after: bool, well: int = 0, times: int | None = None
    ) -> None:
        self._real, self._method, self._error, self._after = real, method, error, after
        self._well, self._times, self._dead = well, times, False

    def __getattr__(self, name: str) -> Any:
        if self._dead:
            raise self._error
        real = getattr(self._real, name)
        if not name.startswith(self._method):
            return real

        async def call(*arguments: Any, **options: Any) -> Any:
            self._well -= 1
            if self._well >= 0 or self._times == 0:
                return await real(*arguments, **options)
            if self._after:
                await real(*arguments, **options)
            if self._times is None:
                self._dead = True
            else:
                self._times -= 1
            raise self._error

        return call


def killed_at(method: str, *, after: bool, well: int = 0) -> Wrap:
    return lambda real: Broken(real, method, Killed(), after=after, well=well)


STEPS = [
    ("orders", "insert", False),
    ("orders", "insert", True),
    ("sessions", "bulk_write", False),
    ("sessions", "bulk_write", True),
    ("activity", "insert", False),
    ("activity", "insert", True),
    ("orders", "update", False),
    ("orders", "update", True),
]
WISHES = {
    "pause": Wish(action="pause", reason="A fire alarm.", actor_id=ObjectId()),
    "extend": Wish(action="extend", reason="A power cut.", minutes=10, actor_id=ObjectId()),
    "warn": Wish(action="warn", text="Ten minutes left.", actor_id=ObjectId()),
    "terminate": Wish(action="terminate", reason="It is over."),
}
TYPES = {"pause": "paused", "extend": "time_added", "warn": "warned", "terminate": "session_ended"}


async def audit(store: Store, exam: Stored, action: str, sessions: list[Stored], *, to_all: bool) -> None:
    """The order was carried out once: in the sessions, in the log, in the commands."""
    wish, ids = WISHES[action], [one["_id"] for one in sessions]
    stored = {one["_id"]: one for one in await store.sessions.of_exam(exam["_id"])}
    for session_id in ids:
        session = stored[session_id]
        status = {"pause": "PAUSED", "terminate": "TERMINATED"}.get(action, "ACTIVE")
        assert session["status"] == status
        assert [one["ms"] for one in session["timeLedger"]] == [600_000] * (action == "extend")
    assert {one["status"] for key, one in stored.items() if key not in ids} <= {"ACTIVE"}
    log = await store.log.read(exam["_id"], 0, 500)
    assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
    recorded = [one for one in log if one["type"] == TYPES[action]]
    if to_all and action != "terminate":
        (one,) = recorded
        assert (one["sessionId"], one["data"]["sessions"]) == (None, len(ids))
    else:
        assert sorted(one["sessionId"] for one in recorded) == sorted(ids)
    assert {(one["actorId"], one["source"]) for one in recorded} == {
        (wish.actor_id, "proctor" if wish.actor_id else "server")
    }
    commands = await store.commands.of(exam["_id"])
    assert sorted(one["sessionId"] for one in commands.by_id.values()) == sorted(ids)
    assert {one["action"] for one in commands.by_id.values()} == {action}
    assert await store.database.orders.count_documents({"open": True}) == 0


async def started(store: Store, count: int) -> tuple[list[Stored], Stored, list[Stored]]:
    """Users, their exam, and the session that each of them has."""
    users, exam = await make_class(store.database, count)
    got = await asyncio.gather(*(store.starting.start(actor(user), exam) for user in users))
    return users, exam, [session for session, _ in got]


@pytest.mark.parametrize(("name", "method", "after"), STEPS)
async def test_an_order_that_a_crash_left_open_is_carried_on_once(
    store: Store, settings: Settings, name: str, method: str, after: bool
) -> None:
    left_open: list[tuple[ObjectId, Stored, Stored | None, str, list[Stored]]] = []
    for action, to_all in product(WISHES, (True, False)):
        if (name, action) == ("sessions", "warn"):
            continue  # it changes no session
        _, exam, sessions = await started(store, 3)
        one = (ObjectId(), exam, None if to_all else sessions[0], action, sessions if to_all else sessions[:1])
        async with node(settings, **{name: killed_at(method, after=after)}) as dying:
            with pytest.raises(Killed):
                await dying.orders.give(*one[:3], WISHES[action])
        left_open.append(one)
    noted = (name, method, after) != ("orders", "insert", False)
    async with reopened(settings) as late:
        assert await late.database.orders.count_documents({"open": True}) == 0
        assert noted or await late.database.orders.count_documents({}) == 0
        for _, exam, session, action, concerned in left_open if noted else ():
            await audit(late, exam, action, concerned, to_all=session is None)
    async with reopened(settings) as late:  # and the same requests once more
        for order_id, exam, session, action, concerned in left_open:
            again = await late.orders.give(order_id, exam, session, WISHES[action])
            assert sorted(command["sessionId"] for command in again) == sorted(one["_id"] for one in concerned)
            await audit(late, exam, action, concerned, to_all=session is None)


async def test_a_crash_among_the_groups_of_a_great_order_leaves_nobody_out(store: Store, settings: Settings) -> None:
    _, exam, sessions = await started(store, 120)
    async with node(settings, sessions=killed_at("bulk_write", after=False, well=1)) as dying:
        with pytest.raises(Killed):
            await dying.orders.give(ObjectId(), exam, None, WISHES["extend"])
    extended = [one for one in await store.sessions.of_exam(exam["_id"]) if one["timeLedger"]]
    assert 0 < len(extended) < 120
    async with reopened(settings) as late:
        await audit(late, exam, "extend", sessions, to_all=True)


@pytest.mark.parametrize(("name", "method", "after"), STEPS)
async def test_an_order_goes_on_by_itself_when_the_database_is_back(
    store: Store, settings: Settings, name: str, method: str, after: bool
) -> None:
    _, exam, sessions = await started(store, 3)
    order_id, error = ObjectId(), AutoReconnect("the connection was lost")
    async with node(settings, **{name: lambda real: Broken(real, method, error, after=after, times=1)}) as ours:
        if (name, method) == ("orders", "insert"):  # it is not known to be stored, so the client sends it again
            with pytest.raises(AutoReconnect):
                await ours.orders.give(order_id, exam, None, WISHES["extend"])
        commands = await ours.orders.give(order_id, exam, None, WISHES["extend"])
        assert len(commands) == 3
        await audit(ours, exam, "extend", sessions, to_all=True)


async def test_a_pause_whose_session_is_submitted_before_it_is_recorded_is_recorded_all_the_same(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened is in the log, also where the log did not answer at first and the session went on meanwhile."""
    (user,), exam, (session,) = await started(store, 1)
    monkeypatch.setattr(exam_log, "_PATIENCE_S", 0.3)  # until the log gives an entry up
    calls: list[int] = []

    class Away(Broken):
        def __getattr__(self, name: str) -> Any:
            return self.fail if name.startswith("insert") and len(calls) < 4 else getattr(self._real, name)

        async def fail(self, *_: Any, **__: Any) -> None:
            calls.append(1)
            if len(calls) == 1:
                current = await store.sessions.by_id(session["_id"])
                assert current["status"] == "PAUSED"
                await store.sessions.end(current, actor(user))
            raise AutoReconnect("the connection was lost")

    async with node(settings, activity=lambda real: Away(real, "", Killed(), after=False)) as ours:
        with contextlib.suppress(Conflict):
            await ours.orders.give(ObjectId(), exam, session, WISHES["pause"])
        assert calls
    log = await store.log.read(exam["_id"], 0, 100)
    types = Counter(one["type"] for one in log)
    assert types == {"session_started": 1, "paused": 1, "session_ended": 1}
    assert await store.database.orders.count_documents({"open": True}) == 0


@pytest.mark.parametrize("step", [("activity", "insert"), ("orders", "update")])
async def test_a_pause_that_a_crash_left_open_is_recorded_though_the_session_ended_meanwhile(
    store: Store, settings: Settings, step: tuple[str, str]
) -> None:
    (user,), exam, (session,) = await started(store, 1)
    name, method = step
    async with node(settings, **{name: killed_at(method, after=False)}) as dying:
        with pytest.raises(Killed):
            await dying.orders.give(ObjectId(), exam, session, WISHES["pause"])
    over = await store.sessions.end(session, actor(user))  # another node is still there
    assert over["status"] == "SUBMITTED"
    async with reopened(settings) as late:
        log = await late.log.read(exam["_id"], 0, 100)
        types = Counter(one["type"] for one in log if one["type"] != "server_restarted")
        assert types == {"session_started": 1, "paused": 1, "session_ended": 1}
        assert await late.database.orders.count_documents({"open": True}) == 0
        assert {one["fate"] for one in (await late.commands.of(exam["_id"])).of(session["_id"])} <= {"EXPIRED"}


@pytest.mark.parametrize(("name", "method"), [("orders", "insert"), ("sessions", "bulk_write")])
async def test_an_order_from_long_before_a_restart_is_finished_only_where_it_had_begun(
    store: Store, settings: Settings, name: str, method: str
) -> None:
    _, exam, sessions = await started(store, 2)
    async with node(settings, **{name: killed_at(method, after=True)}) as dying:
        with pytest.raises(Killed):
            await dying.orders.give(ObjectId(), exam, None, WISHES["extend"])
    await store.database.orders.update_many({}, {"$set": {"at": now() - timedelta(minutes=30)}})
    async with reopened(settings) as late:
        if name == "sessions":
            await audit(late, exam, "extend", sessions, to_all=True)
        else:
            assert [one["timeLedger"] for one in await late.sessions.of_exam(exam["_id"])] == [[], []]
            assert {one["type"] for one in await late.log.read(exam["_id"], 0, 100)} == {
                "session_started",
                "server_restarted",
            }
            assert (await late.commands.of(exam["_id"])).by_id == {}
        assert await late.database.orders.count_documents({"open": True}) == 0


async def test_a_command_that_a_day_went_by_over_while_nobody_looked_is_not_given_any_more(
    store: Store, settings: Settings
) -> None:
    _, exam, (session,) = await started(store, 1)
    async with node(settings) as before:
        await before.orders.give(ObjectId(), exam, session, WISHES["warn"])
    await store.database.orders.update_many({}, {"$set": {"at": now() - timedelta(hours=24, seconds=1)}})
    async with reopened(settings) as late:
        commands = await late.commands.of(exam["_id"])
        assert [one["fate"] for one in commands.of(session["_id"])] == ["EXPIRED"]
        assert commands.pending(session["_id"]) == []


async def test_an_order_to_a_session_that_is_gone_is_given_up(store: Store, settings: Settings) -> None:
    _, exam, (session,) = await started(store, 1)
    async with node(settings, sessions=killed_at("bulk_write", after=False)) as dying:
        with pytest.raises(Killed):
            await dying.orders.give(ObjectId(), exam, session, WISHES["pause"])
    await store.database.sessions.delete_one({"_id": session["_id"]})
    async with reopened(settings) as late:
        assert await late.database.orders.count_documents({"open": True}) == 0
        with pytest.raises(ProctoringError):
            await late.sessions.by_id(session["_id"])


class Counting:
    """A collection that notes how often it is asked to do what."""

    def __init__(self, real: Any, name: str, calls: Counter[str]) -> None:
        self._real, self._name, self._calls = real, name, calls

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not callable(real):
            return real

        def call(*arguments: Any, **options: Any) -> Any:
            self._calls[f"{self._name}.{name}"] += 1
            return real(*arguments, **options)

        return call


async def test_300_are_paused_by_one_command_with_one_activity_and_few_statements(
    store: Store, settings: Settings
) -> None:
    _, exam, sessions = await started(store, 300)
    calls: Counter[str] = Counter()
    told: list[int] = []

    def counting(name: str) -> Wrap:
        return lambda real: Counting(real, name, calls)

    async def tell(_: ObjectId, commands: list[dict[str, Any]]) -> None:
        told.append(len(commands))

    async with node(settings, **{one: counting(one) for one in ("orders", "fates", "sessions", "activity")}) as ours:
        ours.commands.subscribe(tell)
        await ours.commands.of(exam["_id"])
        calls.clear()
        commands = await ours.orders.give(ObjectId(), exam, None, WISHES["pause"])
        assert len({one["sessionId"] for one in commands}) == 300
        assert told == [300]
        assert calls["sessions.bulk_write"] <= 8
        assert calls["orders.insert_one"] == calls["orders.update_one"] == 1
        assert calls["activity.insert_one"] + calls["activity.insert_many"] == 1
        assert sum(calls.values()) <= 40, calls
        await audit(ours, exam, "pause", sessions, to_all=True)
        calls.clear()
        await ours.commands.delivered(commands)
        assert calls == {"fates.insert_many": 1}


async def test_a_console_that_joins_later_sees_the_state_and_reads_the_fates_over_rest(
    school: Organisation, store: Store, connect: Connect
) -> None:
    room = await enter(connect, school, store, "ACTIVE")
    await gone(room)
    (command,) = await ordered(room.proctor, room.exam_id, "pause", room.session_id)
    late = await connect("/proctor", school.admin.token)
    answer = await late.ok("join", {"examId": room.exam_id})
    assert [one["status"] for one in answer["sessions"]] == ["PAUSED"]
    assert [one["id"] for one in await commands_of(room)] == [command["id"]]
    await late.silence("commands")
    await late.ok("leave", {"examId": room.exam_id})
    await start_again(connect, room)
    await fates(room.admin, command["id"], "DELIVERED")
    await late.silence("commands")
    await shown(room.admin, room.session_id, status="PAUSED")
