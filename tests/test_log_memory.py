"""What the log remembers and for how long, what is noted of it, and how much may wait."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from models import exam_log, known, log, log_queue, places
from models.database import Stored
from models.exam_log import ExamLog
from models.fields import now
from models.offsets import record_id
from models.records import Recorded
from models.store import Store
from tests.clients import uuid
from tests.conftest import Connect, Organisation
from tests.test_log import EXAM, SESSION, Log, entry


def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many records are read by offset from here on, a read each."""
    seen: list[int] = []
    real = exam_log.read_offsets

    async def read(*arguments: Any) -> list[Stored]:
        found = await real(*arguments)
        seen.append(len(found))
        return found

    monkeypatch.setattr(exam_log, "read_offsets", read)
    return seen


async def test_a_log_is_opened_from_its_note_and_what_came_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Log(store)
    client, other = uuid(), uuid()
    await one.append(
        *(entry(seq, client_id=client, seq=seq) for seq in range(1, 150)), entry(1, client_id=other, seq=9)
    )
    said = entry(0, type="chat", source="proctor", once=f"request:{uuid()}", data={"text": "Hello."})
    await one.append(said, entry(0, once="connected:x"))
    await one.log.close()
    await one.append(entry(1, client_id=client, seq=200))  # not noted, as after a kill
    read = reads(monkeypatch)
    late = Log(store)
    seqs = await late.log.seqs(SESSION, client)
    assert sum(read) == 1
    assert (late.log.head, seqs.last, (await late.log.seqs(SESSION, other)).last) == (153, 200, 9)
    assert [one["data"] for one in await late.log.chat(SESSION, 0, 10)] == [{"text": "Hello."}]
    for repeat in (entry(77, client_id=client, seq=77), entry(1, client_id=other, seq=9), said):
        (got,) = await late.append(repeat)
        assert isinstance(got, Recorded)
        assert got.duplicate
    (got,) = await late.append(entry(150, client_id=client, seq=150))
    assert isinstance(got, Recorded)
    assert (got.duplicate, got.record["offset"]) == (False, late.log.head)


async def test_what_is_known_is_noted_now_and_then_while_it_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exam_log, "_NOTE_EVERY", 100)
    one = Log(store)
    for first in range(0, 500, 50):
        await one.append(*(entry(number) for number in range(first, first + 50)))
    read = reads(monkeypatch)
    late = Log(store)
    await late.log.open()
    assert late.log.head == 500
    assert sum(read) <= 250


async def test_a_note_that_is_ahead_of_the_log_or_older_than_another_does_no_harm(store: Store) -> None:
    one = Log(store)
    await one.append(*(entry(seq, client_id="c", seq=seq) for seq in range(1, 6)))
    await one.log.close()
    two = Log(store)
    await two.append(entry(6, client_id="c", seq=6))
    await two.log.close()
    one.log._noted = 0
    await one.log.close()  # would note less than is noted
    (note,) = await store.database.log_notes.find({}).to_list(None)
    assert note["offset"] == 6
    await store.database.log_notes.update_one({}, {"$set": {"offset": 60}})
    late = Log(store)
    assert (await late.log.seqs(SESSION, "c")).last == 6
    assert late.log.head == 6


async def test_a_batch_has_a_bound_and_so_have_those_who_wait(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_queue, "_MOST", 1500)
    one = Log(store)
    await asyncio.gather(*(one.append(*(entry(n) for n in range(100))) for _ in range(40)))
    assert sum(one.activity.batches) == 4000
    assert max(one.activity.batches) <= 500


async def test_what_waits_is_bounded_by_bytes_too_and_nobody_is_dropped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_queue, "_MOST_BYTES", 30_000)
    one = Log(store)
    await one.append(entry())
    release = asyncio.Event()
    real = one.activity.insert_many

    async def slow(*arguments: Any, **options: Any) -> Any:
        await release.wait()
        return await real(*arguments, **options)

    monkeypatch.setattr(one.activity, "insert_many", slow)
    text = {"text": "x" * 2000, "to": "proctors"}
    tasks = [asyncio.create_task(one.append(entry(0, type="chat", data=text))) for _ in range(60)]
    await asyncio.sleep(0.1)
    assert 30_000 <= one.log._queue._bytes <= 40_000
    release.set()
    results = await asyncio.gather(*tasks)
    assert all(isinstance(result[0], Recorded) for result in results)
    assert (one.log.head, one.log._queue._bytes) == (61, 0)


