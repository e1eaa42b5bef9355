"""`proctoring-server rehearse`: make a class, let it take an exam, check that nothing is missing, clean up."""

from __future__ import annotations

import argparse
import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar
from uuid import uuid4

import aiohttp
from rich.console import Console as Screen
from rich.progress import Progress

from models.periodic import cancel
from server.rehearse.api import Api, Target, demo_target, target_of
from server.rehearse.chaos import OwnServer, own_server
from server.rehearse.console import Console
from server.rehearse.student import Student
from server.rehearse.supervisor import Supervisor, judge
from server.rehearse.tally import Tally
from server.settings import Settings, SettingsError

_AT_ONCE: Final = 8  # requests under way while accounts are made: each costs the server a password hash
_T = TypeVar("_T")


def add_rehearse(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("rehearse", help="let a synthetic class take an exam on a running server")
    parser.add_argument("--students", type=_positive, default=50, metavar="N")
    parser.add_argument("--proctors", type=_positive, default=2, metavar="K")
    parser.add_argument("--seconds", type=_positive, default=30, metavar="S")
    parser.add_argument(
        "--every", type=_positive, default=1, metavar="S", help="how often a student does something, on average"
    )
    parser.add_argument("--url", help="the server; default: the one that runs with --demo on this DATA_DIR")
    parser.add_argument("--ws-url", help="where its Socket.IO is, with WS_PORT; default: --url")
    parser.add_argument("--email", help="an ADMIN's e-mail address; default: the demo's")
    parser.add_argument("--password", help="the ADMIN's password")
    parser.add_argument(
        "--chaos", action="store_true", help="on a server of its own, which is killed and started again in the middle"
    )
    parser.set_defaults(run=_rehearse)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 or more is wanted")
    return value


async def _rehearse(settings: Settings, arguments: argparse.Namespace) -> int:
    if not arguments.chaos:
        return await _rehearse_on(target_of(settings, arguments), arguments, None)
    if arguments.url or arguments.email:
        raise SettingsError("--chaos: it starts a server of its own; leave --url and --email out")
    async with own_server() as server:
        return await _rehearse_on(demo_target(server.demo()), arguments, server)


async def _rehearse_on(target: Target, arguments: argparse.Namespace, own: OwnServer | None) -> int:
    screen, tally = Screen(), Tally()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        admin = Api(http, target.url)
        await admin.login(target.email, target.password)
        me = await admin.call("GET", "/routes/auth/me")
        with Progress(console=screen, transient=True) as progress:
            made: dict[str, list[str]] = {"users": [], "exams": []}
            try:
                await _run(admin, http, target, me["organisationId"], arguments, tally, progress, made, own)
            finally:
                task = progress.add_task("Cleaning up", total=len(made["users"]) + len(made["exams"]))
                for kind in ("exams", "users"):
                    paths = [f"/routes/{kind}/{one}" for one in made[kind]]
                    await _all([admin.call("DELETE", path) for path in paths], progress, task)
    screen.print(tally.table())
    for line in tally.lines():
        screen.print(line)
    return 0 if tally.good() else 1


async def _run(
    admin: Api,
    http: aiohttp.ClientSession,
    target: Target,
    organisation_id: str,
    arguments: argparse.Namespace,
    tally: Tally,
    progress: Progress,
    made: dict[str, list[str]],
    own: OwnServer | None,
) -> None:
    async def person(role: str, number: int) -> tuple[str, str]:
        """A new account, signed in: its id and token."""
        email, password = f"rehearsal-{uuid4().hex[:12]}@rehearsal.example", secrets.token_urlsafe(12)
        name = f"{role.title()} {number + 1}"
        user = await admin.call(
            "POST",
            "/routes/users",
            {"name": name, "email": email, "password": password, "role": role, "organisationId": organisation_id},
        )
        made["users"].append(user["id"])
        return user["id"], await Api(http, target.url).login(email, password)

    wanted = [("PROCTOR", n) for n in range(arguments.proctors)] + [("STUDENT", n) for n in range(arguments.students)]
    task = progress.add_task("Making accounts", total=len(wanted))
    people = await _all([person(role, number) for role, number in wanted], progress, task)
    minutes = arguments.seconds // 60 + 60
    body = {"title": "Rehearsal", "duration": minutes, "rehearsal": True, "users": [user_id for user_id, _ in people]}
    exam = await admin.call("POST", "/routes/exams", body)
    made["exams"].append(exam["id"])

    of_proctors, of_students = people[: arguments.proctors], people[arguments.proctors :]
    consoles = [Console(target.ws_url, token, exam["id"], tally) for _, token in of_proctors]
    students = [Student(target.ws_url, token, exam["id"], tally, arguments.every) for _, token in of_students]
    supervisor = Supervisor(target.ws_url, people[0][1], exam["id"], tally)
    watching = [asyncio.create_task(console.watch()) for console in consoles]
    async with asyncio.TaskGroup() as group:
        group.create_task(_take_exam(students, arguments.seconds, progress))
        group.create_task(supervisor.supervise(students, arguments.seconds))
        if own is not None:
            group.create_task(_break(own, arguments.seconds))
    await cancel(*watching)
    await asyncio.gather(*(console.catch_up() for console in consoles))
    await _count_heartbeats(admin, students, tally, progress)
    await _judge(admin, supervisor, students, exam, tally, progress)


async def _break(own: OwnServer, seconds: int) -> None:
    """Kill the server while commands are being given, and once more later."""
    for moment in (0.3, 0.5):
        await asyncio.sleep(seconds * moment)
        await own.kill_and_start()


async def _judge(
    admin: Api,
    supervisor: Supervisor,
    students: Sequence[Student],
    exam: dict[str, Any],
    tally: Tally,
    progress: Progress,
) -> None:
    """Look at all that supervision came to."""
    task = progress.add_task("Looking at the sessions", total=2 * len(students))
    paths = [f"/routes/proctoring/{student.session_id}" for student in students]
    sessions = await _all([admin.call("GET", path) for path in paths], progress, task)
    commands = await _all([admin.call("GET", f"{path}/commands") for path in paths], progress, task)
    log: list[dict[str, Any]] = []
    while page := await admin.call("GET", f"/routes/exams/{exam['id']}/activity?limit=500&since={len(log)}"):
        log += page
    of_all = [command for of_one in commands for command in of_one]
    tally.commands.update(command["fate"] for command in of_all)
    tally.wrong += judge(supervisor, exam["duration"], students, sessions, of_all, log)


async def _take_exam(students: Sequence[Student], seconds: int, progress: Progress) -> None:
    until = time.perf_counter() + seconds

    async def one(student: Student) -> None:
        await asyncio.sleep(random.random() * min(2.0, seconds / 4))  # noqa: S311 a spread
        await student.start()
        await student.take_part(lambda: time.perf_counter() >= until)
        await student.finish()

    task = progress.add_task("Taking the exam", total=seconds)

    async def clock() -> None:
        while True:
            progress.update(task, completed=seconds - max(0.0, until - time.perf_counter()))
            await asyncio.sleep(0.2)

    ticking = asyncio.create_task(clock())
    try:
        await asyncio.gather(*(one(student) for student in students))
    finally:
        await cancel(ticking)


async def _count_heartbeats(admin: Api, students: Sequence[Student], tally: Tally, progress: Progress) -> None:
    task = progress.add_task("Counting heartbeats", total=len(students))

    async def count(student: Student) -> None:
        stored = await admin.call("GET", f"/routes/proctoring/{student.session_id}/heartbeats?limit=500")
        tally.heartbeats["stored"] += len(stored)
        if len(stored) < 500:  # one page tells all but for a rehearsal of three quarters of an hour
            tally.heartbeats["missing"] += max(0, student.beats_acked - len(stored))

    await _all([count(student) for student in students], progress, task)


async def _all(work: Sequence[Awaitable[_T]], progress: Progress, task: Any) -> list[_T]:
    """Do all of it, a few at once; the results in order."""
    at_once = asyncio.Semaphore(_AT_ONCE)

    async def one(item: Awaitable[_T]) -> _T:
        async with at_once:
            result = await item
            progress.advance(task)
            return result

    return list(await asyncio.gather(*(one(item) for item in work)))
