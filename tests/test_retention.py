"""Retention: what has had its time goes, counted from a session's end, whatever happens meanwhile; the rest stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from models.database import Stored
from models.fields import now
from models.passwords import Passwords
from models.store import Store
from server.app import running
from server.settings import Settings, SettingsError, load_settings
from tests.clients import Api, uuid
from tests.conftest import SECRET, Connect, Organisation, Person, make_exam
from tests.privacy import NAME, OTHERS, TRACES, Sat, sit, traces, verified
from tests.test_erasure import Mortal, bury
from tests.test_starting import Killed, restarted

TEXTS = ["quagga", "Zebra-Browser"]


def path_of(school: Organisation) -> str:
    return f"/routes/organisations/{school.id}"


async def keep(api: Api, school: Organisation, **days: int | None) -> Any:
    return (await api.ok("PUT", path_of(school), {"retention": days}))["retention"]


async def session_of(store: Store, sat: Sat) -> Stored | None:
    found: Stored | None = await store.database.sessions.find_one({"_id": ObjectId(sat.session_id)})
    return found


async def sweep(store: Store, days: float) -> None:
    """As it is so many days after now, which is a moment after the sessions' end."""
    await store.retention.sweep(now() + timedelta(days=days))


@pytest.fixture
async def store(store: Store) -> Store:
    """Without the sweeps that the server makes by itself."""
    await store.retention.periodic.close()
    await store.seals.periodic.close()
    return store


async def test_an_organisation_says_how_long_it_keeps_what(
    school: Organisation, college: Organisation, sales: Person
) -> None:
    forever = {"heartbeatsDays": None, "activityDays": None, "sessionsDays": None}
    assert (await school.student.api.ok("GET", path_of(school)))["retention"] == forever
    api = school.admin.api
    assert await keep(api, school, heartbeatsDays=7, activityDays=90) == forever | {
        "heartbeatsDays": 7,
        "activityDays": 90,
    }
    # What is not named stays.
    assert await keep(sales.api, school, sessionsDays=365) == {
        "heartbeatsDays": 7,
        "activityDays": 90,
        "sessionsDays": 365,
    }
    assert (await keep(api, school, heartbeatsDays=None))["heartbeatsDays"] is None
    assert (await api.ok("PUT", path_of(school), {"name": "Renamed"}))["retention"]["activityDays"] == 90
    for wrong in (
        {"activityDays": 1}, {"sessionsDays": 1}, {"heartbeatsDays": 0}, {"activityDays": "90"}, {"activityDays": 366},
        {"activityDays": None}, {"sessionsDays": 89}, {"activityDays": 40_000}, {"chatDays": 3}, None,
    ):  # fmt: skip
        assert await api.code("PUT", path_of(school), {"retention": wrong}) == "invalid_payload", wrong
    assert await school.proctor.api.code("PUT", path_of(school), {"retention": {}}) == "forbidden"
    assert await college.admin.api.code("PUT", path_of(school), {"retention": {}}) == "not_found"
    assert (await college.admin.api.ok("GET", path_of(college)))["retention"] == forever


async def test_settings_hold_where_an_organisation_says_nothing(
    settings: Settings, school: Organisation, college: Organisation
) -> None:
    await keep(college.admin.api, college, activityDays=None)
    other = settings.model_copy(update={"retention_activity_days": 30})
    async with running(other) as server:
        for person, days in ((school.admin, 30), (college.admin, None)):
            api = Api(person.api.http, server.url, person.api.contract, person.token)
            (organisation,) = await api.ok("GET", "/routes/organisations")
            kept = {"heartbeatsDays": None, "activityDays": days, "sessionsDays": None}
            assert organisation["retention"] == kept
    with pytest.raises(SettingsError, match="RETENTION_SESSIONS_DAYS: shorter than RETENTION_ACTIVITY_DAYS"):
        load_settings(_env_file=None, retention_activity_days=30, retention_sessions_days=29)
    with pytest.raises(SettingsError, match="RETENTION_ACTIVITY_DAYS"):
        load_settings(_env_file=None, retention_activity_days=1)


