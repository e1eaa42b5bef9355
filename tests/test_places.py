"""A session's records are found without an index: from memory, from what is stored, after a crash, by two processes."""

from __future__ import annotations

import asyncio
from array import array
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models import exam_log, places
from models.activity import Entry
from models.database import Database, Stored
from models.exam_log import ExamLog
from models.log import ActivityLog
from models.migrations import drop_former_indexes
from models.records import Recorded
from models.store import Store
from tests.conftest import Organisation, make_exam
from tests.test_log import EXAM, OTHER_SESSION, SESSION, Log, entry
from tests.test_starting import Failing, Killed

SEGMENT = 20
SESSIONS = [SESSION, OTHER_SESSION, None]


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "_SEGMENT", SEGMENT)
    monkeypatch.setattr(exam_log, "_NOTE_EVERY", SEGMENT)


def some(count: int, first: int = 1) -> list[Entry]:
    """Of several sessions in turn, and of the whole exam."""
    numbers = range(first, first + count)
    return [entry(n, session_id=SESSIONS[n % 3], client_id="c", seq=n, type=("copy", "cut")[n % 2]) for n in numbers]


async def read(
    log: ActivityLog, session: Any = SESSION, since: int = 0, kind: Any = None, limit: int = 999
) -> list[int]:
    return [record["offset"] for record in await log.read_session(EXAM, session, since, kind, limit)]


async def wanted(database: Database, session: Any = SESSION, **query: Any) -> list[int]:
    """What is in the log of it, by a look at all records."""
    found: list[Stored] = await database.activity.find({"examId": EXAM, "sessionId": session, **query}).to_list(None)
    return sorted(record["offset"] for record in found)


async def check(database: Database, *logs: ActivityLog) -> None:
    """Every log answers for every session what is in the database, and the same to who opens it now."""
    for session in (*SESSIONS, ObjectId()):
        there = await wanted(database, session)
        for log in (*logs, ActivityLog(database)):
            assert await read(log, session) == there


async def numbers(database: Database) -> list[int]:
    """Of the segments that are stored."""
    return sorted(int(one["_id"].partition(":")[2]) for one in await database.places.find({}).to_list(None))


async def noted(log: ActivityLog) -> None:
    """Wait until nothing is being noted."""
    while not log.of(EXAM).idle:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 40, 59, 130])
