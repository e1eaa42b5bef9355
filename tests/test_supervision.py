"""Supervision through kills and stand-stills: the server as a process, students as processes and as sockets."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from models.fields import format_instant, now
from tests.clients import Api, Socket, uuid
from tests.conftest import PASSWORD, Organisation, Person, make_exam, make_organisation, make_user, sign_in
from tests.processes import ServerProcess, environment, serving, stop, until

SETTINGS = {
    "RATE_LIMITS": "false",
    "BOOTSTRAP_SALES_EMAIL": "sales@example.com",
    "BOOTSTRAP_SALES_PASSWORD": PASSWORD,
}
STUDENTS = 30


async def make_school(http: aiohttp.ClientSession, server: ServerProcess) -> Organisation:
    async with http.get(server.url + "/openapi.json") as response:
        api = Api(http, server.url, await response.json())
    return await make_organisation(api, await sign_in(api, "sales@example.com"), "school")


def at(api: Api, server: ServerProcess) -> Api:
    """The same user at the server that is now."""
    return Api(api.http, server.url, api.contract, api.token)


async def log_of(api: Api, exam_id: str) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = []
    while more := await api.ok("GET", f"/routes/exams/{exam_id}/activity?limit=500&since={len(log)}"):
        log += more
    assert [one["offset"] for one in log] == list(range(1, len(log) + 1))
    return log


async def test_a_deadline_that_passes_while_the_server_is_dead_has_passed_when_it_is_back(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, **SETTINGS) as server:
        school = await make_school(http, server)
        ends_at = now() + timedelta(seconds=2.5)
        people = (school.proctor, school.student, school.other_student)
        exam = await make_exam(school.admin, *people, endsAt=format_instant(ends_at))
        waits = await make_exam(school.admin, *people, endsAt=format_instant(ends_at), policy={"admission": "proctor"})
        long = await make_exam(school.admin, *people)
        sessions = [
            await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": one["id"]})
            for one in (exam, waits, long)
        ]
        assert [one["status"] for one in sessions] == ["ACTIVE", "WAITING", "ACTIVE"]
        assert sessions[0]["deadline"] == format_instant(ends_at)
        await server.end(signal.SIGKILL)
        assert now() < ends_at, "this machine was too slow to kill it before the deadline"
    while now() < ends_at:
        await asyncio.sleep(0.05)
    async with serving(tmp_path, **SETTINGS) as server:
        listening = asyncio.get_running_loop().time()
        proctor = at(school.proctor.api, server)

        async def over() -> bool:
            found = [await proctor.ok("GET", f"/routes/proctoring/{one['id']}") for one in sessions]
            return [one["status"] for one in found] == ["TIMED_OUT", "TIMED_OUT", "ACTIVE"]

        await until(over, 10)
        assert asyncio.get_running_loop().time() - listening < 1.5
        for session in sessions[:2]:
            got = await proctor.ok("GET", f"/routes/proctoring/{session['id']}")
            assert (got["endTime"], got["connectivity"]) == (format_instant(ends_at), "CLOSED")
            (ended,) = [one for one in await log_of(proctor, session["examId"]) if one["type"] == "session_ended"]
            assert (ended["source"], ended["actorId"]) == ("server", None)
            assert ended["data"]["status"] == "TIMED_OUT"
        student = at(school.student.api, server)
        body = {"sessionId": sessions[0]["id"]}
        assert await student.code("POST", "/routes/proctoring/tab-change", body) == "conflict"
        await server.end(signal.SIGKILL)
    async with serving(tmp_path, **SETTINGS) as server:  # it has happened, and does not happen again
        proctor = at(school.proctor.api, server)
        types = [one["type"] for one in await log_of(proctor, exam["id"])]
        assert types.count("session_ended") == 1
        assert "heartbeat_missing" not in types


# A student's client in a process of its own: it starts, and sends heartbeats as often as it is told.
CLIENT = """
import asyncio, sys
import socketio

async def main(url, token, exam_id):
    client = socketio.AsyncClient()
    await client.connect(url, namespaces=["/exam"], auth={"token": token}, transports=["websocket"])
    ack = await client.call("start", {"examId": exam_id}, namespace="/exam")
    while True:
        print(ack["data"].get("status", "started"), flush=True)
        await asyncio.sleep(ack["data"].get("nextHeartbeatMs", 0) / 1000)
        ack = await client.call("heartbeat", {}, namespace="/exam")

