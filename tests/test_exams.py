"""Exams: who makes, sees, changes and deletes them, and who is assigned."""

from __future__ import annotations

from typing import Any

import pytest
from bson import ObjectId

from models.store import Store
from server.app import make_store
from server.settings import Settings
from tests.conftest import Organisation, Person, make_exam
from tests.test_organisations import INSTANT, UNKNOWN, pages, repeated

PATH = "/routes/exams"
START = "/routes/proctoring/start"
FIELDS = {"id", "title", "duration", "organisationId", "users", "startsAt", "endsAt", "rehearsal", "policy",
          "accommodations", "createdAt", "updatedAt"}  # fmt: skip


async def test_an_admin_makes_an_exam(school: Organisation) -> None:
    answer = await school.admin.api.call("POST", PATH, {"title": "Algebra", "duration": 60})
    assert answer.status == 201
    made = answer.body
    assert made.keys() == FIELDS
    defaults = {"users": [], "startsAt": None, "endsAt": None, "rehearsal": False, "accommodations": []}
    defaults["policy"] = {
        "admission": "open", "tabChangeLimit": None, "onTabChangeLimit": "flag", "outageCreditMaxMinutes": 0
    }  # fmt: skip
    expected = {"title": "Algebra", "duration": 60, "organisationId": school.id} | defaults
    assert {name: made[name] for name in expected} == expected
    assert INSTANT.fullmatch(made["createdAt"])
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    read = await school.admin.api.ok("GET", answer.headers["Location"])
    assert read == made | {"organisation": {"id": school.id, "name": "school"}}


async def test_an_exam_keeps_all_that_it_is_made_with(school: Organisation) -> None:
    body = {
        "title": "Algebra", "duration": 1, "organisationId": school.id, "users": [school.student.id, school.proctor.id],
        "startsAt": "2030-01-01T10:00:00+02:00", "endsAt": "2030-01-01T10:00:00.1239Z", "rehearsal": True,
    }  # fmt: skip
    made = await school.admin.api.ok("POST", PATH, body)
    times = {"startsAt": "2030-01-01T08:00:00.000Z", "endsAt": "2030-01-01T10:00:00.123Z"}
    assert made == made | body | times
    assert await school.admin.api.ok("GET", f"{PATH}/{made['id']}") == made | {
        "organisation": {"id": school.id, "name": "school"}
    }


SHAPES: list[dict[str, Any]] = [
    {"title": ""}, {"title": 1}, {"title": None}, {"duration": 0}, {"duration": -60}, {"duration": "60"},
    {"duration": 1.5}, {"duration": True}, {"duration": None}, {"duration": 10**300}, {"users": "all"},
    {"users": ["no id"]}, {"users": [None]}, {"users": None}, {"users": [UNKNOWN]}, {"users": {"$gt": ""}},
    {"startsAt": "tomorrow"}, {"startsAt": "2030-01-01"}, {"startsAt": "2030-01-01T10:00:00"}, {"startsAt": 1893456000},
    {"startsAt": "2030-02-30T10:00:00Z"}, {"rehearsal": "yes"}, {"rehearsal": None}, {"rehearsal": 0},
    {"id": UNKNOWN}, {"unknown": 1}, {"starts_at": "2030-01-01T10:00:00Z"},
]  # fmt: skip


@pytest.mark.parametrize("fields", [*SHAPES, {"organisationId": "school"}], ids=str)
async def test_an_exam_of_another_shape_is_refused(school: Organisation, fields: dict[str, Any]) -> None:
    body = {"title": "Algebra", "duration": 60} | fields
    assert await school.admin.api.code("POST", PATH, body) == "invalid_payload"


@pytest.mark.parametrize("fields", SHAPES, ids=str)
async def test_an_exam_is_not_changed_to_another_shape(school: Organisation, fields: dict[str, Any]) -> None:
    path = f"{PATH}/{school.exam_id}"
    before = await school.admin.api.ok("GET", path)
    assert await school.admin.api.code("PUT", path, fields) == "invalid_payload"
    assert await school.admin.api.ok("GET", path) == before