async def test_a_session_reads_the_same_from_memory_from_what_is_stored_and_from_both(store: Store, count: int) -> None:
    await store.log.of(EXAM).append(some(count))
    await noted(store.log)
    await check(store.database, store.log)
    await store.log.close()
    await check(store.database, store.log)
    assert await numbers(store.database) == list(range(count // SEGMENT))
    late = ActivityLog(store.database)
    await late.of(EXAM).append(some(15, first=1000))
    await check(store.database, late)
    await check(store.database, store.log)  # which has not seen them


async def test_a_session_is_paged_by_since_and_limit_and_filtered_by_type(store: Store) -> None:
    await store.log.of(EXAM).append(some(130))
    await store.log.close()
    every = await wanted(store.database)
    cuts = await wanted(store.database, type="cut")
    for log in (store.log, ActivityLog(store.database)):
        for since in (0, 1, 19, 20, 21, 40, 41, 127, 129, 130, 131, 2**53 - 1):
            assert await read(log, since=since) == [one for one in every if one > since]
            assert await read(log, since=since, limit=7) == [one for one in every if one > since][:7]
            assert await read(log, since=since, kind="cut", limit=7) == [one for one in cuts if one > since][:7]


async def test_what_is_stored_is_dropped_from_memory(store: Store) -> None:
    log = store.log.of(EXAM)
    for first in range(1, 401, 25):
        await log.append(some(25, first))
        await noted(store.log)
        kept = log.places._kept
        assert sum(len(offsets) for segment in kept.values() for offsets in segment.values()) < SEGMENT
        assert all(isinstance(offsets, array) for segment in kept.values() for offsets in segment.values())
    assert len(log.places._kept) <= 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["places", "log_notes"])
async def test_a_crash_at_any_step_of_noting_loses_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    await store.log.of(EXAM).append(some(50))
    await store.log.close()
    monkeypatch.setattr(exam_log, "_NOTE_EVERY", 1000)
    killed: Any = Log(store)
    setattr(killed, step, Failing(getattr(killed, step), "replace_one", Killed(), after=after))
    log = ExamLog(killed, EXAM, ())
    await log.append(some(60, first=51))
    with pytest.raises(Killed):
        await log._known.save(log._known.note(log.head))
    await check(store.database)
    late = ActivityLog(store.database)
    await late.of(EXAM).append(some(60, first=111))
    await late.close()
    await check(store.database, late)
    assert await numbers(store.database) == list(range(170 // SEGMENT))


async def test_a_database_that_is_away_while_it_is_noted_loses_nothing(store: Store) -> None:
    away: Any = Log(store)
    away.places = Failing(away.places, "replace_one", AutoReconnect("gone"), after=False, times=3)
    log = ActivityLog(away)
    for first in range(1, 201, 40):
        await log.of(EXAM).append(some(40, first))
        await noted(log)
        await check(store.database, log)
    assert await numbers(store.database) == list(range(200 // SEGMENT))


async def test_two_processes_that_write_and_note_one_log_leave_all_of_it_to_be_found(store: Store) -> None:
    two = [ActivityLog(store.database), ActivityLog(store.database)]

    async def write(log: ActivityLog, process: int) -> None:
        for first in range(1, 200, 9):
            await log.of(EXAM).append(some(9, first + process * 1000))
            await asyncio.sleep(0.001 * (first % 7))

    await asyncio.gather(*(write(log, process) for process, log in enumerate(two)))
    await check(store.database, *two)
    await asyncio.gather(*(log.close() for log in two))
    await check(store.database, *two)


async def test_a_process_that_notes_less_than_another_takes_nothing_away(store: Store) -> None:
    one, two = ActivityLog(store.database), ActivityLog(store.database)
    await one.of(EXAM).append(some(30))
    await two.of(EXAM).append(some(75, first=31))
    await two.close()
    await one.close()
    assert (await store.database.log_notes.find_one({"_id": EXAM}))["offset"] == 105
    await check(store.database, one, two)


@pytest.mark.parametrize("change", [{"$unset": {"places": 1}}, {"$set": {"offset": 1000}}], ids=["older", "ahead"])
async def test_a_log_whose_note_says_nothing_of_places_is_read_from_its_beginning(store: Store, change: Any) -> None:
    await store.log.of(EXAM).append(some(50))
    await store.log.close()
    await store.database.log_notes.update_one({"_id": EXAM}, change)
    await store.database.places.delete_many({})
    await check(store.database)


async def test_a_log_of_which_a_segment_is_missing_or_wrong_is_noted_anew(store: Store) -> None:
    await store.log.of(EXAM).append(some(90))
    await store.log.close()
    await store.database.places.delete_one({"_id": f"{EXAM}:2"})
    await store.database.places.update_one({"_id": f"{EXAM}:1"}, {"$set": {"sessions": {}}})
    late = ActivityLog(store.database)
    await check(store.database, late)
    await late.close()
    assert await numbers(store.database) == [0, 1, 2, 3]
    await check(store.database, late)


async def test_a_clients_first_repeat_finds_where_its_records_are(store: Store) -> None:
    sent = some(90)
    first = await store.log.of(EXAM).append(sent)
    await store.log.close()
    again = await ActivityLog(store.database).of(EXAM).append(sent)
    for one, other in zip(first, again, strict=True):
        assert isinstance(one, Recorded)
        assert isinstance(other, Recorded)
        assert (other.record, other.duplicate) == (one.record, True)


async def test_a_rehearsal_leaves_nothing_of_its_log(store: Store, school: Organisation) -> None:
    exam = await make_exam(school.admin, school.student, rehearsal=True)
    exam_id = ObjectId(exam["id"])
    await store.log.of(EXAM).append(some(30))
    await store.log.of(exam_id).append([entry(n, exam_id=exam_id) for n in range(130)])
    await ActivityLog(store.database).of(exam_id).append([entry(n, exam_id=exam_id) for n in range(30)])
    assert (await school.admin.api.call("DELETE", f"/routes/exams/{exam['id']}")).status == 204
    await store.log.close()
    for collection in (store.database.activity, store.database.places, store.database.log_notes):
        left = [str(one["_id"]) for one in await collection.find({}).to_list(None)]
        assert not [one for one in left if one.startswith(exam["id"])]
    assert len(await wanted(store.database)) == 10  # another exam's


@pytest.mark.parametrize("step", ["log_notes", "places", "activity"])
@pytest.mark.parametrize("done", [0, 1, 2])
async def test_a_log_that_was_deleted_by_halves_is_deleted_again(store: Store, step: str, done: int) -> None:
    await store.log.of(EXAM).append(some(130))
    await store.log.close()
    method = "delete_one" if step == "log_notes" else "delete_many"
    killed: Any = Log(store)
    real = getattr(store.database, step)
    deletes = iter([*range(done), Killed()])

    class Killing:
        def __getattr__(self, name: str) -> Any:
            if name == method and isinstance(error := next(deletes, None), Killed):
                raise error
            return getattr(real, name)

    setattr(killed, step, Killing())
    try:
        await ActivityLog(killed).delete(EXAM)
    except Killed:
        await check(store.database)
    await ActivityLog(store.database).delete(EXAM)
    for collection in (store.database.activity, store.database.places, store.database.log_notes):
        assert await collection.count_documents({}) == 0


async def test_an_index_of_an_earlier_version_is_dropped(store: Store) -> None:
    await store.database.activity.create_index([("examId", 1), ("sessionId", 1), ("offset", 1)])
    await store.log.of(EXAM).append(some(30))
    await drop_former_indexes(store.database)
    assert list(await store.database.activity.index_information()) == ["_id_"]
    await check(store.database, store.log)
