"""Sessions change by groups, and of two changes that meet both are right."""

from __future__ import annotations

import asyncio
from collections import Counter

from models.database import Stored
from models.presence import Presence
from models.store import Store
from tests.test_starting import actor, make_class


async def test_connectivity_changes_by_groups_and_who_lost_to_another_change_is_tried_again(store: Store) -> None:
    users, exam = await make_class(store.database, 130)
    presence = Presence(store.sessions.changes, store.log)
    sessions = [one for one, _ in await asyncio.gather(*(store.starting.start(actor(user), exam) for user in users))]
    told: list[list[Stored]] = []

    async def tell(changed: list[Stored]) -> None:
        told.append(changed)

    # Unknown to us, one was renamed, one has ended, one is gone.
    renamed, ended, gone = sessions[3], sessions[60], sessions[129]
    await store.sessions.rename_user(renamed["userId"], "Renée")
    over = await store.sessions.end(ended, actor(users[60]))
    await store.database.sessions.delete_one({"_id": gone["_id"]})
    store.sessions.subscribe(tell)
    got = await asyncio.gather(*(presence.set(one, "LATE") for one in sessions), return_exceptions=True)
    stored = {one["_id"]: one for one in await store.sessions.of_exam(exam["_id"])}
    for session, answer in zip(sessions, got, strict=True):
        if session is gone:
            assert isinstance(answer, Exception)
        else:
            assert isinstance(answer, dict)
            assert {**answer, "unlogged": 0} == {**stored[session["_id"]], "unlogged": 0}
    assert (stored[renamed["_id"]]["rev"], stored[renamed["_id"]]["user"]["name"]) == (3, "Renée")
    assert (stored[ended["_id"]]["connectivity"], stored[ended["_id"]]["rev"]) == ("CLOSED", over["rev"])
    assert Counter(one["connectivity"] for one in stored.values()) == {"LATE": 128, "CLOSED": 1}
    assert len(told) <= 5
    assert {one["_id"] for group in told for one in group} >= set(stored) - {ended["_id"]}


async def test_two_who_want_one_session_otherwise_at_once_are_both_answered(store: Store) -> None:
    (user,), exam = await make_class(store.database, 1)
    session, _ = await store.starting.start(actor(user), exam, sid="x")
    late = session | {"connectivity": "LATE"}  # as somebody believes it to be
    presence = Presence(store.sessions.changes, store.log)
    async with asyncio.timeout(10):
        await asyncio.gather(presence.set(session, "LATE"), presence.set(late, "ONLINE"))
