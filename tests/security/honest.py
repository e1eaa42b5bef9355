"""Students who take an exam while others attack, in a process of their own: `python -m tests.security.honest`.

Each reports once a second, in turn a tab change and a heartbeat, by the Socket.IO library, and does what an exam client
does: comes back when its connection is lost, waits as it is told, sends again what was not acked. A latency counts from
when an event was due. An event is lost where its ack never came, or where the log, or the list of heartbeats, does not
have it exactly once.

Reads lines of JSON: first where and who, then `"report"`, which is answered with a line of figures, or the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Final
from uuid import uuid4

import aiohttp
import socketio

from bench.books import quantile

_PACE_S: Final = 1.0
_ANSWER_S: Final = 10.0
_GIVE_UP_S: Final = 60.0
_AGAIN_S: Final = 0.5


@dataclass(frozen=True)
class Where:
    """What the process is told first."""

    url: str
    ws_url: str
    exam_id: str
    proctor: str  # a token, by which log and heartbeats are read
    students: list[tuple[str, str]]  # user id, token


@dataclass
class Figures:
    """`again`: events that had to be sent more than once; `back`: connections that had to be made anew."""

    acks: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    again: int = 0
    back: int = 0
    lost: list[str] = field(default_factory=list)


class Student:
    """One student. `took`: the latencies in seconds, since `Hall.report` was called last."""

    def __init__(self, where: Where, user_id: str, token: str) -> None:
        self._where, self._token = where, token
        self.client_id = str(uuid4())
        self._client: socketio.AsyncClient | None = None
        self._started = False
        self.user_id = user_id
        self.busy = False
        self.session_id = ""
        self.seqs: list[int] = []  # acked, and not yet looked for in the log
        self.beats: list[str] = []  # the same: when the server had them
        self.never: list[str] = []
        self.took: list[float] = []
        self.again = self.back = self._seq = 0

    async def take_part(self, first: float, going: asyncio.Event) -> None:
        """Report at a steady pace from `first` (of the loop's clock) on, for ever; while not `going`, not at all."""
        loop, due = asyncio.get_running_loop(), first
        while True:
            await asyncio.sleep(max(0.0, due - loop.time()))
            if not going.is_set():
                await going.wait()
                due = loop.time() + _PACE_S * random.random()
                continue
            self.busy = True
            await self._report(due)
            self.busy = False
            due += _PACE_S

    async def _report(self, due: float) -> None:
        loop = asyncio.get_running_loop()
        self._seq += 1
        is_change = self._seq % 2 == 1
        payload = {"seq": self._seq, "hidden": self._seq % 4 == 1} if is_change else {}
        tries = 0
        while loop.time() < due + _GIVE_UP_S:
            tries += 1
            ack = await self._send("tab_change" if is_change else "heartbeat", payload)
            if ack is not None and ack["ok"]:
                self.took.append(loop.time() - due)
                self.again += tries > 1
                if is_change:
                    self.seqs.append(self._seq)
                else:
                    self.beats.append(ack["data"]["serverTime"])
                return
            wait_ms = ack["error"].get("retryAfterMs", 0) if ack else 0
            await asyncio.sleep(max(wait_ms / 1000, _AGAIN_S))
        self.never.append(f"{self._seq} of {self.user_id} was never acked: {ack}")

    async def _send(self, event: str, payload: dict[str, Any]) -> Any:
        """The ack; None where the connection has to be made anew."""
        try:
            client = await self.enter()
            return await client.call(event, payload, namespace="/exam", timeout=_ANSWER_S)
        except (socketio.exceptions.SocketIOError, aiohttp.ClientError, TimeoutError, OSError):
            await self.leave()
            return None

    async def enter(self) -> socketio.AsyncClient:
        """The connection, made anew and started where it is not there."""
        if self._client is not None and self._started and self._client.connected:
            return self._client
        if self._started:
            self.back += 1
        await self.leave()
        self._client = client = socketio.AsyncClient(reconnection=False)
        auth = {"token": self._token, "clientId": self.client_id}
        where = self._where.ws_url
        await client.connect(where, namespaces=["/exam"], auth=auth, transports=["websocket"], wait_timeout=_ANSWER_S)
        ack = await client.call("start", {"examId": self._where.exam_id}, namespace="/exam", timeout=_ANSWER_S)
        if not ack["ok"]:
            raise socketio.exceptions.SocketIOError(str(ack))
        self.session_id = ack["data"]["session"]["id"]
        self._started = True
        return client

    async def leave(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(Exception):
                await client.disconnect()


class Hall:
    """All of them."""

    def __init__(self, where: Where) -> None:
        self._where = where
        self._since = 0
        self._going = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.students = [Student(where, *one) for one in where.students]

    async def enter(self) -> None:
        """Let all in, and have them begin."""
        for student in self.students:
            await student.enter()
        now = asyncio.get_running_loop().time()
        self._going.set()
        for place, student in enumerate(self.students):
            first = now + _PACE_S * place / len(self.students)
            self._tasks.append(asyncio.create_task(student.take_part(first, self._going)))

    async def heard(self) -> None:
        """Wait until each was acked at least once."""
        while not all(student.took for student in self.students):
            await asyncio.sleep(0.05)

    async def report(self) -> Figures:
        """Stop, wait for what is under way, compare with the log, and go on."""
        self._going.clear()
        while any(student.busy for student in self.students):
            await asyncio.sleep(0.05)
        for task in self._tasks:
            if task.done():
                task.result()
        headers = {"Authorization": f"Bearer {self._where.proctor}"}
        async with aiohttp.ClientSession(self._where.url, headers=headers) as http:
            found = await self._log(http)
            beats = [await self._beats(http, student) for student in self.students]
        lost: list[str] = []
        took: list[float] = []
        figures = Figures()
        for student, kept in zip(self.students, beats, strict=True):
            lost += student.never
            for seq in student.seqs:
                if (times := found[student.client_id, seq]) != 1:
                    lost.append(f"{seq} of {student.user_id} is {times} times in the log")
            for at in student.beats:
                if (times := kept[at]) != 1:
                    lost.append(f"the heartbeat of {student.user_id} at {at} is kept {times} times")
            took += student.took
            figures.again += student.again
            figures.back += student.back
            student.never, student.seqs, student.beats, student.took = [], [], [], []
            student.again = student.back = 0
        took.sort()
        if took:
            figures.acks = len(took)
            figures.p50_ms, figures.p99_ms = (quantile(took, part) * 1000 for part in (0.5, 0.99))
            figures.max_ms = took[-1] * 1000
        figures.lost = lost
        self._going.set()
        return figures

    async def _log(self, http: aiohttp.ClientSession) -> Counter[tuple[str, int]]:
        """How often the log has the tab change of this client and number, of what it did not have last time."""
        found: Counter[tuple[str, int]] = Counter()
        path = f"/routes/exams/{self._where.exam_id}/activity"
        while items := await _get(http, path, {"since": str(self._since), "limit": "500"}):
            self._since = items[-1]["offset"]
            found.update((one["clientId"], one["seq"]) for one in items if one["type"] == "tab_change")
        return found

    async def _beats(self, http: aiohttp.ClientSession, student: Student) -> Counter[str]:
        """How often each heartbeat is kept, from the first one on that is looked for."""
        found: Counter[str] = Counter()
        if student.beats:
            path, since = f"/routes/proctoring/{student.session_id}/heartbeats", min(student.beats)
            items = await _get(http, path, {"from": since, "limit": "500"})
            found.update(one["receivedAt"] for one in items)
        return found

    async def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for student in self.students:
            await student.leave()


async def _get(http: aiohttp.ClientSession, path: str, params: dict[str, str]) -> list[dict[str, Any]]:
    """A page of a list; what is refused for now, as the attack may go on in the database, is asked for again."""
    while True:
        async with http.get(path, params=params) as response:
            if response.status not in (429, 503):
                response.raise_for_status()
                items: list[dict[str, Any]] = await response.json()
                return items
        await asyncio.sleep(1)


async def main(lines: Iterable[str]) -> None:
    reading = iter(lines)
    hall = Hall(Where(**json.loads(next(reading))))
    await hall.enter()
    _say("ready")
    while await asyncio.to_thread(next, reading, ""):
        _say(asdict(await hall.report()))
    await hall.leave()


def _say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.stdin))
