"""Consoles that come back again and again while an exam is busy: nothing is missing, nothing comes twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from handlers import proctor_namespace
from handlers.recent import Recent
from models.activity import Entry
from models.database import Stored, patience
from models.exam_log import ExamLog
from models.fields import now
from models.log import ActivityLog
from models.store import Store
from server.app import Running, running
from server.settings import Settings
from tests.clients import Socket, lasting, uuid
from tests.conftest import Connect, Organisation
from tests.frames import Frames, event_frame, opened, parse

BATCH, PAUSE_S = 10, 0.01  # a thousand records a second
STEP = 400  # what a join brings at most, here


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    """A server whose database is left to the end of the run: dropping it takes a millisecond a record."""
    async with running(settings) as serving:
        yield serving


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proctor_namespace, "_MOST_AT_JOIN", STEP)


def entry(school: Organisation) -> Entry:
    return Entry(
        exam_id=ObjectId(school.exam_id),
        organisation_id=ObjectId(school.id),
        type="tab_change",
        source="client",
        received_at=now(),
        client_id=uuid(),
        data={"hidden": True},
    )


async def fill(log: ExamLog, school: Organisation, count: int) -> None:
    for _ in range(0, count, 500):
        results = await log.append([entry(school)] * 500)
        assert not any(isinstance(result, Exception) for result in results)


@contextlib.asynccontextmanager
async def busy(store: Store, school: Organisation) -> AsyncIterator[None]:
    """A thousand records a second come in, where the machine keeps up, as long as this block runs."""
    log, appends, going = store.log.of(ObjectId(school.exam_id)), set[asyncio.Task[Any]](), True

    async def write() -> None:
        due = asyncio.get_running_loop().time()
        while going:
            appends.add(task := asyncio.create_task(log.append([entry(school) for _ in range(BATCH)])))
            task.add_done_callback(appends.discard)
            due = max(due + PAUSE_S, asyncio.get_running_loop().time())
            await asyncio.sleep(due - asyncio.get_running_loop().time())

    writer = asyncio.create_task(write())
    try:
        yield
    finally:
        going = False
        await writer
        await asyncio.gather(*appends)


class Console:
    """A console over raw frames, which holds the server to its word: what it is told follows what it had."""

    def __init__(self, school: Organisation, server: Running, http: aiohttp.ClientSession, seed: int):
        self.school, self.server, self.http = school, server, http
        self.random = random.Random(seed)
        self.seen: dict[int, str] = {}  # by offset, the id
        self.last = 0
        self.live = False  # whether it may be pushed to
        self.epoch: str | None = None
        self.joins = self.pushed = self.number = 0
        self.frames: Frames | None = None

    async def run(self, joins: int) -> None:
        while self.joins < joins:
            async with opened(self.http, self.server.ws_url) as self.frames:
                await self.frames.connect("/proctor", {"token": self.school.proctor.token})
                self.live = False
                for _ in range(self.random.randint(1, 50)):
                    await self.come_back()
                    for _ in range(self.random.choice((0, 0, 1, 3))):
                        await self.push()
                    if self.random.random() < 0.3:
                        await self.leave()

    async def come_back(self) -> None:
        """Join with what it has; now and then with less, or with what the server cannot go on from."""
        chance = self.random.random()
        since, more = self.last, {"epoch": self.epoch} if self.epoch else {}
        if chance < 0.2:
            since = max(0, self.last - self.random.randint(1, 600))
        elif chance < 0.25:
            since += 10**6
        elif chance < 0.3:
            more = {"epoch": "another"}
        while True:
            ack = await self.call("join", {"since": since} | more)
            self.live = not ack["truncated"]
            self.joins += 1
            assert ack["reset"] == (chance >= 0.2 and chance < 0.3)
            if ack["reset"]:
                since = ack["offset"] - len(ack["activity"])
                assert len(ack["activity"]) >= min(100, ack["offset"])
                more = {}
            assert len(ack["activity"]) == STEP if ack["truncated"] else len(ack["activity"]) <= STEP
            self.take(ack["activity"], since)
            assert self.last == ack["offset"]
            self.epoch = ack["epoch"]
            if self.live:
                break
            since, chance = self.last, 1.0

    async def leave(self) -> None:
        assert await self.call("leave", {}) == {}
        self.live = False

    async def call(self, event: str, payload: dict[str, Any]) -> Any:
        """The ack's data. A push before it is of the join before it, and is none after a leave."""
        assert self.frames
        self.number += 1
        await self.frames.send(event_frame("/proctor", self.number, event, {"examId": self.school.exam_id} | payload))
        pushed, ack = await self.frames.until_ack("/proctor", self.number)
        for name, message in pushed:
            self.told(name, message)
        assert ack["ok"], ack
        return ack["data"]

    async def push(self) -> None:
        assert self.frames
        frame = await self.frames.receive()
        assert frame
        kind, _, (name, message) = parse(frame)
        assert kind == "event"
        self.told(name, message)

    def told(self, name: str, message: dict[str, Any]) -> None:
        assert self.live, "a push without a join"
        assert message["examId"] == self.school.exam_id
        if name == "activity":
            self.pushed += 1
            self.take(message["items"], self.last)

    def take(self, items: list[dict[str, Any]], since: int) -> None:
        """Records that follow `since`, the same as were told before under their offsets."""
        assert [item["offset"] for item in items] == list(range(since + 1, since + 1 + len(items)))
        for item in items:
            assert self.seen.setdefault(item["offset"], item["id"]) == item["id"]
        self.last = since + len(items)


