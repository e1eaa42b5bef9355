"""Kills, resends and two servers on one database, under load: what was acked is there, once, and was seen in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from bson import ObjectId

from models.database import Database, Stored, patience
from models.store import Store
from server.app import Running
from tests.clients import Api, Socket, uuid
from tests.conftest import PASSWORD, SECRET, Organisation, make_exam, make_organisation, make_user, sign_in
from tests.frames import Frames, event_frame, opened, parse
from tests.processes import ServerProcess, alive, ready, serving, until

ROUNDS = 2
SETTINGS = {
    "RATE_LIMITS": "false",
    "BOOTSTRAP_SALES_EMAIL": "sales@example.com",
    "BOOTSTRAP_SALES_PASSWORD": PASSWORD,
}


class Reporter:
    """An exam client as it should be: what is not acked it keeps, and replays after its next start."""

    def __init__(self, token: str, exam_id: str) -> None:
        self.token, self.exam_id, self.client_id = token, exam_id, uuid()
        self.sent = 0  # the highest seq
        self.waiting: dict[int, dict[str, Any]] = {}  # by seq: sent and not acked
        self.acked: dict[int, dict[str, Any]] = {}  # by seq: the ack's data, empty for one of a replay
        self.beats: set[str] = set()
        self.session_id = ""
        self.socket: Socket

    async def start(self, url: str) -> int:
        """Connect and start; `lastSeq`."""
        self.socket = await Socket(url, "/exam").connect(self.token, self.client_id)
        started = await self.socket.ok("start", {"examId": self.exam_id})
        self.session_id = started["session"]["id"]
        return int(started["lastSeq"])

    def number(self) -> dict[str, Any]:
        self.sent += 1
        self.waiting[self.sent] = {"seq": self.sent, "hidden": self.sent % 2 == 1}
        return self.waiting[self.sent]

    async def replay(self, seqs: list[int]) -> None:
        items = [{"event": "tab_change", "payload": self.waiting[seq]} for seq in seqs]
        ack = await self.socket.call("replay", {"items": items})
        if ack["ok"]:
            data = ack["data"]
            kept = {rejected["seq"] for rejected in data["rejected"]}
            assert {one["error"]["code"] for one in data["rejected"]} <= {"unavailable"}
            assert data["recorded"] + data["duplicates"] + len(kept) == len(items)
            for seq in set(seqs) - kept:
                self.acked[seq] = {}
                del self.waiting[seq]
        else:
            assert ack["error"]["code"] == "unavailable", ack

    async def replay_all(self) -> None:
        while self.waiting:
            await self.replay(sorted(self.waiting)[:500])

    async def report(self, stop: asyncio.Event) -> None:
        """Report one by one, by the hundred, and heartbeats, at full speed until told to stop or cut off."""
        going = True  # a cancellation is lost where the ack comes at the same moment

        async def singly() -> None:
            while going:
                payload = self.number()
                ack = await self.socket.call("tab_change", payload)
                if ack["ok"]:
                    self.acked[payload["seq"]] = ack["data"]
                    del self.waiting[payload["seq"]]
                else:
                    assert ack["error"]["code"] == "unavailable", ack

        async def by_the_hundred() -> None:
            while going:
                await self.replay([self.number()["seq"] for _ in range(100)])
                await asyncio.sleep(0.05)

        async def beat() -> None:
            while going:
                ack = await self.socket.call("heartbeat")
                if ack["ok"]:
                    self.beats.add(ack["data"]["serverTime"])
                await asyncio.sleep(0.02)

        over = [asyncio.create_task(stop.wait()), asyncio.create_task(self.socket.gone.wait())]
        work = [asyncio.create_task(one()) for one in (singly, singly, singly, by_the_hundred, beat)]
        await asyncio.wait([*over, *work], return_when=asyncio.FIRST_COMPLETED)
        going = False
        # What is on its way is waited for, where an answer can still come.
        for task in (*over, *work) if self.socket.gone.is_set() else over:
            task.cancel()
        for result in await asyncio.gather(*work, return_exceptions=True):
            cut_off = self.socket.gone.is_set() and not isinstance(result, AssertionError)
            if isinstance(result, Exception) and not cut_off:
                raise result
        await self.socket.drop()


class Watcher:
    """A console that keeps all that it is told, and goes on from there wherever it connects again."""

    def __init__(self, token: str, exam_id: str) -> None:
        self.token, self.exam_id = token, exam_id
        self.seen: list[tuple[int, str]] = []
        self.epoch: str | None = None
        self.socket: Socket | None = None

    async def join(self, url: str) -> None:
        self.look()
        self.socket = await Socket(url, "/proctor").connect(self.token)
        ack: dict[str, Any] = {"truncated": True, "epoch": self.epoch}
        while ack["truncated"]:
            payload = {"examId": self.exam_id, "since": len(self.seen)}
            ack = await self.socket.ok("join", payload | ({"epoch": ack["epoch"]} if ack["epoch"] else {}))
            assert not ack["reset"]
            self._take(ack["activity"])
        self.epoch = ack["epoch"]

    def look(self) -> int:
        """Take what was pushed; the last offset."""
        while self.socket and not self.socket.received["activity"].empty():
            self._take(self.socket.received["activity"].get_nowait()["items"])
        return len(self.seen)

    async def see(self, offset: int) -> None:
        async def seen() -> bool:
            return self.look() >= offset

        await until(seen)

    def _take(self, items: list[dict[str, Any]]) -> None:
        first = len(self.seen) + 1
        assert [item["offset"] for item in items] == list(range(first, first + len(items)))
        self.seen += [(item["offset"], item["id"]) for item in items]


class Hall:
    """An exam with its students, on a server process that may be killed."""

    def __init__(self, school: Organisation, exam_id: str, reporters: list[Reporter]) -> None:
        self.school, self.exam_id, self.reporters = school, exam_id, reporters
        self.watcher = Watcher(school.proctor.token, exam_id)

    @classmethod
    async def make(cls, http: aiohttp.ClientSession, url: str, students: int) -> Hall:
        async with http.get(url + "/openapi.json") as response:
            api = Api(http, url, await response.json())
        school = await make_organisation(api, await sign_in(api, "sales@example.com"), "school")
        made = [await make_user(school.admin.api, school.id, "STUDENT", f"s{n}@example.com") for n in range(students)]
        exam_id = (await make_exam(school.admin, school.proctor, *made))["id"]
        return cls(school, exam_id, [Reporter(one.token, exam_id) for one in made])

    async def log(self, database_url: str) -> list[Stored]:
        """What the database holds: dense, and of each client's numbers none twice."""
        database = Database(database_url)
        try:
            with patience():
                query = {"examId": ObjectId(self.exam_id)}
                records: list[Stored] = await database.activity.find(query).to_list(None)
        finally:
            database.close()
        records.sort(key=lambda record: int(record["offset"]))
        assert [record["offset"] for record in records] == list(range(1, len(records) + 1))
        assert len({record["id"] for record in records}) == len(records)
        numbered = Counter((record["clientId"], record["seq"]) for record in records if record["seq"])
        assert set(numbered.values()) <= {1}
        return records

    def check(self, records: list[Stored]) -> None:
        """What was acked is there as it was acked; what the console has seen is the log's beginning."""
        stored = {(record["clientId"], record["seq"]): record for record in records if record["seq"]}
        for reporter in self.reporters:
            for seq, ack in reporter.acked.items():
                record = stored[reporter.client_id, seq]
                assert ack in ({}, {"id": str(record["id"]), "offset": record["offset"]})
        seen = self.watcher.seen
        assert seen == [(record["offset"], str(record["id"])) for record in records[: len(seen)]]

    async def check_beats(self, http: aiohttp.ClientSession, url: str) -> None:
        for reporter in self.reporters:
            path = f"{url}/routes/proctoring/{reporter.session_id}/heartbeats?limit=500"
            async with http.get(path, headers={"Authorization": f"Bearer {self.school.proctor.token}"}) as response:
                kept = {beat["receivedAt"] for beat in await response.json()}
            assert reporter.beats <= kept


