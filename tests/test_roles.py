"""Who may call what: every REST route for every role."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.clients import Api, uuid
from tests.conftest import PASSWORD, Organisation, Person, make_exam, make_user

COLUMNS = ("nobody", "SALES", "ADMIN", "PROCTOR", "STUDENT", "foreign ADMIN")
# Those who may least come first, so that what a later one deletes is still there.
CALLED = ("nobody", "foreign ADMIN", "STUDENT", "PROCTOR", "SALES", "ADMIN")
CODES = {"U": "unauthorized", "F": "forbidden", "N": "not_found", "+": None}

# U: unauthorized, F: forbidden, N: not_found, +: success; in the order of COLUMNS. The student is assigned to {exam}
# and {session} is its; nobody is assigned to or in {empty exam} and {empty organisation}.
TABLE: list[tuple[str, str, str, Any]] = [
    ("++++++", "GET", "/healthz", None),
    ("++++++", "GET", "/readyz", None),
    ("++++++", "GET", "/openapi.json", None),
    ("++++++", "GET", "/asyncapi.json", None),
    ("++++++", "POST", "/routes/auth/login", {"email": "{email}", "password": PASSWORD}),
    ("U+++++", "POST", "/routes/auth/logout", None),
    ("U+++++", "GET", "/routes/auth/me", None),
    ("U+FFFF", "POST", "/routes/organisations", {"name": "New"}),
    ("U+++++", "GET", "/routes/organisations", None),
    ("U++++N", "GET", "/routes/organisations/{organisation}", None),
    ("U++FFN", "PUT", "/routes/organisations/{organisation}", {"name": "Renamed"}),
    ("U++FF+", "GET", "/routes/audit", None),
    ("U+FFFF", "DELETE", "/routes/organisations/{empty organisation}", None),
    ("+F+FFN", "POST", "/routes/users", {"role": "STUDENT"}),
    ("FF+FFN", "POST", "/routes/users", {"role": "PROCTOR"}),
    ("F++FFN", "POST", "/routes/users", {"role": "ADMIN"}),
    ("FFFFFF", "POST", "/routes/users", {"role": "SALES"}),
    ("U+++++", "GET", "/routes/users", None),
    ("U+++NN", "GET", "/routes/users/{admin}", None),
    ("U+++NN", "GET", "/routes/users/{proctor}", None),
    ("U++++N", "GET", "/routes/users/{student}", None),
    ("U+++NN", "GET", "/routes/users/{other student}", None),
    ("U+NNNN", "GET", "/routes/users/{sales}", None),
    ("U++FNN", "PUT", "/routes/users/{admin}", {"name": "Renamed"}),
    ("UF++NN", "PUT", "/routes/users/{proctor}", {"name": "Renamed"}),
    ("UF+FFN", "PUT", "/routes/users/{student}", {"name": "Renamed"}),
    ("UF+F+N", "PUT", "/routes/users/{student}", {"password": "new password", "currentPassword": PASSWORD}),
    ("UF+FFN", "PUT", "/routes/users/{student}", {"role": "PROCTOR"}),
    ("U+NNNN", "PUT", "/routes/users/{sales}", {"name": "Renamed"}),
    ("U++FFN", "POST", "/routes/users/{second admin}/password", None),
    ("UF+FFN", "POST", "/routes/users/{proctor}/password", None),
    ("UF++FN", "POST", "/routes/users/{student}/password", None),
    ("UFNNFN", "POST", "/routes/users/{sales}/password", None),
    ("UF+FF+", "POST", "/routes/users/import", []),
    ("U++FFN", "DELETE", "/routes/users/{second admin}", None),
    ("UF+FNN", "GET", "/routes/users/{other student}/export", None),
    ("UF+F+N", "GET", "/routes/users/{student}/export", None),
    ("U++FFN", "DELETE", "/routes/users/{second admin}?erase=true", None),
    ("UF+FFN", "DELETE", "/routes/users/{other student}?erase=true", None),
    ("UF+FFN", "DELETE", "/routes/users/{other student}", None),
    ("UF+FFN", "POST", "/routes/exams", {"title": "New", "duration": 60, "organisationId": "{organisation}"}),
    ("UF+FF+", "POST", "/routes/exams", {"title": "New", "duration": 60}),
    ("UF++++", "GET", "/routes/exams", None),
    ("UF+++N", "GET", "/routes/exams/{exam}", None),
    ("UF+NNN", "GET", "/routes/exams/{empty exam}", None),
    ("UF+FFN", "PUT", "/routes/exams/{exam}", {"title": "Renamed"}),
    ("UF+FFN", "DELETE", "/routes/exams/{empty exam}", None),
    ("UF+FFN", "POST", "/routes/exams/{exam}/users", {"remove": []}),
    ("UF++FN", "GET", "/routes/exams/{exam}/activity", None),
    ("UF+NFN", "GET", "/routes/exams/{empty exam}/activity", None),
    ("UFFF+F", "POST", "/routes/proctoring/start", {"examId": "{exam}"}),
    ("UFFFNF", "POST", "/routes/proctoring/start", {"examId": "{empty exam}"}),
    ("UF+++N", "PUT", "/routes/proctoring/end/{session}", None),
    ("UF++F+", "GET", "/routes/proctoring", None),
    ("UF++FN", "GET", "/routes/proctoring?examId={exam}", None),
    ("UF+++N", "GET", "/routes/proctoring/{session}", None),
    ("UFFF+F", "POST", "/routes/proctoring/tab-change", {"sessionId": "{session}"}),
    ("UFFF+F", "POST", "/routes/proctoring/heartbeat", {"sessionId": "{session}"}),
    ("UF++FN", "GET", "/routes/proctoring/{session}/activity", None),
    ("UF++FN", "GET", "/routes/proctoring/{session}/heartbeats", None),
    ("UF++FN", "GET", "/routes/proctoring/{session}/commands", None),
    ("UF++FN", "GET", "/routes/proctoring/{session}/record", None),
    ("UF++FN", "GET", "/routes/proctoring/{session}/record.csv", None),
    ("UF++FN", "GET", "/routes/proctoring/{session}/record.html", None),
]


async def make_names(school: Organisation, sales: Person) -> dict[str, str]:
    """What the names in the table's braces stand for."""
    empty = await sales.api.ok("POST", "/routes/organisations", {"name": "Empty"})
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    return {
        "email": school.student.email,
        "organisation": school.id,
        "empty organisation": empty["id"],
        "sales": sales.id,
        "admin": school.admin.id,
        "proctor": school.proctor.id,
        "student": school.student.id,
        "other student": school.other_student.id,
        "exam": school.exam_id,
        "empty exam": (await make_exam(school.admin))["id"],
        "session": session["id"],
    }


