"""Two organisations that never see each other, beyond what tests/authorisation tries in every role."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from bson import ObjectId

from models.store import Store
from tests.clients import Api, uuid
from tests.conftest import SECRET, Organisation, Person


@dataclass
class Two:
    """Both organisations, with a session of each."""

    school: Organisation
    college: Organisation
    session: dict[str, Any]
    foreign_session: dict[str, Any]

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
