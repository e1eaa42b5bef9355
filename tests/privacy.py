"""What the tests of erasure, retention, export and audit have in common: an exam with personal things in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bson
import orjson

from models.database import Database
from server.verify import verify
from tests.clients import Socket, uuid
from tests.conftest import PASSWORD, Connect, Organisation, Person, sign_in
from tests.test_lifecycle import joined

NAME = "Zoë Pomegranate"
EMAIL = "zoe.pomegranate@school.example.com"
SAID = ["quagga said the student", "quagga with the hand", "quagga to the student", "quagga warned", "quagga because"]
NOTE = "quagga noted in a review"
OTHERS = "kumquat, said another student"
TRACES = ["Pomegranate", "quagga", "Zebra-Browser"]


@dataclass
class Sat:
    """Somebody who took part, and is done."""

    person: Person
    session_id: str
    console: Socket
    other: Socket
    socket: Socket


async def sit(school: Organisation, connect: Connect, *, end: bool = True) -> Sat:
    """A student with a name of its own takes part in the school's exam and leaves traces of every kind."""
    made = await school.admin.api.call(
        "POST",
        "/routes/users",
        {"name": NAME, "email": EMAIL, "password": PASSWORD, "organisationId": school.id},
        headers={"Idempotency-Key": uuid()},
    )
    user_id = made.body["id"]
    person = await sign_in(school.student.api.as_(None), EMAIL)
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"add": [user_id]})
    granted = {"accommodations": [{"userId": user_id, "extraMinutes": 17}]}
    await school.admin.api.ok("PUT", f"/routes/exams/{school.exam_id}", granted)
    other = await connect("/exam", school.student.token, uuid())
    await other.ok("start", {"examId": school.exam_id})
    await other.ok("chat", {"seq": 1, "text": OTHERS})
    first = await connect("/exam", person.token, uuid())
    session_id = (await first.ok("start", {"examId": school.exam_id}))["session"]["id"]
    await first.ok("heartbeat", {})
    console = await joined(connect, school.proctor, school.exam_id)
    student = await connect("/exam", person.token, uuid())
    await student.ok("start", {"examId": school.exam_id})
    await student.ok("chat", {"seq": 1, "text": SAID[0]})
    await student.ok("tab_change", {"seq": 2, "hidden": True})
    await student.ok("raise_hand", {"seq": 3, "text": SAID[1]})
    to = {"examId": school.exam_id, "sessionId": session_id}
    await console.ok("chat", {"requestId": uuid(), "text": SAID[2], **to})
    await console.ok("command", {"requestId": uuid(), "action": "warn", "text": SAID[3], **to})
    more = {"requestId": uuid(), "action": "extend", "minutes": 5, "reason": SAID[4]}
    await console.ok("command", more | to)
    review = {"requestId": uuid(), "sessionId": session_id, "verdict": "SUSPICIOUS", "note": NOTE}
    await console.ok("review", review)
    if end:
        await student.ok("end", {})
    return Sat(person, session_id, console, other, student)


async def traces(database: Database, wanted: list[str] = TRACES) -> dict[str, list[str]]:
    """Where in the whole database these words are, in whatever case: by collection."""
    found: dict[str, list[str]] = {}
    for name in await database._database.list_collection_names():
        async for document in database._database[name].find({}):
            raw = bson.encode(document).lower()
            if words := [word for word in wanted if word.lower().encode() in raw]:
                found.setdefault(name, []).extend(words)
    return found


def verified(record: dict[str, Any]) -> str:
    return verify(orjson.dumps(record))