async def log_of(store: Store, school: Organisation) -> dict[int, str]:
    with patience():
        query = {"examId": ObjectId(school.exam_id)}
        records: list[Stored] = await store.database.activity.find(query).to_list(None)
    assert sorted(record["offset"] for record in records) == list(range(1, len(records) + 1))
    return {record["offset"]: str(record["id"]) for record in records}


@pytest.mark.usefixtures("small_steps")
async def test_thousands_of_joins_among_a_thousand_records_a_second_miss_nothing_and_repeat_nothing(
    school: Organisation, server: Running, store: Store, http: aiohttp.ClientSession
) -> None:
    consoles = [Console(school, server, http, seed) for seed in range(20)]
    async with busy(store, school):
        await asyncio.gather(*(console.run(joins=100) for console in consoles))
    assert sum(console.joins for console in consoles) >= 2000
    log = await log_of(store, school)
    for console in consoles:
        assert console.pushed > 0
        assert console.seen.items() <= log.items()


@pytest.mark.usefixtures("small_steps")
async def test_a_console_far_behind_goes_on_in_steps_from_the_database_into_what_comes_in(
    school: Organisation, server: Running, store: Store, http: aiohttp.ClientSession
) -> None:
    await fill(ActivityLog(store.database).of(ObjectId(school.exam_id)), school, 2500)  # before this server began
    consoles = [Console(school, server, http, seed) for seed in range(3)]
    async with busy(store, school):

        async def read_all(console: Console) -> None:
            async with opened(http, server.ws_url) as console.frames:
                await console.frames.connect("/proctor", {"token": school.proctor.token})
                steps = []
                while not steps or steps[-1]["truncated"]:
                    steps.append(await console.call("join", {"since": console.last}))
                    console.take(steps[-1]["activity"], console.last)
                    assert console.last == steps[-1]["offset"]
                assert [len(step["activity"]) for step in steps[:-1]] == [STEP] * (len(steps) - 1)
                assert len(steps) > 2500 // STEP
                console.live = True
                for _ in range(5):
                    await console.push()

        await asyncio.gather(*(read_all(console) for console in consoles))
    log = await log_of(store, school)
    for console in consoles:
        assert sorted(console.seen) == list(range(1, console.last + 1))
        assert console.seen.items() <= log.items()


