"""Which role may send which event of which namespace: one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp

from handlers.base import Namespace
from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from models.actors import Role
from server.app import Running
from tests.clients import uuid
from tests.conftest import Connect, Organisation, Person
from tests.frames import opened

NAMESPACES: dict[str, type[Namespace]] = {"/exam": ExamNamespace, "/proctor": ProctorNamespace}
STUDENT, SUPERVISORS = {"STUDENT"}, {"ADMIN", "PROCTOR"}

CLEARED = {"verdict": "CLEARED", "note": "It was the invigilator."}
WARNING = {"action": "warn", "text": "Look at your own screen, please."}


@dataclass
class Ids:
    """What a payload may name."""

    exam: str
    session: str
    command: str


# namespace, event, the roles that may send it, a payload that is good. In this order one after the other succeeds.
TABLE: list[tuple[str, str, set[str], Callable[[Ids], dict[str, Any]]]] = [
    ("/exam", "start", STUDENT, lambda of: {"examId": of.exam}),
    ("/exam", "heartbeat", STUDENT, lambda _: {}),
    ("/exam", "tab_change", STUDENT, lambda _: {"seq": 1, "hidden": True}),
    ("/exam", "chat", STUDENT, lambda _: {"seq": 2, "text": "Hello"}),
    ("/exam", "activity", STUDENT, lambda _: {"seq": 3, "type": "copy"}),
    ("/exam", "raise_hand", STUDENT, lambda _: {"seq": 4, "text": "Paper, please"}),
    ("/exam", "lower_hand", STUDENT, lambda _: {"seq": 5}),
    ("/exam", "replay", STUDENT, lambda _: {"items": []}),
    ("/exam", "command_ack", STUDENT, lambda of: {"commandId": of.command}),
    ("/exam", "end", STUDENT, lambda _: {}),
    ("/proctor", "join", SUPERVISORS, lambda of: {"examId": of.exam}),
    ("/proctor", "chat", SUPERVISORS, lambda of: {"requestId": uuid(), "examId": of.exam, "text": "Hello"}),
    ("/proctor", "command", SUPERVISORS, lambda of: {"requestId": uuid(), "examId": of.exam, **WARNING}),
    ("/proctor", "lower_hand", SUPERVISORS, lambda of: {"requestId": uuid(), "sessionId": of.session}),
    (
        "/proctor",
        "review",
        SUPERVISORS,
        lambda of: {"requestId": uuid(), "sessionId": of.session, "verdict": "CLEARED"},
    ),
    ("/proctor", "leave", SUPERVISORS, lambda of: {"examId": of.exam}),
]


def test_every_event_of_every_namespace_has_one_row() -> None:
    rows = [(namespace, event) for namespace, event, _, _ in TABLE]
    assert sorted(rows) == sorted((name, event) for name, namespace in NAMESPACES.items() for event in namespace.events)


async def test_each_role_may_send_what_the_table_says_and_nothing_else(
    server: Running, sales: Person, school: Organisation, http: aiohttp.ClientSession, connect: Connect
) -> None:
    people = {"SALES": sales, "ADMIN": school.admin, "PROCTOR": school.proctor, "STUDENT": school.student}
    assert set(people) == set(Role)
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    console = await connect("/proctor", school.admin.token)
    warned = await console.ok("command", {"requestId": uuid(), "examId": school.exam_id, **WARNING})
    ids = Ids(school.exam_id, session["id"], warned["commands"][0]["id"])
    found: dict[tuple[str, str, str], str | None] = {}
    for role, person in people.items():
        for namespace in NAMESPACES:
            async with opened(http, server.ws_url) as frames:
                answer = await frames.connect(namespace, {"token": person.token})
                # A refused client may send all the same: it is told that it is not connected.
                refused = answer["data"]["code"] if "data" in answer else None
                for number, (where, event, _, payload) in enumerate(TABLE, 1):
                    if where == namespace:
                        ack = await frames.call(namespace, number, event, payload(ids))
                        code = None if ack["ok"] else ack["error"]["code"]
                        assert (refused, code) in ((None, None), ("forbidden", "unauthorized")), (role, event, ack)
                        found[role, namespace, event] = code and refused
    wanted = {
        (role, namespace, event): None if role in roles else "forbidden"
        for role in people
        for namespace, event, roles, _ in TABLE
    }
    assert found == wanted
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert {one["actorId"] for one in log} == {None, school.student.id, school.proctor.id, school.admin.id}
