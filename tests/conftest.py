"""A real database for the run, a real server on port 0 and a database of its own for each test."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from aiohttp import web
from bson import ObjectId

from handlers.openapi import make_openapi
from models.account import make_account
from models.actors import Role
from models.store import Store
from server import app
from server.app import Running, running
from server.embedded import EmbeddedDatabase
from server.settings import Settings
from tests.clients import Api, Socket

SECRET = "a secret for the tests, of 32 bytes and more"
PASSWORD = "password123"

_MEMORY = Path("/dev/shm")
_ROOM = 4e9


def roomy() -> str | None:
    """A folder in memory, where there is room; None elsewhere."""
    return str(_MEMORY) if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM else None


@pytest.fixture(scope="session")
async def mongodb() -> AsyncIterator[str]:
    """The URL of a database process, without a database's name. It syncs each commit, if only to memory."""
    with tempfile.TemporaryDirectory(prefix="mongodb-", dir=roomy()) as folder:
        database = EmbeddedDatabase(Path(folder), secured=False)
        await database.start()
        yield database.url.rpartition("/")[0]
        await database.stop()


@pytest.fixture(scope="session", autouse=True)
def one_openapi() -> Iterator[None]:
    """The document is the same for every server of a run, and takes an eighth of a second to make."""
    made: list[dict[str, Any]] = []

    def once(application: web.Application) -> dict[str, Any]:
        if not made:
            made.append(make_openapi(application))
        return made[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "make_openapi", once)
        yield


def make_settings(mongodb: str, data_dir: Path) -> Settings:
    """Those of a test, on a database of its own."""
    return Settings(
        _env_file=None,
        port=0,
        database_url=f"{mongodb}/test{uuid4().hex}",
        jwt_secret=SECRET,
        data_dir=data_dir,
        pbkdf2_iterations=1,
        rate_limits=False,
    )


@pytest.fixture
def settings(mongodb: str, tmp_path: Path) -> Settings:
    return make_settings(mongodb, tmp_path)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as serving:
        yield serving
        await serving.store.database.drop()


@pytest.fixture
def store(server: Running) -> Store:
    return server.store


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as session:
        yield session


@pytest.fixture
async def api(server: Running, http: aiohttp.ClientSession) -> Api:
    """REST without a token."""
    async with http.get(server.url + "/openapi.json") as response:
        return Api(http, server.url, await response.json())


Connect = Callable[..., Awaitable[Socket]]


@pytest.fixture
async def connect(server: Running) -> AsyncIterator[Connect]:
    """Connect to a namespace: `await connect("/exam", token, client_id)`."""
    sockets: list[Socket] = []

    async def make(namespace: str, token: str | None, *rest: Any, **options: Any) -> Socket:
        socket = Socket(server.ws_url, namespace)
        sockets.append(socket)
        return await socket.connect(token, *rest, **options)

    yield make
    for socket in sockets:
        with contextlib.suppress(Exception):
            await socket.close()
    assert [socket.wrong for socket in sockets if socket.wrong] == []


@dataclass
class Person:
    id: str
    api: Api
    email: str

    @property
    def token(self) -> str:
        assert self.api.token
        return self.api.token


@dataclass
class Organisation:
    """An organisation with an admin, a proctor, two students, and an exam that all of them are assigned to."""

    id: str
    admin: Person
    proctor: Person
    student: Person
    other_student: Person
    exam: dict[str, Any] = field(default_factory=dict)

    @property
    def exam_id(self) -> str:
        return str(self.exam["id"])


@pytest.fixture
async def sales(api: Api, store: Store) -> Person:
    await store.users.create(ObjectId(), "Sam Sales", "sales@example.com", PASSWORD, Role.SALES, None)
    return await sign_in(api, "sales@example.com")


@pytest.fixture
async def school(api: Api, store: Store) -> Organisation:
    return await stored_organisation(api, store, "school")


@pytest.fixture
async def college(api: Api, store: Store) -> Organisation:
    """Another organisation, just like `school`."""
    return await stored_organisation(api, store, "college")


async def sign_in(api: Api, email: str) -> Person:
    answer = await api.ok("POST", "/routes/auth/login", {"email": email, "password": PASSWORD})
    return Person(answer["user"]["id"], api.as_(answer["token"]), email)


async def make_user(maker: Api, organisation_id: str, role: str, email: str) -> Person:
    body = {"name": email.partition("@")[0], "email": email, "password": PASSWORD, "role": role}
    await maker.ok("POST", "/routes/users", body | {"organisationId": organisation_id})
    return await sign_in(maker, email)


async def make_exam(admin: Person, *people: Person, **fields: Any) -> dict[str, Any]:
    body = {"title": "History", "duration": 60, "users": [one.id for one in people]} | fields
    made: dict[str, Any] = await admin.api.ok("POST", "/routes/exams", body)
    return made


async def make_organisation(api: Api, sales: Person, name: str) -> Organisation:
    made = await sales.api.ok("POST", "/routes/organisations", {"name": name})
    admin = await make_user(sales.api, made["id"], "ADMIN", f"admin@{name}.example.com")
    proctor = await make_user(admin.api, made["id"], "PROCTOR", f"proctor@{name}.example.com")
    student = await make_user(api, made["id"], "STUDENT", f"student@{name}.example.com")
    other = await make_user(api, made["id"], "STUDENT", f"other@{name}.example.com")
    exam = await make_exam(admin, proctor, student, other)
    return Organisation(made["id"], admin, proctor, student, other, exam)


async def stored_organisation(api: Api, store: Store, name: str) -> Organisation:
    """As `make_organisation`, by three writes in place of a dozen requests: most tests begin with it."""
    organisation = await store.organisations.create(ObjectId(), name, self_registration=True)
    people = {"admin": Role.ADMIN, "proctor": Role.PROCTOR, "student": Role.STUDENT, "other": Role.STUDENT}
    hashed = await store.passwords.hash(PASSWORD)
    accounts = [
        make_account(ObjectId(), who, f"{who}@{name}.example.com", role, organisation["_id"], hashed)
        for who, role in people.items()
    ]
    await store.database.users.insert_many(accounts)
    persons = [Person(str(one["_id"]), api.as_(store.tokens.issue(one)), one["email"]) for one in accounts]
    admin, *assigned = persons
    return Organisation(str(organisation["_id"]), *persons, await make_exam(admin, *assigned))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With REQUIRE_ALL set, as in CI, nothing is skipped: what is missing fails."""
    if os.environ.get("REQUIRE_ALL"):
        for item in items:
            item.own_markers = [mark for mark in item.own_markers if mark.name != "skipif"]
