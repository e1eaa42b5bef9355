"""Every route for every actor: who is answered what.

A row: the cells in the order of `columns.COLUMNS`, the method, the path with its query, the body. What stands in braces
is an object of `names.NAMES`; what begins with `new` is made for each cell that may change it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.conftest import PASSWORD


@dataclass(frozen=True)
class Route:
    cells: str
    method: str
    path: str
    body: Any = None

    writes: bool | None = None
    """Whether a success changes something; by default where the method is not GET."""

    def __post_init__(self) -> None:
        if self.writes is None:
            object.__setattr__(self, "writes", self.method != "GET")

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


NEW: Final = {"name": "New", "email": "{uuid}@example.com", "password": PASSWORD}
OWN: Final = NEW | {"organisationId": "{organisation}"}
EXAM: Final = {"title": "New", "duration": 60}

REST: Final = [
    Route("++ + ++ ++++ +++++", "GET", "/healthz"),
    Route("++ + ++ ++++ +++++", "GET", "/readyz"),
    Route("++ + ++ ++++ +++++", "GET", "/openapi.json"),
    Route("++ + ++ ++++ +++++", "GET", "/asyncapi.json"),
    # Signing in
    Route("++ + ++ ++++ +++++", "POST", "/routes/auth/login", {"email": "{email}", "password": PASSWORD}, writes=False),
    Route("UU U UU UUUU UUUUU", "POST", "/routes/auth/login", {"email": "{email}", "password": "wrong one"}),
    Route("UU + ++ ++++ +++++", "POST", "/routes/auth/logout"),
    Route("UU + ++ ++++ +++++", "GET", "/routes/auth/me"),
    # Organisations
    Route("UU + FF FFFF FFFFF", "POST", "/routes/organisations", {"name": "New"}),
    Route("UU + ++ ++++ +++++", "GET", "/routes/organisations"),
    Route("UU + ++ ++++ +++++", "GET", "/routes/organisations?after={foreign organisation}"),
    Route("UU + +N +++N ++++N", "GET", "/routes/organisations/{organisation}"),
    Route("UU + N+ NNN+ NNNN+", "GET", "/routes/organisations/{foreign organisation}"),
    Route("UU + +N FFFF FFFFF", "PUT", "/routes/organisations/{organisation}", {"name": "{uuid}"}),
    Route("UU + +N FFFF FFFFF", "PUT", "/routes/organisations/{organisation}", {"selfRegistration": True}),
    Route("UU + +N FFFF FFFFF", "PUT", "/routes/organisations/{organisation}", {"retention": {"activityDays": None}}),
    Route("UU C FF FFFF FFFFF", "DELETE", "/routes/organisations/{organisation}"),
    Route("UU + FF FFFF FFFFF", "DELETE", "/routes/organisations/{new organisation}"),
    # Users: who makes whom
    Route("+U F +N FFFF FFFFF", "POST", "/routes/users", OWN),
    Route("+U F +N FFFF FFFFF", "POST", "/routes/users", OWN | {"role": "STUDENT"}),
    Route("FU F +N FFFF FFFFF", "POST", "/routes/users", OWN | {"role": "PROCTOR"}),
    Route("FU + +N FFFF FFFFF", "POST", "/routes/users", OWN | {"role": "ADMIN"}),
    Route("FU F FF FFFF FFFFF", "POST", "/routes/users", OWN | {"role": "SALES"}),
    Route("FU F NN FFFF FFFFF", "POST", "/routes/users", NEW | {"organisationId": "{closed organisation}"}),
    Route("FU F NN FFFF FFFFF", "POST", "/routes/users", NEW | {"organisationId": "{unknown}"}),
    Route("FU N NN FFFF FFFFF", "POST", "/routes/users", NEW | {"role": "ADMIN", "organisationId": "{unknown}"}),
    Route("UU F ++ FFFF FFFFF", "POST", "/routes/users/import", [{"name": "New", "email": "{uuid}@example.com"}]),
    # Users: who sees whom
    Route("UU + ++ ++++ +++++", "GET", "/routes/users"),
    Route("UU + ++ ++++ +++++", "GET", "/routes/users?after={foreign student}"),
    Route("UU I II IIII IIIII", "GET", "/routes/users?organisationId={foreign organisation}"),
    Route("UU + NN NNNN NNNNN", "GET", "/routes/users/{sales}"),
    Route("UU + +N +++N NNNNN", "GET", "/routes/users/{admin}"),
    Route("UU + +N +++N NNNNN", "GET", "/routes/users/{proctor}"),
    Route("UU + +N +++N +NNNN", "GET", "/routes/users/{student}"),
    Route("UU + N+ NNN+ NNNN+", "GET", "/routes/users/{foreign student}"),
    Route("UU + N+ NNN+ NNNNN", "GET", "/routes/users/{foreign admin}"),
    # Users: who changes whom
    Route("UU + +N FFFN NNNNN", "PUT", "/routes/users/{admin}", {"name": "{uuid}"}),
    Route("UU F +N +FFN NNNNN", "PUT", "/routes/users/{proctor}", {"name": "{uuid}"}),
    Route("UU F +N FFFN FNNNN", "PUT", "/routes/users/{student}", {"name": "{uuid}"}),
    Route("UU + +N FFFN NNNNN", "PUT", "/routes/users/{second admin}", {"email": "{uuid}@example.com"}),
    Route("UU F +N FFFN NNNNN", "PUT", "/routes/users/{second proctor}", {"email": "{uuid}@example.com"}),
    Route("UU F +N FFFN FNNNN", "PUT", "/routes/users/{student}", {"email": "{uuid}@example.com"}),
    Route("UU + +N FFFN NNNNN", "PUT", "/routes/users/{second admin}", {"password": PASSWORD}),
    Route("UU F +N FFFN FNNNN", "PUT", "/routes/users/{student}", {"password": PASSWORD}),
    Route("UU F +N FFFN NNNNN", "PUT", "/routes/users/{new student}", {"role": "PROCTOR"}),
    Route("UU F +N FFFN NNNNN", "PUT", "/routes/users/{new admin}", {"role": "STUDENT"}),
    Route("UU F FN FFFN NNNNN", "PUT", "/routes/users/{second admin}", {"role": "SALES"}),
    Route("UU F FN FFFN FNNNN", "PUT", "/routes/users/{student}", {"organisationId": "{foreign organisation}"}),
    Route("UU F NN NNNN NNNNN", "PUT", "/routes/users/{second sales}", {"name": "{uuid}"}),
    Route("UU F N+ NNNF NNNNF", "PUT", "/routes/users/{foreign student}", {"name": "{uuid}"}),
    Route("UU + ++ ++++ FFFFF", "PUT", "/routes/users/{me}", {"name": "{uuid}"}),
    Route("UU F ++ FFFF FFFFF", "PUT", "/routes/users/{me}", {"email": "{uuid}@example.com"}),
    Route("UU F FF FFFF FFFFF", "PUT", "/routes/users/{me}", {"role": "SALES"}),
    Route("UU + ++ ++++ +++++", "PUT", "/routes/users/{me}", {"password": PASSWORD, "currentPassword": PASSWORD}),
    Route("UU F FF FFFF FFFFF", "PUT", "/routes/users/{me}", {"password": PASSWORD, "currentPassword": "wrong one"}),
    Route("UU F FF FFFF FFFFF", "PUT", "/routes/users/{me}", {"password": PASSWORD}),
    Route("UU + +N FFFN FFFFF", "POST", "/routes/users/{second admin}/password"),
    Route("UU F +N FFFN FFFFF", "POST", "/routes/users/{second proctor}/password"),
    Route("UU F +N +FFN FFFFF", "POST", "/routes/users/{pupil}/password"),
    Route("UU F N+ NNN+ FFFFF", "POST", "/routes/users/{foreign pupil}/password"),
    Route("UU F NN NNNN FFFFF", "POST", "/routes/users/{second sales}/password"),
    Route("UU F FF FFFF FFFFF", "POST", "/routes/users/{me}/password"),
    Route("UU + +N FFFF FFFFF", "DELETE", "/routes/users/{new admin}"),
    Route("UU F +N FFFF FFFFF", "DELETE", "/routes/users/{new student}"),
    Route("UU F CN FFFF FFFFF", "DELETE", "/routes/users/{student}"),
    Route("UU F NN FFFF FFFFF", "DELETE", "/routes/users/{second sales}"),
    Route("UU C CC FFFF FFFFF", "DELETE", "/routes/users/{me}"),
    Route("UU + +N FFFF FFFFF", "DELETE", "/routes/users/{new admin}?erase=true"),
    Route("UU F +N FFFF FFFFF", "DELETE", "/routes/users/{new student}?erase=true"),
    Route("UU F CN FFFF FFFFF", "DELETE", "/routes/users/{student}?erase=true"),
    Route("UU F NN FFFF FFFFF", "DELETE", "/routes/users/{second sales}?erase=true"),
    Route("UU C CC FFFF FFFFF", "DELETE", "/routes/users/{me}?erase=true"),
    # What is stored about whom, and who looked at it
    Route("UU F +N FFFN +NNNN", "GET", "/routes/users/{student}/export"),
    Route("UU F +N FFFN NNNNN", "GET", "/routes/users/{second admin}/export"),
    Route("UU F N+ NNNF NNNN+", "GET", "/routes/users/{foreign student}/export"),
    Route("UU + ++ ++++ +++++", "GET", "/routes/users/{me}/export"),
    Route("UU + ++ FFFF FFFFF", "GET", "/routes/audit"),
    Route("UU + ++ FFFF FFFFF", "GET", "/routes/audit?userId={foreign student}"),
    # Exams
    Route("UU F ++ FFFF FFFFF", "POST", "/routes/exams", EXAM),
    Route("UU F +N FFFF FFFFF", "POST", "/routes/exams", EXAM | {"organisationId": "{organisation}"}),
    Route("UU F +I FFFF FFFFF", "POST", "/routes/exams", EXAM | {"users": ["{student}", "{proctor}"]}),
    Route("UU F I+ FFFF FFFFF", "POST", "/routes/exams", EXAM | {"users": ["{foreign student}"]}),
    Route("UU F II FFFF FFFFF", "POST", "/routes/exams", EXAM | {"users": ["{admin}"]}),
    Route(
        "UU F I+ FFFF FFFFF",
        "POST",
        "/routes/exams",
        EXAM | {"accommodations": [{"userId": "{foreign student}", "extraMinutes": 5}]},
    ),
    Route("UU F ++ ++++ +++++", "GET", "/routes/exams"),
    Route("UU F ++ ++++ +++++", "GET", "/routes/exams?after={foreign exam}"),
    Route("UU F +N +NNN ++NNN", "GET", "/routes/exams/{exam}"),
    Route("UU F +N N+NN NN+NN", "GET", "/routes/exams/{other exam}"),
    Route("UU F +N NNNN NNNNN", "GET", "/routes/exams/{empty exam}"),
    Route("UU F N+ NNN+ NNNN+", "GET", "/routes/exams/{foreign exam}"),
    Route("UU F +N FFFF FFFFF", "PUT", "/routes/exams/{exam}", {"title": "{uuid}"}),
    Route("UU F +N FFFF FFFFF", "PUT", "/routes/exams/{exam}", {"policy": {"tabChangeLimit": 10_000}}),
    Route("UU F IN FFFF FFFFF", "PUT", "/routes/exams/{exam}", {"users": ["{foreign student}"]}),
    Route(
        "UU F IN FFFF FFFFF",
        "PUT",
        "/routes/exams/{exam}",
        {"accommodations": [{"userId": "{foreign student}", "extraMinutes": 5}]},
    ),
    Route("UU F N+ FFFF FFFFF", "PUT", "/routes/exams/{foreign exam}", {"title": "{uuid}"}),
    Route("UU F II FFFF FFFFF", "POST", "/routes/exams", EXAM | {"id": "{exam}"}),
    Route("UU F +N FFFF FFFFF", "POST", "/routes/exams/{exam}/users", {"remove": []}),
    Route(
        "UU F +N FFFF FFFFF", "POST", "/routes/exams/{new exam}/users", {"add": ["{pupil}"], "remove": ["{student}"]}
    ),
    Route("UU F IN FFFF FFFFF", "POST", "/routes/exams/{exam}/users", {"add": ["{foreign student}"]}),
    Route("UU F IN FFFF FFFFF", "POST", "/routes/exams/{exam}/users", {"add": ["{admin}"]}),
    Route("UU F NI FFFF FFFFF", "POST", "/routes/exams/{foreign exam}/users", {"add": ["{student}"]}),
    Route("UU F CN FFFF FFFFF", "DELETE", "/routes/exams/{exam}"),
    Route("UU F +N FFFF FFFFF", "DELETE", "/routes/exams/{new exam}"),
    Route("UU F +N FFFF FFFFF", "DELETE", "/routes/exams/{new rehearsal}"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/exams/{exam}/activity"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/exams/{exam}/activity?since=1&limit=1"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/exams/{foreign exam}/activity"),
    # Proctoring
    Route("UU F FF FFFF ++NNN", "POST", "/routes/proctoring/start", {"examId": "{new exam}"}),
    Route("UU F FF FFFF ++NNN", "POST", "/routes/proctoring/start", {"examId": "{exam}"}, writes=False),
    Route("UU F FF FFFF NN+NN", "POST", "/routes/proctoring/start", {"examId": "{other exam}"}, writes=False),
    Route("UU F FF FFFF NNNNN", "POST", "/routes/proctoring/start", {"examId": "{empty exam}"}),
    Route("UU F FF FFFF NNNN+", "POST", "/routes/proctoring/start", {"examId": "{foreign exam}"}, writes=False),
    Route("UU F FF FFFF IIIII", "POST", "/routes/proctoring/start", {"examId": "{exam}", "userId": "{student}"}),
    Route("UU F +N +NNN +NNNN", "PUT", "/routes/proctoring/end/{new session}"),
    Route("UU F NN NNNN NNNNN", "PUT", "/routes/proctoring/end/{exam}"),
    Route("UU F N+ NNN+ NNNNN", "PUT", "/routes/proctoring/end/{foreign pupil session}"),
    Route("UU F ++ ++++ FFFFF", "GET", "/routes/proctoring"),
    Route("UU F ++ ++++ FFFFF", "GET", "/routes/proctoring?status=ACTIVE&after={foreign session}"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring?examId={exam}"),
    Route("UU F +N NNNN FFFFF", "GET", "/routes/proctoring?examId={empty exam}"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring?examId={foreign exam}&status=ACTIVE"),
    Route("UU F II IIII FFFFF", "GET", "/routes/proctoring?organisationId={foreign organisation}"),
    Route("UU F +N +NNN +NNNN", "GET", "/routes/proctoring/{session}"),
    Route("UU F +N +NNN NNNNN", "GET", "/routes/proctoring/{removed session}"),
    Route("UU F +N N+NN NN+NN", "GET", "/routes/proctoring/{other session}"),
    Route("UU F N+ NNN+ NNNN+", "GET", "/routes/proctoring/{foreign session}"),
    Route("UU F FF FFFF +NNNN", "POST", "/routes/proctoring/tab-change", {"sessionId": "{session}"}),
    Route("UU F FF FFFF NNNNN", "POST", "/routes/proctoring/tab-change", {"sessionId": "{removed session}"}),
    Route("UU F FF FFFF NNNN+", "POST", "/routes/proctoring/tab-change", {"sessionId": "{foreign session}"}),
    Route("UU F FF FFFF +NNNN", "POST", "/routes/proctoring/heartbeat", {"sessionId": "{session}"}),
    Route("UU F FF FFFF NNNNN", "POST", "/routes/proctoring/heartbeat", {"sessionId": "{removed session}"}),
    Route("UU F FF FFFF NNNN+", "POST", "/routes/proctoring/heartbeat", {"sessionId": "{foreign session}"}),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/activity"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/activity?since=1&type=tab_change"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/activity"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/heartbeats"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/heartbeats?from=2000-01-01T00:00:00.000Z"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/heartbeats"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/commands"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/commands?after={foreign command}"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/commands"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/record"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/record"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/record.csv"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/record.csv"),
    Route("UU F +N +NNN FFFFF", "GET", "/routes/proctoring/{session}/record.html"),
    Route("UU F N+ NNN+ FFFFF", "GET", "/routes/proctoring/{foreign session}/record.html"),
]
