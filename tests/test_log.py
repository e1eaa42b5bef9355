"""The log against a real database: dense, in order, each entry once, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import exam_log
from models.activity import Entry
from models.database import Stored
from models.errors import Conflict, ProctoringError, Unavailable
from models.exam_log import ExamLog, Recorded
from models.fields import now
from models.log import ActivityLog
from models.offsets import read_offsets, record_id
from models.store import Store
from tests.clients import uuid

EXAM = ObjectId("65f1c0ffee0123456789abcd")
ORGANISATION, SESSION, OTHER_SESSION = ObjectId(), ObjectId(), ObjectId()


class Collection:
    """The activity collection, whose inserts can be counted and made to fail."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.batches: list[int] = []
        self.away = False  # every operation fails
        self.failures: list[int] = []  # for each of the next inserts: how many it stores before it fails

    def __getattr__(self, name: str) -> Any:
        self._reach()
        return getattr(self.real, name)

    async def insert_many(self, documents: Sequence[Stored], **options: Any) -> Any:
        self._reach()
        self.batches.append(len(documents))
        if self.failures:
            stored = documents[: self.failures.pop(0)]
            if stored:
                await self.real.insert_many(stored, **options)
            raise AutoReconnect("the connection was lost")
        return await self.real.insert_many(documents, **options)

    async def insert_one(self, document: Stored) -> Any:
        return await self.insert_many([document], ordered=True)

    def _reach(self) -> None:
        if self.away:
            raise AutoReconnect("no connection")


class Told:
    """A subscriber: the offsets that it has been told, each with its id."""

    def __init__(self) -> None:
        self.records: list[tuple[int, ObjectId]] = []

    async def __call__(self, exam_id: ObjectId, records: list[Stored]) -> None:
        assert exam_id == EXAM
        self.records += [(record["offset"], record["id"]) for record in records]
        await asyncio.sleep(0)

    @property
    def offsets(self) -> list[int]:
        return [offset for offset, _ in self.records]


class Log:
    """An ExamLog as one process has it, with its own collection and subscriber."""

    def __init__(self, store: Store) -> None:
        self.measures = store.database.measures
        self.activity = Collection(store.database.activity)
        self.log_notes: Any = store.database.log_notes
        self.places: Any = store.database.places
        self.told = Told()
        database: Any = self
        self.log = ExamLog(database, EXAM, [self.told])

    async def append(self, *entries: Entry) -> list[Recorded | ProctoringError]:
        return await self.log.append(entries)


def entry(number: int = 0, **fields: Any) -> Entry:
    wanted: dict[str, Any] = {
        "exam_id": EXAM,
        "organisation_id": ORGANISATION,
        "session_id": SESSION,
        "type": "copy",
        "source": "client",
        "received_at": now(),
        "data": {"durationMs": number},
    }
    return Entry(**wanted | fields)


async def stored(store: Store) -> list[Stored]:
    """All that is in the log, which is dense."""
    found: list[Stored] = await store.database.activity.find({"examId": EXAM}).to_list(None)
    found.sort(key=lambda record: int(record["offset"]))
    assert [record["offset"] for record in found] == list(range(1, len(found) + 1))
    assert [record["_id"] for record in found] == [record_id(EXAM, record["offset"]) for record in found]
    assert len({record["id"] for record in found}) == len(found)
    return found


def acked(results: Sequence[Recorded | ProctoringError]) -> list[tuple[int, ObjectId]]:
    return [(one.record["offset"], one.record["id"]) for one in results if isinstance(one, Recorded)]


async def test_offsets_are_dense_from_one_however_many_append_at_once(store: Store) -> None:
    one = Log(store)
    assert acked(await one.append(entry())) == [(1, (await stored(store))[0]["id"])]
    results = await asyncio.gather(*(one.append(entry(number)) for number in range(200)))
    records = await stored(store)
    assert len(records) == 201
    # Whoever came first is before whoever came later.
    assert [record["data"]["durationMs"] for record in records[1:]] == list(range(200))
    assert [acked(result)[0] for result in results] == [(record["offset"], record["id"]) for record in records[1:]]
    assert one.told.records == [(record["offset"], record["id"]) for record in records]
    assert one.log.head == 201


