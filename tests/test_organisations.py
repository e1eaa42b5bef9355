"""Organisations, and what all lists and all repeated POSTs have in common."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.clients import Answer, Api, uuid
from tests.conftest import Organisation, Person, make_exam

PATH = "/routes/organisations"
FIELDS = {"id", "name", "selfRegistration", "retention", "createdAt", "updatedAt"}
UNKNOWN = "f" * 24
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


async def pages(api: Api, path: str) -> list[list[Any]]:
    """The pages of a list, from this path to the one without `rel="next"`."""
    found: list[list[Any]] = []
    following: str | None = path
    while following is not None:
        answer = await api.call("GET", following)
        assert answer.status == 200, answer
        found.append(answer.body)
        link = answer.headers.get("Link")
        match = re.fullmatch(r'<([^>]+)>; rel="next"', link) if link else None
        assert bool(match) == bool(link), link
        following = urljoin(path, match[1]) if match else None
        assert len(found) < 100, "the list has no end"
    return found


async def repeated(api: Api, path: str, body: Any, other_body: Any) -> Answer:
    """Send a POST twice at once and then again under one key, and another under it. The first answer."""
    headers = {"Idempotency-Key": uuid()}
    answers = await asyncio.gather(*(api.call("POST", path, body, headers=headers) for _ in range(2)))
    answers.append(await api.call("POST", path, body, headers=headers))
    first = answers[0]
    assert first.status < 300, first
    for answer in answers:
        assert (answer.status, answer.body) == (first.status, first.body)
        assert answer.headers.get("Location") == first.headers.get("Location")
    assert await api.code("POST", path, other_body, headers=headers) == "conflict"
    return first


async def test_sales_makes_an_organisation(sales: Person) -> None:
    answer = await sales.api.call("POST", PATH, {"name": "New Organisation"})
    assert answer.status == 201
    assert answer.body.keys() == FIELDS
    assert (answer.body["name"], answer.body["selfRegistration"]) == ("New Organisation", True)
    assert INSTANT.fullmatch(answer.body["createdAt"])
    assert answer.body["createdAt"] == answer.body["updatedAt"]
    assert answer.headers["Location"] == f"{PATH}/{answer.body['id']}"
    assert await sales.api.ok("GET", answer.headers["Location"]) == answer.body


async def test_an_organisation_may_be_made_without_self_registration(sales: Person) -> None:
    made = await sales.api.ok("POST", PATH, {"name": "Closed", "selfRegistration": False})
    assert made["selfRegistration"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": None},
        {"name": 7},
        {"name": {"$gt": ""}},
        {"name": "A", "selfRegistration": "true"},
        {"name": "A", "selfRegistration": 1},
        {"name": "A", "selfRegistration": None},
        {"name": "A", "self_registration": True},
        {"name": "A", "id": UNKNOWN},
    ],
)
async def test_an_organisation_of_another_shape_is_refused(sales: Person, body: Any) -> None:
    assert await sales.api.code("POST", PATH, body) == "invalid_payload"
    assert await sales.api.ok("GET", PATH) == []


async def test_sales_sees_all_organisations_and_everybody_else_their_own(
    sales: Person, school: Organisation, college: Organisation
) -> None:
    assert [one["id"] for one in await sales.api.ok("GET", PATH)] == sorted([school.id, college.id])
    for person in (school.admin, school.proctor, school.student):
        seen = await person.api.ok("GET", PATH)
        assert [one["id"] for one in seen] == [school.id]
        assert await person.api.ok("GET", f"{PATH}/{school.id}") == seen[0]
        assert await person.api.code("GET", f"{PATH}/{college.id}") == "not_found"


async def test_a_put_takes_any_subset_of_the_fields(sales: Person, school: Organisation) -> None:
    path = f"{PATH}/{school.id}"
    before = await sales.api.ok("GET", path)
    renamed = await school.admin.api.ok("PUT", path, {"name": "Renamed"})
    assert {**renamed, "updatedAt": ""} == {**before, "name": "Renamed", "updatedAt": ""}
    assert renamed["updatedAt"] > before["updatedAt"]
    closed = await sales.api.ok("PUT", path, {"selfRegistration": False})
    assert (closed["name"], closed["selfRegistration"]) == ("Renamed", False)
    unchanged = await sales.api.ok("PUT", path, {})
    assert {**unchanged, "updatedAt": ""} == {**closed, "updatedAt": ""}
    assert await school.student.api.ok("GET", path) == unchanged


@pytest.mark.parametrize("body", [{"name": ""}, {"name": None}, {"selfRegistration": "no"}, {"selfRegistration": None},
                                  {"id": UNKNOWN}, {"createdAt": "2026-01-01T00:00:00.000Z"}])  # fmt: skip
async def test_a_put_of_another_shape_is_refused(sales: Person, school: Organisation, body: Any) -> None:
    assert await sales.api.code("PUT", f"{PATH}/{school.id}", body) == "invalid_payload"


async def test_an_admin_keeps_its_own_organisation_only(school: Organisation, college: Organisation) -> None:
    assert await school.admin.api.code("PUT", f"{PATH}/{college.id}", {"name": "Mine"}) == "not_found"
    for person in (school.proctor, school.student):
        for organisation in (school, college):
            assert await person.api.code("PUT", f"{PATH}/{organisation.id}", {"name": "Mine"}) == "forbidden"


async def test_an_organisation_is_deleted_when_nobody_is_in_it(sales: Person, school: Organisation) -> None:
    made = await sales.api.ok("POST", PATH, {"name": "Empty"})
    answer = await sales.api.call("DELETE", f"{PATH}/{made['id']}")
    assert (answer.status, answer.body) == (204, None)
    assert await sales.api.code("GET", f"{PATH}/{made['id']}") == "not_found"
    assert await sales.api.code("DELETE", f"{PATH}/{made['id']}") == "not_found"
    assert await sales.api.code("DELETE", f"{PATH}/{school.id}") == "conflict"
    assert await school.admin.api.code("DELETE", f"{PATH}/{school.id}") == "forbidden"
    assert [one["id"] for one in await sales.api.ok("GET", PATH)] == [school.id]


async def test_a_list_is_read_in_id_order_to_its_end_by_its_links(sales: Person) -> None:
    made = [await sales.api.ok("POST", PATH, {"name": f"{number}"}) for number in range(7)]
    expected = sorted(one["id"] for one in made)
    for limit, sizes in {1: [1] * 7, 3: [3, 3, 1], 6: [6, 1], 7: [7], 500: [7]}.items():
        found = await pages(sales.api, f"{PATH}?limit={limit}")
        assert [len(page) for page in found] == sizes
        assert [one["id"] for page in found for one in page] == expected


async def test_a_list_has_100_items_unless_told(sales: Person) -> None:
    await asyncio.gather(*(sales.api.ok("POST", PATH, {"name": f"{number}"}) for number in range(101)))
    assert [len(page) for page in await pages(sales.api, PATH)] == [100, 1]


async def test_an_empty_list_is_an_empty_array(sales: Person) -> None:
    assert await pages(sales.api, PATH) == [[]]


LISTS = ["/routes/organisations", "/routes/users", "/routes/exams", "/routes/exams/{exam}/activity",
         "/routes/proctoring", "/routes/proctoring/{session}/activity",
         "/routes/proctoring/{session}/heartbeats"]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
async def test_a_limit_is_an_integer_from_1_to_500(school: Organisation, path: str) -> None:
    exam = await make_exam(school.admin, school.student)
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": exam["id"]})
    path = path.format(exam=exam["id"], session=session["id"])
    for good in ("1", "500"):
        assert await school.admin.api.code("GET", f"{path}?limit={good}") is None
    for bad in ("0", "501", "-1", "", "all", "1.5", "1e2", "0x10", "null", "1" * 1000, "1&limit=1"):
        assert await school.admin.api.code("GET", f"{path}?limit={bad}") == "invalid_payload", bad


async def test_an_organisation_sent_again_is_made_once(sales: Person) -> None:
    first = await repeated(sales.api, PATH, {"name": "Once"}, {"name": "Other"})
    assert first.status == 201
    assert await sales.api.ok("GET", PATH) == [first.body]


async def test_a_repeat_answers_as_the_first_did_whatever_happened_since(sales: Person) -> None:
    headers = {"Idempotency-Key": uuid()}
    first = await sales.api.call("POST", PATH, {"name": "Once"}, headers=headers)
    await sales.api.ok("PUT", f"{PATH}/{first.body['id']}", {"name": "Renamed"})
    again = await sales.api.call("POST", PATH, {"name": "Once"}, headers=headers)
    assert (again.status, again.body) == (first.status, first.body)
    assert [one["name"] for one in await sales.api.ok("GET", PATH)] == ["Renamed"]


async def test_a_refusal_binds_no_idempotency_key(sales: Person) -> None:
    headers = {"Idempotency-Key": uuid()}
    assert await sales.api.code("POST", PATH, {"name": ""}, headers=headers) == "invalid_payload"
    assert await sales.api.code("POST", PATH, {"name": "Good"}, headers=headers) is None