@pytest.mark.parametrize("missing", ["title", "duration"])
async def test_an_exam_without_a_required_field_is_refused(school: Organisation, missing: str) -> None:
    body = {name: value for name, value in {"title": "A", "duration": 60}.items() if name != missing}
    assert await school.admin.api.code("POST", PATH, body) == "invalid_payload"


async def test_only_students_and_proctors_of_the_organisation_are_assigned(
    school: Organisation, college: Organisation, sales: Person
) -> None:
    path = f"{PATH}/{school.exam_id}"
    for person in (school.admin, college.student, college.proctor, sales):
        users = [school.student.id, person.id]
        assert (
            await school.admin.api.code("POST", PATH, {"title": "A", "duration": 1, "users": users})
            == "invalid_payload"
        )
        assert await school.admin.api.code("PUT", path, {"users": users}) == "invalid_payload"
        assert await school.admin.api.code("POST", f"{path}/users", {"add": users}) == "invalid_payload"
    assert (await school.admin.api.ok("GET", path))["users"] == school.exam["users"]


async def test_an_exam_of_another_organisation_is_not_made(school: Organisation, college: Organisation) -> None:
    for organisation_id in (college.id, UNKNOWN):
        body = {"title": "Algebra", "duration": 60, "organisationId": organisation_id}
        assert await school.admin.api.code("POST", PATH, body) == "not_found"


async def test_an_exam_is_seen_by_its_admins_and_by_those_who_are_assigned(school: Organisation) -> None:
    exams = [school.exam, await make_exam(school.admin, school.student), await make_exam(school.admin, school.proctor)]
    for person, seen in ((school.admin, [0, 1, 2]), (school.student, [0, 1]), (school.proctor, [0, 2])):
        found = [one for page in await pages(person.api, f"{PATH}?limit=1") for one in page]
        assert [one["id"] for one in found] == sorted(exams[number]["id"] for number in seen)
        for number, exam in enumerate(exams):
            code = await person.api.code("GET", f"{PATH}/{exam['id']}")
            assert code == (None if number in seen else "not_found")


async def test_a_student_does_not_see_who_else_is_assigned(school: Organisation) -> None:
    path = f"{PATH}/{school.exam_id}"
    record = await school.student.api.ok("GET", path)
    assert record.keys() == FIELDS - {"users", "accommodations"} | {"organisation"}
    assert [one.keys() for one in await school.student.api.ok("GET", PATH)] == [FIELDS - {"users", "accommodations"}]
    assert school.other_student.id not in str(record)
    for person in (school.admin, school.proctor):
        assert (await person.api.ok("GET", path))["users"] == school.exam["users"]
        assert [one.keys() for one in await person.api.ok("GET", PATH)] == [FIELDS]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"title": "Renamed"},
        {"duration": 90},
        {"users": []},
        {"startsAt": "2030-01-01T10:00:00.000Z", "endsAt": "2030-01-01T12:00:00.000Z"},
        {"rehearsal": True},
    ],
    ids=str,
)
async def test_a_put_takes_any_subset_of_the_fields(school: Organisation, changes: dict[str, Any]) -> None:
    path = f"{PATH}/{school.exam_id}"
    before = await school.admin.api.ok("GET", path)
    answer = await school.admin.api.ok("PUT", path, changes)
    after = await school.admin.api.ok("GET", path)
    assert answer == answer | school.exam | changes | {"updatedAt": answer["updatedAt"]}
    assert {**after, "updatedAt": ""} == {**before, **changes, "updatedAt": ""}


async def test_a_window_is_taken_off_by_null(school: Organisation) -> None:
    exam = await make_exam(school.admin, startsAt="2030-01-01T10:00:00.000Z", endsAt="2030-01-01T12:00:00.000Z")
    changed = await school.admin.api.ok("PUT", f"{PATH}/{exam['id']}", {"startsAt": None, "endsAt": None})
    assert (changed["startsAt"], changed["endsAt"]) == (None, None)


