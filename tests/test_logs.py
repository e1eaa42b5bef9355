"""Log lines: whose they are, and that nobody's words, names or tokens are in them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bson import ObjectId
from pydantic import TypeAdapter
from pymongo.errors import BulkWriteError, DuplicateKeyError
from socketio.exceptions import ConnectionError as Refused

from models.errors import Conflict
from models.fields import Email
from models.store import Store
from models.trail import Trail, follow, leave
from server.app import Running, running
from server.logs import Form, make_discreet
from server.settings import Settings
from tests.clients import Api, Socket, uuid
from tests.conftest import PASSWORD, Connect, Organisation, Person
from tests.conftest import sign_in as sign_in_at
from tests.processes import ServerProcess, serving, stop
from tests.test_workflow import test_from_the_first_organisation_to_a_tab_change_that_a_console_sees as whole_workflow

JANE = "jane@example.com"  # its name is all that a traceback shows of it


class Lines(logging.Handler):
    """What a server of this process logs, as it is written."""

    def __init__(self, form: Form) -> None:
        super().__init__()
        make_discreet(self, form)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def json(self, name: str) -> list[dict[str, Any]]:
        """The fields of a logger's lines."""
        found: list[dict[str, Any]] = [json.loads(line) for line in self.lines]
        return [one for one in found if one["name"] == name]


@contextlib.contextmanager
def logging_to(form: Form) -> Iterator[Lines]:
    root, lines = logging.getLogger(), Lines(form)
    before = root.level
    root.addHandler(lines)
    root.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        root.removeHandler(lines)
        root.setLevel(before)


@pytest.fixture
async def talkative(settings: Settings) -> AsyncIterator[Running]:
    """A server on the same database that logs requests, behind a proxy on this machine."""
    more = {"log_requests": True, "trusted_proxies": [ipaddress.ip_network("127.0.0.1")]}
    async with running(settings.model_copy(update=more)) as server:
        yield server


async def test_a_request_has_an_id_which_its_lines_its_error_and_its_answer_have(
    talkative: Running, school: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError(JANE)

    there = Api(school.admin.api.http, talkative.url, school.admin.api.contract, school.admin.token)
    monkeypatch.setattr(talkative.store.users, "get", crash)
    with logging_to("json") as lines:
        answer = await there.call(
            "GET", f"/routes/users/{school.student.id}", headers={"X-Request-Id": "of-the-proxy.7"}
        )
        other = await there.call("GET", "/routes/auth/me")
    assert answer.code == "internal"
    assert answer.headers["X-Request-Id"] == "of-the-proxy.7"
    assert "of-the-proxy.7" in answer.body["error"]["message"]
    (failed,) = lines.json("handlers.problems")
    assert failed["requestId"] == "of-the-proxy.7"
    assert "connectionId" not in failed
    first, second = lines.json("access")
    assert (first["requestId"], second["requestId"]) == ("of-the-proxy.7", other.headers["X-Request-Id"])
    assert (first["method"], first["route"], first["status"]) == ("GET", "/routes/users/{id}", 500)
    assert first["ms"] > 0
    # Where it went wrong is said, and not what was being worked on.
    assert "RuntimeError" in failed["exc_info"]
    assert "in crash" in failed["exc_info"]
    assert "jane" not in lines.text


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "jane@example.com", 'q"'])
async def test_an_id_that_is_none_is_not_taken(
    talkative: Running, school: Organisation, http: aiohttp.ClientSession, given: str
) -> None:
    async with http.get(talkative.url + "/healthz", headers={"X-Request-Id": given}) as response:
        assert re.fullmatch("[0-9a-f]{32}", response.headers["X-Request-Id"])


async def test_nobody_but_a_trusted_proxy_gives_an_id(server: Running, http: aiohttp.ClientSession) -> None:
    made = set()
    for path in ("/healthz", "/nowhere"):
        async with http.get(server.url + path, headers={"X-Request-Id": "mine"}) as response:
            made.add(response.headers["X-Request-Id"])
    assert len(made) == 2
    assert "mine" not in made


