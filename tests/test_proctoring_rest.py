"""Proctoring over REST: start, end, look at, report, and read what was reported."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.clients import Api, lasting, uuid
from tests.conftest import Organisation, Person, make_exam, make_user
from tests.test_organisations import INSTANT, UNKNOWN, pages, repeated

PATH = "/routes/proctoring"
FIELDS = {"id", "rev", "status", "connectivity", "startTime", "endTime", "examId", "userId", "organisationId",
          "lastHeartbeatAt", "user", "activatedAt", "deadline", "timeLedger", "remainingMs", "hand", "lastActivityAt",
          "createdAt", "updatedAt"}  # fmt: skip
ACTIVITY_FIELDS = {"id", "offset", "examId", "sessionId", "userId", "organisationId", "type", "severity", "source",
                   "actorId", "clientId", "seq", "occurredAt", "receivedAt", "late", "data"}  # fmt: skip


async def start(person: Person, exam: dict[str, Any]) -> dict[str, Any]:
    session: dict[str, Any] = await person.api.ok("POST", f"{PATH}/start", {"examId": exam["id"]})
    return session


async def switch_tab(person: Person, session: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"sessionId": session["id"]} | fields
    recorded: dict[str, Any] = await person.api.ok("POST", f"{PATH}/tab-change", body)
    return recorded


async def beat(person: Person, session: dict[str, Any]) -> dict[str, Any]:
    ack: dict[str, Any] = await person.api.ok("POST", f"{PATH}/heartbeat", {"sessionId": session["id"]})
    return ack


async def test_a_session_is_started_once(school: Organisation) -> None:
    body = {"examId": school.exam_id}
    first = await school.student.api.call("POST", f"{PATH}/start", body)
    assert first.status == 201
    session = first.body
    assert session.keys() == FIELDS
    known = {
        "status": "ACTIVE", "connectivity": "ONLINE", "endTime": None, "examId": school.exam_id,
        "userId": school.student.id, "organisationId": school.id, "lastHeartbeatAt": None,
        "user": {"id": school.student.id, "name": "student"},
    }  # fmt: skip
    assert session == session | known
    assert isinstance(session["rev"], int)
    assert INSTANT.fullmatch(session["startTime"])
    again = await school.student.api.call("POST", f"{PATH}/start", body)
    assert (again.status, lasting(again.body)) == (200, lasting(session))
    record = await school.student.api.ok("GET", first.headers["Location"])
    organisation = {"id": school.id, "name": "school"}
    also = {"exam": {"id": school.exam_id, "title": "History"}, "organisation": organisation}
    assert lasting(record) == lasting(session) | also
    await school.student.api.ok("PUT", f"{PATH}/end/{session['id']}")
    over = await school.student.api.call("POST", f"{PATH}/start", body)
    assert (over.status, over.body["id"], over.body["status"]) == (200, session["id"], "SUBMITTED")


async def test_a_session_started_at_once_on_many_connections_is_one(school: Organisation) -> None:
    calls = [school.student.api.call("POST", f"{PATH}/start", {"examId": school.exam_id}) for _ in range(8)]
    answers = await asyncio.gather(*calls)
    assert sorted(one.status for one in answers) == [200] * 7 + [201]
    assert len({one.body["id"] for one in answers}) == 1
    log = await school.admin.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["type"] for one in log] == ["session_started"]


async def test_an_exam_is_started_by_its_students_only(school: Organisation, college: Organisation) -> None:
    mine = await make_exam(school.admin, school.student)
    assert await school.student.api.code("POST", f"{PATH}/start", {"examId": mine["id"]}) is None
    for exam_id in (mine["id"], college.exam_id, UNKNOWN):
        assert await school.other_student.api.code("POST", f"{PATH}/start", {"examId": exam_id}) == "not_found"
    assert await school.proctor.api.code("POST", f"{PATH}/start", {"examId": school.exam_id}) == "forbidden"


@pytest.mark.parametrize("window", [{"startsAt": "2100-01-01T00:00:00Z"}, {"endsAt": "2020-01-01T00:00:00Z"}])
async def test_an_exam_is_not_started_outside_its_window(school: Organisation, window: dict[str, str]) -> None:
    exam = await make_exam(school.admin, school.student, **window)
    assert await school.student.api.code("POST", f"{PATH}/start", {"examId": exam["id"]}) == "conflict"
    assert await school.admin.api.ok("GET", PATH) == []


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("start", {}), ("start", {"examId": "x"}), ("start", {"examId": 1}), ("start", {"examId": {"$gt": ""}}),
        ("start", {"examId": "{exam}", "userId": UNKNOWN}), ("tab-change", {}), ("tab-change", {"sessionId": "x"}),
        ("tab-change", {"sessionId": "{session}", "hidden": "true"}),
        ("tab-change", {"sessionId": "{session}", "hidden": None}),
        ("tab-change", {"sessionId": "{session}", "seq": 1}),
        ("tab-change", {"sessionId": "{session}", "occurredAt": "just now"}),
        ("tab-change", {"sessionId": "{session}", "severity": "info"}),
        ("heartbeat", {}), ("heartbeat", {"sessionId": None}), ("heartbeat", {"sessionId": "{session}", "at": 1}),
    ],
    ids=str,
)  # fmt: skip
async def test_a_payload_of_another_shape_is_refused(school: Organisation, route: str, body: dict[str, Any]) -> None:
    session = await start(school.student, school.exam)
    ids = {"{exam}": school.exam_id, "{session}": session["id"]}
    body = {name: ids.get(str(value), value) for name, value in body.items()}
    assert await school.student.api.code("POST", f"{PATH}/{route}", body) == "invalid_payload"


@pytest.mark.parametrize(
    ("role", "status"), [("student", "SUBMITTED"), ("proctor", "TERMINATED"), ("admin", "TERMINATED")]
)
async def test_a_session_ends_once(school: Organisation, role: str, status: str) -> None:
    session = await start(school.student, school.exam)
    path = f"{PATH}/end/{session['id']}"
    ended = await getattr(school, role).api.ok("PUT", path)
    assert (ended["status"], ended["connectivity"]) == (status, "CLOSED")
    assert ended["rev"] > session["rev"]
    assert ended["endTime"] >= ended["startTime"] == session["startTime"]
    for person in (school.student, school.proctor, school.admin):
        assert lasting(await person.api.ok("PUT", path)) == lasting(ended)
    log = await school.admin.api.ok("GET", f"{PATH}/{session['id']}/activity?type=session_ended")
    assert [(one["data"]["status"], one["actorId"]) for one in log] == [(status, getattr(school, role).id)]
    assert log[0]["source"] == ("client" if role == "student" else "proctor")


async def test_a_session_ended_by_two_at_once_ends_once(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    people = [school.student, school.proctor, school.admin] * 2
    ended = await asyncio.gather(*(one.api.ok("PUT", f"{PATH}/end/{session['id']}") for one in people))
    assert all(lasting(one) == lasting(ended[0]) for one in ended)
    log = await school.admin.api.ok("GET", f"{PATH}/{session['id']}/activity?type=session_ended")
    assert [one["data"]["status"] for one in log] == [ended[0]["status"]]


async def test_a_session_is_seen_by_its_student_and_by_the_exams_supervisors(school: Organisation) -> None:
    session = await start(school.student, await make_exam(school.admin, school.student))
    for person in (school.student, school.admin):
        assert (await person.api.ok("GET", f"{PATH}/{session['id']}"))["id"] == session["id"]
    for person in (school.other_student, school.proctor):
        assert await person.api.code("GET", f"{PATH}/{session['id']}") == "not_found"
        assert await person.api.code("PUT", f"{PATH}/end/{session['id']}") == "not_found"
    for read in ("activity", "heartbeats"):
        assert await school.proctor.api.code("GET", f"{PATH}/{session['id']}/{read}") == "not_found"
    assert (await school.admin.api.ok("GET", f"{PATH}/{session['id']}"))["status"] == "ACTIVE"


async def test_sessions_are_listed_by_exam_and_status(school: Organisation) -> None:
    other = await make_exam(school.admin, school.student)
    sessions = [
        await start(school.student, school.exam),
        await start(school.other_student, school.exam),
        await start(school.student, other),
    ]
    await school.admin.api.ok("PUT", f"{PATH}/end/{sessions[1]['id']}")

    async def listed(person: Person, query: str) -> list[str]:
        found = [one for page in await pages(person.api, f"{PATH}?limit=1{query}") for one in page]
        assert all(one.keys() == FIELDS | {"counts", "verdict"} for one in found)
        return [one["id"] for one in found]

    def ids(*numbers: int) -> list[str]:
        return sorted(sessions[number]["id"] for number in numbers)

    assert await listed(school.admin, "") == ids(0, 1, 2)
    assert await listed(school.proctor, "") == ids(0, 1)
    for person in (school.admin, school.proctor):
        assert await listed(person, f"&examId={school.exam_id}") == ids(0, 1)
        assert await listed(person, f"&examId={school.exam_id}&status=ACTIVE") == ids(0)
        assert await listed(person, "&status=TERMINATED") == ids(1)
        assert await listed(person, "&status=SUBMITTED") == []
        assert await person.api.code("GET", f"{PATH}?status=active") == "invalid_payload"
        assert await person.api.code("GET", f"{PATH}?examId=x") == "invalid_payload"
        assert await person.api.code("GET", f"{PATH}?examId={UNKNOWN}") == "not_found"
    assert await school.proctor.api.code("GET", f"{PATH}?examId={other['id']}") == "not_found"


async def test_a_tab_change_is_recorded_and_answered_as_a_student_sees_it(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    answer = await school.student.api.call(
        "POST", f"{PATH}/tab-change", {"sessionId": session["id"], "occurredAt": "2020-01-01T01:00:00.000+01:00"}
    )
    assert answer.status == 201
    recorded = answer.body
    assert "severity" not in recorded
    known = {"type": "tab_change", "sessionId": session["id"], "data": {"hidden": True}, "seq": None, "late": False}
    assert recorded == recorded | known | {"occurredAt": "2020-01-01T00:00:00.000Z"}
    assert recorded["receivedAt"] >= session["startTime"]
    shown = await switch_tab(school.student, session, hidden=False)
    assert (shown["offset"], shown["data"]) == (recorded["offset"] + 1, {"hidden": False})
    seen = await school.proctor.api.ok("GET", f"{PATH}/{session['id']}/activity?type=tab_change")
    assert [one.keys() for one in seen] == [ACTIVITY_FIELDS] * 2
    assert [one["severity"] for one in seen] == ["medium", "info"]
    assert seen[0].items() >= recorded.items()
    expected = {"examId": school.exam_id, "organisationId": school.id, "userId": school.student.id, "source": "client"}
    assert seen[0].items() >= (expected | {"actorId": school.student.id}).items()


async def test_a_heartbeat_is_answered_as_the_sockets_is_and_kept(school: Organisation) -> None:
    exam = await make_exam(school.admin, school.student, duration=2)
    session = await start(school.student, exam)
    first = await school.student.api.call("POST", f"{PATH}/heartbeat", {"sessionId": session["id"]})
    assert first.status == 200
    assert first.body.keys() == {"serverTime", "remainingMs", "nextHeartbeatMs", "status"}
    assert first.body["status"] == "ACTIVE"
    assert 60_000 < first.body["remainingMs"] <= 120_000
    assert first.body["nextHeartbeatMs"] > 0
    beats = [first.body] + [await beat(school.student, session) for _ in range(4)]
    times = [{"receivedAt": one["serverTime"]} for one in beats]
    path = f"{PATH}/{session['id']}/heartbeats"
    assert await school.admin.api.ok("GET", path) == times
    assert (await school.student.api.ok("GET", f"{PATH}/{session['id']}"))["lastHeartbeatAt"] == beats[-1]["serverTime"]
    assert await pages(school.admin.api, f"{path}?limit=2") == [times[:2], times[2:4], times[4:]]
    second, fourth = times[1]["receivedAt"], times[3]["receivedAt"]
    for start_, end, expected in (
        (second, fourth, times[1:3]),
        (second, None, times[1:]),
        (None, fourth, times[:3]),
        (fourth, second, []),
        (second, second, []),
        (second.replace("Z", "+00:00"), None, times[1:]),
        ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", times),
    ):
        query = "&".join(f"{name}={quote(at)}" for name, at in (("from", start_), ("to", end)) if at)
        assert await school.admin.api.ok("GET", f"{path}?{query}") == expected, query
        found = await pages(school.admin.api, f"{path}?{query}&limit=1")
        assert [one for page in found for one in page] == expected, query
    for query in ("from=now", "to=2026-01-01", "from=", "from_=2026-01-01T00:00:00Z", f"from={second}&from={second}"):
        assert await school.admin.api.code("GET", f"{path}?{query}") == "invalid_payload", query


async def test_heartbeats_sent_at_once_are_each_kept(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    acks = await asyncio.gather(*(beat(school.student, session) for _ in range(60)))
    found = await school.proctor.api.ok("GET", f"{PATH}/{session['id']}/heartbeats")
    assert [one["receivedAt"] for one in found] == sorted(ack["serverTime"] for ack in acks)


async def test_what_is_left_ends_with_the_exams_window(school: Organisation) -> None:
    exam = await make_exam(school.admin, school.student, duration=600, endsAt="2100-01-01T00:00:00Z")
    session = await start(school.student, exam)
    await school.admin.api.ok("PUT", f"/routes/exams/{exam['id']}", {"endsAt": session["startTime"]})
    assert (await beat(school.student, session))["remainingMs"] == 0


async def test_a_session_that_is_over_takes_no_reports(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    await school.proctor.api.ok("PUT", f"{PATH}/end/{session['id']}")
    for event in ("tab-change", "heartbeat"):
        code = await school.student.api.code("POST", f"{PATH}/{event}", {"sessionId": session["id"]})
        assert code == "conflict"


async def test_a_session_takes_reports_of_its_own_student_only(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    for session_id in (session["id"], UNKNOWN):
        for event in ("tab-change", "heartbeat"):
            code = await school.other_student.api.code("POST", f"{PATH}/{event}", {"sessionId": session_id})
            assert code == "not_found"
    assert await school.admin.api.ok("GET", f"{PATH}/{session['id']}/heartbeats") == []


async def test_activity_is_read_in_offset_order_by_session_and_by_exam(school: Organisation) -> None:
    mine, theirs = await start(school.student, school.exam), await start(school.other_student, school.exam)
    for number in range(3):
        await switch_tab(school.student, mine, hidden=number % 2 == 0)
        await switch_tab(school.other_student, theirs)
    whole, session = f"/routes/exams/{school.exam_id}/activity", f"{PATH}/{mine['id']}/activity"

    async def offsets(api: Api, path: str) -> list[list[int]]:
        return [[one["offset"] for one in page] for page in await pages(api, path)]

    for person in (school.admin, school.proctor):
        assert await offsets(person.api, whole) == [[1, 2, 3, 4, 5, 6, 7, 8]]
        assert await offsets(person.api, f"{whole}?limit=3") == [[1, 2, 3], [4, 5, 6], [7, 8]]
        assert await offsets(person.api, f"{whole}?limit=4") == [[1, 2, 3, 4], [5, 6, 7, 8]]
        assert await offsets(person.api, f"{whole}?since=6") == [[7, 8]]
        assert await offsets(person.api, f"{whole}?since=8") == [[]]
        assert await offsets(person.api, f"{whole}?since=1000000") == [[]]
        assert await offsets(person.api, session) == [[1, 3, 5, 7]]
        assert await offsets(person.api, f"{session}?limit=3") == [[1, 3, 5], [7]]
        assert await offsets(person.api, f"{session}?since=3&limit=1") == [[5], [7]]
        assert await offsets(person.api, f"{session}?type=tab_change&limit=2") == [[3, 5], [7]]
        assert await offsets(person.api, f"{session}?type=session_started") == [[1]]
        assert await offsets(person.api, f"{session}?type=chat") == [[]]
    every = await school.admin.api.ok("GET", whole)
    assert await school.admin.api.ok("GET", session) == [one for one in every if one["sessionId"] == mine["id"]]
    for path in (whole, session):
        for query in ("since=-1", "since=x", "since=", "since=1.5", "offset=1", "since=1&since=2"):
            assert await school.admin.api.code("GET", f"{path}?{query}") == "invalid_payload", query


async def test_a_start_sent_again_answers_as_the_first_did(school: Organisation) -> None:
    other = await make_exam(school.admin, school.student)
    first = await repeated(school.student.api, f"{PATH}/start", {"examId": school.exam_id}, {"examId": other["id"]})
    assert first.status == 201
    assert [one["id"] for one in await school.admin.api.ok("GET", PATH)] == [first.body["id"]]


async def test_a_tab_change_sent_again_is_recorded_once(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    body = {"sessionId": session["id"], "hidden": True}
    first = await repeated(school.student.api, f"{PATH}/tab-change", body, body | {"hidden": False})
    assert first.status == 201
    log = await school.admin.api.ok("GET", f"{PATH}/{session['id']}/activity?type=tab_change")
    assert [one["id"] for one in log] == [first.body["id"]]


async def test_a_heartbeat_sent_again_is_kept_once(school: Organisation) -> None:
    first_exam, second_exam = school.exam, await make_exam(school.admin, school.student)
    session, other = await start(school.student, first_exam), await start(school.student, second_exam)
    body = {"sessionId": session["id"]}
    first = await repeated(school.student.api, f"{PATH}/heartbeat", body, {"sessionId": other["id"]})
    kept = await school.admin.api.ok("GET", f"{PATH}/{session['id']}/heartbeats")
    assert kept == [{"receivedAt": first.body["serverTime"]}]


async def test_the_same_key_of_another_student_is_another_one(school: Organisation) -> None:
    headers = {"Idempotency-Key": uuid()}
    body = {"examId": school.exam_id}
    first = await school.student.api.call("POST", f"{PATH}/start", body, headers=headers)
    second = await school.other_student.api.call("POST", f"{PATH}/start", body, headers=headers)
    assert (first.status, second.status) == (201, 201)
    assert second.body["userId"] == school.other_student.id


async def test_a_key_opens_nothing_that_was_closed_since(school: Organisation) -> None:
    session = await start(school.student, school.exam)
    headers, body = {"Idempotency-Key": uuid()}, {"sessionId": session["id"]}
    await school.student.api.ok("POST", f"{PATH}/tab-change", body, headers=headers)
    late = await make_user(school.admin.api, school.id, "STUDENT", "late@school.example.com")
    assert await late.api.code("POST", f"{PATH}/tab-change", body, headers=headers) == "not_found"
    await school.admin.api.ok("DELETE", f"/routes/users/{late.id}")
    assert await late.api.code("POST", f"{PATH}/tab-change", body, headers=headers) == "unauthorized"
