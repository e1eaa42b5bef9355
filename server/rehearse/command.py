"""`proctoring-server rehearse`: make a class, let it take an exam, check that nothing is missing, clean up."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import secrets
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final, TypeVar
from uuid import uuid4

import aiohttp
from rich.console import Console as Screen
from rich.progress import Progress

from server.demo import demo_file
from server.rehearse.people import Console, Student
from server.rehearse.tally import Tally
from server.settings import Settings, SettingsError

_AT_ONCE: Final = 8  # requests under way while accounts are made: each costs the server a password hash
_PATIENCE_S: Final = 60.0
_T = TypeVar("_T")


def add_rehearse(commands: Any) -> None:
    """Add the subcommand."""
    parser = commands.add_parser("rehearse", help="let a synthetic class take an exam on a running server")
    parser.add_argument("--students", type=_positive, default=50, metavar="N")
    parser.add_argument("--proctors", type=_positive, default=2, metavar="K")
    parser.add_argument("--seconds", type=_positive, default=30, metavar="S")
    parser.add_argument("--url", help="the server; default: the one that runs with --demo on this DATA_DIR")
    parser.add_argument("--ws-url", help="where its Socket.IO is, with WS_PORT; default: --url")
    parser.add_argument("--email", help="an ADMIN's e-mail address; default: the demo's")
    parser.add_argument("--password", help="the ADMIN's password")
    parser.set_defaults(run=_rehearse)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("1 or more is wanted")
    return value


class Api:
    """The REST side, as one user."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._headers: dict[str, str] = {}

    async def login(self, email: str, password: str) -> str:
        """Sign in; returns the token and goes on with it."""
        answer = await self.call("POST", "/routes/auth/login", {"email": email, "password": password})
        self._headers = {"Authorization": f"Bearer {answer['token']}"}
        token: str = answer["token"]
        return token

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answered; SettingsError with the server's message for an error. One that has too much to do is
        asked again for a minute.
        """
        headers = self._headers | ({"Idempotency-Key": str(uuid4())} if method == "POST" else {})
        until, again = time.monotonic() + _PATIENCE_S, False
        while True:
            status, answer, wait_s = await self._send(method, path, body, headers)
            if status != 503 or time.monotonic() > until:
                break
            again = True
            await asyncio.sleep(wait_s)
        if status == 404 and method == "DELETE" and again:  # what was late for its answer was done after all
            return None
        if status >= 400:
            raise SettingsError(f"{method} {path}: {(answer or {}).get('error', {}).get('message', status)}")
        return answer

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, Any, float]:
        """Status, body, and how many seconds to wait before another try."""
        try:
            async with self._http.request(method, self._url + path, json=body, headers=headers) as response:
                answer = None if response.status == 204 else await response.json()
        except aiohttp.ClientConnectionError as error:
            raise SettingsError(f"--url: {self._url} does not answer ({error})") from None
        return response.status, answer, float(response.headers.get("Retry-After", 1))


async def _rehearse(settings: Settings, arguments: argparse.Namespace) -> int:
    url, ws_url, email, password = _target(settings, arguments)
    screen, tally = Screen(), Tally()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        admin = Api(http, url)
        await admin.login(email, password)
        me = await admin.call("GET", "/routes/auth/me")
        with Progress(console=screen, transient=True) as progress:
            made: dict[str, list[str]] = {"users": [], "exams": []}
            try:
                await _run(admin, http, url, ws_url, me["organisationId"], arguments, tally, progress, made)
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
    url: str,
    ws_url: str,
    organisation_id: str,
    arguments: argparse.Namespace,
    tally: Tally,
    progress: Progress,
    made: dict[str, list[str]],
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
        return user["id"], await Api(http, url).login(email, password)

    wanted = [("PROCTOR", n) for n in range(arguments.proctors)] + [("STUDENT", n) for n in range(arguments.students)]
    task = progress.add_task("Making accounts", total=len(wanted))
    people = await _all([person(role, number) for role, number in wanted], progress, task)
    minutes = arguments.seconds // 60 + 60
    body = {"title": "Rehearsal", "duration": minutes, "rehearsal": True, "users": [user_id for user_id, _ in people]}
    exam = await admin.call("POST", "/routes/exams", body)
    made["exams"].append(exam["id"])

    consoles = [Console(ws_url, token, exam["id"], tally) for _, token in people[: arguments.proctors]]
    students = [Student(ws_url, token, exam["id"], tally) for _, token in people[arguments.proctors :]]
    watching = [asyncio.create_task(console.watch()) for console in consoles]
    await _take_exam(students, arguments.seconds, progress)
    for one in watching:
        one.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    await asyncio.gather(*(console.catch_up() for console in consoles))
    await _count_heartbeats(admin, students, tally, progress)


async def _take_exam(students: Sequence[Student], seconds: int, progress: Progress) -> None:
    until = time.perf_counter() + seconds

    async def one(student: Student) -> None:
        await asyncio.sleep(random.random() * min(2.0, seconds / 4))  # noqa: S311 a spread
        await student.start()
        await student.take_part(until)
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
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking


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


def _target(settings: Settings, arguments: argparse.Namespace) -> tuple[str, str, str, str]:
    """The server's URL, its Socket.IO's, an ADMIN's e-mail address and password."""
    url, ws_url, email, password = arguments.url, arguments.ws_url, arguments.email, arguments.password
    path = demo_file(settings)
    if path.exists() and url is None:
        demo = json.loads(path.read_text(encoding="utf-8"))
        url, ws_url = demo["url"], ws_url or demo["wsUrl"]
        admin = next(account for account in demo["accounts"] if account["role"] == "ADMIN")
        if email is None:
            email, password = admin["email"], admin["password"]
    if not url:
        raise SettingsError("--url: no server runs with --demo on this DATA_DIR; name one")
    if not email or not password:
        raise SettingsError("--email, --password: an ADMIN's are wanted")
    return url.rstrip("/"), (ws_url or url).rstrip("/"), email, password
