"""Who is there and whose time is up, by a clock that the test moves; and once by the real one."""

from __future__ import annotations

import asyncio
import heapq
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from models import fields
from models.database import Database, Stored
from models.errors import Unavailable
from models.migrations import migrate
from models.nodes import Nodes
from models.orders import Wish
from models.passwords import Passwords
from models.session import Holder
from models.store import Store
from server.settings import Settings
from tests.clients import Socket, uuid
from tests.conftest import SECRET, Connect, Organisation
from tests.test_starting import Failing, Killed, actor, make_class

INTERVAL = timedelta(seconds=5)
INTERVAL_MS = 5000
STEP = timedelta(seconds=0.5)


class Clock:
    """The server's clock; it stands still until it is moved."""

    def __init__(self) -> None:
        self.at = fields.now()

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, real = Clock(), fields.now
    for name, module in list(sys.modules.items()):
        if name.startswith(("models.", "handlers.", "server.")) and getattr(module, "now", None) is real:
            monkeypatch.setattr(module, "now", clock)
    return clock


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update=getattr(request, "param", {}))


def store_on(settings: Settings) -> Store:
    passwords = Passwords(1, 64, "sha512")
    return Store.on(Database(str(settings.database_url)), passwords, SECRET, timedelta(hours=1), INTERVAL)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store as a process that starts now has it. Its own ticks look at what the clock says, as the test does."""
    store = store_on(settings)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def watching(settings: Settings, clock: Clock) -> AsyncIterator[Store]:
    """A store whose watch nobody but the test looks with."""
    store = store_on(settings)
    await migrate(store.database)
    yield store
    await shut(store)
    await store.database.drop()
    store.database.close()


async def shut(store: Store) -> None:
    """As `close` does with a store that was not opened."""
    await store.watch.close()
    await store.log.close()
    await store.sessions.close()
    store.passwords.close()


async def pass_time(clock: Clock, seconds: float, *stores: Store, step: timedelta = STEP) -> None:
    """Let so much time pass, with a look every half second."""
    end = clock.at + timedelta(seconds=seconds)
    while clock.at < end:
        clock.at = min(end, clock.at + step)
        for store in stores:
            store.watch.look(clock.at)
        await asyncio.gather(*(store.watch.idle() for store in stores))


async def begin(store: Store, count: int = 1, policy: dict[str, Any] | None = None, **changes: Any) -> list[Stored]:
    """Sessions of so many students in one exam."""
    users, exam = await make_class(store.database, count)
    changes |= {"policy": exam["policy"] | (policy or {})}
    await store.database.exams.update_one({"_id": exam["_id"]}, {"$set": changes})
    exam |= changes
    return [session for session, _ in await asyncio.gather(*(store.starting.start(actor(u), exam) for u in users))]


async def stored(store: Store, session: Stored) -> Stored:
    return await store.sessions.by_id(session["_id"])


async def connectivity(store: Store, session: Stored) -> str:
    return str((await stored(store, session))["connectivity"])


async def log_of(store: Store, session: Stored, *types: str) -> list[Stored]:
    records = await store.log.read(session["examId"], 0, 1000)
    assert [one["offset"] for one in records] == list(range(1, len(records) + 1))
    return [one for one in records if not types or one["type"] in types]


async def absences(store: Store, session: Stored) -> list[tuple[str, int]]:
    """What the log says of a session's going and coming back: type and duration, in order."""
    found = await log_of(store, session, "heartbeat_missing", "heartbeat_resumed")
    assert all(one["source"] == "server" for one in found)
    return [(one["type"], one["data"]["durationMs"]) for one in found if one["sessionId"] == session["_id"]]


async def order(store: Store, session: Stored, action: Any, reason: str | None = None) -> None:
    exam = await store.exams.by_id(session["examId"])
    await store.orders.give(ObjectId(), exam, session, Wish(action=action, reason=reason, actor_id=ObjectId()))