def highest(records: list[Stored], client_id: str) -> int:
    return max((record["seq"] for record in records if record["clientId"] == client_id and record["seq"]), default=0)


@pytest.mark.parametrize("killed", ["server", "database", "both"])
async def test_a_kill_under_load_takes_nothing_that_was_acked(
    tmp_path: Path, http: aiohttp.ClientSession, mongodb: str, killed: str
) -> None:
    settings = dict(SETTINGS)
    if killed == "server":
        settings |= {"DATABASE_URL": f"{mongodb}/kill{uuid4().hex}", "JWT_SECRET": SECRET}
    moments = random.Random(killed)
    hall: Hall | None = None
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(tmp_path, **settings))
        for round_ in range(ROUNDS + 1):
            database_url = settings.get("DATABASE_URL") or (tmp_path / "data" / "database_url").read_text()
            hall = hall or await Hall.make(http, server.url, students=4)
            await hall.watcher.join(server.ws_url)
            last_seqs = await asyncio.gather(*(one.start(server.ws_url) for one in hall.reporters))
            records = await hall.log(database_url)
            hall.check(records)
            await hall.check_beats(http, server.url)
            for reporter, last_seq in zip(hall.reporters, last_seqs, strict=True):
                assert last_seq == highest(records, reporter.client_id) >= max(reporter.acked, default=0)
            await asyncio.gather(*(one.replay_all() for one in hall.reporters))
            if round_ < ROUNDS:
                server = await _kill_under_load(hall, server, killed, moments.uniform(0.2, 1.2), stack, http)
        assert hall is not None
        records = await hall.log(database_url)
        await hall.watcher.see(len(records))
        hall.check(records)
        for reporter in hall.reporters:
            assert sorted(reporter.acked) == list(range(1, reporter.sent + 1))
            assert reporter.beats
            await reporter.socket.close()
        assert hall.watcher.socket
        await hall.watcher.socket.close()


