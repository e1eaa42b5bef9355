"""Users: who makes, sees, changes and deletes whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients import Api, uuid
from tests.conftest import PASSWORD, Organisation, Person, make_exam, make_user, sign_in
from tests.test_organisations import INSTANT, UNKNOWN, pages, repeated

PATH = "/routes/users"
ME = "/routes/auth/me"
FIELDS = {"id", "name", "email", "role", "organisationId", "createdAt", "updatedAt"}
NEW_PASSWORD = "another password"


def new_user(organisation: Organisation | str, role: str | None = "STUDENT", **fields: Any) -> dict[str, Any]:
    organisation_id = organisation if isinstance(organisation, str) else organisation.id
    body = {"name": "New", "email": "new@example.com", "password": PASSWORD, "organisationId": organisation_id}
    return body | ({"role": role} if role else {}) | fields


async def test_an_admin_makes_a_user(school: Organisation) -> None:
    answer = await school.admin.api.call("POST", PATH, new_user(school, "PROCTOR", email="New@Example.com"))
    assert answer.status == 201
    made = answer.body
    assert made.keys() == FIELDS
    assert (made["name"], made["email"], made["role"]) == ("New", "New@Example.com", "PROCTOR")
    assert made["organisationId"] == school.id
    assert INSTANT.fullmatch(made["createdAt"])
    assert answer.headers["Location"] == f"{PATH}/{made['id']}"
    read = await school.admin.api.ok("GET", answer.headers["Location"])
    assert read == made | {"organisation": {"id": school.id, "name": "school"}, "exams": [], "sessions": []}


async def test_a_student_registers_itself_where_the_organisation_lets_it(api: Api, school: Organisation) -> None:
    made = await api.ok("POST", PATH, new_user(school, role=None))
    assert (made["role"], made["organisationId"]) == ("STUDENT", school.id)
    assert (await sign_in(api, "new@example.com")).id == made["id"]
    for role in ("ADMIN", "PROCTOR", "SALES"):
        assert await api.code("POST", PATH, new_user(school, role, email="other@example.com")) == "forbidden"
    await school.admin.api.ok("PUT", f"/routes/organisations/{school.id}", {"selfRegistration": False})
    closed = await api.call("POST", PATH, new_user(school, email="late@example.com"))
    unknown = await api.call("POST", PATH, new_user(UNKNOWN, email="late@example.com"))
    assert closed.code == "forbidden"
    assert closed.body == unknown.body
    assert await school.admin.api.code("POST", PATH, new_user(school, email="late@example.com")) is None


@pytest.mark.parametrize(
    ("maker", "role", "code"),
    [
        ("sales", "ADMIN", None), ("sales", "PROCTOR", "forbidden"), ("sales", None, "forbidden"),
        ("sales", "SALES", "forbidden"), ("admin", "ADMIN", None), ("admin", "PROCTOR", None), ("admin", None, None),
        ("admin", "SALES", "forbidden"), ("proctor", "STUDENT", "forbidden"), ("proctor", "PROCTOR", "forbidden"),
        ("student", "STUDENT", "forbidden"), ("student", "ADMIN", "forbidden"),
    ],
)  # fmt: skip
async def test_a_role_is_made_by_those_who_may(
    school: Organisation, sales: Person, maker: str, role: str | None, code: str | None
) -> None:
    person = sales if maker == "sales" else getattr(school, maker)
    assert await person.api.code("POST", PATH, new_user(school, role)) == code
    count = len([one for one in await sales.api.ok("GET", PATH) if one["email"] == "new@example.com"])
    assert count == (1 if code is None else 0)


async def test_a_user_of_no_or_another_organisation_is_not_made(
    school: Organisation, college: Organisation, sales: Person
) -> None:
    assert await school.admin.api.code("POST", PATH, new_user(college)) == "not_found"
    assert await school.admin.api.code("POST", PATH, new_user(UNKNOWN)) == "not_found"
    assert await sales.api.code("POST", PATH, new_user(UNKNOWN, "ADMIN")) == "not_found"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": ""}, {"name": 1}, {"name": None}, {"email": "no-address"}, {"email": ""}, {"email": "a@b@c"},
        {"email": "a b@example.com"}, {"email": {"$gt": ""}}, {"password": "12345"}, {"password": 123456},
        {"password": None}, {"role": "student"}, {"role": "ROOT"}, {"role": 1}, {"role": None},
        {"organisationId": "school"}, {"organisationId": None}, {"organisationId": 7}, {"id": UNKNOWN},
        {"currentPassword": PASSWORD}, {"createdAt": "2026-01-01T00:00:00.000Z"},
    ],
    ids=str,
)  # fmt: skip
async def test_a_user_of_another_shape_is_refused(api: Api, school: Organisation, fields: Any) -> None:
    for maker in (api, school.admin.api):
        assert await maker.code("POST", PATH, new_user(school) | fields) == "invalid_payload"


@pytest.mark.parametrize("missing", ["name", "email", "password", "organisationId"])
async def test_a_user_without_a_required_field_is_refused(school: Organisation, missing: str) -> None:
    body = {name: value for name, value in new_user(school).items() if name != missing}
    assert await school.admin.api.code("POST", PATH, body) == "invalid_payload"


async def test_a_password_has_at_least_6_characters(api: Api, school: Organisation) -> None:
    await api.ok("POST", PATH, new_user(school, password="éééééé"))
    await api.ok("POST", "/routes/auth/login", {"email": "new@example.com", "password": "éééééé"})


async def test_an_email_is_unique_without_case_across_organisations(
    api: Api, school: Organisation, college: Organisation
) -> None:
    for maker, organisation in ((api, school), (school.admin.api, school), (college.admin.api, college)):
        body = new_user(organisation, email="STUDENT@school.example.com")
        assert await maker.code("POST", PATH, body) == "conflict"
    path = f"{PATH}/{school.student.id}"
    assert await school.admin.api.code("PUT", path, {"email": "Admin@College.example.com"}) == "conflict"
    assert await school.admin.api.code("PUT", path, {"email": "Student@school.example.com"}) is None


async def test_users_are_seen_by_their_own_organisation_and_by_sales(
    school: Organisation, college: Organisation, sales: Person
) -> None:
    def ids(*people: Person) -> list[str]:
        return sorted(one.id for one in people)

    ours = (school.admin, school.proctor, school.student, school.other_student)
    theirs = (college.admin, college.proctor, college.student, college.other_student)
    for person, expected in {
        sales.token: ids(sales, *ours, *theirs),
        school.admin.token: ids(*ours),
        school.proctor.token: ids(*ours),
        school.student.token: ids(school.student),
    }.items():
        api = sales.api.as_(person)
        found = await pages(api, f"{PATH}?limit=3")
        assert [one["id"] for page in found for one in page] == expected
        for one in (one for page in found for one in page):
            assert one.keys() == FIELDS
            assert (await api.ok("GET", f"{PATH}/{one['id']}")).items() >= one.items()
    assert await school.student.api.code("GET", f"{PATH}/{school.other_student.id}") == "not_found"
    assert await school.proctor.api.code("GET", f"{PATH}/{college.student.id}") == "not_found"


async def test_a_users_record_holds_its_organisation_exams_and_sessions(school: Organisation) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    for reader in (school.admin, school.proctor, school.student):
        record = await reader.api.ok("GET", f"{PATH}/{school.student.id}")
        assert record.keys() == FIELDS | {"organisation", "exams", "sessions"}
        assert record["organisation"] == {"id": school.id, "name": "school"}
        assert record["exams"] == [{"id": school.exam_id, "title": "History"}]
        assert record["sessions"] == [{"id": session["id"], "examId": school.exam_id, "status": "ACTIVE"}]


async def test_a_session_of_who_was_taken_off_the_exam_is_shown_to_those_who_see_it(school: Organisation) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"remove": [school.student.id]})
    for reader, sessions in ((school.admin, [session["id"]]), (school.proctor, [session["id"]]), (school.student, [])):
        record = await reader.api.ok("GET", f"{PATH}/{school.student.id}")
        assert (record["exams"], [one["id"] for one in record["sessions"]]) == ([], sessions)


async def test_no_answer_holds_a_password_a_hash_or_a_salt(school: Organisation, http: Any) -> None:
    for path in (PATH, f"{PATH}/{school.student.id}", ME):
        headers = {"Authorization": f"Bearer {school.admin.token}"}
        async with http.get(school.admin.api.url + path, headers=headers) as response:
            text = (await response.text()).lower()
        assert not [word for word in ("password", "hash", "salt", "tokensvalid", "emailkey") if word in text]


@pytest.mark.parametrize(
    ("who", "whom", "changes", "code"),
    [
        (
            "admin",
            "student",
            {"name": "N", "email": "n@example.com", "password": NEW_PASSWORD, "role": "PROCTOR"},
            None,
        ),
        ("admin", "proctor", {"role": "ADMIN"}, None),
        ("admin", "proctor", {"role": "SALES"}, "forbidden"),
        ("admin", "admin", {"name": "N", "email": "n@example.com"}, None),
        ("admin", "student", {"organisationId": UNKNOWN}, "forbidden"),
        ("sales", "admin", {"name": "N", "email": "n@example.com", "password": NEW_PASSWORD}, None),
        ("sales", "admin", {"role": "STUDENT"}, "forbidden"),
        ("sales", "student", {"name": "N"}, "forbidden"),
        ("sales", "proctor", {"password": NEW_PASSWORD}, "forbidden"),
        ("sales", "sales", {"name": "N"}, None),
        ("sales", "sales", {"email": "n@example.com"}, "forbidden"),
        ("sales", "sales", {"role": "ADMIN"}, "forbidden"),
        ("proctor", "proctor", {"name": "N"}, None),
        ("proctor", "proctor", {"email": "n@example.com"}, "forbidden"),
        ("proctor", "proctor", {"role": "ADMIN"}, "forbidden"),
        ("proctor", "student", {"name": "N"}, "forbidden"),
        ("proctor", "student", {"password": NEW_PASSWORD, "currentPassword": PASSWORD}, "forbidden"),
        ("student", "student", {"name": "N"}, "forbidden"),
        ("student", "student", {"name": "N", "password": NEW_PASSWORD, "currentPassword": PASSWORD}, "forbidden"),
        ("student", "student", {"role": "ADMIN"}, "forbidden"),
        ("student", "other_student", {"name": "N"}, "not_found"),
        ("admin", "student", {"name": ""}, "invalid_payload"),
        ("admin", "student", {"name": None}, "invalid_payload"),
        ("admin", "student", {"role": None}, "invalid_payload"),
        ("admin", "student", {"email": "nowhere"}, "invalid_payload"),
        ("admin", "student", {"password": "12345"}, "invalid_payload"),
        ("admin", "student", {"id": UNKNOWN}, "invalid_payload"),
    ],
    ids=str,
)
async def test_a_user_is_changed_by_those_who_may(
    school: Organisation, sales: Person, who: str, whom: str, changes: dict[str, Any], code: str | None
) -> None:
    person, user = (sales if one == "sales" else getattr(school, one) for one in (who, whom))
    before = await sales.api.ok("GET", f"{PATH}/{user.id}")
    assert await person.api.code("PUT", f"{PATH}/{user.id}", changes) == code
    after = await sales.api.ok("GET", f"{PATH}/{user.id}")
    shown = {name: value for name, value in changes.items() if name != "password"}
    assert after == before if code else {**after, "updatedAt": ""} == {**before, **shown, "updatedAt": ""}


@pytest.mark.parametrize("role", ["sales", "admin", "proctor", "student"])
async def test_ones_own_password_wants_the_current_one(
    api: Api, school: Organisation, sales: Person, role: str
) -> None:
    person = sales if role == "sales" else getattr(school, role)
    path, password = f"{PATH}/{person.id}", {"password": NEW_PASSWORD}
    assert await person.api.code("PUT", path, password) == "forbidden"
    assert await person.api.code("PUT", path, password | {"currentPassword": "wrong one"}) == "forbidden"
    assert await person.api.code("PUT", path, password | {"currentPassword": 1}) == "invalid_payload"
    assert await person.api.code("GET", ME) is None
    await person.api.ok("PUT", path, password | {"currentPassword": PASSWORD})
    assert await person.api.code("GET", ME) == "unauthorized"
    old, new = {"email": person.email, "password": PASSWORD}, {"email": person.email, "password": NEW_PASSWORD}
    assert await api.code("POST", "/routes/auth/login", old) == "unauthorized"
    answer = await api.ok("POST", "/routes/auth/login", new)
    assert await api.as_(answer["token"]).code("GET", ME) is None


@pytest.mark.parametrize("changes", [{"password": NEW_PASSWORD}, {"role": "PROCTOR"}])
async def test_a_new_role_or_password_revokes_all_tokens(api: Api, school: Organisation, changes: Any) -> None:
    other = await sign_in(api, school.student.email)
    await school.admin.api.ok("PUT", f"{PATH}/{school.student.id}", {"name": "Still signed in"})
    assert await other.api.code("GET", ME) is None
    await school.admin.api.ok("PUT", f"{PATH}/{school.student.id}", changes)
    for person in (school.student, other):
        assert await person.api.code("GET", ME) == "unauthorized"
    assert await school.admin.api.code("GET", ME) is None


async def test_a_new_name_shows_in_the_sessions(school: Organisation) -> None:
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    await school.admin.api.ok("PUT", f"{PATH}/{school.student.id}", {"name": "Renamed"})
    seen = await school.proctor.api.ok("GET", f"/routes/proctoring/{session['id']}")
    assert seen["user"] == {"id": school.student.id, "name": "Renamed"}


async def test_an_admin_deletes_users(api: Api, school: Organisation) -> None:
    path = f"{PATH}/{school.student.id}"
    answer = await school.admin.api.call("DELETE", path)
    assert (answer.status, answer.body) == (204, None)
    assert await school.admin.api.code("GET", path) == "not_found"
    assert await school.admin.api.code("DELETE", path) == "not_found"
    assert await school.student.api.code("GET", ME) == "unauthorized"
    body = {"email": school.student.email, "password": PASSWORD}
    assert await api.code("POST", "/routes/auth/login", body) == "unauthorized"
    exam = await school.admin.api.ok("GET", f"/routes/exams/{school.exam_id}")
    assert exam["users"] == [school.proctor.id, school.other_student.id]
    await make_user(school.admin.api, school.id, "STUDENT", school.student.email)


async def test_oneself_the_last_admin_and_who_has_sessions_are_not_deleted(school: Organisation, sales: Person) -> None:
    own = f"{PATH}/{school.admin.id}"
    assert await school.admin.api.code("DELETE", own) == "conflict"
    assert await sales.api.code("DELETE", own) == "conflict"
    second = await make_user(school.admin.api, school.id, "ADMIN", "second@school.example.com")
    assert await school.admin.api.code("DELETE", own) == "conflict"
    assert await second.api.code("DELETE", own) is None
    assert await sales.api.code("DELETE", f"{PATH}/{second.id}") == "conflict"
    await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    assert await second.api.code("DELETE", f"{PATH}/{school.student.id}") == "conflict"
    assert await second.api.code("DELETE", f"{PATH}/{school.other_student.id}") is None


async def test_an_organisation_keeps_an_admin_when_roles_change(school: Organisation) -> None:
    assert await school.admin.api.code("PUT", f"{PATH}/{school.admin.id}", {"role": "STUDENT"}) == "conflict"
    assert await school.admin.api.code("GET", ME) is None


async def test_sales_deletes_admins_only(school: Organisation, sales: Person) -> None:
    second = await make_user(school.admin.api, school.id, "ADMIN", "second@school.example.com")
    assert await sales.api.code("DELETE", f"{PATH}/{second.id}") is None
    for person in (school.proctor, school.student):
        assert await sales.api.code("DELETE", f"{PATH}/{person.id}") == "forbidden"


async def test_a_role_change_takes_effect_with_the_next_login(api: Api, school: Organisation) -> None:
    await school.admin.api.ok("PUT", f"{PATH}/{school.student.id}", {"role": "PROCTOR"})
    again = await sign_in(api, school.student.email)
    assert [one["id"] for one in await again.api.ok("GET", "/routes/proctoring")] == []
    assert await again.api.code("POST", "/routes/proctoring/start", {"examId": school.exam_id}) == "forbidden"


@pytest.mark.parametrize("maker", ["admin", "nobody"])
async def test_a_user_sent_again_is_made_once(api: Api, school: Organisation, maker: str) -> None:
    sender = api if maker == "nobody" else school.admin.api
    first = await repeated(sender, PATH, new_user(school), new_user(school, email="other@example.com"))
    assert first.status == 201
    emails = [one["email"] for one in await school.admin.api.ok("GET", PATH)]
    assert emails.count("new@example.com") == 1
    assert "other@example.com" not in emails


async def test_a_key_is_of_one_user_and_one_route(school: Organisation, college: Organisation) -> None:
    headers, body = {"Idempotency-Key": uuid()}, {"title": "Once", "duration": 30}
    first = await school.admin.api.ok("POST", "/routes/exams", body, headers=headers)
    other = await college.admin.api.ok("POST", "/routes/exams", body, headers=headers)
    assert first["id"] != other["id"]
    await school.admin.api.ok("POST", PATH, new_user(school), headers=headers)
    exam = await make_exam(school.admin)
    await school.admin.api.ok("POST", f"/routes/exams/{exam['id']}/users", {}, headers=headers)
    titles = [one["title"] for one in await school.admin.api.ok("GET", "/routes/exams")]
    assert titles.count("Once") == 1