async def test_who_is_named_twice_is_assigned_once(school: Organisation) -> None:
    twice = [school.student.id, school.student.id]
    made = await school.admin.api.ok("POST", PATH, {"title": "A", "duration": 1, "users": twice})
    assert made["users"] == twice[:1]
    added = await school.admin.api.ok("POST", f"{PATH}/{made['id']}/users", {"add": twice})
    assert added["users"] == twice[:1]
    assert (await school.admin.api.ok("PUT", f"{PATH}/{made['id']}", {"users": twice}))["users"] == twice[:1]


async def test_the_duration_stays_while_sessions_are_running(school: Organisation) -> None:
    path = f"{PATH}/{school.exam_id}"
    session = await school.student.api.ok("POST", START, {"examId": school.exam_id})
    assert await school.admin.api.code("PUT", path, {"duration": 90}) == "conflict"
    assert await school.admin.api.code("PUT", path, {"title": "Renamed", "duration": 90}) == "conflict"
    assert (await school.admin.api.ok("GET", path))["title"] == "History"
    await school.admin.api.ok("PUT", path, {"title": "Renamed"})
    await school.admin.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    assert (await school.admin.api.ok("PUT", path, {"duration": 90}))["duration"] == 90


async def test_an_exam_is_deleted_while_it_has_no_sessions(school: Organisation) -> None:
    path = f"{PATH}/{(await make_exam(school.admin, school.student))['id']}"
    answer = await school.admin.api.call("DELETE", path)
    assert (answer.status, answer.body) == (204, None)
    for person in (school.admin, school.student):
        assert await person.api.code("GET", path) == "not_found"
    assert await school.admin.api.code("DELETE", path) == "not_found"
    session = await school.student.api.ok("POST", START, {"examId": school.exam_id})
    assert await school.admin.api.code("DELETE", f"{PATH}/{school.exam_id}") == "conflict"
    await school.admin.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    assert await school.admin.api.code("DELETE", f"{PATH}/{school.exam_id}") == "conflict"


async def test_a_rehearsal_is_deleted_with_all_that_is_in_it(school: Organisation, store: Store) -> None:
    exam = await make_exam(school.admin, school.proctor, school.student, rehearsal=True)
    session = await school.student.api.ok("POST", START, {"examId": exam["id"]})
    for event in ("tab-change", "heartbeat"):
        await school.student.api.ok("POST", f"/routes/proctoring/{event}", {"sessionId": session["id"]})
    kept = await school.student.api.ok("POST", START, {"examId": school.exam_id})

    assert (await school.admin.api.call("DELETE", f"{PATH}/{exam['id']}")).status == 204
    path = f"/routes/proctoring/{session['id']}"
    for gone in (
        f"{PATH}/{exam['id']}",
        f"{PATH}/{exam['id']}/activity",
        path,
        f"{path}/activity",
        f"{path}/heartbeats",
    ):
        assert await school.admin.api.code("GET", gone) == "not_found"
    assert [one["id"] for one in await school.admin.api.ok("GET", "/routes/proctoring")] == [kept["id"]]
    record = await school.admin.api.ok("GET", f"/routes/users/{school.student.id}")
    assert [one["id"] for one in record["sessions"]] == [kept["id"]]
    for event in ("tab-change", "heartbeat"):
        code = await school.student.api.code("POST", f"/routes/proctoring/{event}", {"sessionId": session["id"]})
        assert code == "not_found"

    await store.heartbeats.fold(2**40)
    for collection in (store.database.sessions, store.database.activity, store.database.heartbeats):
        assert await collection.count_documents({"examId": ObjectId(exam["id"])}) == 0
        assert await collection.count_documents({"sessionId": ObjectId(session["id"])}) == 0
    assert await store.database.heartbeats.count_documents({"_id": {"$regex": session["id"]}}) == 0
    assert await store.database.heartbeat_groups.count_documents({"exams": ObjectId(exam["id"])}) == 0


