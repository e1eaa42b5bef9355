"""Which role may send which event of which namespace: one table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp

from handlers.base import Namespace
from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from models.actors import Role
from server.app import Running
from tests.clients import uuid
from tests.conftest import Organisation, Person
from tests.frames import opened

NAMESPACES: dict[str, type[Namespace]] = {"/exam": ExamNamespace, "/proctor": ProctorNamespace}
STUDENT, SUPERVISORS = {"STUDENT"}, {"ADMIN", "PROCTOR"}

# namespace, event, the roles that may send it, a payload that is good. In this order one after the other succeeds.
TABLE: list[tuple[str, str, set[str], Callable[[str], dict[str, Any]]]] = [
    ("/exam", "start", STUDENT, lambda exam_id: {"examId": exam_id}),
    ("/exam", "heartbeat", STUDENT, lambda _: {}),
    ("/exam", "tab_change", STUDENT, lambda _: {"seq": 1, "hidden": True}),
    ("/exam", "chat", STUDENT, lambda _: {"seq": 2, "text": "Hello"}),
    ("/exam", "activity", STUDENT, lambda _: {"seq": 3, "type": "copy"}),
    ("/exam", "replay", STUDENT, lambda _: {"items": []}),
    ("/exam", "end", STUDENT, lambda _: {}),
    ("/proctor", "join", SUPERVISORS, lambda exam_id: {"examId": exam_id}),
    ("/proctor", "chat", SUPERVISORS, lambda exam_id: {"requestId": uuid(), "examId": exam_id, "text": "Hello"}),
    ("/proctor", "leave", SUPERVISORS, lambda exam_id: {"examId": exam_id}),
]


def test_every_event_of_every_namespace_has_one_row() -> None:
    rows = [(namespace, event) for namespace, event, _, _ in TABLE]
    assert sorted(rows) == sorted((name, event) for name, namespace in NAMESPACES.items() for event in namespace.events)


async def test_each_role_may_send_what_the_table_says_and_nothing_else(
    server: Running, sales: Person, school: Organisation, http: aiohttp.ClientSession
) -> None:
    people = {"SALES": sales, "ADMIN": school.admin, "PROCTOR": school.proctor, "STUDENT": school.student}
    assert set(people) == set(Role)
    found: dict[tuple[str, str, str], str | None] = {}
    for role, person in people.items():
        for namespace in NAMESPACES:
            async with opened(http, server.ws_url) as frames:
                answer = await frames.connect(namespace, {"token": person.token})
                # A refused client may send all the same: it is told that it is not connected.
                refused = answer["data"]["code"] if "data" in answer else None
                for number, (where, event, _, payload) in enumerate(TABLE, 1):
                    if where == namespace:
                        ack = await frames.call(namespace, number, event, payload(school.exam_id))
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
