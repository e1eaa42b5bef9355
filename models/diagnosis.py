"""What a database says of itself, for who looks whether a deployment is well."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bson import ObjectId

from models.database import Database, Stored
from models.fields import now
from models.migrations import INDEXES

_PROBES: Final = 7
_ALIVE: Final = timedelta(minutes=1)  # for clocks that differ by less
_LOOK_S: Final = 3.0  # a node notes every second that it is alive
_EVERY_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class About:
    """`embedded`: it is SecantusDB. `members`: of its replica set, 0 where it is none. Times in milliseconds."""

    version: str
    embedded: bool
    replica_set: str | None
    members: int
    round_trip_ms: float
    ahead_ms: float


async def about(database: Database) -> About:
    """Its version, its replica set, how far away it is, and how far its clock is ahead of this machine's."""
    build = await database.admin("buildInfo")
    probes: list[tuple[float, float]] = []  # round trip, ahead
    for _ in range(_PROBES):
        sent, began = datetime.now(UTC), time.perf_counter()
        hello = await database.admin("hello")
        took = time.perf_counter() - began
        there = hello["localTime"].replace(tzinfo=UTC)
        probes.append((took * 1000, (there - sent).total_seconds() * 1000 - took * 500))
    return About(
        version=str(build.get("secantusVersion") or build["version"]),
        embedded="secantusVersion" in build,
        replica_set=hello.get("setName"),
        members=len(hello.get("hosts", ())),
        round_trip_ms=statistics.median(took for took, _ in probes),
        ahead_ms=min(probes)[1],  # the fastest answer is the least uncertain
    )


async def write_and_read(database: Database) -> float:
    """Write as everything is written, and read it as the log is read; how long that took, in milliseconds."""
    probes = database.collection("probes").with_options(read_concern=database.activity.read_concern)
    began, one = time.perf_counter(), {"_id": ObjectId()}
    await probes.insert_one({**one, "at": now()})
    found = await probes.find_one(one)
    took = (time.perf_counter() - began) * 1000
    await probes.delete_one(one)
    if found is None:
        raise LookupError("What was written is not read.")
    return took


async def missing_indexes(database: Database) -> list[str]:
    """The indexes that a migration has made and that are not there, as `collection.index`."""
    missing: list[str] = []
    for name, indexes in INDEXES.items():
        found = await database.collection(name).index_information()
        missing += [f"{name}.{one.document['name']}" for one in indexes if one.document["name"] not in found]
    return missing


async def nodes_ahead(database: Database) -> dict[str, float]:
    """The servers that are alive, by id: how far the clock of each is ahead of this machine's, in milliseconds."""

    async def notes() -> dict[str, datetime]:
        found: list[Stored] = await database.servers.find({}).to_list(None)
        return {one["_id"]: one["at"] for one in found if not one.get("closed") and abs(now() - one["at"]) < _ALIVE}

    before, ahead = await notes(), dict[str, float]()
    until = time.monotonic() + _LOOK_S
    while before.keys() - ahead.keys() and time.monotonic() < until:
        await asyncio.sleep(_EVERY_S)
        for node, at in (await notes()).items():
            if node not in ahead and before.get(node) != at:
                ahead[node] = (at - now()).total_seconds() * 1000
    return ahead
