"""The log's writer when an insert fails halfway, a caller goes, another process writes: acked is stored, once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import exam_log
from models.activity import Entry
from models.database import Stored
from models.errors import ProctoringError, Unavailable
from models.exam_log import ExamLog
from models.hints import Hints
from models.offsets import read_offsets
from models.records import Recorded, record_of
from models.store import Store
from tests.test_log import EXAM, SESSION, Log, acked, entry, stored

GUARDS = pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "without seq"])


def entries(count: int, numbered: bool, first: int = 1) -> list[Entry]:
    numbers = range(first, first + count)
    return [entry(number, client_id="c", seq=number if numbered else None) for number in numbers]


def numbers(records: Sequence[Stored]) -> list[int]:
    return [record["data"]["durationMs"] for record in records]


def all_acked(results: Sequence[Recorded | ProctoringError], records: Sequence[Stored]) -> bool:
    """Whether these are the answers for just these records, each recorded now."""
    return [(one.record["id"], one.duplicate) for one in results if isinstance(one, Recorded)] == [
        (record["id"], False) for record in records
    ]


@GUARDS
async def test_a_batch_that_meets_another_writers_record_acks_what_it_stored_and_numbers_the_rest_anew(
    store: Store, numbered: bool
) -> None:
    one = Log(store)
    await one.append(entry())
    insert, intruders = one.activity.insert_many, [ObjectId() for _ in range(4)]

    for intruder, at in zip(intruders, (0, 1, 5, 9), strict=True):

        async def meet(documents: Sequence[Stored], id_: ObjectId = intruder, at: int = at, **options: Any) -> Any:
            one.activity.insert_many = insert  # type: ignore[method-assign]
            await one.activity.real.insert_one(record_of(entry(999), id_, documents[at]["offset"]))
            return await insert(documents, **options)

        before = one.log.head
        one.activity.insert_many = meet  # type: ignore[method-assign]
        results = await one.append(*entries(10, numbered, first=before))
        records = (await stored(store))[before:]
        assert numbers(records) == [*range(before, before + at), 999, *range(before + at, before + 10)]
        assert all_acked(results, [record for record in records if record["id"] != intruder])
    assert one.told.records == [(record["offset"], record["id"]) for record in await stored(store)]


@GUARDS
async def test_a_record_that_the_database_refuses_takes_nothing_with_it_and_nothing_is_stored_twice(
    store: Store, numbered: bool
) -> None:
    database: Any = store.database.activity.database
    await database.create_collection("activity", validator={"data.durationMs": {"$ne": 4}})
    one = Log(store)
    await one.append(entry(client_id="c", seq=100))

    async def keep_what_is_before_it(documents: Sequence[Stored], **options: Any) -> Any:
        """As MongoDB does; the embedded database then keeps nothing of the insert."""
        before = [document for document in documents if document["data"]["durationMs"] < 4]
        for part in (before, documents[len(before) :]):
            if part:
                await one.activity.real.insert_many(part, **options)

    one.activity.insert_many = keep_what_is_before_it  # type: ignore[method-assign]
    appends = [asyncio.create_task(one.append(each)) for each in entries(8, numbered)]
    done = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(result).__name__ for result in done] == ["list"] * 3 + ["BulkWriteError"] + ["list"] * 4
    records = await stored(store)
    assert numbers(records) == [0, 1, 2, 3, 5, 6, 7, 8]
    assert all_acked([one for result in done if isinstance(result, list) for one in result], records[1:])
    assert one.told.records == [(record["offset"], record["id"]) for record in records]


@GUARDS
async def test_a_record_that_is_too_large_takes_nothing_with_it(store: Store, numbered: bool) -> None:
    one = Log(store)
    await one.append(entry(client_id="c", seq=100))
    batch = [*entries(3, numbered), entry(4, data={"text": "x" * 17_000_000}), *entries(3, numbered, first=5)]
    done = await asyncio.gather(*(one.append(each) for each in batch), return_exceptions=True)
    assert [isinstance(result, list) for result in done] == [True] * 3 + [False] + [True] * 3
    records = await stored(store)
    assert numbers(records) == [0, 1, 2, 3, 5, 6, 7]
    assert all_acked([one for result in done if isinstance(result, list) for one in result], records[1:])


async def test_two_processes_at_full_speed_leave_one_log_and_both_are_told_all_of_it_in_order(store: Store) -> None:
    two = [Log(store), Log(store)]
    await asyncio.gather(*(one.log.open() for one in two))

    async def report(process: int, client: int) -> list[Recorded | ProctoringError]:
        name = f"{process} {client}"
        numbered = [entry(seq, client_id=name, seq=seq) for seq in range(1, 21)]
        return [(await two[process].append(one))[0] for one in numbered]

    done = await asyncio.gather(*(report(process, client) for process in (0, 1) for client in range(25)))
    records = await stored(store)
    assert len(records) == 2 * 25 * 20
    assert sorted(acked([one for results in done for one in results])) == [
        (one["offset"], one["id"]) for one in records
    ]
    assert set(Counter((record["clientId"], record["seq"]) for record in records).values()) == {1}
    for one in two:  # whoever appends has seen all before it
        await one.append(entry())
    await two[0].append(entry())
    told = [(record["offset"], record["id"]) for record in await stored(store)]
    assert (two[0].told.records, two[1].told.records) == (told, told[:-1])


async def test_what_comes_three_times_in_parallel_to_two_processes_is_recorded_once(store: Store) -> None:
    two = [Log(store), Log(store)]
    sent = entries(60, numbered=True)
    pieces = [sent[first : first + 7] for first in range(0, 60, 7)]
    results = await asyncio.gather(*(one.append(*piece) for _ in range(3) for piece in pieces for one in two))
    records = await stored(store)
    assert sorted(record["seq"] for record in records) == list(range(1, 61))
    answers = [answer for result in results for answer in result]
    assert set(acked(answers)) == {(record["offset"], record["id"]) for record in records}
    assert Counter(isinstance(one, Recorded) and one.duplicate for one in answers) == {True: 300, False: 60}


async def test_a_process_that_makes_a_session_while_another_records_for_it_knows_what_is_stored(store: Store) -> None:
    maker, other = Log(store), Log(store)
    await maker.log.open()
    sent = entries(3, numbered=True)
    await other.append(*sent)  # the other was faster: the session was found there before we got here
    await maker.append(entry(once="session_started"))
    assert (await maker.log.seqs(SESSION, "c")).last == 3
    assert [one.duplicate for one in await maker.append(*sent) if isinstance(one, Recorded)] == [True] * 3
    assert len(await stored(store)) == 4


async def test_what_a_session_was_written_before_its_log_was_opened_is_not_forgotten(store: Store) -> None:
    said = entry(once="request:1", source="proctor", type="chat", data={"text": "Hello", "to": "student"})
    await Log(store).append(said)
    assert [record["data"]["text"] for record in await Log(store).log.chat(SESSION, 0, 10)] == ["Hello"]


async def test_a_log_that_is_far_behind_catches_up_though_no_look_has_the_time_for_all_of_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(activity: Any, exam_id: ObjectId, since: int, until: int) -> list[Stored]:
        await asyncio.sleep((until - since) / 500)
        return await read_offsets(activity, exam_id, since, until)

    monkeypatch.setattr(exam_log, "_PATIENCE_S", 0.5)
    other, hints = ExamLog(store.database, EXAM, ()), Hints()
    hints.shared = True
    log = ExamLog(store.database, EXAM, (), hints)
    await log.open()
    await other.append(entries(400, numbered=False))
    monkeypatch.setattr(exam_log, "read_offsets", read)
    for _ in range(20):
        with contextlib.suppress(Unavailable):
            await log.fresh()
    assert log.head == 400


@pytest.mark.parametrize("at", ["opening", "following"])
async def test_whoever_sees_what_is_stored_ends_though_another_process_stores_more_with_every_read(
    store: Store, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    other, hints = ExamLog(store.database, EXAM, ()), Hints()
    hints.shared = True
    log = ExamLog(store.database, EXAM, (), hints)
    await other.append(entries(60, numbered=False))
    if at == "following":
        await log.open()
        await other.append(entries(60, numbered=False))
    head = other.head

    async def read(*what: Any) -> list[Stored]:
        records = await read_offsets(*what)
        await other.append([entry()])
        return records

    with monkeypatch.context() as patch:
        patch.setattr(exam_log, "read_offsets", read)
        async with asyncio.timeout(5):
            await log.fresh()
    assert log.head >= head


async def test_the_last_number_is_right_also_where_the_outcome_of_a_write_is_not_known_yet(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_log, "_PATIENCE_S", 0.3)
    one = Log(store)
    await one.append(*entries(2, numbered=True))
    one.activity.failures = [2]

    async def store_and_go_away(documents: Sequence[Stored], **options: Any) -> Any:
        await one.activity.real.insert_many(documents[:2], **options)
        one.activity.away = True
        raise AutoReconnect("the connection was lost")

    with monkeypatch.context() as patch:
        patch.setattr(one.activity, "insert_many", store_and_go_away)
        results = await one.append(*entries(4, numbered=True, first=3))
    assert [type(result) for result in results] == [Unavailable] * 4
    await one.log.close()
    one.activity.away, one.activity.failures = False, []
    assert (await one.log.seqs(SESSION, "c")).last == 4
    again = await one.append(*entries(6, numbered=True))
    assert [one.duplicate for one in again if isinstance(one, Recorded)] == [True] * 4 + [False] * 2
    assert numbers(await stored(store)) == list(range(1, 7))


async def test_what_nobody_waits_for_any_more_keeps_no_log_from_closing(store: Store) -> None:
    one = Log(store)
    await one.append(entry())
    one.activity.away = True
    caller = asyncio.create_task(one.append(entry(1)))
    await asyncio.sleep(0.05)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    await asyncio.wait_for(one.log.close(), 10)


async def test_a_writer_that_is_ended_from_outside_is_followed_by_another(store: Store) -> None:
    told: list[int] = []

    async def cancelled(_: ObjectId, records: list[Stored]) -> None:
        told.extend(record["offset"] for record in records)
        if len(told) == 1:
            raise asyncio.CancelledError

    log = ExamLog(store.database, EXAM, [cancelled])
    first = asyncio.create_task(log.append([entry(1, client_id="c", seq=1)]))
    while not told:
        await asyncio.sleep(0)
    (second,) = await log.append([entry(2, client_id="c", seq=2)])
    assert isinstance(second, Recorded)
    assert second.record["offset"] == 2
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    (again,) = await log.append([entry(1, client_id="c", seq=1)])
    assert isinstance(again, Recorded)
    assert (again.record["offset"], again.duplicate) == (1, True)


async def test_callers_that_go_at_any_moment_leave_the_log_whole(store: Store) -> None:
    one = Log(store)

    async def caller(number: int) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(number % 13 / 1000):
                await one.append(entry(number, client_id="c", seq=number + 1), entry(number))
                return True
        return False

    for first in range(0, 300, 50):
        stayed = await asyncio.gather(*(caller(number) for number in range(first, first + 50)))
        kept = {record["seq"] for record in await read_offsets(store.database.activity, EXAM, 0, 10_000)}
        assert {first + number + 1 for number, acked in enumerate(stayed) if acked} <= kept
    results = await one.append(*(entry(number, client_id="c", seq=number + 1) for number in range(300)))
    assert len(acked(results)) == 300
    records = await stored(store)
    assert set(Counter(record["seq"] for record in records if record["seq"]).values()) == {1}
    assert one.told.records == [(record["offset"], record["id"]) for record in records]