async def foreign_admin(sales: Person) -> Person:
    made = await sales.api.ok("POST", "/routes/organisations", {"name": "Foreign"})
    return await make_user(sales.api, made["id"], "ADMIN", "admin@foreign.example.com")


@pytest.mark.parametrize(
    ("codes", "method", "path", "body"), TABLE, ids=[f"{row[1]} {row[2]} {sorted(row[3] or {})}" for row in TABLE]
)
async def test_a_role_may_what_the_contract_says(
    api: Api, school: Organisation, sales: Person, codes: str, method: str, path: str, body: Any
) -> None:
    names = await make_names(school, sales)
    people = {"nobody": api, "SALES": sales.api, "PROCTOR": school.proctor.api, "STUDENT": school.student.api}
    people |= {"ADMIN": school.admin.api, "foreign ADMIN": (await foreign_admin(sales)).api}
    answered: dict[str, str | None] = {}
    for column in CALLED:
        email = f"{uuid()}@example.com"
        if "{second admin}" in path:  # one for each that may delete it
            names["second admin"] = (await make_user(school.admin.api, school.id, "ADMIN", email)).id
        sent = body
        if body and path == "/routes/users":
            sent = {"name": "New", "email": email, "password": PASSWORD, "organisationId": school.id} | body
        elif body:
            sent = {key: value.format(**names) if isinstance(value, str) else value for key, value in body.items()}
        answered[column] = await people[column].code(method, path.format(**names), sent)
    assert answered == {column: CODES[code] for column, code in zip(COLUMNS, codes, strict=True)}


def shape_of(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path.partition("?")[0])


async def test_every_route_of_the_contract_has_a_row_and_no_row_is_for_nothing(api: Api) -> None:
    paths = api.contract["paths"]
    published = {(method.upper(), shape_of(path)) for path, item in paths.items() for method in item}
    # HEAD is GET without the body.
    assert {one for one in published if one[0] != "HEAD"} == {(method, shape_of(path)) for _, method, path, _ in TABLE}
