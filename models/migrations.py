"""Changes of the database from version to version, numbered, each made once: indexes, and documents of earlier times.

A migration may be cut off anywhere and done again, and two processes may be in the same one at once: each step of it is
conditional or changes nothing the second time, and it is noted (collection `migrations`) after its end. So there is no
lock that a killed process could leave behind. A number is never used again, and what a migration does never changes:
what is wanted otherwise is a next one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from models.database import Database, Stored, patience
from models.errors import Conflict
from models.fields import now
from models.upgrade import upgrade

logger = logging.getLogger(__name__)

INDEXES: Final[Mapping[str, list[IndexModel]]] = {
    "users": [IndexModel([("emailKey", 1)], unique=True), IndexModel([("organisationId", 1)])],
    "exams": [IndexModel([("organisationId", 1)]), IndexModel([("users", 1)])],
    "sessions": [IndexModel([("examId", 1), ("userId", 1)], unique=True), IndexModel([("userId", 1)])],
    "heartbeats": [IndexModel([("examId", 1)])],
    "orders": [IndexModel([("examId", 1)]), IndexModel([("open", 1)])],
    "fates": [IndexModel([("examId", 1)])],
    "seals": [IndexModel([("sessionId", 1)]), IndexModel([("examId", 1)])],
    "revocations": [IndexModel([("expiresAt", 1)])],
    "idempotency": [IndexModel([("createdAt", 1)])],
    "erasures": [IndexModel([("due", 1)])],
    "gone": [IndexModel([("at", 1)])],
    "audit": [IndexModel([(name, 1), ("at", 1)]) for name in ("organisationId", "actorId", "userId")],
}
_EARLIER: Final = "examId_1_sessionId_1_offset_1"  # of the log; see `models/places.py`
_INDEX_NOT_FOUND: Final = 27  # MongoDB's code: another process has just dropped it


@dataclass(frozen=True, slots=True)
class Migration:
    """`incompatible`: a version that does not know it must not run on the database any more."""

    number: int
    about: str
    run: Callable[[Database], Awaitable[None]]
    incompatible: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What is done and what is not. `unknown`: what a newer version has done, as it is stored."""

    done: Mapping[int, datetime]
    missing: list[Migration]
    unknown: list[Stored]


async def state_of(database: Database) -> State:
    """Which migrations a database has had."""
    found: dict[int, Stored] = {one["_id"]: one for one in await database.migrations.find({}).to_list(None)}
    known = {one.number for one in MIGRATIONS}
    return State(
        {number: one["at"] for number, one in found.items() if number in known},
        [one for one in MIGRATIONS if one.number not in found],
        [one for number, one in sorted(found.items()) if number not in known],
    )


async def migrate(database: Database, *, again: bool = False) -> list[Migration]:
    """Make what is missing, or all of it `again`, in order; what that was. Conflict as `check` raises it."""
    state = await state_of(database)
    _check_unknown(state)
    wanted = list(MIGRATIONS) if again else state.missing
    for migration in wanted:
        with patience():
            await migration.run(database)
            await _note(database, migration)
    return wanted


async def check(database: Database) -> None:
    """Conflict where migrations are missing, or where a newer version has made one that this one cannot live with."""
    state = await state_of(database)
    _check_unknown(state)
    if state.missing:
        numbers = ", ".join(str(one.number) for one in state.missing)
        raise Conflict(
            f"MIGRATE is check, and the database lacks migrations ({numbers}): run proctoring-server migrate"
        )


def _check_unknown(state: State) -> None:
    for one in state.unknown:
        about = f"a newer version has made migration {one['_id']} ({one['about']})"
        if one["incompatible"]:
            raise Conflict(f"DATABASE_URL: {about}, and this version cannot run on the database any more")
        logger.warning("%s; this one goes on without knowing it", about)


async def _note(database: Database, migration: Migration) -> None:
    note = {"about": migration.about, "incompatible": migration.incompatible, "at": now()}
    with suppress(DuplicateKeyError):  # another process has noted it
        await database.migrations.insert_one({"_id": migration.number, **note})


async def drop_former_indexes(database: Database) -> None:
    """The log's own index, and those by which the database itself deleted what had had its time."""
    for name in ("activity", "revocations", "idempotency"):
        collection = database.collection(name)
        for index, options in (await collection.index_information()).items():
            if index == _EARLIER or "expireAfterSeconds" in options:
                try:
                    await collection.drop_index(index)
                except OperationFailure as error:
                    if error.code != _INDEX_NOT_FOUND:
                        raise


async def make_indexes(database: Database) -> None:
    """Those that the queries go by."""
    for name, indexes in INDEXES.items():
        await database.collection(name).create_indexes(indexes)


MIGRATIONS: Final = (
    Migration(1, "drop former indexes", drop_former_indexes),
    Migration(2, "make the indexes", make_indexes),
    Migration(3, "exams get a policy, sessions a clock", upgrade),
)