async def test_a_restart_brings_nothing_of_a_deleted_rehearsal_back(
    school: Organisation, store: Store, settings: Settings
) -> None:
    exam = await make_exam(school.admin, school.student, rehearsal=True)
    session = await school.student.api.ok("POST", START, {"examId": exam["id"]})
    await school.student.api.ok("POST", "/routes/proctoring/heartbeat", {"sessionId": session["id"]})
    await school.admin.api.ok("DELETE", f"{PATH}/{exam['id']}")
    restarted = make_store(settings, str(settings.database_url))
    await restarted.open()
    await restarted.heartbeats.fold(2**40)
    await restarted.close()
    assert await store.database.heartbeats.find({}).to_list(None) == []


async def test_users_are_assigned_and_removed(school: Organisation) -> None:
    exam = await make_exam(school.admin, school.student)
    path = f"{PATH}/{exam['id']}/users"
    body = {"add": [school.proctor.id, school.other_student.id], "remove": [school.student.id]}
    answer = await school.admin.api.call("POST", path, body)
    assert answer.status == 200
    assert answer.body.items() >= {"id": exam["id"], "title": "History"}.items()
    assert sorted(answer.body["users"]) == sorted(body["add"])
    assert (await school.admin.api.call("POST", path, body)).body["users"] == answer.body["users"]
    assert (await school.admin.api.call("POST", path, {})).body["users"] == answer.body["users"]


@pytest.mark.parametrize("body", [{"add": "x"}, {"add": ["x"]}, {"add": None}, {"remove": ["x"]}, {"remove": [1]},
                                  {"remove": None}, {"users": []}, {"add": [UNKNOWN]}], ids=str)  # fmt: skip
async def test_an_assignment_of_another_shape_is_refused(school: Organisation, body: Any) -> None:
    assert await school.admin.api.code("POST", f"{PATH}/{school.exam_id}/users", body) == "invalid_payload"


@pytest.mark.parametrize("by_put", [False, True])
async def test_who_is_removed_loses_access_at_once(school: Organisation, by_put: bool) -> None:
    session = await school.student.api.ok("POST", START, {"examId": school.exam_id})
    exam, read = f"{PATH}/{school.exam_id}", f"/routes/proctoring/{session['id']}"
    for person in (school.student, school.proctor):
        assert await person.api.code("GET", exam) is None
        assert await person.api.code("GET", read) is None
    if by_put:
        await school.admin.api.ok("PUT", exam, {"users": [school.other_student.id]})
    else:
        removed = [school.student.id, school.proctor.id]
        await school.admin.api.ok("POST", f"{exam}/users", {"remove": removed})
    for person in (school.student, school.proctor):
        assert await person.api.ok("GET", PATH) == []
        assert await person.api.code("GET", exam) == "not_found"
        assert await person.api.code("GET", read) == "not_found"
        assert await person.api.code("PUT", f"/routes/proctoring/end/{session['id']}") == "not_found"
    assert await school.proctor.api.ok("GET", "/routes/proctoring") == []
    for event in ("tab-change", "heartbeat"):
        code = await school.student.api.code("POST", f"/routes/proctoring/{event}", {"sessionId": session["id"]})
        assert code == "not_found"
    assert await school.student.api.code("POST", START, {"examId": school.exam_id}) == "not_found"
    assert (await school.admin.api.ok("GET", read))["status"] == "ACTIVE"


async def test_an_exam_sent_again_is_made_once(school: Organisation) -> None:
    first = await repeated(school.admin.api, PATH, {"title": "A", "duration": 1}, {"title": "A", "duration": 2})
    assert first.status == 201
    ids = [one["id"] for one in await school.admin.api.ok("GET", PATH)]
    assert ids == sorted([school.exam_id, first.body["id"]])


async def test_an_assignment_sent_again_is_done_once(school: Organisation) -> None:
    exam = await make_exam(school.admin)
    path = f"{PATH}/{exam['id']}/users"
    first = await repeated(school.admin.api, path, {"add": [school.student.id]}, {"add": []})
    assert (first.status, first.body["users"]) == (200, [school.student.id])
    assert (await school.admin.api.ok("GET", f"{PATH}/{exam['id']}")) == first.body