async def test_a_student_is_late_after_two_intervals_missing_after_four_and_online_with_the_next_heartbeat(
    watching: Store, clock: Clock
) -> None:
    (session,) = await begin(watching)
    watching.watch.alive(session, INTERVAL_MS)
    await pass_time(clock, 9.5, watching)
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 1, watching)
    assert await connectivity(watching, session) == "LATE"
    await pass_time(clock, 9, watching)
    assert await connectivity(watching, session) == "LATE"
    assert await absences(watching, session) == []
    await pass_time(clock, 1, watching)
    assert await connectivity(watching, session) == "MISSING"
    ((type_, silent_ms),) = await absences(watching, session)
    assert type_ == "heartbeat_missing"
    assert 20_000 <= silent_ms <= 20_500
    await pass_time(clock, 60, watching)
    watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    assert await connectivity(watching, session) == "ONLINE"
    _, (type_, missing_ms) = await absences(watching, session)
    assert type_ == "heartbeat_resumed"
    assert 60_000 <= missing_ms <= 61_000
    assert (await stored(watching, session))["status"] == "ACTIVE"


async def test_each_absence_is_said_once_however_many_heartbeats_and_looks_there_are(
    watching: Store, clock: Clock
) -> None:
    (session,) = await begin(watching)
    for _ in range(3):
        await pass_time(clock, 30, watching)
        for _ in range(5):
            watching.watch.alive(session, INTERVAL_MS)
            await pass_time(clock, 1, watching)
    types = [type_ for type_, _ in await absences(watching, session)]
    assert types == ["heartbeat_missing", "heartbeat_resumed"] * 3


