"""Heartbeats against a real database: every one that was acked is kept, through folding, failing and restarting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import heartbeats
from models.database import Stored
from models.fields import now
from models.heartbeats import Heartbeats
from models.hints import Hints
from models.store import Store

EXAM = ObjectId()
LATER = 2**40  # a minute after all others


class Collection:
    """A collection whose inserted documents are counted and whose methods can be made to fail."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.inserted: list[Stored] = []
        self.failing: list[str] = []  # the methods that fail, once for each time that they are in here

    def __getattr__(self, name: str) -> Any:
        self._fail(name)
        return getattr(self.real, name)

    async def insert_one(self, document: Stored) -> None:
        self._fail("insert_one")
        self.inserted.append(document)
        await self.real.insert_one(document)

    def _fail(self, name: str) -> None:
        if name in self.failing:
            self.failing.remove(name)
            raise AutoReconnect("the connection was lost")


class Database:
    """The store's database, as far as heartbeats go."""

    def __init__(self, store: Store) -> None:
        self.measures = store.database.measures
        self.heartbeat_groups = Collection(store.database.heartbeat_groups)
        self.heartbeats = Collection(store.database.heartbeats)
        self.sessions = Collection(store.database.sessions)


async def session_in(store: Store, started: datetime | None = None) -> Stored:
    """A session that is stored; heartbeats of one that is not are dropped at a start."""
    session: Stored = {
        "_id": ObjectId(),
        "rev": 1,
        "status": "ACTIVE",
        "connectivity": "MISSING",
        "startTime": started or now() - timedelta(hours=1),
        "endTime": None,
        "lastHeartbeatAt": None,
        "examId": EXAM,
        "userId": ObjectId(),
    }
    await store.database.sessions.insert_one(session)
    return session


@contextlib.asynccontextmanager
async def restarted(store: Store) -> AsyncIterator[Heartbeats]:
    """Heartbeats as a process that starts now has them."""
    beats = Heartbeats(store.database)
    await beats.open()
    yield beats
    await beats.close()


async def read(beats: Heartbeats, session: Stored, **limits: Any) -> list[datetime]:
    return await beats.read(session, limits.get("start"), limits.get("end"), limits.get("limit", 10_000))


async def test_what_was_acked_is_there_after_a_restart(store: Store) -> None:
    sessions = [await session_in(store) for _ in range(5)]
    acked: dict[ObjectId, list[datetime]] = {one["_id"]: [] for one in sessions}
    for _ in range(3):
        for one in sessions:
            acked[one["_id"]].append(await store.heartbeats.beat(one["_id"], EXAM))
    async with restarted(store) as beats:
        for one in sessions:
            assert await read(store.heartbeats, one) == acked[one["_id"]]
            assert await read(beats, one) == acked[one["_id"]]
            assert beats.last[one["_id"]] == acked[one["_id"]][-1]
        assert await read(beats, await session_in(store)) == []


async def test_one_document_takes_many_heartbeats_that_come_at_once(store: Store) -> None:
    database: Any = Database(store)
    beats = Heartbeats(database)
    for _ in range(3):
        await asyncio.gather(*(beats.beat(ObjectId(), EXAM) for _ in range(300)))
    groups = [len(document["times"]) for document in database.heartbeat_groups.inserted]
    assert sum(groups) == 900
    assert len(groups) <= 9
    await beats.close()


async def test_a_lone_heartbeat_waits_for_no_other(store: Store) -> None:
    begun = asyncio.get_running_loop().time()
    for _ in range(5):
        await store.heartbeats.beat(ObjectId(), EXAM)
    assert asyncio.get_running_loop().time() - begun < 1


async def test_every_heartbeat_of_one_session_is_kept_and_read_also_where_many_come_at_once(store: Store) -> None:
    session = await session_in(store)
    times = await asyncio.gather(*(store.heartbeats.beat(session["_id"], EXAM) for _ in range(200)))
    assert len(set(times)) == 200
    assert await read(store.heartbeats, session) == sorted(times)
    async with restarted(store) as beats:
        assert await read(beats, session) == sorted(times)


async def test_folding_keeps_every_heartbeat_and_folding_again_changes_nothing(store: Store) -> None:
    sessions = [await session_in(store) for _ in range(3)]
    acked = {one["_id"]: [await store.heartbeats.beat(one["_id"], EXAM) for _ in range(4)] for one in sessions}
    async with restarted(store) as late, restarted(store) as later:
        for beats in (store.heartbeats, late, later):
            await beats.fold(LATER)
            await beats.fold(LATER)
            for one in sessions:
                assert await read(beats, one) == acked[one["_id"]]
    assert await store.database.heartbeat_groups.find({}).to_list(None) == []
    stored = await store.database.heartbeats.find({}).to_list(None)
    assert sum(len(one["times"]) for one in stored) == 12
    assert {one["examId"] for one in stored} == {EXAM}
    async with restarted(store) as beats:
        for one in sessions:
            one["lastHeartbeatAt"] = acked[one["_id"]][-1]  # as folding leaves it in the session
            assert await read(beats, one) == acked[one["_id"]]