async def _kill_under_load(
    hall: Hall,
    server: ServerProcess,
    killed: str,
    after_s: float,
    stack: contextlib.AsyncExitStack,
    http: aiohttp.ClientSession,
) -> ServerProcess:
    """Let all report, kill in the middle of it, and let it be up again; the server that is then."""
    stop = asyncio.Event()
    reporting = [asyncio.create_task(one.report(stop)) for one in hall.reporters]
    await asyncio.sleep(after_s)
    if killed != "server":
        database = server.database_pid()
        os.kill(database, signal.SIGKILL)
    if killed != "database":
        await server.end(signal.SIGKILL)
        await asyncio.gather(*reporting)
        return await stack.enter_async_context(serving(server.cwd, **server.settings))

    async def is_back() -> bool:
        return not alive(database) and await ready(http, server.url) == 200

    async def goes_on() -> bool:
        return sum(len(one.acked) for one in hall.reporters) > acked + 50

    await until(is_back)
    acked = sum(len(one.acked) for one in hall.reporters)
    await until(goes_on)  # by itself: nobody connected anew
    stop.set()
    await asyncio.gather(*reporting)
    return server


async def test_two_servers_on_one_database_write_one_log_and_tell_all_of_it_to_both_ones_consoles(
    tmp_path: Path, http: aiohttp.ClientSession, mongodb: str
) -> None:
    settings = SETTINGS | {"DATABASE_URL": f"{mongodb}/two{uuid4().hex}", "JWT_SECRET": SECRET}
    async with serving(tmp_path, **settings) as one, serving(tmp_path, **settings) as two:
        hall = await Hall.make(http, one.url, students=6)
        watchers = [hall.watcher, Watcher(hall.school.admin.token, hall.exam_id)]
        urls = [one.ws_url, two.ws_url]
        for watcher, url in zip(watchers, urls, strict=True):
            await watcher.join(url)
        for number, reporter in enumerate(hall.reporters):
            await reporter.start(urls[number % 2])
        stop = asyncio.Event()
        reporting = [asyncio.create_task(reporter.report(stop)) for reporter in hall.reporters]
        await asyncio.sleep(2)
        stop.set()
        await asyncio.gather(*reporting)
        # Each goes on at the other server with what it had not been acked.
        for number, reporter in enumerate(hall.reporters):
            await reporter.start(urls[(number + 1) % 2])
            await reporter.replay_all()
        for watcher in watchers:  # who appends has seen all before it
            assert watcher.socket
            for _ in range(2):
                said = {"requestId": uuid(), "examId": hall.exam_id, "text": "Time is up."}
                ack = await watcher.socket.ok("chat", said)
            await watcher.see(ack["offset"])
        records = await hall.log(str(settings["DATABASE_URL"]))
        for reporter in hall.reporters:
            assert sorted(reporter.acked) == list(range(1, reporter.sent + 1))
            await reporter.socket.close()
        for watcher in watchers:
            hall.watcher = watcher
            hall.check(records)
            assert len(watcher.seen) >= len(records) - 2
            assert watcher.socket
            await watcher.socket.close()