async def test_a_client_that_sends_all_of_it_again_one_by_one_has_its_session_read_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Log(store)
    sent = [entry(seq, client_id="c", seq=seq) for seq in range(1, 41)]
    first = await one.append(*sent[:30])
    found: list[Any] = []
    real = one.activity.real.find

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(one.activity, name)

        def find(self, query: Any, *rest: Any) -> Any:
            found.append(query)
            return real(query, *rest)

    monkeypatch.setattr(one.log.places, "_activity", Counting())
    again = [(await one.append(repeat))[0] for repeat in sent[:30]]
    first += await one.append(*sent[30:])
    again += [(await one.append(repeat))[0] for repeat in sent[30:]]
    assert [recorded.record for recorded in again] == [recorded.record for recorded in first]  # type: ignore[union-attr]
    assert len([query for query in found if record_id(EXAM, 1) in query["_id"]["$in"]]) == 1


async def test_a_repeat_is_found_among_what_is_known_however_much_others_have_written_since(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other, client = Log(store), Log(store), uuid()
    await one.append(*(entry(seq, client_id=client, seq=seq) for seq in range(1, 4)))
    await other.append(*(entry(number) for number in range(100)))

    async def read(*_: Any) -> list[Stored]:
        raise AssertionError("what is beyond the head is read")

    monkeypatch.setattr(places, "read_offsets", read)
    (got,) = await one.append(entry(2, client_id=client, seq=2))
    assert isinstance(got, Recorded)
    assert (got.duplicate, got.record["offset"]) == (True, 2)


async def test_what_a_connection_guarded_is_forgotten_once_it_is_gone(
    school: Organisation, connect: Connect, store: Store
) -> None:
    exam_id = ObjectId(school.exam_id)
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    for _ in range(3):
        browser = await connect("/exam", school.student.token)
        await browser.ok("start", {"examId": school.exam_id})
        await browser.close()
        await console.activity("disconnected")
    await asyncio.sleep(0.1)
    guards = [guard for _, guard in store.log.of(exam_id)._known._guards]
    assert guards == ["session_started"]


async def test_guards_of_requests_are_noted_for_a_day(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Log(store)
    await one.append(entry(0, once="request:new"), entry(0, once="request:old", received_at=now() - timedelta(days=2)))
    assert [guard for _, guard, *_ in one.log._known.note(2)["guards"]] == ["request:new"]
    monkeypatch.setattr(known, "_REPEATED_FOR", timedelta(0))
    assert one.log._known.note(2)["guards"] == []


async def test_a_log_that_nobody_used_for_an_hour_is_forgotten_and_opened_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = entry(1, client_id="c", seq=1)
    first = await store.log.append(sent)
    used = store.log.of(EXAM)
    store.log.of(ObjectId())
    assert store.log.of(EXAM) is used
    monkeypatch.setattr(log, "_REMEMBERED_S", -1.0)
    store.log.of(ObjectId())
    assert store.log.of(EXAM) is not used
    again = await store.log.append(sent)
    assert (again.duplicate, again.record) == (True, first.record)


async def test_who_comes_while_an_empty_log_is_opened_does_not_open_it_again(store: Store) -> None:
    for _ in range(10):
        exam_id = ObjectId()
        told: list[int] = []

        async def tell(_: ObjectId, records: list[Stored], told: list[int] = told) -> None:
            told += [record["offset"] for record in records]

        opened = ExamLog(store.database, exam_id, [tell])
        await asyncio.gather(*(opened.append([entry(exam_id=exam_id)]) for _ in range(20)))
        assert told == list(range(1, 21))
