"""Two organisations that never see each other: by id, by list, by an id in a payload, in every role."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from bson import ObjectId

from models.store import Store
from tests.clients import Api, uuid
from tests.conftest import PASSWORD, SECRET, Organisation, Person
from tests.test_organisations import pages

ROLES = ["admin", "proctor", "student"]
LISTS = ["/routes/organisations", "/routes/users", "/routes/exams", "/routes/proctoring"]


@dataclass
class Two:
    """Both organisations, with a session of each."""

    school: Organisation
    college: Organisation
    session: dict[str, Any]
    foreign_session: dict[str, Any]

    @property
    def foreign_ids(self) -> list[str]:
        people = (self.college.admin, self.college.proctor, self.college.student, self.college.other_student)
        ids = [self.college.id, self.college.exam_id, self.foreign_session["id"], *(one.id for one in people)]
        return [str(one) for one in ids]

    @property
    def foreign_paths(self) -> list[str]:
        """All that can be read of the other organisation."""
        session, exam = f"/routes/proctoring/{self.foreign_session['id']}", f"/routes/exams/{self.college.exam_id}"
        people = (self.college.admin, self.college.proctor, self.college.student)
        return [
            f"/routes/organisations/{self.college.id}",
            exam,
            f"{exam}/activity",
            session,
            f"{session}/activity",
            f"{session}/heartbeats",
            f"{session}/commands",
            *(f"/routes/users/{person.id}" for person in people),
        ]


@pytest.fixture
async def two(school: Organisation, college: Organisation) -> Two:
    sessions = []
    for one in (school, college):
        session = await one.student.api.ok("POST", "/routes/proctoring/start", {"examId": one.exam_id})
        for event in ("tab-change", "heartbeat"):
            await one.student.api.ok("POST", f"/routes/proctoring/{event}", {"sessionId": session["id"]})
        sessions.append(session)
    return Two(school, college, *sessions)


async def everything(sales: Person, college: Organisation, session: dict[str, Any]) -> list[Any]:
    """All of an organisation that REST shows, to see that nothing changed."""
    admin, exam = college.admin.api, college.exam_id
    paths = ["/routes/users", "/routes/exams", "/routes/proctoring", f"/routes/exams/{exam}/activity"]
    seen = [await admin.ok("GET", path) for path in (*paths, f"/routes/proctoring/{session['id']}/heartbeats")]
    seen[2] = [one | {"remainingMs": None} for one in seen[2]]
    return [*seen, await sales.api.ok("GET", f"/routes/organisations/{college.id}")]


@pytest.mark.parametrize("role", ROLES)
async def test_nothing_of_another_organisation_is_read_by_its_id(two: Two, role: str) -> None:
    api: Api = getattr(two.school, role).api
    forbidden = {"/activity", "/heartbeats", "/commands"} if role == "student" else set()
    for path in two.foreign_paths:
        unknown = path
        for id_ in two.foreign_ids:
            unknown = unknown.replace(id_, "f" * 24)
        foreign, missing = await api.call("GET", path), await api.call("GET", unknown)
        assert foreign.code == ("forbidden" if any(path.endswith(one) for one in forbidden) else "not_found"), path
        assert (foreign.status, foreign.body) == (missing.status, missing.body), path


@pytest.mark.parametrize("role", ROLES)
async def test_no_list_shows_another_organisation(two: Two, role: str) -> None:
    api: Api = getattr(two.school, role).api
    for path in LISTS if role != "student" else LISTS[:-1]:
        found = [one for page in await pages(api, f"{path}?limit=1") for one in page]
        assert found, path
        assert not [id_ for id_ in two.foreign_ids if id_ in str(found)], path
    for person in (two.school.admin, two.school.proctor, two.school.student):
        if role != "student" or person is two.school.student:
            record = await api.ok("GET", f"/routes/users/{person.id}")
            assert not [id_ for id_ in two.foreign_ids if id_ in str(record)]


@pytest.mark.parametrize("role", ["admin", "proctor"])
async def test_no_filter_or_cursor_reaches_another_organisation(two: Two, role: str) -> None:
    api: Api = getattr(two.school, role).api
    path = "/routes/proctoring"
    assert await api.code("GET", f"{path}?examId={two.college.exam_id}") == "not_found"
    for query in ("status=ACTIVE", "limit=500"):
        assert [one["id"] for one in await api.ok("GET", f"{path}?{query}")] == [two.session["id"]]
    for list_ in LISTS:
        answer = await api.call("GET", f"{list_}?limit=1")
        _, _, cursor = answer.headers.get("Link", "").partition("?")
        for id_ in (two.college.id, two.foreign_session["id"], "0" * 24):
            following = f"{list_}?{cursor.partition('>')[0]}".replace(answer.body[0]["id"], id_)
            found = await api.ok("GET", following)
            assert not [foreign for foreign in two.foreign_ids if foreign in str(found)], following


@pytest.mark.parametrize("role", ROLES)
async def test_nothing_of_another_organisation_is_changed(two: Two, sales: Person, role: str) -> None:
    api: Api = getattr(two.school, role).api
    exam, session = f"/routes/exams/{two.college.exam_id}", two.foreign_session["id"]
    user, organisation = f"/routes/users/{two.college.student.id}", f"/routes/organisations/{two.college.id}"
    new_user = {"name": "N", "email": "n@example.com", "password": PASSWORD, "organisationId": two.college.id}
    new_exam = {"title": "T", "duration": 1}
    before = await everything(sales, two.college, two.foreign_session)
    calls: list[tuple[str, str, Any, str]] = [
        ("PUT", organisation, {"name": "Mine"}, "admin"),
        ("DELETE", organisation, None, ""),
        ("POST", "/routes/users", new_user, "admin"),
        ("POST", "/routes/users", new_user | {"role": "ADMIN"}, "admin"),
        ("PUT", user, {"name": "Mine"}, "admin proctor student"),
        ("PUT", user, {"password": "123456", "currentPassword": PASSWORD}, "admin proctor student"),
        ("DELETE", user, None, "admin"),
        ("POST", "/routes/exams", new_exam | {"organisationId": two.college.id}, "admin"),
        ("PUT", exam, {"title": "Mine"}, "admin"),
        ("DELETE", exam, None, "admin"),
        ("POST", f"{exam}/users", {"add": [two.school.student.id]}, "admin"),
        ("POST", f"{exam}/users", {"remove": [two.college.student.id]}, "admin"),
        ("POST", "/routes/proctoring/start", {"examId": two.college.exam_id}, "student"),
        ("PUT", f"/routes/proctoring/end/{session}", None, "admin proctor student"),
        ("POST", "/routes/proctoring/tab-change", {"sessionId": session}, "student"),
        ("POST", "/routes/proctoring/heartbeat", {"sessionId": session}, "student"),
    ]
    for method, path, body, allowed in calls:
        expected = "not_found" if role in allowed.split() else "forbidden"
        assert await api.code(method, path, body) == expected, (method, path, body)
    assert await everything(sales, two.college, two.foreign_session) == before


async def test_nobody_of_another_organisation_is_assigned(two: Two) -> None:
    exam, own = f"/routes/exams/{two.school.exam_id}", two.school.admin.api
    before = await own.ok("GET", exam)
    for person in (two.college.admin, two.college.proctor, two.college.student):
        foreign = [person.id]
        assert (
            await own.code("POST", "/routes/exams", {"title": "T", "duration": 1, "users": foreign})
            == "invalid_payload"
        )
        assert await own.code("PUT", exam, {"users": foreign}) == "invalid_payload"
        assert await own.code("POST", f"{exam}/users", {"add": foreign}) == "invalid_payload"
        # An id of another organisation is answered like one of nobody.
        known = await own.call("PUT", exam, {"users": foreign})
        unknown = await own.call("PUT", exam, {"users": ["f" * 24]})
        assert str(known.body).replace(person.id, "f" * 24) == str(unknown.body)
    assert await own.ok("GET", exam) == before


@pytest.mark.parametrize("role", ["proctor", "student"])
async def test_an_assignment_to_a_foreign_exam_in_the_database_opens_nothing(two: Two, store: Store, role: str) -> None:
    person: Person = getattr(two.school, role)
    query = {"_id": ObjectId(two.college.exam_id)}
    await store.database.exams.update_one(query, {"$push": {"users": ObjectId(person.id)}})
    assert [one["id"] for one in await person.api.ok("GET", "/routes/exams")] == [two.school.exam_id]
    assert await person.api.code("GET", f"/routes/exams/{two.college.exam_id}") == "not_found"
    assert await person.api.code("GET", f"/routes/proctoring/{two.foreign_session['id']}") == "not_found"
    if role == "student":
        body = {"examId": two.college.exam_id}
        assert await person.api.code("POST", "/routes/proctoring/start", body) == "not_found"
        record = await person.api.ok("GET", f"/routes/users/{person.id}")
        assert [one["id"] for one in record["exams"]] == [two.school.exam_id]


async def test_a_claim_of_another_organisation_opens_nothing(two: Two, api: Api) -> None:
    claims = jwt.decode(two.school.admin.token, options={"verify_signature": False}) | {"org": two.college.id}
    forged = api.as_(jwt.encode(claims, SECRET, algorithm="HS256"))
    for path in two.foreign_paths:
        assert await forged.code("GET", path) in ("unauthorized", "not_found"), path


async def test_sales_sees_no_exam_and_no_session(two: Two, sales: Person) -> None:
    for path in two.foreign_paths:
        seen = await sales.api.code("GET", path)
        assert seen == ("forbidden" if "/exams" in path or "/proctoring" in path else None), path
    for path in ("/routes/exams", "/routes/proctoring"):
        assert await sales.api.code("GET", path) == "forbidden"


async def test_the_same_key_and_body_in_two_organisations_are_two_writes(two: Two) -> None:
    headers, body = {"Idempotency-Key": uuid()}, {"title": "Same", "duration": 5}
    mine, theirs = await asyncio.gather(
        two.school.admin.api.ok("POST", "/routes/exams", body, headers=headers),
        two.college.admin.api.ok("POST", "/routes/exams", body, headers=headers),
    )
    assert (mine["organisationId"], theirs["organisationId"]) == (two.school.id, two.college.id)
    assert mine["id"] != theirs["id"]


async def test_a_session_of_the_same_offsets_is_told_apart(two: Two) -> None:
    for one, session in ((two.school, two.session), (two.college, two.foreign_session)):
        log = await one.proctor.api.ok("GET", f"/routes/exams/{one.exam_id}/activity")
        assert [entry["offset"] for entry in log] == [1, 2]
        assert {entry["sessionId"] for entry in log} == {session["id"]}
        assert {entry["organisationId"] for entry in log} == {one.id}
