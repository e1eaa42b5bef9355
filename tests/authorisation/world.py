"""Two organisations with all that the tables name, made once for a table, and what is made anew for a cell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import jwt
from bson import ObjectId

from models.account import make_account
from models.actors import Role
from models.database import Stored
from models.orders import Wish
from models.store import Store
from tests.authorisation.columns import STALE
from tests.authorisation.names import ASSIGNED, PEOPLE, SESSIONS, UNKNOWN, WARNING, names_in
from tests.clients import Api, uuid
from tests.conftest import PASSWORD, SECRET


@dataclass
class World:
    """`people`: the accounts, by column or name. `stale`: tokens that no longer hold, by role and reason."""

    store: Store
    anyone: Api
    people: dict[str, Stored] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    stale: dict[tuple[Role, str], str] = field(default_factory=dict)

    def token(self, column: str) -> str | None:
        """A new token; none for `anonymous`. `stale` has many, see there."""
        return None if column == "anonymous" else self.store.tokens.issue(self.people[column])

    def api(self, column: str) -> Api:
        return self.anyone.as_(self.token(column))

    def id(self, column: str) -> str:
        return str(self.people[column]["_id"]) if column in self.people else UNKNOWN

    async def fresh(self, wanted: object) -> dict[str, str]:
        """All names for one cell that may change what it names: what is called `new` is made now."""
        made = {name for name in names_in(wanted) if name in _MAKERS}
        found = dict(self.names)
        for name in sorted(made):
            found |= await _MAKERS[name](self)
        return found

    async def make_account(self, role: Role, organisation: str | None) -> Stored:
        made = await self.accounts([("new", role, organisation)])
        await self.store.database.users.insert_many(made)
        return made[0]

    async def accounts(self, people: list[tuple[str, Role, str | None]]) -> list[Stored]:
        hashed = await self.store.passwords.hash(PASSWORD)
        return [
            make_account(
                ObjectId(),
                name,
                f"{uuid()}@example.com",
                role,
                ObjectId(self.names[organisation]) if organisation else None,
                hashed,
            )
            for name, role, organisation in people
        ]

    async def make_exam(self, admin: str, users: list[str], **fields: Any) -> str:
        body = {"title": "History", "duration": 60, "users": [self.id(one) for one in users]} | fields
        made = await self.api(admin).ok("POST", "/routes/exams", body)
        return str(made["id"])

    async def start(self, student: str, exam_id: str) -> str:
        made = await self.api(student).ok("POST", "/routes/proctoring/start", {"examId": exam_id})
        return str(made["id"])

    async def warn(self, session_id: str) -> str:
        """The id of a command to the session's student."""
        session = await self.store.sessions.by_id(ObjectId(session_id))
        exam = await self.store.exams.by_id(session["examId"])
        wish = Wish(action="warn", text=WARNING, actor_id=self.people["ADMIN"]["_id"])
        (command,) = await self.store.orders.give(ObjectId(), exam, session, wish)
        return str(command["id"])


async def make_world(store: Store, anyone: Api) -> World:
    world = World(store, anyone)
    names = world.names
    names["unknown"] = UNKNOWN
    for name in ("organisation", "closed organisation", "foreign organisation"):
        made = await store.organisations.create(ObjectId(), name, self_registration=name != "closed organisation")
        names[name] = str(made["_id"])
    accounts = await world.accounts([(name, *of) for name, of in PEOPLE.items()])
    holders = [(role, why) for role in Role for why in STALE]
    stale = await world.accounts([(why, role, None if role is Role.SALES else "organisation") for role, why in holders])
    await store.database.users.insert_many([*accounts, *stale])
    world.people |= dict(zip(PEOPLE, accounts, strict=True))
    names |= {name.lower(): world.id(name) for name in world.people}
    names["email"] = world.people["foreign pupil"]["email"]
    assignable = [str(one["_id"]) for one in stale if one["role"] in ("PROCTOR", "STUDENT")]
    for exam, users in ASSIGNED.items():
        names[exam] = await world.make_exam("foreign ADMIN" if exam == "foreign exam" else "ADMIN", users)
    await world.api("ADMIN").ok("POST", f"/routes/exams/{names['exam']}/users", {"add": assignable})
    for session, (student, exam) in SESSIONS.items():
        names[session] = await world.start(student, names[exam])
        for event in ("tab-change", "heartbeat"):
            body = {"sessionId": names[session]}
            await world.api(student).ok("POST", f"/routes/proctoring/{event}", body)
    for command, session in (("command", "session"), ("foreign command", "foreign session")):
        names[command] = await world.warn(names[session])
    removed = {"remove": [world.id("removed PROCTOR"), world.id("removed STUDENT")]}
    await world.api("ADMIN").ok("POST", f"/routes/exams/{names['exam']}/users", removed)
    for (role, why), user in zip(holders, stale, strict=True):
        world.stale[role, why] = await _make_stale(world, user, why)
    return world


async def _make_stale(world: World, user: Stored, why: str) -> str:
    """A token of `user` that no longer holds, for this reason."""
    store, token = world.store, world.store.tokens.issue(user)
    await store.tokens.verify(token)  # until now it did
    if why in ("expired", "forged"):
        claims = jwt.decode(token, options={"verify_signature": False})
        if why == "expired":
            return jwt.encode(claims | {"exp": claims["iat"] - 1}, SECRET, algorithm="HS256")
        return jwt.encode(claims, "another secret, of 32 bytes and more", algorithm="HS256")
    if why == "revoked":
        await world.anyone.as_(token).ok("POST", "/routes/auth/logout")
    elif why == "password changed":
        await store.users.update(user, {}, "another password")
    elif why == "role changed":
        await store.users.update(user, {"role": "STUDENT" if user["role"] != "STUDENT" else "PROCTOR"}, None)
    else:
        await store.users.delete(user)
    return token


async def _new_organisation(world: World) -> dict[str, str]:
    made = await world.store.organisations.create(ObjectId(), "New", self_registration=True)
    return {"new organisation": str(made["_id"])}


async def _new_admin(world: World) -> dict[str, str]:
    return {"new admin": str((await world.make_account(Role.ADMIN, "organisation"))["_id"])}


async def _new_student(world: World) -> dict[str, str]:
    return {"new student": str((await world.make_account(Role.STUDENT, "organisation"))["_id"])}


_CLASS: Final = ["PROCTOR", "STUDENT", "classmate"]


async def _new_exam(world: World) -> dict[str, str]:
    return {"new exam": await world.make_exam("ADMIN", _CLASS)}


async def _new_rehearsal(world: World) -> dict[str, str]:
    return {"new rehearsal": await world.make_exam("ADMIN", _CLASS, rehearsal=True)}


async def _new_session(world: World) -> dict[str, str]:
    exam = await world.make_exam("ADMIN", _CLASS)
    return {"new session": await world.start("STUDENT", exam), "exam of it": exam}


async def _new_ended_session(world: World) -> dict[str, str]:
    made = await _new_session(world)
    await world.api("ADMIN").ok("PUT", f"/routes/proctoring/end/{made['new session']}")
    return {"new ended session": made["new session"], "exam of it": made["exam of it"]}


async def _new_command(world: World) -> dict[str, str]:
    return {"new command": await world.warn(world.names["session"])}


_MAKERS: Final[dict[str, Callable[[World], Awaitable[dict[str, str]]]]] = {
    "new organisation": _new_organisation,
    "new admin": _new_admin,
    "new student": _new_student,
    "new exam": _new_exam,
    "new rehearsal": _new_rehearsal,
    "new session": _new_session,
    "new ended session": _new_ended_session,
    "new command": _new_command,
}
