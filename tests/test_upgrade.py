"""Exams and sessions as an earlier version left them are read like those of today."""

from __future__ import annotations

from datetime import timedelta

from models.policy import DEFAULT
from models.store import Store
from models.upgrade import upgrade
from tests.test_starting import actor, make_class

NEW = ("activatedAt", "runningSince", "pausedAt", "missingSince", "backAt", "terms", "timeLedger", "orders")


async def test_an_earlier_versions_exam_gets_a_policy_and_its_session_a_clock(store: Store) -> None:
    (user, other), exam = await make_class(store.database, 2)
    session, _ = await store.starting.start(actor(user), exam)
    newer, _ = await store.starting.start(actor(other), exam)
    owed = {"type": "session_ended", "source": "client", "actorId": user["_id"], "at": session["startTime"], "data": {}}
    await store.database.exams.update_one({"_id": exam["_id"]}, {"$unset": {"policy": "", "accommodations": ""}})
    old = {"$unset": dict.fromkeys(NEW, ""), "$set": {"unlogged": owed}}
    await store.database.sessions.update_one({"_id": session["_id"]}, old)

    for _ in range(2):
        await upgrade(store.database)
        upgraded = {one["_id"]: one for one in await store.sessions.of_exam(exam["_id"])}
        assert {name: upgraded[session["_id"]][name] for name in NEW} == {name: session[name] for name in NEW}
        assert upgraded[session["_id"]]["unlogged"] == [owed]
        assert upgraded[newer["_id"]] == newer
        read = await store.exams.by_id(exam["_id"])
        assert (read["policy"], read["accommodations"]) == (DEFAULT, [])
    (view, _) = await store.sessions.views(actor(user), list(upgraded.values()))
    assert view["deadline"] == session["startTime"] + timedelta(minutes=exam["duration"])
