"""A change of the database's primary: callers wait, then are told `unavailable`; what was acked is there, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from bson import ObjectId
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WaitQueueTimeoutError,
    WriteConcernError,
    WriteError,
    WTimeoutError,
)

from models.actors import Role
from models.database import Database, is_unavailable
from models.errors import Unavailable
from models.records import Recorded
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.conftest import PASSWORD
from tests.failover import Failure, Primary, failing
from tests.test_log import Log, entry, stored

REFUSED = {"ok": 0.0, "errmsg": "for a while"}
DONE = {"ok": 1.0, "n": 1}
FAILURES = {
    "not primary": Failure(REFUSED | {"code": 10107, "codeName": "NotWritablePrimary"}, carried_out=False),
    "shutting down": Failure(REFUSED | {"code": 91, "codeName": "ShutdownInProgress"}, carried_out=False),
    "exceeded time": Failure(REFUSED | {"code": 262, "codeName": "ExceededTimeLimit"}, carried_out=False),
    "stepped down": Failure(REFUSED | {"code": 189, "codeName": "PrimarySteppedDown"}, carried_out=True),
    "interrupted": Failure(REFUSED | {"code": 11602, "codeName": "InterruptedDueToReplStateChange"}, carried_out=True),
    "an insert of many interrupted": Failure(
        {"ok": 1.0, "n": 0, "writeErrors": [{"index": 0, "code": 11602, "errmsg": "operation was interrupted"}]},
        carried_out=False,
    ),
    "no majority in time": Failure(
        DONE | {"writeConcernError": {"code": 64, "errmsg": "waiting for replication timed out"}}, carried_out=True
    ),
    "no majority any more": Failure(
        DONE | {"writeConcernError": {"code": 189, "errmsg": "Primary stepped down"}}, carried_out=True
    ),
    "cut off before": Failure(None, carried_out=False),
    "cut off after": Failure(None, carried_out=True),
}
EACH = pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)


@pytest.fixture
async def primary(store: Store, settings: Settings) -> AsyncIterator[tuple[Store, Primary]]:
    """The database of `store`, as it is reached by way of a primary that can fail."""
    async with failing(str(settings.database_url)) as (url, primary):
        database = Database(url)
        yield replace(store, database=database), primary
        database.close()


@pytest.mark.parametrize("count", [1, 5], ids=["one", "many"])
@EACH
async def test_what_is_appended_during_a_failover_waits_for_it_and_is_recorded_once(
    store: Store, primary: tuple[Store, Primary], failure: Failure, count: int
) -> None:
    by_way, answers = primary
    one = Log(by_way)
    await one.append(entry())
    answers.collection, answers.failures = "activity", [failure]
    results = await one.append(*(entry(number, client_id="c", seq=number) for number in range(1, count + 1)))
    assert answers.met == ["insert"]
    records = await stored(store)
    assert [record["data"]["durationMs"] for record in records] == list(range(count + 1))
    assert [one.record["id"] for one in results if isinstance(one, Recorded)] == [one["id"] for one in records[1:]]
    assert one.told.records == [(record["offset"], record["id"]) for record in records]


@EACH
async def test_one_that_does_not_end_is_unavailable_and_what_was_sent_again_is_there_once(
    store: Store, settings: Settings, http: aiohttp.ClientSession, failure: Failure
) -> None:
    await store.users.create(ObjectId(), "Sam", "sales@example.com", PASSWORD, Role.SALES, None)
    async with (
        failing(str(settings.database_url)) as (url, answers),
        running(settings.model_copy(update={"database_url": url})) as server,
    ):
        body: Any = {"email": "sales@example.com", "password": PASSWORD}
        async with http.post(server.url + "/routes/auth/login", json=body) as response:
            token = (await response.json())["token"]
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "a"}
        make = {"url": server.url + "/routes/organisations", "json": {"name": "School"}, "headers": headers}
        answers.collection, answers.failures, answers.for_good = "organisations", [failure], True
        async with http.post(**make) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (503, "unavailable")
        answers.failures = []
        async with http.post(**make) as response:
            made = await response.json()
            assert response.status == 201
    assert [str(one["_id"]) for one in await store.database.organisations.find({}).to_list(None)] == [made["id"]]


async def test_writes_ask_for_a_majority_and_its_journal_and_the_log_reads_what_it_has(
    primary: tuple[Store, Primary],
) -> None:
    by_way, answers = primary
    answers.commands = ("insert", "find")
    await Log(by_way).append(entry())
    await by_way.database.users.find_one({})
    majority: Any = {"w": "majority", "j": True}
    assert {"writeConcern": majority} in answers.concerns
    assert {"readConcern": {"level": "majority"}} in answers.concerns
    assert answers.concerns[-1] == {}


@pytest.mark.parametrize(
    ("options", "write", "read"),
    [
        ("", {"w": "majority", "j": True}, "majority"),
        ("?w=1", {"w": 1}, None),
        ("?w=majority", {"w": "majority"}, "majority"),
        ("?w=3&journal=false", {"w": 3, "j": False}, None),
        ("?readConcernLevel=local", {"w": "majority", "j": True}, "local"),
    ],
)
async def test_what_the_url_says_holds(options: str, write: dict[str, Any], read: str | None) -> None:
    database = Database(f"mongodb://127.0.0.1:1/exams{options}")
    for collection in (database.activity, database.users):
        assert collection.write_concern.document == write
    assert database.activity.read_concern.level == read
    database.close()


def failure_of(code: int) -> OperationFailure:
    return OperationFailure("for a while", code)


PASSING: list[PyMongoError | Unavailable] = [
    AutoReconnect("gone"),
    NetworkTimeout("late"),
    ServerSelectionTimeoutError("no primary"),
    WaitQueueTimeoutError("no connection is free"),
    NotPrimaryError("not primary", {"code": 10107}),
    ExecutionTimeout("late", 50),
    WTimeoutError("no majority in time", 64),
    WriteConcernError("stepped down", 189),
    WriteError("interrupted", 11602),
    BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 91, "errmsg": "shutting down"}]}),
    BulkWriteError({"writeErrors": [{"index": 3, "code": 189}], "writeConcernErrors": []}),
    OperationFailure("new", 99_999, {"errorLabels": ["RetryableWriteError"]}),
    Unavailable(),
    *(failure_of(code) for code in (6, 7, 43, 89, 91, 133, 134, 175, 189, 237, 262, 9001)),
    *(failure_of(code) for code in (10058, 10107, 11600, 11601, 11602, 13435, 13436)),
]
LASTING = [
    DuplicateKeyError("taken", 11000, {}),
    WriteError("does not validate", 121),
    BulkWriteError({"writeErrors": [{"index": 0, "code": 11000}], "writeConcernErrors": []}),
    *(failure_of(code) for code in (2, 13, 18, 59, 121)),
    ValueError("another"),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_passes_is_unavailable(error: Exception) -> None:
    assert is_unavailable(error)


@pytest.mark.parametrize("error", LASTING, ids=repr)
def test_what_does_not_pass_is_not(error: BaseException) -> None:
    assert not is_unavailable(error)
