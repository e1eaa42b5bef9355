"""Who is there while the server is attacked: an exam that goes on, those who attack it from inside, and strangers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from bson import ObjectId

from models.account import make_account
from models.actors import Role
from models.database import Stored
from models.migrations import migrate
from models.store import Store

PASSWORD: Final = "correct horse battery"
_BATCH: Final = 1000


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    token: str


@dataclass
class School:
    """An organisation whose students and proctor are assigned to its exam. `session_id`: of its first student."""

    id: str
    exam_id: str
    admin: Account
    proctor: Account
    students: list[Account]
    session_id: str = ""


@dataclass
class World:
    """`honest` take part in the exam of `school`; `insiders` may too, and attack; `crowd` has an exam of its own.

    `college` is another organisation, which nobody of `school` may see.
    """

    school: School
    college: School
    honest: list[Account]
    insiders: list[Account]
    crowd: School
    sales: Account
    taken: int = field(default=0)

    def take(self, number: int) -> list[Account]:
        """Insiders whom no attack has used yet, so that none finds what another has left."""
        self.taken += number
        taken = self.insiders[self.taken - number : self.taken]
        assert len(taken) == number, "the world has too few insiders"
        return taken


async def make_world(store: Store, *, honest: int, insiders: int, crowd: int) -> World:
    """Written by the server's own models; the store's server need not run yet."""
    await migrate(store.database)
    school = await _school(store, "School", honest + insiders)
    college = await _school(store, "College", 1)
    crowded = await _school(store, "Crowd", crowd)
    for one in (school, college):
        answer = await _begin(store, one)
        one.session_id = answer
    people = school.students
    sales = await store.users.create(ObjectId(), "Sales", "sales@example.org", PASSWORD, Role.SALES, None)
    sold = Account(str(sales["_id"]), sales["email"], store.tokens.issue(sales))
    return World(school, college, people[:honest], people[honest:], crowded, sold)


async def _begin(store: Store, school: School) -> str:
    """The session of the first student, who takes no part otherwise."""
    actor = await store.tokens.verify(school.students[0].token)
    exam = await store.exams.by_id(ObjectId(school.exam_id))
    session, _ = await store.starting.start(actor, exam)
    school.students = school.students[1:]
    return str(session["_id"])


async def _school(store: Store, name: str, students: int) -> School:
    organisation = await store.organisations.create(ObjectId(), name, self_registration=True)
    roles = [Role.ADMIN, Role.PROCTOR, *[Role.STUDENT] * (students + 1)]
    hashed = await store.passwords.hash(PASSWORD)
    users: list[Stored] = [
        make_account(
            ObjectId(), f"{name} {place}", f"{place}@{name.lower()}.example", role, organisation["_id"], hashed
        )
        for place, role in enumerate(roles)
    ]
    for start in range(0, len(users), _BATCH):
        await store.database.users.insert_many(users[start : start + _BATCH])
    exam = await store.exams.create(ObjectId(), organisation["_id"], _exam(name, users[1:]))
    admin, proctor, *rest = [Account(str(one["_id"]), one["email"], store.tokens.issue(one)) for one in users]
    return School(str(organisation["_id"]), str(exam["_id"]), admin, proctor, rest)


def _exam(name: str, users: Iterable[Stored]) -> dict[str, Any]:
    times = {"startsAt": None, "endsAt": None, "rehearsal": False}
    return {"title": f"Exam of {name}", "duration": 180, "users": [one["_id"] for one in users]} | times