@contextlib.asynccontextmanager
async def started(
    http: aiohttp.ClientSession, server: Running, school: Organisation, client_id: str
) -> AsyncIterator[Frames]:
    async with opened(http, server.ws_url) as frames:
        await frames.connect("/exam", {"token": school.student.token, "clientId": client_id})
        ack = await frames.call("/exam", 0, "start", {"examId": school.exam_id})
        assert ack["ok"], ack
        yield frames


async def _acks(frames: Frames) -> dict[int, Any]:
    """The acks that still come until the server closes the connection."""
    acks: dict[int, Any] = {}
    while (frame := await frames.receive()) is not None:
        kind, number, data = parse(frame)
        if kind == "ack":
            (acks[number],) = data
        else:
            assert kind == "41", frame  # a reload is the same client: nothing is said to the old connection
    return acks


async def test_a_client_that_resends_all_three_times_over_two_connections_is_recorded_once(
    server: Running, http: aiohttp.ClientSession, school: Organisation, store: Store
) -> None:
    chance, sent, client_id = random.Random(7), 0, uuid()
    told: dict[int, dict[str, Any]] = {}
    for _ in range(4):
        payloads = [{"seq": sent + n, "hidden": n % 2 == 0} for n in range(1, 61)]
        sent += 60
        items = [{"event": "tab_change", "payload": payload} for payload in payloads]
        async with started(http, server, school, client_id) as old:
            # Not one ack is waited for; the second connection takes the session over somewhere among them.
            await old.send(*(event_frame("/exam", one["seq"], "tab_change", one) for one in payloads))
            await old.send(event_frame("/exam", 10_000, "replay", {"items": items}))
            reading = asyncio.create_task(_acks(old))
            await asyncio.sleep(chance.uniform(0, 0.15))
            async with started(http, server, school, client_id) as new:
                for time in range(3):
                    await new.send(event_frame("/exam", time + 1, "replay", {"items": items}))
                await new.send(*(event_frame("/exam", 100_000 + one["seq"], "tab_change", one) for one in payloads))
                acks, closed = await new.acks_until_closed_or(100_000 + sent)
                assert not closed
                for number, (ack,) in acks.items():
                    assert ack["ok"], ack
                    if number < 100_000:
                        assert ack["data"]["recorded"] + ack["data"]["duplicates"] == 60
                        assert ack["data"]["rejected"] == []
                    else:
                        told[number - 100_000] = ack["data"]
                for number, ack in (await reading).items():
                    if ack["ok"] and number < 10_000:
                        known = told[number]
                        assert (ack["data"]["id"], ack["data"]["offset"]) == (known["id"], known["offset"])
    records = await store.log.read(ObjectId(school.exam_id), 0, 10_000)
    reports = [record for record in records if record["type"] == "tab_change"]
    assert sorted(record["seq"] for record in reports) == list(range(1, sent + 1))
    for record in reports:
        assert told[record["seq"]] == {"id": str(record["id"]), "offset": record["offset"], "duplicate": True}


async def test_one_report_over_rest_three_times_in_parallel_beside_the_socket_is_recorded_once(
    server: Running, http: aiohttp.ClientSession, school: Organisation, store: Store
) -> None:
    async with started(http, server, school, uuid()) as frames:
        (session,) = await school.proctor.api.ok("GET", f"/routes/proctoring?examId={school.exam_id}")
        body = {"sessionId": session["id"], "hidden": False}

        async def report(key: str) -> str:
            made = await school.student.api.ok(
                "POST", "/routes/proctoring/tab-change", body, headers={"Idempotency-Key": key}
            )
            return str(made["id"])

        keys = [uuid() for _ in range(8)]
        await frames.send(*(event_frame("/exam", seq, "tab_change", {"seq": seq}) for seq in range(1, 41)))
        answers = await asyncio.gather(*(report(key) for _ in range(3) for key in keys))
        acks, closed = await frames.acks_until_closed_or(40)
    assert not closed
    ids = [ack["data"]["id"] for (ack,) in acks.values()]
    assert answers == answers[:8] * 3
    records = await store.log.read(ObjectId(school.exam_id), 0, 10_000)
    assert sorted(str(one["id"]) for one in records if one["type"] == "tab_change") == sorted(answers[:8] + ids)
    assert await ready(http, server.url) == 200