async def test_folding_touches_no_minute_that_is_not_over(store: Store) -> None:
    session = await session_in(store)
    time = await store.heartbeats.beat(session["_id"], EXAM)
    await store.heartbeats.fold(int(time.timestamp()) // 60)
    assert len(await store.database.heartbeat_groups.find({}).to_list(None)) == 1
    assert await store.database.heartbeats.find({}).to_list(None) == []
    assert await read(store.heartbeats, session) == [time]


@pytest.mark.parametrize(
    ("name", "method"), [("heartbeats", "insert_many"), ("sessions", "bulk_write"), ("heartbeat_groups", "delete_many")]
)
async def test_a_fold_that_fails_is_made_up_for_by_the_next(store: Store, name: str, method: str) -> None:
    database: Any = Database(store)
    beats = Heartbeats(database)
    session = await session_in(store)
    times = [await beats.beat(session["_id"], EXAM) for _ in range(3)]
    getattr(database, name).failing = [method]
    with pytest.raises(AutoReconnect):
        await beats.fold(LATER)
    assert await read(beats, session) == times
    async with restarted(store) as after:
        assert await read(after, session) == times
    await beats.fold(LATER)
    assert await store.database.heartbeat_groups.find({}).to_list(None) == []
    (stored,) = await store.database.heartbeats.find({}).to_list(None)
    assert stored["times"] == times
    await beats.close()


async def test_folding_tells_the_session_its_last_heartbeat(store: Store) -> None:
    session = await session_in(store)
    times = [await store.heartbeats.beat(session["_id"], EXAM) for _ in range(3)]
    await store.heartbeats.fold(LATER)
    stored = await store.sessions.by_id(session["_id"])
    assert (stored["lastHeartbeatAt"], stored["rev"]) == (times[-1], 1)


async def test_reading_keeps_to_from_to_and_limit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = now().replace(second=30, microsecond=0) - timedelta(hours=3)
    times = [begun + timedelta(seconds=20 * number) for number in range(500)]  # over several queries of minutes
    session = await session_in(store, begun)
    clock = iter(times)
    beats = Heartbeats(store.database)
    monkeypatch.setattr(heartbeats, "_GATHER_S", 0)
    with monkeypatch.context() as patch:
        patch.setattr(heartbeats, "now", lambda: next(clock))
        assert list(await asyncio.gather(*(beats.beat(session["_id"], EXAM) for _ in times))) == times
    second = timedelta(milliseconds=1)
    for folded in (False, True):
        if folded:
            await beats.fold(LATER)
        assert await read(beats, session) == times
        for start, end, wanted in (
            (times[3], None, times[3:]),
            (times[3] + second, None, times[4:]),
            (None, times[3], times[:3]),
            (None, times[3] + second, times[:4]),
            (times[100], times[400], times[100:400]),
            (times[5], times[5], []),
            (times[9], times[5], []),
            (begun - timedelta(days=400), begun, []),
            (times[-1], None, times[-1:]),
            (times[-1] + second, None, []),
            (None, now() + timedelta(days=400), times),
        ):
            assert await read(beats, session, start=start, end=end) == wanted
        for limit in (1, 7, 499, 500, 501):
            assert await read(beats, session, limit=limit) == times[:limit]
            assert await read(beats, session, start=times[200], limit=limit) == times[200 : 200 + limit]
    await beats.close()


async def test_a_group_that_fails_raises_for_its_own_callers_and_the_next_one_works(store: Store) -> None:
    database: Any = Database(store)
    beats = Heartbeats(database)
    session = await session_in(store)
    await beats.beat(session["_id"], EXAM)
    database.heartbeat_groups.failing = ["insert_one"]
    failed = await asyncio.gather(*(beats.beat(ObjectId(), EXAM) for _ in range(10)), return_exceptions=True)
    assert [type(one) for one in failed] == [AutoReconnect] * 10
    good = await asyncio.gather(*(beats.beat(session["_id"], EXAM) for _ in range(10)))
    assert len(set(good)) == 10
    async with restarted(store) as after:
        assert len(await read(after, session)) == 11
    await beats.close()


async def test_those_who_come_while_a_group_fails_are_stored_with_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    database: Any = Database(store)
    beats = Heartbeats(database)
    inserting, go_on = asyncio.Event(), asyncio.Event()
    groups = database.heartbeat_groups
    real = groups.insert_one

    async def slow_failure(document: Stored) -> None:
        monkeypatch.setattr(groups, "insert_one", real)
        inserting.set()
        await go_on.wait()
        raise AutoReconnect("the connection was lost")

    monkeypatch.setattr(groups, "insert_one", slow_failure)
    first, second = await session_in(store), await session_in(store)
    failing = asyncio.create_task(beats.beat(first["_id"], EXAM))
    await inserting.wait()
    waiting = asyncio.create_task(beats.beat(second["_id"], EXAM))
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(AutoReconnect):
        await failing
    time = await waiting
    async with restarted(store) as after:
        assert await read(after, second) == [time]
        assert await read(after, first) == []
    await beats.close()


async def test_a_heartbeat_that_failed_is_not_shown_as_the_sessions_last(store: Store) -> None:
    database: Any = Database(store)
    beats = Heartbeats(database)
    session_id = ObjectId()
    time = await beats.beat(session_id, EXAM)
    database.heartbeat_groups.failing = ["insert_one"]
    with pytest.raises(AutoReconnect):
        await beats.beat(session_id, EXAM)
    assert beats.last[session_id] == time
    await beats.close()


async def test_a_caller_that_is_cancelled_takes_no_other_with_it(store: Store) -> None:
    session = await session_in(store)
    tasks = [asyncio.create_task(store.heartbeats.beat(session["_id"], EXAM)) for _ in range(10)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert set(results[1:]) <= set(await read(store.heartbeats, session))


async def test_a_clock_that_is_set_back_costs_no_heartbeat(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat after it is counted on from the session's last, into a later minute than others stored with it."""
    begun = now().replace(second=0, microsecond=0) - timedelta(minutes=10)
    one, other = [await session_in(store, begun - timedelta(hours=1)) for _ in range(2)]
    beats = Heartbeats(store.database)
    acked: dict[ObjectId, list[datetime]] = {one["_id"]: [], other["_id"]: []}
    for minutes in (3, 0):  # the clock goes from 3 to 0
        at = begun + timedelta(minutes=minutes)
        with monkeypatch.context() as patch:
            patch.setattr(heartbeats, "now", lambda at=at: at)
            who = [one] if minutes else [one, other]
            for session, time in zip(
                who, await asyncio.gather(*(beats.beat(s["_id"], EXAM) for s in who)), strict=True
            ):
                acked[session["_id"]].append(time)
            hints = Hints()
            hints.shared = True
            elsewhere = Heartbeats(store.database, hints)
            elsewhere.heard_elsewhere(one["_id"], acked[one["_id"]][-1])
            for session in (one, other):  # at another node, before they are folded
                assert await read(elsewhere, session) == acked[session["_id"]]
    await beats.fold(int(begun.timestamp()) // 60 + 2)  # the minute that the clock was set back to is over
    await beats.close()
    async with restarted(store) as after:
        for session in (one, other):
            session["lastHeartbeatAt"] = acked[session["_id"]][-1]  # as folding leaves it
            assert await read(after, session) == acked[session["_id"]]


async def test_what_another_node_took_before_it_heard_of_the_end_is_read(store: Store) -> None:
    session, hints = await session_in(store), Hints()
    hints.shared = True
    elsewhere, here = Heartbeats(store.database, Hints()), Heartbeats(store.database, hints)
    taken = await elsewhere.beat(session["_id"], EXAM)
    ended = session | {"endTime": taken - timedelta(seconds=2)}
    assert await read(here, ended) == [taken]
    await elsewhere.close()


async def test_what_is_forgotten_is_not_read_and_not_folded(store: Store) -> None:
    kept, gone = await session_in(store), await session_in(store)
    times = await asyncio.gather(*(store.heartbeats.beat(one["_id"], EXAM) for one in (kept, gone)))
    store.heartbeats.forget({gone["_id"]})
    assert await read(store.heartbeats, gone) == []
    await store.heartbeats.fold(LATER)
    assert await read(store.heartbeats, kept) == [times[0]]
    assert [one["times"] for one in await store.database.heartbeats.find({}).to_list(None)] == [[times[0]]]


async def test_a_session_that_goes_on_beating_costs_no_update_when_its_minutes_are_folded(store: Store) -> None:
    session = await session_in(store)
    begun = now() - timedelta(minutes=10)
    for minute in (0, 1, 2):
        store.heartbeats._remember(session["_id"], EXAM, begun + timedelta(minutes=minute))
    last = begun + timedelta(minutes=2)
    of = int(last.timestamp()) // 60
    await store.heartbeats.fold(of)  # all but the last one's
    assert (await store.sessions.by_id(session["_id"]))["lastHeartbeatAt"] is None
    assert store.heartbeats.last[session["_id"]] == last
    await store.heartbeats.fold(of + 1)
    assert (await store.sessions.by_id(session["_id"]))["lastHeartbeatAt"] == last


async def test_what_was_beaten_long_ago_is_not_remembered(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    session = await session_in(store)
    at = await store.heartbeats.beat(session["_id"], EXAM)
    monkeypatch.setattr(heartbeats, "_REMEMBERED", timedelta(0))
    await store.heartbeats.fold(2**40)
    beats = store.heartbeats
    assert (beats.last, beats._numbered, beats._exams) == ({}, {}, {})
    session = await store.sessions.by_id(session["_id"])
    assert await beats.read(session, None, None, 10) == [at]
    assert session["lastHeartbeatAt"] == at