async def test_what_waits_meanwhile_is_written_in_one_insert(store: Store) -> None:
    one = Log(store)
    await one.append(entry())
    assert one.activity.batches == [1]
    await asyncio.gather(*(one.append(entry(number)) for number in range(300)))
    assert sum(one.activity.batches) == 301
    assert len(one.activity.batches) <= 5


async def test_the_entries_of_one_append_follow_each_other_in_order(store: Store) -> None:
    one = Log(store)
    groups = [[entry(100 * group + number) for number in range(7)] for group in range(20)]
    results = await asyncio.gather(*(one.append(*group) for group in groups))
    for result in results:
        first = acked(result)[0][0]
        assert [offset for offset, _ in acked(result)] == list(range(first, first + 7))
    assert await one.append() == []
    assert len(await stored(store)) == 140


async def test_a_subscriber_has_been_told_before_the_ack(store: Store) -> None:
    one = Log(store)

    async def append(number: int) -> None:
        ((offset, _),) = acked(await one.append(entry(number)))
        assert offset in one.told.offsets

    await asyncio.gather(*(append(number) for number in range(50)))


async def test_a_subscriber_that_fails_keeps_nothing_from_the_log(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a subscriber's own trouble")

    told = Told()
    log = ExamLog(store.database, EXAM, [fail, told])
    await log.append([entry(), entry()])
    assert told.offsets == [1, 2]
    assert "subscriber" in caplog.text


async def test_two_processes_that_write_one_exam_leave_it_dense_and_each_entry_once(store: Store) -> None:
    two = [Log(store), Log(store)]
    await asyncio.gather(*(one.log.open() for one in two))
    results: list[Recorded | ProctoringError] = []

    async def append(one: Log, process: int, number: int) -> None:
        await asyncio.sleep(number * 37 % 150 / 600)
        fields = {"client_id": f"client {process}", "seq": number + 1}
        results.extend(await one.append(entry(number, **fields), entry(number)))

    await asyncio.gather(*(append(one, process, n) for process, one in enumerate(two) for n in range(150)))
    records = await stored(store)
    assert len(records) == 600
    assert sorted(acked(results)) == [(record["offset"], record["id"]) for record in records]
    assert set(Counter((record["clientId"], record["seq"]) for record in records if record["seq"]).values()) == {1}
    await asyncio.gather(*(one.append(entry()) for one in two))  # the last to write has seen the other's
    await asyncio.gather(*(one.append(entry()) for one in two))
    for one in two:
        assert one.told.offsets == list(range(1, len(one.told.offsets) + 1))
        assert len(one.told.offsets) >= 602


async def test_a_process_that_collides_renumbers_what_it_has_not_written(store: Store) -> None:
    first, second = Log(store), Log(store)
    await asyncio.gather(first.log.open(), second.log.open())
    await first.append(*(entry(number) for number in range(5)))
    results = await second.append(*(entry(100 + number) for number in range(3)))
    assert [offset for offset, _ in acked(results)] == [6, 7, 8]
    assert second.told.offsets == list(range(1, 9))
    assert [record["data"]["durationMs"] for record in await stored(store)] == [0, 1, 2, 3, 4, 100, 101, 102]


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("kept", [0, 1, 4, 9, 10])
async def test_an_insert_that_fails_midway_is_acked_for_what_it_stored_and_repeated_for_the_rest(
    store: Store, kept: int, numbered: bool
) -> None:
    one = Log(store)
    await one.append(entry())
    one.activity.failures = [kept, max(0, 5 - kept)]
    entries = [entry(number, client_id="c", seq=number + 1 if numbered else None) for number in range(10)]
    results = await one.append(*entries)
    records = await stored(store)
    assert [record["data"]["durationMs"] for record in records[1:]] == list(range(10))
    assert acked(results) == [(record["offset"], record["id"]) for record in records[1:]]
    assert not any(one.duplicate for one in results if isinstance(one, Recorded))
    assert one.told.records == [(record["offset"], record["id"]) for record in records]


async def test_failing_inserts_of_two_processes_leave_one_complete_log(store: Store) -> None:
    two = [Log(store), Log(store)]
    results: list[Recorded | ProctoringError] = []

    async def append(one: Log, number: int) -> None:
        await asyncio.sleep(number * 17 % 40 / 40)
        if number % 5 == 0:
            one.activity.failures.append(number // 5 % 4)
        results.extend(await one.append(*(entry(number) for _ in range(3))))

    await asyncio.gather(*(append(one, number) for one in two for number in range(40)))
    records = await stored(store)
    assert len(records) == 2 * 40 * 3
    assert sorted(acked(results)) == [(record["offset"], record["id"]) for record in records]
    for one in two:
        one.activity.failures = []
        await one.append(entry())
        assert one.told.offsets == list(range(1, len(one.told.offsets) + 1))


async def test_a_database_that_stays_away_is_told_as_unavailable_and_the_log_goes_on_by_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_log, "_PATIENCE_S", 0.5)
    one = Log(store)
    await one.append(entry())
    one.activity.away = True
    begun = time.monotonic()
    late = asyncio.create_task(one.append(entry(5)))
    results = await asyncio.gather(*(one.append(entry(number)) for number in range(3)), late)
    assert time.monotonic() - begun < 2.5
    assert [type(result[0]) for result in results] == [Unavailable] * 4
    assert await asyncio.gather(one.append(entry(6))) != []  # those who come later are told as well
    assert len(await stored(store)) == 1

    waiting = asyncio.create_task(one.append(entry(7)))
    await asyncio.sleep(0.2)
    one.activity.away = False
    ((offset, _),) = acked(await waiting)
    assert offset == 2
    assert acked(await one.append(entry(8)))[0][0] == 3
    assert one.told.offsets == [1, 2, 3]
    assert len(await stored(store)) == 3


async def test_the_patience_is_a_few_seconds(store: Store) -> None:
    one = Log(store)
    await one.append(entry())
    one.activity.away = True
    begun = time.monotonic()
    (result,) = await one.append(entry())
    assert isinstance(result, Unavailable)
    assert time.monotonic() - begun < 10


async def test_what_was_told_unavailable_and_is_stored_after_all_is_a_repeat_when_it_comes_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_log, "_PATIENCE_S", 0.3)
    one = Log(store)
    await one.append(entry())
    sent = entry(1, client_id="c", seq=1)

    async def store_and_go_away(documents: Sequence[Stored], **options: Any) -> Any:
        await one.activity.real.insert_many(documents, **options)
        one.activity.away = True
        raise AutoReconnect("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(one.activity, "insert_many", store_and_go_away)
        (result,) = await one.append(sent)
    assert isinstance(result, Unavailable)
    one.activity.away = False
    (again,) = await one.append(sent)
    assert isinstance(again, Recorded)
    assert (again.record["offset"], again.duplicate) == (2, True)
    assert one.told.offsets == [1, 2]
    assert len(await stored(store)) == 2


async def test_an_error_that_is_no_outage_reaches_whoever_appended_and_ends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    one = Log(store)
    with monkeypatch.context() as patch:
        patch.setattr(one.activity, "insert_many", crash)
        with pytest.raises(RuntimeError, match="a bug"):
            await one.append(entry())
    assert acked(await one.append(entry()))[0][0] == 1
    assert len(await stored(store)) == 1


async def test_a_caller_that_is_cancelled_leaves_the_log_working(store: Store) -> None:
    one = Log(store)
    tasks = [asyncio.create_task(one.append(entry(number))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    ((offset, _),) = acked(await one.append(entry(99)))
    records = await stored(store)
    assert offset == len(records)
    kept = {record["data"]["durationMs"] for record in records}
    assert {*range(1, 20, 2), 99} <= kept
    assert one.told.offsets == list(range(1, len(records) + 1))


@pytest.mark.parametrize("processes", [1, 2])
async def test_duplicates_that_are_sent_in_parallel_are_stored_once(store: Store, processes: int) -> None:
    logs = [Log(store) for _ in range(processes)]
    sent = [entry(seq, client_id="c", seq=seq) for seq in range(1, 31)]
    one = logs[0]
    results = await asyncio.gather(*(one.append(*sent) for _ in range(3)))
    records = await stored(store)
    assert [record["seq"] for record in records] == list(range(1, 31))
    wanted = [(record["offset"], record["id"]) for record in records]
    assert [acked(result) for result in results] == [wanted] * 3
    assert sum(not recorded.duplicate for result in results for recorded in result) == 30  # type: ignore[union-attr]
    # A process that starts later knows them as well.
    (again,) = await logs[-1].append(sent[4])
    assert isinstance(again, Recorded)
    assert (again.duplicate, again.record["offset"]) == (True, 5)
    assert len(await stored(store)) == 30


CHANGES: list[dict[str, Any]] = [{"type": "cut"}, {"data": {}}, {"occurred_at": now()}]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_a_repeat_with_other_content_is_a_conflict_and_stored_nowhere(
    store: Store, change: dict[str, Any]
) -> None:
    one = Log(store)
    first = entry(1, client_id="c", seq=1)
    together = await one.append(first, entry(1, client_id="c", seq=1, **change) if "data" not in change else first)
    assert isinstance(together[0], Recorded)
    (result,) = await one.append(entry(**{"number": 1, "client_id": "c", "seq": 1} | change))
    assert isinstance(result, Conflict)
    for other in (entry(1, client_id="d", seq=1), entry(1, client_id="c", seq=1, session_id=OTHER_SESSION)):
        assert acked(await one.append(other))
    assert len(await stored(store)) == 3


async def test_what_has_a_guard_of_its_own_is_recorded_once(store: Store) -> None:
    one = Log(store)
    guarded = entry(1, once="request:1", source="proctor")
    results = await asyncio.gather(*(one.append(guarded) for _ in range(3)))
    assert len(set(acked([result[0] for result in results]))) == 1
    assert acked(await Log(store).append(guarded)) == acked(results[0])
    assert len(await stored(store)) == 1


async def test_the_log_knows_what_is_stored_of_one_client(store: Store) -> None:
    one, client = Log(store), uuid()
    await one.append(*(entry(seq, client_id=client, seq=seq) for seq in (1, 2, 3, 7)), entry(8, client_id=client))
    for log in (one, Log(store)):
        seqs = await log.log.seqs(SESSION, client)
        assert seqs.last == 7
        assert [seq for seq in range(10) if seq in seqs] == [1, 2, 3, 7]
        assert (await log.log.seqs(OTHER_SESSION, client)).last == 0
    await one.append(entry(9, client_id=client, seq=2**31 - 1))
    assert (await one.log.seqs(SESSION, client)).last == 2**31 - 1


@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 257])
async def test_a_log_of_any_length_is_gone_on_with(store: Store, count: int) -> None:
    if count:
        await store.log.of(EXAM).append([entry(number) for number in range(count)])
    another = Log(store)
    await another.log.open()
    assert another.log.head == count
    assert acked(await another.append(entry()))[0][0] == count + 1


async def test_any_range_of_a_log_is_read_in_order_and_ends_with_it(store: Store) -> None:
    await store.log.of(EXAM).append([entry(number) for number in range(257)])
    ranges: list[tuple[int, int]] = [(0, 0), (0, 1), (0, 100), (0, 101), (99, 101), (100, 200), (256, 257)]
    ranges += [(257, 300), (300, 400), (250, 300), (0, 1000), (200, 100), (5, 5), (99, 100), (1, 256)]
    for since, until in ranges:
        for read in (read_offsets(store.database.activity, EXAM, since, until), store.log.read(EXAM, since, until)):
            found = [record["offset"] for record in await read]
            assert found == list(range(since + 1, min(until, 257) + 1)), (since, until)
    assert await read_offsets(store.database.activity, ObjectId(), 0, 100) == []


async def test_each_exam_has_offsets_of_its_own(store: Store) -> None:
    log = ActivityLog(store.database)
    exams = [ObjectId() for _ in range(5)]
    recorded = await asyncio.gather(*(log.append(entry(exam_id=exam_id)) for _ in range(4) for exam_id in exams))
    found: dict[ObjectId, list[int]] = {exam_id: [] for exam_id in exams}
    for one in recorded:
        found[one.record["examId"]].append(one.record["offset"])
    assert found == {exam_id: [1, 2, 3, 4] for exam_id in exams}


async def test_a_record_reads_back_as_it_was_told(store: Store) -> None:
    told: list[Stored] = []

    async def keep(_: ObjectId, records: list[Stored]) -> None:
        told.extend(records)

    make: Callable[..., Entry] = entry
    log = ExamLog(store.database, EXAM, [keep])
    await log.append(
        [
            make(1, client_id="c", seq=5, occurred_at=now(), user_id=ObjectId(), actor_id=ObjectId(), late=True),
            make(session_id=None, once="x", actor_name="Pat", source="proctor", type="chat", data={"text": "ü"}),
        ]
    )
    assert await read_offsets(store.database.activity, EXAM, 0, 10) == told