async def test_each_kind_goes_after_its_time_and_not_before(
    school: Organisation, connect: Connect, store: Store
) -> None:
    await keep(school.admin.api, school, heartbeatsDays=3, activityDays=10, sessionsDays=30)
    sat = await sit(school, connect)
    await sat.other.ok("end", {})
    await store.heartbeats.fold(2**40)
    heartbeats, session = store.database.heartbeats, f"/routes/proctoring/{sat.session_id}"
    await sweep(store, 2.9)
    assert await heartbeats.count_documents({}) == 1
    await sweep(store, 3)
    assert await heartbeats.count_documents({}) == 0
    assert await school.admin.api.ok("GET", f"{session}/heartbeats") == []
    assert set(await traces(store.database, TEXTS)) >= {"activity", "orders"}

    await sweep(store, 9.9)
    before = await school.admin.api.ok("GET", f"{session}/record")
    assert "quagga" in str(before)
    await sweep(store, 10)
    # The ledger's reason goes with the session; the idempotent answers after a day.
    assert set(await traces(store.database, TEXTS)) == {"sessions", "idempotency", "seals"}
    after = await school.admin.api.ok("GET", f"{session}/record")
    assert all(one["data"] is None for one in after["activities"])
    assert (after["user"]["name"], after["verdict"], after["counts"]) == (NAME, "SUSPICIOUS", before["counts"])
    verified(after)
    assert OTHERS not in str(await store.database.activity.find({}).to_list(None))

    await sweep(store, 29.9)
    assert await session_of(store, sat)
    await sweep(store, 30)
    assert await session_of(store, sat) is None
    assert await school.admin.api.code("GET", session) == "not_found"
    assert await store.database.seals.count_documents({}) == 0
    assert set(await traces(store.database)) == {"users", "idempotency"}
    exam = await school.admin.api.ok("GET", f"/routes/exams/{school.exam_id}")
    assert (exam["users"], exam["accommodations"]) == ([school.proctor.id, school.other_student.id], [])
    # Who has had its session does not begin anew, and the log has no hole.
    assert await sat.person.api.code("POST", "/routes/proctoring/start", {"examId": school.exam_id}) == "not_found"
    records = await school.admin.api.ok("GET", f"/routes/exams/{school.exam_id}/activity")
    assert [one["offset"] for one in records] == list(range(1, len(records) + 1))
    console = await connect("/proctor", school.admin.token)
    view = await console.ok("join", {"examId": school.exam_id})
    assert (view["sessions"], [word for word in TRACES if word in str(view)]) == ([], [])
    # The exam can go, and what was left of the log goes with it.
    assert (await school.admin.api.call("DELETE", f"/routes/exams/{school.exam_id}")).status == 204
    assert await store.database.activity.count_documents({}) == 0
    assert await store.database.places.count_documents({}) == 0


async def test_what_runs_is_kept_and_a_rehearsal_is_not(school: Organisation, connect: Connect, store: Store) -> None:
    await keep(school.admin.api, school, heartbeatsDays=1, activityDays=2, sessionsDays=2)
    rehearsal = await make_exam(school.admin, school.student, rehearsal=True)
    started = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": rehearsal["id"]})
    await school.student.api.ok("PUT", f"/routes/proctoring/end/{started['id']}")
    sat = await sit(school, connect, end=False)
    await sweep(store, 1000)
    left = await store.database.sessions.find({}).to_list(None)
    assert {str(one["_id"]) for one in left} >= {sat.session_id}
    assert started["id"] not in {str(one["_id"]) for one in left}
    assert "quagga" in str(await store.database.activity.find({}).to_list(None))


async def test_another_organisations_stay(
    school: Organisation, college: Organisation, connect: Connect, store: Store
) -> None:
    await keep(college.admin.api, college, heartbeatsDays=1, activityDays=2, sessionsDays=2)
    sat = await sit(school, connect)
    before = await school.admin.api.ok("GET", f"/routes/proctoring/{sat.session_id}/record")
    await sweep(store, 1000)
    assert await school.admin.api.ok("GET", f"/routes/proctoring/{sat.session_id}/record") == before


async def test_a_session_that_was_reinstated_has_its_time_anew(
    school: Organisation, connect: Connect, store: Store
) -> None:
    await keep(school.admin.api, school, activityDays=2)
    sat = await sit(school, connect)
    await sweep(store, 2)
    admin = await connect("/proctor", school.admin.token)
    order = {"requestId": uuid(), "examId": school.exam_id, "sessionId": sat.session_id}
    await admin.ok("command", order | {"action": "reinstate", "reason": "okapi"})
    await sweep(store, 1000)
    assert "activity" in await traces(store.database, ["okapi"])
    await admin.ok("command", order | {"requestId": uuid(), "action": "terminate", "reason": "okapi again"})
    await sweep(store, 3)
    assert "activity" not in await traces(store.database, ["okapi"])
    verified(await school.admin.api.ok("GET", f"/routes/proctoring/{sat.session_id}/record"))


async def test_killed_at_every_write_and_by_two_at_once_it_comes_to_the_same_end(
    school: Organisation, connect: Connect, store: Store, settings: Settings
) -> None:
    await keep(school.admin.api, school, heartbeatsDays=1, activityDays=2, sessionsDays=3)
    sat = await sit(school, connect)
    await sat.other.ok("end", {})
    kills = 0
    for days in (2, 3):
        lives = 0
        while True:
            database = Mortal(str(settings.database_url), lives := lives + 1, after=bool(kills % 2))
            dying = Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1), seal_key=bytes(32))
            try:
                await sweep(dying, days)
                break
            except Killed:
                kills += 1
            finally:
                await bury(dying)
            if days == 2 and (session := await session_of(store, sat)) and await store.seals.of(session["_id"]):
                verified(await store.records.of(session))
        async with restarted(settings) as other:
            await other.retention.periodic.close()
            await asyncio.gather(sweep(store, days), sweep(other, days))
    assert kills > 15
    assert await store.database.sessions.count_documents({}) == 0
    assert set(await traces(store.database)) == {"users", "idempotency"}
