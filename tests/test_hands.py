"""Hands that students raise, and verdicts that proctors give: acked, recorded once, shown to whom they concern."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bson import ObjectId

from tests.clients import Socket, uuid
from tests.conftest import Connect, Organisation, make_exam

VERDICTS = ("CLEARED", "SUSPICIOUS", "VIOLATION", "UNREVIEWED")


class Room:
    """A student in the school's exam, and a console that watches."""

    def __init__(self, school: Organisation, connect: Connect, student: Socket, console: Socket) -> None:
        self.school, self.connect, self.student, self.console = school, connect, student, console
        self.session_id = ""
        self.rev = 0

    @classmethod
    async def make(cls, school: Organisation, connect: Connect) -> Room:
        console = await connect("/proctor", school.proctor.token)
        await console.ok("join", {"examId": school.exam_id})
        room = cls(school, connect, await connect("/exam", school.student.token, uuid()), console)
        session = (await room.student.ok("start", {"examId": school.exam_id}))["session"]
        room.session_id = session["id"]
        await room.shown(session["rev"])
        return room

    async def shown(self, rev: int | None = None) -> dict[str, Any]:
        """The session as the console is told it next, newer than all before."""
        pushed = await self.console.next("presence")
        (session,) = pushed["items"]
        assert (pushed["examId"], session["id"]) == (self.school.exam_id, self.session_id)
        assert session["rev"] > self.rev
        assert rev is None or session["rev"] == rev
        self.rev = session["rev"]
        got: dict[str, Any] = session
        return got

    async def told(self) -> dict[str, Any]:
        """The session as its student is told it next."""
        session: dict[str, Any] = await self.student.next("session")
        assert not {"verdict", "counts", "severity"} & set(session)
        return session

    async def log(self, *types: str) -> list[dict[str, Any]]:
        path = f"/routes/exams/{self.school.exam_id}/activity?limit=500"
        log = await self.school.proctor.api.ok("GET", path)
        assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
        return [one for one in log if not types or one["type"] in types]

    async def everywhere(self) -> dict[str, Any]:
        """The session as `join` and REST have it, which is the same."""
        console = await self.connect("/proctor", self.school.admin.token)
        (joined,) = [
            one
            for one in (await console.ok("join", {"examId": self.school.exam_id}))["sessions"]
            if one["id"] == self.session_id
        ]
        got = await self.school.proctor.api.ok("GET", f"/routes/proctoring/{self.session_id}")
        (listed,) = [
            one
            for one in await self.school.proctor.api.ok("GET", f"/routes/proctoring?examId={self.school.exam_id}")
            if one["id"] == self.session_id
        ]
        for name in ("rev", "hand", "verdict", "counts", "lastActivityAt", "status"):
            assert joined[name] == got[name] == listed[name], name
        assert joined["rev"] == self.rev
        result: dict[str, Any] = joined
        return result

    def request(self, **fields: Any) -> dict[str, Any]:
        return {"requestId": uuid(), "sessionId": self.session_id} | fields