async def test_an_events_lines_have_its_connection_and_an_id_which_its_error_has(
    store: Store, school: Organisation, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError(JANE)

    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    monkeypatch.setattr(store.log, "append", crash)
    with logging_to("json") as lines:
        acks = [await student.call("tab_change") for _ in range(2)]
    ids = [one["requestId"] for one in lines.json("handlers.problems")]
    assert len(set(ids)) == 2
    assert all(one in ack["error"]["message"] for one, ack in zip(ids, acks, strict=True))
    connections = {one["connectionId"] for one in lines.json("handlers.problems")}
    assert connections == {student.client.eio.sid}


async def test_text_says_both_shortly(store: Store) -> None:
    token = follow(Trail("0123456789abcdef", "fedcba9876543210"))
    try:
        with logging_to("text") as lines:
            logging.getLogger("tests").warning("something")
    finally:
        leave(token)
    assert lines.lines[0].endswith("WARNING tests: something [request fedcba98, connection 01234567]")


async def test_no_error_says_what_was_being_worked_on(store: Store, school: Organisation) -> None:
    """Errors as they really come, of the database, of payloads, of tasks that nobody waits for."""
    users = store.database.users
    user = await users.find_one({"_id": ObjectId(school.student.id)})
    errors: list[Exception] = []
    for write in (users.insert_one(user | {"_id": ObjectId()}), users.insert_many([user, user], ordered=False)):
        try:
            await write
        except (DuplicateKeyError, BulkWriteError) as error:
            errors.append(error)
    for value in (f"not {JANE}", {JANE: 1}):
        try:
            TypeAdapter(Email).validate_python(value)
        except ValueError as error:
            errors.append(error)
    try:
        int(JANE)
    except ValueError as error:
        errors.append(error)
    assert len(errors) == 5
    secrets = [JANE, school.student.email, user["password"]]
    assert all(any(one in str(error) for one in secrets) for error in errors)

    async def fail(error: Exception) -> None:
        raise RuntimeError(JANE) from error

    with logging_to("text") as lines:
        for error in errors:
            logger = logging.getLogger("tests")
            logger.warning("later: %s", error)
            logger.warning("later: %(error)r", {"error": error})
            logger.error("failed", exc_info=error)
            task = asyncio.create_task(fail(error))
            await asyncio.wait([task])
            del task  # nobody asked what became of it: asyncio says so
        logging.getLogger("tests").warning("refused: %s", Conflict("The session is over."))
    assert lines.text.count("Task exception was never retrieved") == 5
    assert lines.text.count("in fail") == 5
    assert "DuplicateKeyError: code 11000" in lines.text
    assert "refused: Conflict: The session is over." in lines.text
    assert not [one for one in secrets if one in lines.text]


async def test_a_whole_workflow_leaves_no_names_words_addresses_passwords_or_tokens_in_the_log(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    settings = {
        "BOOTSTRAP_SALES_EMAIL": "sales@example.com",
        "BOOTSTRAP_SALES_PASSWORD": PASSWORD,
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        "LOG_REQUESTS": "on",
    }
    sockets: list[Socket] = []
    tokens: list[str] = []
    async with serving(tmp_path, **settings) as server:
        said = asyncio.create_task(everything(server))
        async with http.get(server.url + "/openapi.json") as response:
            api = Api(http, server.url, await response.json())

        async def connect(namespace: str, token: str, *rest: Any) -> Socket:
            tokens.append(token)
            sockets.append(Socket(server.ws_url, namespace))
            return await sockets[-1].connect(token, *rest)

        sales = await sign_in_at(api, "sales@example.com")
        await whole_workflow(api, sales, connect)
        await what_goes_wrong(api, server, http, sales)
        for socket in sockets:
            await socket.close()
        assert server.process
        server.process.send_signal(signal.SIGTERM)
        log = await said
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    access = [one for one in lines if one["name"] == "access"]
    assert len(access) > 15
    assert all(one["requestId"] for one in access)
    assert any(one["name"] == "handlers.problems" and "database does not answer" in one["message"] for one in lines)
    names = ["Admin Name", "Proctor Name", "User Name", "Jane", "New Organisation", "Algebra"]
    words = ["Ten minutes left", "my own words", PASSWORD, "wrong password", "nonsense"]
    for one in (*names, *words, *tokens, "eyJ", "@example.com", "@school", "sales@"):
        assert one not in log, [line for line in log.splitlines() if one in line][:3]


async def everything(server: ServerProcess) -> str:
    """All that a server says until it ends."""
    assert server.process
    assert server.process.stdout
    return (await server.process.stdout.read()).decode()


async def what_goes_wrong(api: Api, server: ServerProcess, http: aiohttp.ClientSession, sales: Person) -> None:
    """What is refused, what is broken, and what a database does that stands still."""
    login = {"email": "user@example.com", "password": "wrong password"}
    assert await api.code("POST", "/routes/auth/login", login) == "unauthorized"
    again = {"name": "Jane", "email": "user@example.com", "password": PASSWORD, "role": "STUDENT"}
    organisation = (await sales.api.ok("GET", "/routes/organisations"))[0]["id"]
    assert await api.code("POST", "/routes/users", again | {"organisationId": organisation}) == "conflict"
    assert await api.code("POST", "/routes/users", {"email": "jane at example.com", "Jane": 1}) == "invalid_payload"
    async with http.request("JANE", server.url + "/routes/jane@example.com?name=Jane") as response:
        assert response.status == 400
    async with http.get(server.url + "/routes/jane@example.com?token=eyJ") as response:
        assert response.status == 401
    with pytest.raises(Refused):
        await Socket(server.ws_url, "/exam").connect("eyJnonsense")
    student = await sign_in_at(api, "user@example.com")
    socket = await Socket(server.ws_url, "/exam").connect(student.token, uuid())
    exam = (await student.api.ok("GET", "/routes/exams"))[0]
    assert await socket.code("chat", {"text": "my own words"}) == "conflict"
    assert await socket.code("chat", {"text": ["my own words"]}) == "invalid_payload"
    assert await socket.code("my own words") == "unknown_event"
    await socket.ok("start", {"examId": exam["id"]})
    async with http.get(
        server.url + "/routes/auth/me", headers={"Authorization": f"Bearer {student.token}"}
    ) as response:
        assert response.status == 200
    stop(server.database_pid())
    assert await student.api.code("GET", "/routes/auth/me") == "unavailable"
    os.kill(server.database_pid(), signal.SIGCONT)
    for frame in ("9my own words", '42/exam,1["chat"', "4my own words"):
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            await socket.client.eio.ws.send_str(frame)
    await socket.closed()