async def test_who_was_only_late_is_online_again_and_the_log_says_nothing(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    await pass_time(clock, 12, watching)
    assert await connectivity(watching, session) == "LATE"
    watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    assert await connectivity(watching, session) == "ONLINE"
    assert await absences(watching, session) == []


async def test_the_interval_that_the_client_was_told_decides(watching: Store, clock: Clock) -> None:
    often, seldom = await begin(watching, 2)
    watching.watch.alive(often, 2000)
    watching.watch.alive(seldom, 20_000)
    await pass_time(clock, 4.5, watching)
    assert [await connectivity(watching, one) for one in (often, seldom)] == ["LATE", "ONLINE"]
    await pass_time(clock, 4, watching)
    assert [await connectivity(watching, one) for one in (often, seldom)] == ["MISSING", "ONLINE"]
    await pass_time(clock, 31, watching)
    assert await connectivity(watching, seldom) == "ONLINE"
    await pass_time(clock, 1, watching)
    assert await connectivity(watching, seldom) == "LATE"


async def test_a_longer_interval_told_later_is_waited_for_from_then_on(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    watching.watch.alive(session, 1000)
    watching.watch.alive(session, 30_000)
    await pass_time(clock, 59, watching)
    assert await connectivity(watching, session) == "ONLINE"
    watching.watch.alive(session, 1000)
    # It is seen no later than with the interval before.
    await pass_time(clock, 61, watching)
    assert await connectivity(watching, session) == "MISSING"


async def test_a_shorter_interval_told_later_counts_from_then_on(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    watching.watch.alive(session, 30_000)
    await pass_time(clock, 1, watching)
    watching.watch.alive(session, 1000)
    await pass_time(clock, 2.5, watching)
    assert await connectivity(watching, session) == "LATE"
    await pass_time(clock, 2, watching)
    assert await connectivity(watching, session) == "MISSING"


async def test_a_heartbeat_at_the_last_moment_prevents_it(watching: Store, clock: Clock) -> None:
    late, missing = await begin(watching, 2)
    await pass_time(clock, 9.5, watching)
    watching.watch.alive(missing, INTERVAL_MS)
    clock.at += timedelta(seconds=1)
    watching.watch.look(clock.at)  # it begins to call one of them late
    watching.watch.alive(late, INTERVAL_MS)
    await watching.watch.idle()
    assert await connectivity(watching, late) == "ONLINE"
    watching.watch.alive(late, 60_000)
    await pass_time(clock, 18.5, watching)
    assert await connectivity(watching, missing) == "LATE"
    clock.at += timedelta(seconds=1)
    watching.watch.look(clock.at)
    watching.watch.alive(missing, INTERVAL_MS)
    await watching.watch.idle()
    assert await connectivity(watching, missing) == "ONLINE"
    assert await log_of(watching, late, "heartbeat_missing", "heartbeat_resumed") == []


async def test_who_waits_for_the_answer_to_a_heartbeat_is_due_from_then_on(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    watching.watch.alive(session, INTERVAL_MS)
    await pass_time(clock, 8, watching)  # the database is slow
    watching.watch.answered(session)
    await pass_time(clock, 9.5, watching)
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 1, watching)
    assert await connectivity(watching, session) == "LATE"


@pytest.mark.parametrize("settings", [{"heartbeat_interval_ms": 1000}], indirect=True)
@pytest.mark.parametrize("fails", [False, True])
async def test_nobody_is_late_for_what_a_slow_database_let_them_wait(
    store: Store, connect: Connect, school: Organisation, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    beat = store.heartbeats.beat

    async def slow(*session: Any) -> datetime:
        await asyncio.sleep(1.5)
        if fails:
            raise Unavailable
        return await beat(*session)

    monkeypatch.setattr(store.heartbeats, "beat", slow)
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    student = await connect("/exam", school.student.token, uuid())
    await student.ok("start", {"examId": school.exam_id})
    for _ in range(2):
        await student.call("heartbeat")
        await asyncio.sleep(1)  # as it was told
    while not console.received["presence"].empty():
        for shown in console.received["presence"].get_nowait()["items"]:
            assert shown["connectivity"] == "ONLINE"


async def test_nothing_is_said_of_sessions_that_are_over(watching: Store, clock: Clock) -> None:
    ended, late, missing = await begin(watching, 3)
    await watching.sessions.end(ended, actor({**ended["user"], "organisationId": ended["organisationId"]}))
    await pass_time(clock, 12, watching)
    await watching.sessions.end(late, actor({**late["user"], "organisationId": late["organisationId"]}))
    await pass_time(clock, 12, watching)
    assert await connectivity(watching, missing) == "MISSING"
    await watching.sessions.end(missing, actor({**missing["user"], "organisationId": missing["organisationId"]}))
    for one in (ended, late, missing):
        watching.watch.alive(one, INTERVAL_MS)
        assert (await watching.watch.arrive(await stored(watching, one), INTERVAL_MS))["connectivity"] == "CLOSED"
    await pass_time(clock, 60, watching)
    for one in (ended, late, missing):
        assert await connectivity(watching, one) == "CLOSED"
    assert [type_ for one in (ended, late, missing) for type_, _ in await absences(watching, one)] == [
        "heartbeat_missing"
    ]
    assert len(watching.watch) == 0


async def test_who_submits_at_the_moment_of_being_called_missing_is_not(watching: Store, clock: Clock) -> None:
    sessions = await begin(watching, 20)
    await pass_time(clock, 19.5, watching)
    ends = [
        asyncio.create_task(watching.sessions.end(one, actor({**one["user"], "organisationId": one["organisationId"]})))
        for one in sessions
    ]
    await asyncio.sleep(0)  # they are under way
    clock.at += timedelta(seconds=1)
    watching.watch.look(clock.at)
    await asyncio.gather(*ends)
    await watching.watch.idle()
    await pass_time(clock, 30, watching)
    for one in sessions:
        assert (await stored(watching, one))["status"] == "SUBMITTED"
        assert await connectivity(watching, one) == "CLOSED"
    assert await log_of(watching, sessions[0], "heartbeat_missing", "heartbeat_resumed") == []
    assert len(await log_of(watching, sessions[0], "session_ended")) == 20


async def test_who_waits_and_who_is_paused_is_watched_too(watching: Store, clock: Clock) -> None:
    (waiting,) = await begin(watching, policy={"admission": "proctor"})
    (paused,) = await begin(watching)
    await order(watching, paused, "pause", "A fire alarm.")
    for after, expected in ((9.5, "ONLINE"), (1, "LATE"), (10, "MISSING")):
        await pass_time(clock, after, watching)
        assert [await connectivity(watching, one) for one in (waiting, paused)] == [expected] * 2
    for session, status in ((waiting, "WAITING"), (paused, "PAUSED")):
        assert [type_ for type_, _ in await absences(watching, session)] == ["heartbeat_missing"]
        assert (await stored(watching, session))["status"] == status
        watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    for session in (waiting, paused):
        assert [type_ for type_, _ in await absences(watching, session)] == ["heartbeat_missing", "heartbeat_resumed"]
        now = await stored(watching, session)
        assert (now["connectivity"], now["timeLedger"]) == ("ONLINE", [])


async def test_nobody_is_called_late_for_what_the_server_itself_stood_still(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    await pass_time(clock, 3, watching)
    clock.at += timedelta(minutes=2)
    watching.watch.look(clock.at)
    await watching.watch.idle()
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 11, watching)  # a client needs time to come back
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 25, watching)
    assert await connectivity(watching, session) == "MISSING"


async def test_nobody_is_called_late_for_what_the_database_stood_still(
    watching: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (session,) = await begin(watching)
    await pass_time(clock, 3, watching)
    with monkeypatch.context() as patch:
        patch.setattr(Nodes, "unnoted_s", 3.5)
        await pass_time(clock, 12, watching)
    await pass_time(clock, 19, watching)  # a client needs time to come back
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 2, watching)
    assert await connectivity(watching, session) == "LATE"


async def test_a_node_counts_how_long_it_could_not_note_that_it_is_alive(settings: Settings) -> None:
    async with opened(settings) as store:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                store.nodes,
                "_servers",
                Failing(store.nodes._servers, "update_one", Unavailable(), after=False, times=3),
            )
            assert store.nodes.unnoted_s < 1
            async with asyncio.timeout(10):
                while store.nodes.unnoted_s < 1.5:
                    await asyncio.sleep(0.1)
                while store.nodes.unnoted_s > 0.5:
                    await asyncio.sleep(0.1)


async def test_the_clients_of_a_lost_node_have_time_to_come_back_while_it_is_being_taken_over(
    watching: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    watching.hints.shared = True
    serving = {"gone"}
    monkeypatch.setattr(watching.nodes, "serves", serving.__contains__)
    (session,) = await begin(watching)
    changes = watching.sessions.changes
    session, _ = await changes.change(session, lambda *_: {"holder": Holder(node="gone", clientId=uuid())})
    await pass_time(clock, 15, watching)
    serving.clear()
    settle = watching.sessions.settle

    async def slow(session: Stored, **options: Any) -> Any:
        await settle(session, **options)
        await changes.tell([session])  # as whatever happens meanwhile does
        await pass_time(clock, 2, watching)

    monkeypatch.setattr(watching.sessions, "settle", slow)
    await watching._take_over(frozenset({"gone"}))
    await pass_time(clock, 15, watching)
    assert await connectivity(watching, session) == "ONLINE"
    await pass_time(clock, 10, watching)
    assert await connectivity(watching, session) == "LATE"


async def test_a_clock_that_is_set_back_calls_nobody_late_and_still_sees_who_goes(
    watching: Store, clock: Clock
) -> None:
    here, gone = await begin(watching, 2)
    for session in (here, gone):
        watching.watch.alive(session, INTERVAL_MS)
    await pass_time(clock, 3, watching)
    clock.at -= timedelta(hours=1)
    for _ in range(8):
        watching.watch.alive(here, INTERVAL_MS)
        await pass_time(clock, 5, watching)
    assert await connectivity(watching, here) == "ONLINE"
    assert await connectivity(watching, gone) == "MISSING"
    await pass_time(clock, 12, watching)
    assert await connectivity(watching, here) == "LATE"


async def test_steps_of_two_seconds_are_no_stand_still(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    await pass_time(clock, 12, watching, step=timedelta(seconds=2))
    assert await connectivity(watching, session) == "LATE"
    await pass_time(clock, 10, watching, step=timedelta(seconds=2))
    assert await connectivity(watching, session) == "MISSING"


async def test_a_session_whose_time_is_up_is_over_from_its_deadline_on(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching, duration=1)
    deadline = session["activatedAt"] + timedelta(minutes=1)
    for _ in range(118):
        watching.watch.alive(session, INTERVAL_MS)
        await pass_time(clock, 0.5, watching)
    assert (await stored(watching, session))["status"] == "ACTIVE"
    await pass_time(clock, 1.5, watching)
    over = await stored(watching, session)
    assert (over["status"], over["connectivity"], over["endTime"]) == ("TIMED_OUT", "CLOSED", deadline)
    (ended,) = await log_of(watching, session, "session_ended")
    assert (ended["source"], ended["actorId"], ended["data"]["status"]) == ("server", None, "TIMED_OUT")
    assert await absences(watching, session) == []


async def test_time_that_ran_out_while_the_server_stood_still_has_run_out(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    clock.at += timedelta(hours=3)
    watching.watch.look(clock.at)
    await watching.watch.idle()
    over = await stored(watching, session)
    assert (over["status"], over["endTime"]) == ("TIMED_OUT", session["activatedAt"] + timedelta(hours=1))
    assert len(await log_of(watching, session, "session_ended")) == 1


async def test_who_waits_times_out_when_the_exam_closes_and_who_is_paused_does_not(
    watching: Store, clock: Clock
) -> None:
    ends_at = clock.at + timedelta(minutes=1)
    (waiting,) = await begin(watching, policy={"admission": "proctor"}, endsAt=ends_at)
    (paused,) = await begin(watching, endsAt=ends_at)
    await order(watching, paused, "pause", "A fire alarm.")
    await pass_time(clock, 59, watching)
    assert (await stored(watching, waiting))["status"] == "WAITING"
    await pass_time(clock, 2, watching)
    over = await stored(watching, waiting)
    assert (over["status"], over["endTime"], over["activatedAt"]) == ("TIMED_OUT", ends_at, None)
    assert (await stored(watching, paused))["status"] == "PAUSED"
    await pass_time(clock, 60, watching)
    await order(watching, await stored(watching, paused), "resume")
    await pass_time(clock, 55, watching)
    assert (await stored(watching, paused))["status"] == "ACTIVE"
    await pass_time(clock, 10, watching)
    assert (await stored(watching, paused))["status"] == "TIMED_OUT"


async def test_two_servers_that_look_time_a_class_out_once(watching: Store, settings: Settings, clock: Clock) -> None:
    sessions = await begin(watching, 30, duration=1)
    other = store_on(settings)
    await other.watch.open(sessions)
    await pass_time(clock, 58, watching, other)
    clock.at += timedelta(seconds=2)
    other.watch.look(clock.at)
    watching.watch.look(clock.at)
    await asyncio.gather(watching.watch.idle(), other.watch.idle())
    ended = await log_of(watching, sessions[0], "session_ended")
    assert Counter(one["sessionId"] for one in ended) == {one["_id"]: 1 for one in sessions}
    for session in await watching.sessions.of_exam(sessions[0]["examId"]):
        assert session["status"] == "TIMED_OUT"
        assert session["endTime"] == session["activatedAt"] + timedelta(minutes=1)
    await shut(other)
    other.database.close()


async def test_two_servers_that_look_call_a_student_missing_once(
    watching: Store, settings: Settings, clock: Clock
) -> None:
    sessions = await begin(watching, 10)
    other = store_on(settings)
    await other.watch.open(sessions)
    await pass_time(clock, 40, watching, other)
    missing = await log_of(watching, sessions[0], "heartbeat_missing")
    assert Counter(one["sessionId"] for one in missing) == {one["_id"]: 1 for one in sessions}
    await shut(other)
    other.database.close()


async def test_a_restart_is_said_once_in_each_exam_where_somebody_was_live(settings: Settings, clock: Clock) -> None:
    async with opened(settings) as store:
        live = await begin(store, 3)
        (over,) = await begin(store)
        for one in (live[0], over):
            await store.sessions.end(one, actor({**one["user"], "organisationId": one["organisationId"]}))
        for one in (live[0], over):
            assert await log_of(store, one, "server_restarted") == []
    clock.at += timedelta(seconds=90)
    async with opened(settings) as store:
        (restart,) = await log_of(store, live[0], "server_restarted")
        assert restart["data"] == {"durationMs": 90_000, "sessions": 2}
        assert (restart["source"], restart["severity"], restart["sessionId"]) == ("server", "info", None)
        assert await log_of(store, over, "server_restarted") == []
        for one in live[1:]:
            await store.sessions.end(one, actor({**one["user"], "organisationId": one["organisationId"]}))
    async with opened(settings) as store:
        assert len(await log_of(store, live[0], "server_restarted")) == 1
        assert await log_of(store, live[0], "heartbeat_missing") == []


async def test_after_a_restart_there_is_grace_before_anybody_is_called_late_or_missing(
    settings: Settings, clock: Clock
) -> None:
    async with opened(settings) as store:
        back, gone = await begin(store, 2)
    clock.at += timedelta(minutes=5)
    async with opened(settings) as store:
        await pass_time(clock, 11, store)
        assert [await connectivity(store, one) for one in (back, gone)] == ["ONLINE"] * 2
        store.watch.alive(back, INTERVAL_MS)
        await pass_time(clock, 9.5, store)
        store.watch.alive(back, INTERVAL_MS)
        await pass_time(clock, 9.5, store)
        store.watch.alive(back, INTERVAL_MS)
        await pass_time(clock, 1, store)
        assert [await connectivity(store, one) for one in (back, gone)] == ["ONLINE", "MISSING"]
        assert await absences(store, back) == []
        ((type_, silent_ms),) = await absences(store, gone)
        assert type_ == "heartbeat_missing"
        assert silent_ms <= 31_000  # what the server slept is not told as the student's
    async with opened(settings) as store:  # who was missing before still is, and comes back
        await pass_time(clock, 5, store)
        assert await connectivity(store, gone) == "MISSING"
        store.watch.alive(gone, INTERVAL_MS)
        await store.watch.idle()
        assert await connectivity(store, gone) == "ONLINE"
        assert [type_ for type_, _ in await absences(store, gone)] == ["heartbeat_missing", "heartbeat_resumed"]


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_the_change_and_the_log_is_made_good_at_the_next_start(
    watching: Store, settings: Settings, clock: Clock, after: bool
) -> None:
    (session,) = await begin(watching)
    database = Database(str(settings.database_url))
    dying_activity: Any = Failing(database.activity, "insert_one", Killed(), after=after, times=1000)
    database.activity = dying_activity
    dying = Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1), INTERVAL)
    await dying.watch.open([session])
    await pass_time(clock, 45, dying)
    assert await connectivity(watching, session) == "MISSING"
    await shut(dying)
    database.close()
    for _ in range(2):
        async with opened(settings) as store:
            assert len(await log_of(store, session, "heartbeat_missing")) == 1
            assert await connectivity(store, session) == "MISSING"


async def test_an_outage_is_given_back_as_far_as_the_policy_goes(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching, policy={"outageCreditMaxMinutes": 1})

    async def outage(seconds: float) -> list[dict[str, Any]]:
        while await connectivity(watching, session) != "MISSING":
            await pass_time(clock, 0.5, watching)
        await pass_time(clock, seconds, watching)
        watching.watch.alive(session, INTERVAL_MS)
        await watching.watch.idle()
        ledger: list[dict[str, Any]] = (await stored(watching, session))["timeLedger"]
        return ledger

    deadlines = [watching.sessions.view(session)["deadline"]]
    (first,) = await outage(40)
    assert (first["kind"], first["actorId"], first["at"]) == ("outage", None, clock.at)
    assert 40_000 <= first["ms"] <= 40_500
    deadlines.append(watching.sessions.view(await stored(watching, session))["deadline"])
    assert deadlines[1] - deadlines[0] == timedelta(milliseconds=first["ms"])
    _, second = await outage(40)
    assert first["ms"] + second["ms"] == 60_000
    assert len(await outage(40)) == 2
    deadlines.append(watching.sessions.view(await stored(watching, session))["deadline"])
    assert deadlines[2] - deadlines[0] == timedelta(minutes=1)


async def test_an_outage_is_not_given_back_where_the_policy_gives_none(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching)
    await pass_time(clock, 60, watching)
    watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    assert (await stored(watching, session))["timeLedger"] == []


async def test_a_pause_within_an_outage_is_not_given_back_twice(watching: Store, clock: Clock) -> None:
    (session,) = await begin(watching, policy={"outageCreditMaxMinutes": 60})
    while await connectivity(watching, session) != "MISSING":
        await pass_time(clock, 0.5, watching)
    began = clock.at
    await pass_time(clock, 30, watching)
    await order(watching, await stored(watching, session), "pause", "Where are you?")
    await pass_time(clock, 100, watching)
    await order(watching, await stored(watching, session), "resume")
    await pass_time(clock, 20, watching)
    watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    ledger = (await stored(watching, session))["timeLedger"]
    assert sum(one["ms"] for one in ledger) * timedelta(milliseconds=1) == clock.at - began
    assert {one["kind"]: one["ms"] for one in ledger if one["kind"] == "pause"} == {"pause": 100_000}


async def test_who_is_missing_over_the_deadline_has_the_outage_given_back_on_return(
    watching: Store, clock: Clock
) -> None:
    (session,) = await begin(watching, policy={"outageCreditMaxMinutes": 2}, duration=1)
    deadline = session["activatedAt"] + timedelta(minutes=1)
    await pass_time(clock, 90, watching)
    watching.watch.alive(session, INTERVAL_MS)
    await watching.watch.idle()
    back = await stored(watching, session)
    assert (back["status"], back["connectivity"]) == ("ACTIVE", "ONLINE")
    (credit,) = back["timeLedger"]
    assert watching.sessions.view(back)["deadline"] == deadline + timedelta(milliseconds=credit["ms"])
    for _ in range(20):
        watching.watch.alive(session, INTERVAL_MS)
        await pass_time(clock, 3, watching)
    over = await stored(watching, session)
    assert (over["status"], over["endTime"]) == ("TIMED_OUT", deadline + timedelta(milliseconds=credit["ms"]))
    assert len(await log_of(watching, session, "session_ended")) == 1


async def test_who_stays_missing_over_the_deadline_times_out_when_the_credit_is_used_up(
    watching: Store, clock: Clock
) -> None:
    (session,) = await begin(watching, policy={"outageCreditMaxMinutes": 1}, duration=1)
    await pass_time(clock, 119, watching)
    assert (await stored(watching, session))["status"] == "ACTIVE"
    await pass_time(clock, 5, watching)
    over = await stored(watching, session)
    assert (over["status"], over["connectivity"]) == ("TIMED_OUT", "CLOSED")
    assert len(await log_of(watching, session, "session_ended")) == 1


async def test_ten_thousand_are_watched_without_a_query_and_few_are_looked_at(
    watching: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await begin(watching)
    sessions = [one] + [one | {"_id": ObjectId()} for _ in range(9_999)]
    await watching.watch.open(sessions)
    await watching.watch.close()  # the test looks
    popped: list[Any] = []
    real = heapq.heappop
    monkeypatch.setattr(heapq, "heappop", lambda heap: popped.append(heap[0]) or real(heap))
    tasks = asyncio.all_tasks()
    seconds, looks, idle = 60, 0, 0
    for tick in range(seconds * 4):
        for session in sessions[tick % 20 :: 20]:  # each every 5 s
            watching.watch.alive(session, INTERVAL_MS)
        clock.at += timedelta(seconds=0.25)
        before = len(popped)
        watching.watch.look(clock.at)
        looks += 1
        idle += len(popped) == before
        assert asyncio.all_tasks() == tasks  # so nobody asks the database anything
    assert len(watching.watch) == 10_000
    # Each comes up at most once an interval, however often it is heard of.
    assert len(popped) <= 10_000 * (seconds / 5 + 1)
    assert idle >= looks // 4
    assert await connectivity(watching, one) == "ONLINE"
    del watching.watch._watched, watching.watch._heap  # those that were never stored


async def test_a_look_with_nothing_due_takes_nothing_up(
    watching: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(watching, 50)
    popped: list[Any] = []
    real = heapq.heappop
    monkeypatch.setattr(heapq, "heappop", lambda heap: popped.append(heap[0]) or real(heap))
    tasks = asyncio.all_tasks()
    for _ in range(30):
        clock.at += timedelta(seconds=0.25)
        watching.watch.look(clock.at)
    assert popped == []
    assert asyncio.all_tasks() == tasks


async def watch(connect: Connect, school: Organisation) -> Socket:
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    return console


async def shown(console: Socket, connectivity: str) -> dict[str, Any]:
    """The session as the console is pushed it once it has this connectivity; those before are returned too."""
    seen: list[str] = []
    while True:
        for item in (await console.next("presence"))["items"]:
            seen.append(item["connectivity"])
            if item["connectivity"] == connectivity:
                return item | {"seen": list(dict.fromkeys(seen))}


@pytest.mark.parametrize("settings", [{"heartbeat_interval_ms": 200}], indirect=True)
async def test_a_dropped_student_is_late_then_missing_on_a_console_and_online_within_a_second_of_return(
    school: Organisation, connect: Connect
) -> None:
    console = await watch(connect, school)
    client_id = uuid()
    student = await connect("/exam", school.student.token, client_id)
    started = await student.ok("start", {"examId": school.exam_id})
    assert started["heartbeatIntervalMs"] == 200
    loop = asyncio.get_running_loop()
    await shown(console, "ONLINE")
    for _ in range(8):  # longer than four intervals: who is heard of stays
        assert (await student.ok("heartbeat"))["nextHeartbeatMs"] == 200
        await asyncio.sleep(0.15)
    assert console.received["presence"].empty()
    await student.ok("heartbeat")
    heard = loop.time()
    await student.drop()
    assert (await shown(console, "LATE"))["seen"] == ["LATE"]
    assert 0.35 <= loop.time() - heard <= 0.4 + 1
    missing = await shown(console, "MISSING")
    assert missing["seen"] == ["MISSING"]
    assert 0.75 <= loop.time() - heard <= 0.8 + 1
    assert missing["status"] == "ACTIVE"
    silent = (await console.activity("heartbeat_missing"))["data"]["durationMs"]
    assert 800 <= silent <= 1800
    student = await connect("/exam", school.student.token, client_id)
    back = loop.time()
    again = await student.ok("start", {"examId": school.exam_id})
    assert again["session"]["connectivity"] == "ONLINE"
    online = await shown(console, "ONLINE")
    assert loop.time() - back <= 1
    assert online["rev"] > missing["rev"]
    assert (await console.activity("heartbeat_resumed"))["data"]["durationMs"] >= 0
    log = await school.proctor.api.ok("GET", f"/routes/exams/{school.exam_id}/activity?limit=500")
    types = Counter(one["type"] for one in log)
    assert (types["heartbeat_missing"], types["heartbeat_resumed"]) == (1, 1)
    # A heartbeat alone brings one back too, by either door.
    await shown(console, "MISSING")
    await school.student.api.ok("POST", "/routes/proctoring/heartbeat", {"sessionId": again["session"]["id"]})
    await shown(console, "ONLINE")
    await shown(console, "MISSING")
    await student.ok("heartbeat")
    await shown(console, "ONLINE")
    assert student.received["session"].empty()  # connectivity is not told to the student


async def test_a_student_who_leaves_cleanly_is_neither_closed_nor_missing_at_once_and_closed_only_when_over(
    school: Organisation, connect: Connect
) -> None:
    console = await watch(connect, school)
    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    await shown(console, "ONLINE")
    await student.close()
    await console.activity("disconnected")
    await console.silence("presence")
    path = f"/routes/proctoring/{session['id']}"
    got = await school.proctor.api.ok("GET", path)
    assert (got["connectivity"], got["status"]) == ("ONLINE", "ACTIVE")
    await school.proctor.api.ok("PUT", f"/routes/proctoring/end/{session['id']}")
    assert (await shown(console, "CLOSED"))["status"] == "TERMINATED"


async def test_a_console_is_told_of_a_time_out_and_the_student_too_by_the_clock_of_the_server(
    school: Organisation, connect: Connect, store: Store, clock: Clock
) -> None:
    console = await watch(connect, school)
    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    clock.at += timedelta(minutes=60, seconds=1)
    store.watch.look(clock.at)
    told = await student.next("session")
    assert (told["status"], told["endTime"], told["remainingMs"]) == ("TIMED_OUT", session["deadline"], 0)
    assert (await shown(console, "CLOSED"))["status"] == "TIMED_OUT"
    assert (await console.activity("session_ended"))["data"]["status"] == "TIMED_OUT"
    assert await student.code("tab_change", {"seq": 1}) == "conflict"
    assert (await student.ok("end"))["session"]["status"] == "TIMED_OUT"


async def test_who_starts_at_the_moment_of_the_end_is_answered_with_a_session_that_is_over(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    await student.close()
    real = store.starting.start

    async def and_is_ended(*arguments: Any) -> tuple[Stored, bool]:
        found = await real(*arguments)
        await school.proctor.api.ok("PUT", f"/routes/proctoring/end/{found[0]['_id']}")
        return found

    monkeypatch.setattr(store.starting, "start", and_is_ended)
    student = await connect("/exam", school.student.token)
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    assert (session["status"], session["connectivity"]) == ("TERMINATED", "CLOSED")
    assert await student.code("tab_change", {"seq": 1}) == "conflict"