async def test_a_raised_hand_is_acked_recorded_and_shown_until_its_student_lowers_it(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    ack = await room.student.ok("raise_hand", {"seq": 1, "text": "I need paper."})
    (raised,) = await room.log("hand_raised")
    assert ack == {"id": raised["id"], "offset": raised["offset"]}
    assert (raised["source"], raised["severity"], raised["seq"]) == ("client", "info", 1)
    assert (raised["actorId"], raised["data"]) == (school.student.id, {"text": "I need paper."})
    assert await room.console.activity("hand_raised") == raised
    hand = {"raisedAt": raised["receivedAt"], "text": "I need paper."}
    assert (await room.shown())["hand"] == hand
    assert (await room.everywhere())["hand"] == hand
    assert (await room.told())["hand"] == hand
    assert (await school.student.api.ok("GET", f"/routes/proctoring/{room.session_id}"))["hand"] == hand

    ack = await room.student.ok("lower_hand", {"seq": 2})
    (lowered,) = await room.log("hand_lowered")
    assert ack == {"id": lowered["id"], "offset": lowered["offset"]}
    assert (lowered["source"], lowered["actorId"], lowered["data"]) == ("client", school.student.id, {})
    assert await room.console.activity("hand_lowered") == lowered
    assert (await room.shown())["hand"] is None
    assert (await room.everywhere())["hand"] is None
    assert (await room.told())["hand"] is None


async def test_a_hand_may_be_raised_without_a_word_and_without_a_number(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("raise_hand")
    (raised,) = await room.log("hand_raised")
    assert (await room.shown())["hand"] == {"raisedAt": raised["receivedAt"], "text": None}
    assert raised["data"] == {}
    assert raised["seq"] is None
    await room.student.ok("lower_hand")
    assert (await room.shown())["hand"] is None


async def test_a_hand_that_is_raised_again_has_the_later_text(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("raise_hand", {"seq": 1, "text": "I need paper."})
    await room.shown()
    await room.student.ok("raise_hand", {"seq": 2, "text": "And a pen."})
    assert (await room.shown())["hand"]["text"] == "And a pen."
    assert (await room.everywhere())["hand"]["text"] == "And a pen."


async def test_a_proctor_lowers_a_hand_and_its_student_is_told(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": school.exam_id})
    await room.console.next("presence")
    await room.student.ok("raise_hand", {"seq": 1})
    await room.shown()
    assert (await room.told())["hand"] is not None
    ack = await room.console.ok("lower_hand", room.request())
    (lowered,) = await room.log("hand_lowered")
    assert ack == {"id": lowered["id"], "offset": lowered["offset"]}
    assert (lowered["source"], lowered["actorId"]) == ("proctor", school.proctor.id)
    assert (lowered["sessionId"], lowered["userId"]) == (room.session_id, school.student.id)
    assert await room.console.activity("hand_lowered") == lowered
    assert (await room.shown())["hand"] is None
    told = await room.told()
    assert (told["id"], told["hand"], told["status"]) == (room.session_id, None, "ACTIVE")
    assert (await room.everywhere())["hand"] is None
    await other.silence("session")


async def test_a_repeat_by_number_is_recorded_once_and_raises_nothing_again(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    first = await room.student.ok("raise_hand", {"seq": 1, "text": "Paper"})
    assert await room.student.ok("raise_hand", {"seq": 1, "text": "Paper"}) == first | {"duplicate": True}
    assert await room.student.code("raise_hand", {"seq": 1, "text": "Ink"}) == "conflict"
    assert await room.student.code("lower_hand", {"seq": 1}) == "conflict"
    second = await room.student.ok("lower_hand", {"seq": 2})
    assert await room.student.ok("lower_hand", {"seq": 2}) == second | {"duplicate": True}
    assert await room.student.ok("raise_hand", {"seq": 1, "text": "Paper"}) == first | {"duplicate": True}
    for hand in ("raised", "lowered"):
        assert ((await room.shown())["hand"] is None) == (hand == "lowered")
        assert len(await room.log(f"hand_{hand}")) == 1
    await room.console.silence("presence")
    assert (await room.everywhere())["hand"] is None


async def test_a_repeat_by_request_is_recorded_once_and_lowers_nothing_again(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("raise_hand", {"seq": 1})
    request = room.request()
    first = await room.console.ok("lower_hand", request)
    await room.student.ok("raise_hand", {"seq": 2})
    answers = [await room.console.ok("lower_hand", request) for _ in range(3)]
    again = await connect("/proctor", school.proctor.token)
    answers.append(await again.ok("lower_hand", request | {"requestId": request["requestId"].upper()}))
    assert answers == [first] * 4
    assert len(await room.log("hand_lowered")) == 1
    for _ in range(3):
        await room.shown()
    assert (await room.everywhere())["hand"] is not None
    assert await room.console.code("review", request | {"verdict": "CLEARED"}) == "conflict"
    # Another's request of the same id is another one.
    admin = await connect("/proctor", school.admin.token)
    assert await admin.ok("lower_hand", request) != first
    assert (await room.shown())["hand"] is None


async def test_what_was_buffered_of_hands_is_replayed_in_order(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    items = [
        {"event": "raise_hand", "payload": {"seq": 1, "text": "Paper"}},
        {"event": "lower_hand", "payload": {"seq": 2}},
        {"event": "raise_hand", "payload": {"seq": 3, "text": "Ink"}},
    ]
    for recorded in (3, 0):
        got = await room.student.ok("replay", {"items": items})
        assert got == {"recorded": recorded, "duplicates": 3 - recorded, "rejected": []}
    shown = await room.shown()
    assert shown["hand"]["text"] == "Ink"
    assert (await room.everywhere())["hand"]["text"] == "Ink"


async def test_raised_hands_are_part_of_a_join(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    other = await connect("/exam", school.other_student.token)
    await other.ok("start", {"examId": school.exam_id})
    await other.ok("raise_hand", {"text": "Me too."})
    console = await connect("/proctor", school.admin.token)
    sessions = (await console.ok("join", {"examId": school.exam_id}))["sessions"]
    hands = {one["userId"]: one["hand"] and one["hand"]["text"] for one in sessions}
    assert hands == {school.student.id: None, school.other_student.id: "Me too."}
    assert room.session_id in {one["id"] for one in sessions}


async def test_a_hand_is_down_when_the_session_is_over_and_raised_no_more(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("raise_hand", {"seq": 1})
    assert (await room.shown())["hand"] is not None
    assert (await room.student.ok("end"))["session"]["hand"] is None
    assert (await room.shown())["hand"] is None
    assert (await room.everywhere())["hand"] is None
    assert await room.student.code("raise_hand", {"seq": 2}) == "conflict"
    assert await room.student.code("lower_hand", {"seq": 3}) == "conflict"
    assert len(await room.log("hand_raised", "hand_lowered")) == 1


async def test_hands_are_raised_while_paused(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    order = {"examId": school.exam_id, "action": "pause", "reason": "A fire alarm."}
    await room.console.ok("command", room.request(**order))
    await room.shown()
    await room.student.ok("raise_hand", {"seq": 1})
    shown = await room.shown()
    assert (shown["status"], shown["hand"]["text"]) == ("PAUSED", None)


async def test_a_verdict_is_an_activity_with_note_and_reviewer_that_consoles_see_and_the_student_does_not(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    assert (await room.everywhere())["verdict"] == "UNREVIEWED"
    for verdict in VERDICTS:
        note = {} if verdict == "UNREVIEWED" else {"note": f"I looked: {verdict}"}
        ack = await room.console.ok("review", room.request(verdict=verdict, **note))
        reviewed = (await room.log("reviewed"))[-1]
        assert ack == {"id": reviewed["id"], "offset": reviewed["offset"]}
        assert (reviewed["source"], reviewed["actorId"]) == ("proctor", school.proctor.id)
        assert reviewed["data"] == {"verdict": verdict} | note
        assert reviewed["severity"] == "info"
        assert await room.console.activity("reviewed") == reviewed
        assert (await room.shown())["verdict"] == verdict
        assert (await room.everywhere())["verdict"] == verdict
    for event in ("session", "activity", "presence", "command", "chat"):
        await room.student.silence(event)
    for view in (
        await school.student.api.ok("GET", f"/routes/proctoring/{room.session_id}"),
        (await room.student.ok("start", {"examId": school.exam_id}))["session"],
        (await room.student.ok("end"))["session"],
    ):
        assert not {"verdict", "counts"} & set(view)
    assert "VIOLATION" not in str(list(room.student.received.values()))
    path = f"/routes/proctoring/{room.session_id}/activity"
    assert await school.student.api.code("GET", path) == "forbidden"


async def test_a_session_that_is_over_is_reviewed_as_well(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("end")
    await room.shown()
    admin = await connect("/proctor", school.admin.token)
    await admin.ok("review", room.request(verdict="VIOLATION", note="Two people."))
    shown = await room.shown()
    assert (shown["status"], shown["verdict"]) == ("SUBMITTED", "VIOLATION")
    (reviewed,) = await room.log("reviewed")
    assert reviewed["actorId"] == school.admin.id
    assert (await room.everywhere())["verdict"] == "VIOLATION"


async def test_a_review_sent_again_answers_as_the_first_did_and_undoes_no_later_one(
    school: Organisation, connect: Connect
) -> None:
    room = await Room.make(school, connect)
    request = room.request(verdict="SUSPICIOUS", note="A phone?")
    first = await room.console.ok("review", request)
    await room.console.ok("review", room.request(verdict="CLEARED"))
    assert await room.console.ok("review", request) == first
    assert await room.console.code("review", request | {"verdict": "VIOLATION"}) == "conflict"
    assert await room.console.code("review", request | {"note": "A watch?"}) == "conflict"
    for verdict in ("SUSPICIOUS", "CLEARED"):
        assert (await room.shown())["verdict"] == verdict
    await room.console.silence("presence")
    assert len(await room.log("reviewed")) == 2
    assert (await room.everywhere())["verdict"] == "CLEARED"


async def test_one_request_sent_many_times_at_once_is_one_review(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    request = room.request(verdict="SUSPICIOUS")
    answers = await asyncio.gather(*(room.console.ok("review", request) for _ in range(10)))
    assert answers == answers[:1] * 10
    assert len(await room.log("reviewed")) == 1
    await room.shown()
    await room.console.silence("presence")


BAD_HANDS: list[Any] = [
    {"text": ""},
    {"text": "x" * 2001},
    {"text": 5},
    {"seq": 0},
    {"seq": "1"},
    {"seq": 2**31},
    {"else": 1},
    "text",
    [],
]


async def test_hands_and_reviews_of_another_shape_are_refused(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    for bad in BAD_HANDS:
        assert await room.student.code("raise_hand", bad) == "invalid_payload", bad
    for bad in ({"text": "x"}, {"seq": 0}, {"sessionId": room.session_id}):
        assert await room.student.code("lower_hand", bad) == "invalid_payload", bad
    for change in ({"requestId": "x"}, {"requestId": None}, {"sessionId": "x"}, {"sessionId": None}, {"text": "x"}):
        assert await room.console.code("lower_hand", room.request() | change) == "invalid_payload", change
        changed = room.request(verdict="CLEARED") | change
        assert await room.console.code("review", changed) == "invalid_payload", change
    for verdict in ("cleared", "GUILTY", None, "", 1, ["CLEARED"]):
        assert await room.console.code("review", room.request(verdict=verdict)) == "invalid_payload", verdict
    assert await room.console.code("review", room.request()) == "invalid_payload"
    for note in ("", "x" * 2001, 5, {}):
        changed = room.request(verdict="CLEARED", note=note)
        assert await room.console.code("review", changed) == "invalid_payload", note
    for missing in ("requestId", "sessionId"):
        short = {name: value for name, value in room.request().items() if name != missing}
        assert await room.console.code("lower_hand", short) == "invalid_payload"
    assert await room.log("hand_raised", "hand_lowered", "reviewed") == []
    await room.console.silence("presence")


async def test_the_longest_text_and_note_are_taken(school: Organisation, connect: Connect) -> None:
    room = await Room.make(school, connect)
    for letter in ("x", "é", "ẞ", "😀"):
        text = letter * 2000
        await room.student.ok("raise_hand", {"text": text})
        assert (await room.shown())["hand"]["text"] == text
        await room.console.ok("review", room.request(verdict="CLEARED", note=text))
        assert (await room.shown())["verdict"] == "CLEARED"
        assert (await room.log("reviewed"))[-1]["data"]["note"] == text


async def test_a_hand_before_a_start_is_a_conflict(school: Organisation, connect: Connect) -> None:
    student = await connect("/exam", school.student.token)
    for event in ("raise_hand", "lower_hand"):
        assert await student.code(event, {"seq": 1}) == "conflict"


@pytest.mark.parametrize("event", ["lower_hand", "review"])
async def test_a_session_of_an_exam_that_one_may_not_see_is_not_found(
    school: Organisation, college: Organisation, connect: Connect, event: str
) -> None:
    room = await Room.make(school, connect)
    await room.student.ok("raise_hand", {"seq": 1})
    await room.shown()
    exam = await make_exam(school.admin, school.other_student)  # without the proctor
    other = await connect("/exam", school.other_student.token)
    unseen = (await other.ok("start", {"examId": exam["id"]}))["session"]["id"]
    more = {"verdict": "VIOLATION"} if event == "review" else {}
    theirs = [await connect("/proctor", one.token) for one in (college.proctor, college.admin)]
    for console in theirs:
        assert await console.code(event, room.request(**more)) == "not_found"
    for session_id in (unseen, str(ObjectId())):
        assert await room.console.code(event, room.request(**more) | {"sessionId": session_id}) == "not_found"
    admin = await connect("/proctor", school.admin.token)
    await admin.ok(event, room.request(**more) | {"sessionId": unseen})
    now = await room.everywhere()
    assert (now["hand"] is not None, now["verdict"]) == (True, "UNREVIEWED")
    assert await room.log("hand_lowered", "reviewed") == []
    await room.console.silence("presence")
