"""Who may no longer, may no longer from that moment on, whatever was open before."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import pytest

from models.actors import Role
from models.errors import NotFound
from server.app import Running
from tests.authorisation.changes import ASKED, CHANGES, Change
from tests.authorisation.columns import CODES
from tests.authorisation.names import WARNING
from tests.authorisation.world import World
from tests.clients import Api
from tests.conftest import PASSWORD
from tests.frames import Frames, opened


class Case:
    """Somebody new, with an exam (a rehearsal, which can be deleted) and a session in it."""

    def __init__(self, world: World, role: str) -> None:
        self.world, self.role = world, role
        self.namespace = "/exam" if role == Role.STUDENT else "/proctor"

    async def make(self) -> None:
        world = self.world
        self.user = await world.make_account(Role(self.role), "organisation")
        world.people[self.role + " of the case"] = self.user
        assigned = [] if self.role == Role.ADMIN else [self.role + " of the case"]
        self.exam = await world.make_exam("ADMIN", [*assigned, "classmate"], rehearsal=True)
        self.token = world.store.tokens.issue(self.user)
        student = world.anyone.as_(self.token) if self.role == Role.STUDENT else world.api("classmate")
        started = await student.ok("POST", "/routes/proctoring/start", {"examId": self.exam})
        self.session: str = started["id"]

    @property
    def admin(self) -> Api:
        return self.world.api("ADMIN")

    @property
    def id(self) -> str:
        return str(self.user["_id"])

    async def enter(self, frames: Frames) -> str | None:
        """The code with which connecting is refused, or starting or joining after it."""
        answer = await frames.connect(self.namespace, {"token": self.token})
        if "data" in answer:
            return str(answer["data"]["code"])
        event = "start" if self.role == Role.STUDENT else "join"
        ack = await frames.call(self.namespace, 1, event, {"examId": self.exam})
        return None if ack["ok"] else str(ack["error"]["code"])


async def nothing(case: Case) -> None:
    """For comparison."""


async def signs_out(case: Case) -> None:
    await case.world.anyone.as_(case.token).ok("POST", "/routes/auth/logout")


async def changed(case: Case, changes: dict[str, Any]) -> None:
    await case.admin.ok("PUT", f"/routes/users/{case.id}", changes)


async def removed(case: Case, user_id: str) -> None:
    await case.admin.ok("POST", f"/routes/exams/{case.exam}/users", {"remove": [user_id]})


async def given_password(case: Case) -> None:
    await case.admin.ok("POST", f"/routes/users/{case.id}/password")


async def another_removed(case: Case) -> None:
    other = str((await case.world.make_account(Role.STUDENT, "organisation"))["_id"])
    await case.admin.ok("POST", f"/routes/exams/{case.exam}/users", {"add": [other]})
    await removed(case, other)


HAPPENS: Final[dict[str, Callable[[Case], Awaitable[Any]]]] = {
    "nothing": nothing,
    "signs out": signs_out,
    "gets another password": lambda case: changed(case, {"password": "another password"}),
    "is given a password": given_password,
    "becomes a STUDENT": lambda case: changed(case, {"role": "STUDENT"}),
    "becomes a PROCTOR": lambda case: changed(case, {"role": "PROCTOR"}),
    "is removed from the exam": lambda case: removed(case, case.id),
    "is left out of the exam's users": lambda case: case.admin.ok(
        "PUT", f"/routes/exams/{case.exam}", {"users": [case.world.id("classmate")]}
    ),
    "another is removed from the exam": another_removed,
    "the exam is deleted": lambda case: case.admin.ok("DELETE", f"/routes/exams/{case.exam}"),
    "is deleted": lambda case: case.admin.ok("DELETE", f"/routes/users/{case.id}"),
}


@pytest.mark.parametrize("change", CHANGES, ids=[f"{one.role}: {one.happens}" for one in CHANGES])
async def test_an_access_is_from_then_on_what_the_table_says(
    world: World, server: Running, http: aiohttp.ClientSession, change: Change
) -> None:
    case = Case(world, change.role)
    await case.make()
    found: dict[str, str | None] = {}
    async with contextlib.AsyncExitStack() as stack:
        frames = await stack.enter_async_context(opened(http, server.ws_url))
        assert await case.enter(frames) is None
        await HAPPENS[change.happens](case)
        found["the open socket"] = await still_there(case, frames)
        api = world.anyone.as_(case.token)
        found["the exam"] = await api.code("GET", f"/routes/exams/{case.exam}")
        found["the session"] = await api.code("GET", f"/routes/proctoring/{case.session}")
        again = await stack.enter_async_context(opened(http, server.ws_url))
        answer = await again.connect(case.namespace, {"token": case.token})
        found["connect"] = answer["data"]["code"] if "data" in answer else None
        other = await stack.enter_async_context(opened(http, server.ws_url))
        found["start or join"] = await case.enter(other)
    found["sign in anew"] = await signed_in_anew(case)
    letters = change.cells.replace(" ", "")
    wanted = {asked: CODES.get(letter, letter) for asked, letter in zip(ASKED, letters, strict=True)}
    assert found == wanted


async def still_there(case: Case, frames: Frames) -> str:
    """`h` where the socket hears what is pushed now; `x` where it is closed before."""
    with contextlib.suppress(NotFound):  # the exam may be deleted
        await case.world.warn(case.session)
    while (frame := await frames.receive()) is not None:
        if WARNING in frame:
            return "h"
    return "x"


async def signed_in_anew(case: Case) -> str | None:
    """What the exam is answered with a new token, or the sign-in."""
    user = await case.world.store.users.by_email(case.user["email"])
    if user is None:
        login = {"email": case.user["email"], "password": PASSWORD}
        return await case.world.anyone.code("POST", "/routes/auth/login", login)
    api: Api = case.world.anyone.as_(case.world.store.tokens.issue(user))
    return await api.code("GET", f"/routes/exams/{case.exam}")