asyncio.run(main(*sys.argv[1:]))
"""


@asynccontextmanager
async def client_process(server: ServerProcess, person: Person, exam_id: str) -> AsyncIterator[int]:
    """Its process id, once it has sent heartbeats for longer than a server that starts gives everybody."""
    arguments = (server.ws_url, person.token, exam_id)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, *arguments, env=environment(), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout
        for expected in (b"started\n", *([b"ACTIVE\n"] * 4)):
            assert await asyncio.wait_for(process.stdout.readline(), 30) == expected
        yield process.pid
    finally:
        process.kill()
        await process.communicate()


async def shown(console: Socket, session_id: str, *connectivity: str) -> dict[str, Any]:
    """The next change of a session's connectivity that a console is pushed has to be to one of these."""
    while True:
        for item in (await console.next("presence"))["items"]:
            if item["id"] == session_id:
                assert item["connectivity"] in connectivity
                got: dict[str, Any] = item
                return got


async def test_a_student_whose_process_is_stopped_is_late_then_missing_on_every_console_and_online_when_it_goes_on(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    loop = asyncio.get_running_loop()
    async with serving(tmp_path, HEARTBEAT_INTERVAL_MS=1000, **SETTINGS) as server:
        school = await make_school(http, server)
        consoles = [
            await Socket(server.ws_url, "/proctor").connect(one.token) for one in (school.proctor, school.admin)
        ]
        async with client_process(server, school.student, school.exam_id) as pid:
            for console in consoles:
                (session,) = (await console.ok("join", {"examId": school.exam_id}))["sessions"]
                assert session["connectivity"] == "ONLINE"
            stopped = loop.time()
            stop(pid)
            for connectivity, intervals in (("LATE", 2), ("MISSING", 4)):
                for console in consoles:
                    got = await shown(console, session["id"], connectivity)
                    assert got["status"] == "ACTIVE"
                # Its last heartbeat was up to an interval before.
                assert intervals - 1.1 <= loop.time() - stopped <= intervals + 1
            os.kill(pid, signal.SIGCONT)
            went_on = loop.time()
            for console in consoles:
                await shown(console, session["id"], "ONLINE")
            assert loop.time() - went_on <= 1
            log = await log_of(school.proctor.api, school.exam_id)
            found = [one for one in log if one["type"].startswith("heartbeat_")]
            assert [one["type"] for one in found] == ["heartbeat_missing", "heartbeat_resumed"]
            assert 4000 <= found[0]["data"]["durationMs"] <= 5000
        # Killed, it is gone, and the session is as it was but for who is there.
        for console in consoles:
            await shown(console, session["id"], "LATE")
            await shown(console, session["id"], "MISSING")
        got = await school.proctor.api.ok("GET", f"/routes/proctoring/{session['id']}")
        assert (got["status"], got["connectivity"]) == ("ACTIVE", "MISSING")
        for console in consoles:
            await console.close()


class Student:
    """A student's client as it should be: it shows each command once, and confirms each that it is given, but where
    it `hesitates`.
    """

    def __init__(self, person: Person, exam_id: str) -> None:
        self.person, self.exam_id, self.client_id = person, exam_id, uuid()
        self.shown: list[str] = []  # ids, each once, in order
        self.given: Counter[str] = Counter()
        self.confirmed: set[str] = set()
        self.hesitates = False
        self.socket: Socket
        self.session: dict[str, Any] = {}
        self.answering: asyncio.Task[None] | None = None

    async def start(self, url: str) -> None:
        self.socket = await Socket(url, "/exam").connect(self.person.token, self.client_id)
        self.session = (await self.socket.ok("start", {"examId": self.exam_id}))["session"]
        self.answering = asyncio.create_task(self._answer())

    async def _answer(self) -> None:
        """Until the connection is gone."""
        while True:
            command = await self.socket.received["command"].get()
            assert command["sessionId"] == self.session["id"]
            self.given[command["id"]] += 1
            if command["id"] not in self.shown:
                self.shown.append(command["id"])
            if self.hesitates:
                continue
            ack = await self.socket.call("command_ack", {"commandId": command["id"]})
            if ack["ok"]:
                self.confirmed.add(command["id"])
            else:
                assert ack["error"]["code"] in ("conflict", "unavailable"), ack

    async def stop(self) -> None:
        assert self.answering
        self.answering.cancel()
        (result,) = await asyncio.gather(self.answering, return_exceptions=True)
        assert not isinstance(result, AssertionError), result
        await self.socket.close()


class Proctor:
    """Gives command after command; what is not answered it sends again, as the same request."""

    def __init__(self, person: Person, exam_id: str) -> None:
        self.person, self.exam_id = person, exam_id
        self.requests: dict[str, dict[str, Any]] = {}
        self.answers: dict[str, list[dict[str, Any]] | str] = {}
        self.socket: Socket

    async def connect(self, url: str) -> None:
        self.socket = await Socket(url, "/proctor").connect(self.person.token)
        await self.socket.ok("join", {"examId": self.exam_id})

    async def give(self, action: str, **fields: Any) -> None:
        request = {"requestId": uuid(), "examId": self.exam_id, "action": action} | fields
        self.requests[request["requestId"]] = request
        await self._send(request)

    async def send_again(self) -> None:
        """All of them: those that were answered have to be answered the same."""
        for request in self.requests.values():
            await self._send(request)

    async def _send(self, request: dict[str, Any]) -> None:
        ack = await self.socket.call("command", request)
        if ack["ok"]:
            answer: Any = [{"id": one["id"], "sessionId": one["sessionId"]} for one in ack["data"]["commands"]]
        else:
            answer = ack["error"]["code"]
            assert answer == "conflict", ack
        assert self.answers.setdefault(request["requestId"], answer) == answer, (request, answer)


async def gone(socket: Socket, work: Coroutine[Any, Any, None]) -> None:
    """Do `work` until it is done or the connection is lost."""
    tasks = [asyncio.create_task(work), asyncio.create_task(socket.gone.wait())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    (result, _) = await asyncio.gather(*tasks, return_exceptions=True)
    if isinstance(result, AssertionError):
        raise result


async def test_commands_in_flight_when_the_server_is_killed_are_each_confirmed_or_show_as_expired(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path, **SETTINGS))
        school = await make_school(http, server)
        made = [
            await make_user(school.admin.api, school.id, "STUDENT", f"s{number}@example.com")
            for number in range(STUDENTS)
        ]
        exam_id = (await make_exam(school.admin, school.proctor, *made))["id"]
        students = [Student(one, exam_id) for one in made]
        proctor = Proctor(school.proctor, exam_id)
        for one in students[::3]:
            one.hesitates = True
        for round_ in range(2):
            await proctor.connect(server.ws_url)
            await asyncio.gather(*(one.start(server.ws_url) for one in students))
            await proctor.send_again()
            ids = [one.session["id"] for one in students]

            async def give(ids: list[str] = ids, round_: int = round_) -> None:
                for number in range(1000):
                    one = ids[number % (STUDENTS - 5)]
                    await asyncio.gather(
                        proctor.give("warn", text=f"To all, {round_}/{number}"),
                        proctor.give("pause", sessionId=one, reason="A moment."),
                        proctor.give("extend", sessionId=ids[-1], minutes=1, reason="The noise."),
                    )
                    await proctor.give("resume", sessionId=one)
                    if number == 2:
                        await proctor.give("terminate", sessionId=ids[-2 - round_], reason="Enough.")

            giving = asyncio.create_task(gone(proctor.socket, give()))
            # In the middle: many are answered, and more are on their way.
            enough = len(proctor.answers) + 25
            await until(lambda enough=enough: asyncio.sleep(0, len(proctor.answers) >= enough))
            await server.end(signal.SIGKILL)
            await giving
            for one in students:
                await one.stop()
            server = await stack.enter_async_context(serving(tmp_path, **SETTINGS))
        for one in students:
            one.hesitates = False
        await proctor.connect(server.ws_url)
        await asyncio.gather(*(one.start(server.ws_url) for one in students))
        await proctor.send_again()
        assert len(proctor.answers) == len(proctor.requests)
        api = at(school.proctor.api, server)

        async def fates() -> dict[str, list[dict[str, Any]]]:
            lists = [api.ok("GET", f"/routes/proctoring/{one.session['id']}/commands") for one in students]
            return dict(zip((one.session["id"] for one in students), await asyncio.gather(*lists), strict=True))

        async def settled() -> bool:
            found = [one["fate"] for commands in (await fates()).values() for one in commands]
            return set(found) <= {"ACKNOWLEDGED", "EXPIRED"}

        await until(settled)
        await check(students, proctor, api, await fates())
        # What was not confirmed was given again after each start.
        assert all(max(one.given.values()) >= 3 for one in students[:-5:3])
        for one in students:
            await one.stop()
        await proctor.socket.close()


async def check(students: list[Student], proctor: Proctor, api: Api, commands: dict[str, list[dict[str, Any]]]) -> None:
    answered = [one for answer in proctor.answers.values() if not isinstance(answer, str) for one in answer]
    assert len({one["id"] for one in answered}) == len(answered)
    stored = {one["id"]: one for of_session in commands.values() for one in of_session}
    # What was answered is there, and nothing else is.
    assert {one["id"]: one["sessionId"] for one in answered} == {
        command_id: one["sessionId"] for command_id, one in stored.items()
    }
    ended = 0
    for student in students:
        of_session = commands[student.session["id"]]
        fates = {one["id"]: one["fate"] for one in of_session}
        got = await api.ok("GET", f"/routes/proctoring/{student.session['id']}")
        if got["status"] == "ACTIVE" or got["status"] == "PAUSED":
            assert set(fates.values()) == {"ACKNOWLEDGED"}
        else:
            ended += 1
            (last,) = [one for one in of_session if one["action"] == "terminate"]
            assert fates[last["id"]] == "ACKNOWLEDGED"
        acknowledged = [command_id for command_id, fate in fates.items() if fate == "ACKNOWLEDGED"]
        assert set(acknowledged) <= set(student.shown)
        assert student.confirmed <= set(acknowledged)
        assert len(set(student.shown)) == len(student.shown)
        # Shown in the order in which they were given.
        assert student.shown == [command_id for command_id in fates if command_id in set(student.shown)]
    assert ended >= 1
    await check_log(students, proctor, api)


async def check_log(students: list[Student], proctor: Proctor, api: Api) -> None:
    """Each order is one activity, and what the log says comes to the state that there is."""
    log = await log_of(api, proctor.exam_id)
    done: Counter[str] = Counter()
    for request_id, answer in proctor.answers.items():
        if not isinstance(answer, str):
            done[proctor.requests[request_id]["action"]] += 1
    names = {"warned": "warn", "paused": "pause", "resumed": "resume", "time_added": "extend"}
    kinds = Counter(one["type"] for one in log)
    assert {name: kinds[name] for name in names} == {name: done[action] for name, action in names.items()}
    assert kinds["session_ended"] == done["terminate"]
    assert kinds["server_restarted"] == 2
    said = Counter(one["data"]["text"] for one in log if one["type"] == "warned")
    assert set(said.values()) == {1}
    becomes = {"session_started": "ACTIVE", "paused": "PAUSED", "resumed": "ACTIVE", "session_ended": "TERMINATED"}
    for student in students:
        session_id = student.session["id"]
        own = [one for one in log if one["sessionId"] == session_id]
        got = await api.ok("GET", f"/routes/proctoring/{session_id}")
        assert got["status"] == [becomes[one["type"]] for one in own if one["type"] in becomes][-1]
        extended = sum(one["data"]["minutes"] for one in own if one["type"] == "time_added")
        ledger = Counter[str]()
        for one in got["timeLedger"]:
            ledger[one["kind"]] += one["ms"]
        assert ledger["extension"] == extended * 60_000
        paused = [one for one in own if one["type"] in ("paused", "resumed")]
        pauses = [
            datetime.fromisoformat(after["receivedAt"]) - datetime.fromisoformat(before["receivedAt"])
            for before, after in itertools.pairwise(paused)
            if (before["type"], after["type"]) == ("paused", "resumed")
        ]
        assert ledger["pause"] == sum(pauses, timedelta()) // timedelta(milliseconds=1)
