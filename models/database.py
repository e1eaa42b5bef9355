"""The one module that imports Motor: the connection, the collections, what a failure of it means.

Motor's maintainers ended it in favour of PyMongo's own asynchronous client, which has nearly the same calls, so a
change of driver is a change of this file. What the queries may use was measured on the embedded database:

- `_id` is looked up by point only; a range over it is a scan. Ranges go over a secondary index or a list of ids.
- A list of ids costs 0.2 ms each up to 50 of them, then its time grows with its square: see `find_by_ids`.
- An index costs every insert and update of its collection 0.2 ms, one of few different values twice that.
- `findAndModify` is a scan. A conditional change is `update_one` on `_id` and `rev`.
- A sorted query with a limit reads the whole range first: ranges are bounded at both ends where that matters.
- `$and` is a scan: filters are merged flat, see `both`.
- No TTL index: see `models/expiry.py`.
- Of a compound index only the first field is used as soon as the filter names a field outside it: such a field is
  filtered here, in Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Literal, TypeAlias

import pymongo
from bson import ObjectId
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorCollection
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DuplicateKeyError,
    OperationFailure,
    PyMongoError,
    WaitQueueTimeoutError,
    WriteConcernError,
)
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from models.driver import Listening
from models.errors import Unavailable
from models.measures import Measures

Stored = dict[str, Any]
Filter = Mapping[str, Any]
Collection: TypeAlias = "AsyncIOMotorCollection[Any]"

TIMEOUT_MS: Final = 3000
_CLOSE_S: Final = 1.0
LONG_S: Final = 120.0  # for what nobody waits for: deleting a whole exam, making an index
IDS_A_QUERY: Final = 50
DUPLICATE: Final = 11000  # the code of a write whose unique key is taken
INTERNAL: Final = 1  # the code of a failure of the database's own

# What a change of primary, or a node that starts or stops, answers for a while, beside what the driver itself tells as
# a lost connection. In a write's answer too: MongoDB may have begun with it.
_PASSING: Final = frozenset(
    {
        INTERNAL,  # of the embedded database, whose disk is full
        6,  # HostUnreachable
        7,  # HostNotFound
        43,  # CursorNotFound: it was another node's
        64,  # WriteConcernFailed
        89,  # NetworkTimeout
        91,  # ShutdownInProgress
        133,  # FailedToSatisfyReadPreference
        134,  # ReadConcernMajorityNotAvailableYet
        14031,  # OutOfDiskSpace
        175,  # QueryPlanKilled
        189,  # PrimarySteppedDown
        237,  # CursorKilled
        262,  # ExceededTimeLimit
        9001,  # SocketException
        10058,  # LegacyNotPrimary
        10107,  # NotWritablePrimary
        11600,  # InterruptedAtShutdown
        11601,  # Interrupted
        11602,  # InterruptedDueToReplStateChange
        13435,  # NotPrimaryNoSecondaryOk
        13436,  # NotPrimaryOrSecondary
    }
)


async def provide_user(url: str, name: str, password: str) -> None:
    """Make, on a database that asks nobody who they are, the user that it will ask for when it does."""
    client: Any = AsyncIOMotorClient(url, timeoutMS=TIMEOUT_MS, appname="proctoring-server")
    try:
        await client.admin.command("createUser", name, pwd=password, roles=["root"])
    except OperationFailure:  # it was made before, and perhaps with another password
        await client.admin.command("updateUser", name, pwd=password)
    finally:
        client.close()


Health = Literal["answers", "broken", "silent"]


async def health(url: str) -> Health:
    """How a database answers a read. Broken: with a failure of its own, as the embedded one does for ever after a full
    disk.

    By a thread of its own: Motor's may all be waiting for a database that is silent. Not by PyMongo's asynchronous
    client, which loses sockets when one is.
    """
    return await asyncio.to_thread(_health, url)


def _health(url: str) -> Health:
    with (
        pymongo.timeout(TIMEOUT_MS / 1000),
        pymongo.MongoClient[Stored](url, connectTimeoutMS=TIMEOUT_MS, appname="proctoring-server") as client,
    ):
        try:
            client.get_default_database()["servers"].find_one({})
        except OperationFailure as error:
            return "broken" if error.code == INTERNAL else "answers"
        except PyMongoError:
            return "silent"
    return "answers"


class Database:
    """The collections, on one client. `url` is a MongoDB connection string; its path may name the database. Whoever
    works with it finds in `measures` where to count what that costs.
    """

    def __init__(self, url: str, measures: Measures | None = None) -> None:
        self.measures = measures or Measures()
        self._client: Any = AsyncIOMotorClient(
            url,
            tz_aware=True,
            timeoutMS=TIMEOUT_MS,
            connectTimeoutMS=TIMEOUT_MS,  # for its first words too, which `timeoutMS` does not bound
            appname="proctoring-server",
            event_listeners=[Listening(self.measures)],
        )
        # Acked is stored on most nodes, and in their journals: what a primary alone has is undone when it fails.
        of_url: WriteConcern = self._client.write_concern
        self.write_concern = WriteConcern("majority", j=True) if of_url.is_server_default else of_url
        self._database = self._client.get_default_database("proctoring", write_concern=self.write_concern)
        self.organisations = self.collection("organisations")
        self.users = self.collection("users")
        self.exams = self.collection("exams")
        self.sessions = self.collection("sessions")
        self.starts = self.collection("starts")
        self.activity = self.collection("activity")
        self.log_notes = self.collection("logNotes")
        self.places = self.collection("places")
        self.heartbeat_groups = self.collection("heartbeatGroups")
        self.heartbeats = self.collection("heartbeats")
        self.orders = self.collection("orders")
        self.fates = self.collection("fates")
        self.seals = self.collection("seals")
        self.servers = self.collection("servers")
        self.revocations = self.collection("revocations")
        self.idempotency = self.collection("idempotency")
        self.erasures = self.collection("erasures")
        self.gone = self.collection("gone")
        self.audit = self.collection("audit")
        self.migrations = self.collection("migrations")
        self.restores = self.collection("restores")

    def collection(self, name: str) -> Collection:
        concern = self._lasting if name == "activity" else None
        collection: Collection = self._database.get_collection(name, read_concern=concern)
        return collection

    @property
    def _lasting(self) -> ReadConcern:
        """For what is acked because it was read: what can still be undone is not read. As the URL says, if it does."""
        of_url: ReadConcern = self._client.read_concern
        majority = of_url.level is None and self.write_concern.document.get("w") == "majority"
        return ReadConcern("majority") if majority else of_url

    @property
    def of_exams(self) -> tuple[Collection, ...]:
        """Whose documents belong to an exam, by `examId`, and go with it. Its log goes by `ActivityLog.delete`."""
        return self.sessions, self.heartbeats, self.orders, self.fates, self.seals

    async def ping(self) -> None:
        """Return once the database answers; raises what `is_unavailable` knows otherwise."""
        await self._client.admin.command("ping")

    async def admin(self, command: str) -> Stored:
        """What it answers a command that asks about the database as a whole."""
        answer: Stored = await self._client.admin.command(command)
        return answer

    async def drop(self) -> None:
        """Delete everything: for tests."""
        with patience():
            await self._client.drop_database(self._database.name)

    @property
    def name(self) -> str:
        return str(self._database.name)

    def close(self) -> None:
        """Disconnect. It says so to the database, and waits a second for its answer, for ever without the limit."""
        with pymongo.timeout(_CLOSE_S):
            self._client.close()


def both(one: Filter, other: Filter) -> Filter:
    """A filter that wants what both want, flat where their fields allow it."""
    if any(one[field] != other[field] for field in one.keys() & other.keys()):
        return {"$and": [one, other]}
    return {**one, **other}


async def find_page(collection: Collection, query: Filter, after: ObjectId | None, limit: int) -> list[Stored]:
    """The documents that `query` wants, in id order, at most `limit`, those after the id `after`."""
    query = both(query, {"_id": {"$gt": after}}) if after else query
    found: list[Stored] = await collection.find(query).sort("_id", 1).to_list(limit)
    return found


async def find_by_ids(
    collection: Collection, ids: Iterable[Any], fields: Mapping[str, int] | None = None
) -> dict[Any, Stored]:
    """The documents with these `_id`s that are there, by `_id`; `fields`: a projection."""
    wanted, found = list(dict.fromkeys(ids)), dict[Any, Stored]()
    for first in range(0, len(wanted), IDS_A_QUERY):
        query = {"_id": {"$in": wanted[first : first + IDS_A_QUERY]}}
        found |= {one["_id"]: one for one in await collection.find(query, fields).to_list(None)}
    return found


async def delete_by_ids(collection: Collection, ids: Sequence[Any]) -> None:
    """Delete the documents with these `_id`s, IDS_A_QUERY at a time, in order."""
    for first in range(0, len(ids), IDS_A_QUERY):
        await collection.delete_many({"_id": {"$in": ids[first : first + IDS_A_QUERY]}})


async def update_by_ids(collection: Collection, ids: Sequence[Any], changes: Mapping[str, Any]) -> None:
    """Make these changes in the documents with these `_id`s, IDS_A_QUERY at a time, in order."""
    for first in range(0, len(ids), IDS_A_QUERY):
        await collection.update_many({"_id": {"$in": ids[first : first + IDS_A_QUERY]}}, changes)


def patience(seconds: float = LONG_S) -> AbstractContextManager[object]:
    """Within it, the database may take so long for an operation, instead of TIMEOUT_MS."""
    return pymongo.timeout(seconds)


def is_unavailable(error: BaseException) -> bool:
    """Whether `error` means that the database did not answer, or changes its primary: a write's outcome is unknown."""
    if isinstance(error, BulkWriteError):
        failed = error.details.get("writeErrors", ())
        return bool(error.details.get("writeConcernErrors")) or any(one.get("code") in _PASSING for one in failed)
    if isinstance(error, OperationFailure) and error.code in _PASSING:
        return True
    return isinstance(error, Unavailable | ConnectionFailure | WaitQueueTimeoutError | WriteConcernError) or (
        isinstance(error, PyMongoError) and (error.timeout or error.has_error_label("RetryableWriteError"))
    )


def is_duplicate(error: BaseException) -> bool:
    """Whether `error` says that a unique key is taken."""
    if isinstance(error, BulkWriteError):
        return any(failed.get("code") == DUPLICATE for failed in error.details.get("writeErrors", ()))
    return isinstance(error, DuplicateKeyError)


def duplicate_of_id(error: DuplicateKeyError) -> bool:
    """Whether the taken key is `_id` itself: the document was written before."""
    return "_id" in (error.details or {}).get("keyPattern", {}) or "_id_" in str(error)
