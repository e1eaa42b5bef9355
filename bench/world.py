"""What is in the database before a run: an organisation, its people, an exam that all of them are assigned to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from bson import ObjectId

from bench.processes import SECRET
from models.actors import Role
from models.migrations import migrate
from models.store import Store
from server.app import make_store
from server.settings import Settings

PASSWORD: Final = "of all who are measured"  # noqa: S105 of nothing but measurements
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class World:
    exam_id: str
    students: list[tuple[str, str]]  # id, token
    proctors: list[tuple[str, str]]
    emails: list[str]  # the students', whose password is PASSWORD


async def make_world(store: Store, students: int, proctors: int) -> World:
    """Made by the server's own models, so that it is what the server would have made."""
    await migrate(store.database)
    organisation = await store.organisations.create(ObjectId(), "University", self_registration=False)
    by_role: dict[Role, list[dict[str, Any]]] = {
        role: await _people(store, organisation["_id"], role, number)
        for role, number in ((Role.STUDENT, students), (Role.PROCTOR, proctors))
    }
    fields = {
        "title": "Measurement",
        "duration": 180,
        "users": [one["_id"] for people in by_role.values() for one in people],
        "startsAt": None,
        "endsAt": None,
        "rehearsal": False,
    }
    exam = await store.exams.create(ObjectId(), organisation["_id"], fields)
    tokens = {role: [(str(one["_id"]), store.tokens.issue(one)) for one in people] for role, people in by_role.items()}
    emails = [one["email"] for one in by_role[Role.STUDENT]]
    return World(str(exam["_id"]), tokens[Role.STUDENT], tokens[Role.PROCTOR], emails)


async def _people(store: Store, organisation_id: ObjectId, role: Role, number: int) -> list[dict[str, Any]]:
    """One account as the server makes it, and the rest like it, written at once: a thousand one by one take long."""
    if number == 0:
        return []
    email = f"{uuid4().hex}@university.example"
    first = await store.users.create(ObjectId(), f"{role} 1", email, PASSWORD, role, organisation_id)
    rest = []
    for place in range(2, number + 1):
        email = f"{uuid4().hex}@university.example"
        rest.append(first | {"_id": ObjectId(), "name": f"{role} {place}", "email": email, "emailKey": email})
    for start in range(0, len(rest), _BATCH):
        await store.database.users.insert_many(rest[start : start + _BATCH])
    return [first, *rest]


def open_store(database_url: str) -> Store:
    """The models on this database."""
    settings = Settings(_env_file=None, database_url=database_url, jwt_secret=SECRET)  # type: ignore[arg-type, call-arg] # pydantic makes the secret of text, and knows its own argument
    return make_store(settings, database_url)
