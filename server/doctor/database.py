"""The database: whether it is there, keeps what it acknowledges, is near, knows the time, and has what is expected."""

from __future__ import annotations

import contextlib
from typing import Final

from pymongo.errors import PyMongoError

from models.database import Database
from models.diagnosis import About, about, missing_indexes, nodes_ahead, write_and_read
from models.migrations import state_of
from server.doctor.findings import Finding, judged
from server.settings import Settings

_OLDEST: Final = 6  # MongoDB's major version that is still told to be used
_FAR_MS: Final = 20.0
_CLOCK_MS: Final = 500.0
_CLOCK_WRONG_MS: Final = 5000.0


async def check_database(settings: Settings, url: str) -> list[Finding]:
    """What `url` leads to; ends early where it does not answer."""
    found: list[Finding] = []
    with contextlib.closing(Database(url)) as database:
        try:
            there = await about(database)
            found += [
                _version(there),
                *_replicas(there, database),
                _distance(there),
                _clock("database", there.ahead_ms),
            ]
            found.append(judged("writing", f"written and read in {await write_and_read(database):.1f} ms"))
            found += await _migrations(settings, database)
            found += _nodes(settings, await nodes_ahead(database))
        except (PyMongoError, LookupError) as error:
            found.append(Finding("fail", "database", f"DATABASE_URL: {str(error).partition(', full error')[0]}"))
    return found


def _version(there: About) -> Finding:
    if there.embedded:
        return judged("database", f"SecantusDB {there.version}, the embedded database")
    old = int(there.version.partition(".")[0]) < _OLDEST
    return judged("database", f"MongoDB {there.version}", warn=f"{_OLDEST} or later is wanted" if old else None)


def _replicas(there: About, database: Database) -> list[Finding]:
    concern = database.write_concern.document
    weak = None if concern.get("w") == "majority" else "a failover may undo what is acknowledged: leave w to the server"
    none = "nothing is acknowledged: take w=0 out of DATABASE_URL" if concern.get("w") == 0 else None
    text = ", ".join(f"{key} {value}" for key, value in concern.items())
    found = [judged("write concern", text, warn=weak, fail=none)]
    if not there.embedded:
        few = f"{there.members} members" if there.replica_set else "none"
        warn = None if there.members >= 3 else "what is acknowledged is lost with one machine: have three members"
        found.append(judged("replica set", few, warn=warn))
    return found


def _distance(there: About) -> Finding:
    warn = "every event waits for it: put them closer" if there.round_trip_ms > _FAR_MS else None
    return judged("round trip", f"{there.round_trip_ms:.1f} ms to the database", warn=warn)


def _clock(whose: str, ahead_ms: float) -> Finding:
    wrong = abs(ahead_ms) > _CLOCK_WRONG_MS
    mend = "clocks decide about deadlines: let chrony or systemd-timesyncd keep them"
    way = "ahead of" if ahead_ms > 0 else "behind"
    text = f"the {whose}'s is {abs(ahead_ms) / 1000:.2f} s {way} this machine's"
    return judged("clock", text, warn=mend if abs(ahead_ms) > _CLOCK_MS else None, fail=mend if wrong else None)


async def _migrations(settings: Settings, database: Database) -> list[Finding]:
    state = await state_of(database)
    missing = ", ".join(str(one.number) for one in state.missing)
    last = f"{len(state.done)} are done"
    found = [
        judged(
            "migrations",
            f"{last}, missing: {missing}" if missing else last,
            warn="the next start makes them" if missing else None,
            fail="run proctoring-server migrate" if missing and settings.migrate == "check" else None,
        )
    ]
    for one in state.unknown:
        mend = "install that version"
        text = f"{one['_id']} ({one['about']}) is a newer version's"
        found.append(judged("migrations", text, warn=mend, fail=mend if one["incompatible"] else None))
    if not missing:
        gone = ", ".join(await missing_indexes(database))
        mend = f"{gone}: run proctoring-server migrate --again"
        found.append(judged("indexes", "some are gone" if gone else "all are there", fail=mend if gone else None))
    return found


def _nodes(settings: Settings, ahead: dict[str, float]) -> list[Finding]:
    alone = len(ahead) < 2 or settings.redis_url
    fail = None if alone else "set the same REDIS_URL for all, or they hear of each other late or never"
    return [judged("nodes", f"{len(ahead)} are alive", fail=fail)] + [
        _clock(f"node {one}", ms) for one, ms in ahead.items()
    ]