async def test_consoles_that_join_at_the_same_time_share_one_read_of_the_sessions_and_see_them_as_they_are(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    consoles = [await connect("/proctor", school.proctor.token) for _ in range(6)]
    read, begun, go_on, reads = store.sessions.of_exam, asyncio.Event(), asyncio.Event(), []

    async def slowly(exam_id: ObjectId) -> list[Stored]:
        reads.append(await read(exam_id))
        begun.set()
        await go_on.wait()
        return reads[-1]

    monkeypatch.setattr(store.sessions, "of_exam", slowly)
    first = asyncio.create_task(consoles[0].ok("join", {"examId": school.exam_id}))
    await begun.wait()
    ended = (await student.ok("end"))["session"]
    other = await connect("/exam", school.other_student.token)
    started = (await other.ok("start", {"examId": school.exam_id}))["session"]
    later = [asyncio.create_task(one.ok("join", {"examId": school.exam_id})) for one in consoles[1:]]
    await other.ok("heartbeat")
    go_on.set()
    for ack in await asyncio.gather(first, *later):
        sessions = {session["id"]: lasting(session | {"lastHeartbeatAt": None}) for session in ack["sessions"]}
        assert sessions == {ended["id"]: lasting(ended), started["id"]: lasting(started)}
    assert len(reads) < 6
    await other.ok("end")
    for console in consoles:
        (session,) = (await console.next("presence"))["items"]
        assert (session["id"], session["rev"]) == (started["id"], started["rev"] + 1)


async def test_a_read_of_the_sessions_that_fails_is_told_to_all_who_wait_and_to_nobody_after(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    consoles = [await connect("/proctor", school.proctor.token) for _ in range(3)]

    async def fail(_: ObjectId) -> list[Stored]:
        await asyncio.sleep(0.05)
        raise AutoReconnect("the database went")

    with monkeypatch.context() as patch:
        patch.setattr(store.sessions, "of_exam", fail)
        codes = await asyncio.gather(*(one.code("join", {"examId": school.exam_id}) for one in consoles))
    assert codes == ["unavailable"] * 3
    session = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    for console in consoles:
        await console.silence("activity")
        (joined,) = (await console.ok("join", {"examId": school.exam_id}))["sessions"]
        assert lasting(joined) == lasting(session)


async def test_a_console_that_goes_while_it_joins_keeps_nothing_from_the_others(
    school: Organisation, connect: Connect, store: Store
) -> None:
    await fill(store.log.of(ObjectId(school.exam_id)), school, 500)
    for _ in range(10):
        gone, stays = [await connect("/proctor", school.proctor.token) for _ in range(2)]
        await gone.client.emit("join", {"examId": school.exam_id, "since": 0}, namespace="/proctor")
        joined = asyncio.create_task(_offset(stays, school))
        await gone.drop()
        assert await joined == 500


async def _offset(console: Socket, school: Organisation) -> int:
    ack = await console.ok("join", {"examId": school.exam_id, "since": 0})
    return int(ack["offset"])


def offsets(recent: Recent, exam_id: ObjectId, since: int, head: int, limit: int = 1000) -> list[int] | None:
    found = recent.after(exam_id, since, head, limit)
    return None if found is None else orjson.loads(orjson.dumps(found))


def add(recent: Recent, exam_id: ObjectId, first: int, last: int) -> None:
    recent.add(exam_id, first, [b"%d" % offset for offset in range(first, last + 1)])


def test_what_is_recent_is_given_whole_or_not_at_all() -> None:
    recent, exam = Recent(), ObjectId()
    assert offsets(recent, exam, 0, 0) == offsets(recent, exam, 7, 7) == []
    assert offsets(recent, exam, 6, 7) is None
    add(recent, exam, 8, 9)
    add(recent, exam, 10, 10)
    assert offsets(recent, exam, 7, 10) == [8, 9, 10]
    assert offsets(recent, exam, 7, 10, limit=2) == [8, 9]
    assert offsets(recent, exam, 9, 10) == [10]
    assert offsets(recent, exam, 10, 10) == []
    for since, head in ((6, 10), (8, 11), (8, 9)):
        assert offsets(recent, exam, since, head) is None, (since, head)
    assert offsets(recent, ObjectId(), 9, 10) is None
    add(recent, exam, 12, 13)  # what does not follow begins anew
    assert offsets(recent, exam, 10, 13) is None
    assert offsets(recent, exam, 11, 13) == [12, 13]


def test_what_is_recent_is_bounded_and_goes_where_it_was_quiet_longest() -> None:
    recent, quiet, busy_ = Recent(most_bytes=10), ObjectId(), ObjectId()
    add(recent, quiet, 1, 4)
    add(recent, busy_, 1, 8)
    assert offsets(recent, quiet, 2, 4) == [3, 4]
    assert offsets(recent, quiet, 1, 4) is None
    add(recent, busy_, 9, 9)
    assert offsets(recent, quiet, 3, 4) == [4]
    add(recent, quiet, 5, 5)  # from here on the other is the quiet one
    assert offsets(recent, quiet, 3, 5) == [4, 5]
    assert (offsets(recent, busy_, 0, 9), offsets(recent, busy_, 1, 9)) == (None, list(range(2, 10)))
    add(recent, quiet, 6, 9)
    add(recent, quiet, 11, 11)
    assert offsets(recent, quiet, 10, 11) == [11]
    add(recent, busy_, 10, 30)  # more than there is room for
    assert offsets(recent, busy_, 25, 30) == [26, 27, 28, 29, 30]
    assert offsets(recent, busy_, 24, 30) is None
    assert offsets(recent, quiet, 10, 11) is None


def test_what_is_recent_is_the_end_of_the_log_whatever_was_added() -> None:
    for seed in range(20):
        chance = random.Random(seed)
        recent, exams = Recent(most_bytes=600), [ObjectId() for _ in range(4)]
        heads = dict.fromkeys(exams, 0)
        for _ in range(300):
            exam = chance.choice(exams)
            first = heads[exam] + (1 if chance.random() < 0.95 else 5)
            heads[exam] = first + chance.randint(0, 30)
            add(recent, exam, first, heads[exam])
            for other, head in heads.items():
                since = chance.randint(0, head)
                assert offsets(recent, other, since, head) in (None, list(range(since + 1, head + 1)))
        sizes = [len(b"%d" % offset) for exam, head in heads.items() for offset in kept(recent, exam, head)]
        assert 0 < sum(sizes) <= 600


def kept(recent: Recent, exam_id: ObjectId, head: int) -> list[int]:
    """The longest end of a log that is recent."""
    found = (offsets(recent, exam_id, since, head) for since in range(head))
    return next((one for one in found if one is not None), [])
