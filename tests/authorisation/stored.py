"""What is stored, before and after: what is refused must have changed nothing."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from models.database import Stored
from models.store import Store

Everything = dict[str, dict[Any, Any]]  # by collection and id

# `unlogged` and `mark` are what an end leaves behind for a moment.
_PASSING: Final = {"rev", "holder", "connectivity", "lastHeartbeatAt", "unlogged", "mark"}


async def everything_in(store: Store) -> Everything:
    """Everything that a refused request must leave as it is, by collection and id."""
    database = store.database
    collections = (
        database.organisations,
        database.users,
        database.exams,
        database.sessions,
        database.starts,
        database.activity,
        database.orders,
        database.fates,
        database.seals,
        database.idempotency,
        database.revocations,
    )
    found = await asyncio.gather(*(one.find().to_list(None) for one in collections))
    # Not from the database, where they are folded once a minute.
    heartbeats: dict[Any, Any] = dict(store.heartbeats.last)
    return {"heartbeats": heartbeats} | {
        collection.name: {one["_id"]: _lasting(one) for one in documents if not _of_connections(one)}
        for collection, documents in zip(collections, found, strict=True)
    }


def _of_connections(document: Stored) -> bool:
    """Whether it says that a socket came, was sent what waited for it, or went: those of an earlier row still do."""
    return document.get("type") in ("connected", "disconnected") or document.get("fate") in ("DELIVERED", "EXPIRED")


def _lasting(document: Stored) -> Stored:
    """What of a document does not change by itself."""
    return {name: value for name, value in document.items() if name not in _PASSING}


def changes_between(before: Everything, after: Everything) -> list[str]:
    """What was added, removed or changed, one a line."""
    return [
        f"{collection} {key}: {before[collection].get(key)} became {after[collection].get(key)}"
        for collection in before
        for key in before[collection].keys() | after[collection].keys()
        if before[collection].get(key) != after[collection].get(key)
    ]
