"""Nine o'clock: many start at once, and a session is stored exactly where the log says that it started."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from models.actors import Actor, Role
from models.database import Database, Stored
from models.errors import NotFound, ProctoringError
from models.fields import now
from models.passwords import Passwords
from models.policy import DEFAULT
from models.starting import Starting
from models.store import Store
from models.tokens import Tokens
from server.app import Running
from server.settings import Settings
from tests.clients import Socket, lasting, uuid
from tests.conftest import SECRET, Connect, Organisation
from tests.processes import serving


class Killed(Exception):
    """The process ends here, as far as one that is still there can show it."""


class Failing:
    """A collection, one of whose methods fails: before it does what it should, or after."""

    def __init__(self, real: Any, method: str, error: Exception, *, after: bool, times: int = 1) -> None:
        self._real, self._method, self._error, self._after, self._times = real, method, error, after, times

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name != self._method or not self._times:
            return real

        async def fail(*arguments: Any, **options: Any) -> Any:
            self._times -= 1
            if self._after:
                await real(*arguments, **options)
            raise self._error

        return fail


async def make_class(database: Database, count: int) -> tuple[list[Stored], Stored]:
    """Students, and an exam that they are assigned to."""
    organisation, time = ObjectId(), now()
    users: list[Stored] = [
        {
            "_id": ObjectId(),
            "name": f"Student {number}",
            "emailKey": f"{organisation}{number}@example.com",
            "role": "STUDENT",
            "organisationId": organisation,
            "tokensValidFrom": time - timedelta(minutes=1),
        }
        for number in range(count)
    ]
    await database.users.insert_many(users, ordered=False)
    exam: Stored = {
        "_id": ObjectId(),
        "title": "Latin",
        "duration": 60,
        "organisationId": organisation,
        "users": [user["_id"] for user in users],
        "startsAt": None,
        "endsAt": None,
        "rehearsal": False,
        "policy": DEFAULT,
        "accommodations": [],
        "epoch": "e",
        "createdAt": time,
        "updatedAt": time,
    }
    await database.exams.insert_one(exam)
    return users, exam


def actor(user: Stored) -> Actor:
    return Actor(user["_id"], Role.STUDENT, user["organisationId"], user["name"], "t", now() + timedelta(hours=1))


@asynccontextmanager
async def restarted(settings: Settings) -> AsyncIterator[Store]:
    """The store as a process that starts now has it."""
    store = Store.on(Database(str(settings.database_url)), Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1))
    await store.open()
    yield store
    await store.close()


async def audit(store: Store, exam: Stored) -> tuple[set[ObjectId], list[Stored]]:
    """The users whose session is stored, and the log: dense, and one `session_started` for each of them."""
    sessions = await store.sessions.of_exam(exam["_id"])
    users = [session["userId"] for session in sessions]
    assert len(set(users)) == len(users)
    log: list[Stored] = []
    while more := await store.log.read(exam["_id"], len(log), len(log) + 500):
        log += more
    assert [record["offset"] for record in log] == list(range(1, len(log) + 1))
    started = [record for record in log if record["type"] == "session_started"]
    assert sorted(record["userId"] for record in started) == sorted(users)
    assert {record["sessionId"] for record in started} == {session["_id"] for session in sessions}
    return set(users), log


async def test_300_who_start_at_once_have_one_session_each_and_few_statements_are_asked_of_the_database(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, exam = await make_class(store.database, 300)
    inserts: list[int] = []
    real = store.database.sessions.insert_many

    async def count(documents: Any, **options: Any) -> Any:
        inserts.append(len(documents))
        return await real(documents, **options)

    collection: Any = Failing(store.database.sessions, "", Killed(), after=False)
    collection.insert_many = count
    monkeypatch.setattr(store.starting, "_collection", collection)
    told: list[int] = []

    async def tell(sessions: list[Stored]) -> None:
        told.append(len(sessions))

    store.sessions.subscribe(tell)
    got = await asyncio.gather(
        *(store.starting.start(actor(user), exam, ObjectId(), f"sid{number}") for number, user in enumerate(users))
    )
    assert all(new and session["connectivity"] == "ONLINE" for session, new in got)
    assert (sum(inserts), sum(told)) == (300, 300)
    assert max(len(inserts), len(told)) <= 10
    of, log = await audit(store, exam)
    assert of == {user["_id"] for user in users}
    assert Counter(record["type"] for record in log) == {"session_started": 300, "connected": 300}
    assert await store.database.starts.find({}).to_list(None) == []
    again = await asyncio.gather(*(store.starting.start(actor(user), exam) for user in users))
    assert again == [(session, False) for session, _ in got]


async def test_many_connect_and_start_at_once_and_a_console_sees_each_of_them(
    server: Running, store: Store, school: Organisation, connect: Connect
) -> None:
    users, exam = await make_class(store.database, 60)
    organisation = ObjectId(school.id)
    await store.database.users.update_many({}, {"$set": {"organisationId": organisation}})
    await store.database.exams.update_one(
        {"_id": exam["_id"]},
        {"$set": {"organisationId": organisation}, "$push": {"users": ObjectId(school.proctor.id)}},
    )
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": str(exam["_id"])})

    async def one(user: Stored) -> Any:
        token = store.tokens.issue(user | {"organisationId": organisation})
        browser = await connect("/exam", token, uuid())
        started = await browser.ok("start", {"examId": str(exam["_id"])})
        assert started["lastSeq"] == 0
        await browser.ok("tab_change", {"seq": 1})
        await browser.ok("heartbeat")
        return browser, started["session"]

    got = await asyncio.gather(*(one(user) for user in users))
    _, log = await audit(store, exam)
    assert Counter(one["type"] for one in log) == {"session_started": 60, "connected": 60, "tab_change": 60}
    seen: dict[str, Any] = {}
    while len(seen) < 60:
        seen |= {one["id"]: lasting(one) for one in (await console.next("presence"))["items"]}
    assert seen == {session["id"]: lasting(session) for _, session in got}
    again = await asyncio.gather(*(browser.ok("start", {"examId": str(exam["_id"])}) for browser, _ in got))
    assert [(one["session"]["id"], one["lastSeq"]) for one in again] == [(one["id"], 1) for _, one in got]
    # All of them drop at once: each is taken off.
    await asyncio.gather(*(browser.drop() for browser, _ in got))
    for _ in got:
        await console.activity("disconnected")
    _, log = await audit(store, exam)
    assert Counter(one["type"] for one in log)["disconnected"] == 60


async def test_a_start_on_two_connections_at_once_makes_one_session_which_one_of_them_has(
    store: Store, school: Organisation, connect: Connect
) -> None:
    for _ in range(5):
        (user,), exam = await make_class(store.database, 1)
        token = store.tokens.issue(user)
        browsers = [await connect("/exam", token, uuid()) for _ in range(2)]
        acks = await asyncio.gather(*(one.call("start", {"examId": str(exam["_id"])}) for one in browsers))
        started = [ack["data"]["session"]["id"] for ack in acks if ack["ok"]]
        assert started
        assert len(set(started)) == 1
        _, log = await audit(store, exam)
        assert [record["type"] for record in log] == ["session_started", "connected", "second_connection"]
        closed = [asyncio.create_task(one.closed()) for one in browsers]
        done, left = await asyncio.wait(closed, return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert len(done) == 1
        for task in left:
            task.cancel()
        keeper = browsers[1 if browsers[0].gone.is_set() else 0]
        assert (await keeper.ok("heartbeat"))["status"] == "ACTIVE"
        assert (await store.sessions.of_exam(exam["_id"]))[0]["connectivity"] == "ONLINE"


async def test_starts_of_one_student_that_meet_in_one_group_have_one_session(store: Store) -> None:
    (user,), exam = await make_class(store.database, 1)
    got = await asyncio.gather(*(store.starting.start(actor(user), exam) for _ in range(5)))
    assert [new for _, new in got] == [True, False, False, False, False]
    assert len({session["_id"] for session, _ in got}) == 1
    await audit(store, exam)


async def test_two_processes_that_start_the_same_students_make_one_session_each(
    store: Store, settings: Settings
) -> None:
    users, exam = await make_class(store.database, 40)
    async with restarted(settings) as other:
        got = await asyncio.gather(*(one.starting.start(actor(user), exam) for user in users for one in (store, other)))
    assert Counter(new for _, new in got) == {True: 40, False: 40}
    await audit(store, exam)


STEPS = [
    ("starts", "insert_one", False),
    ("starts", "insert_one", True),
    ("sessions", "insert_many", False),
    ("sessions", "insert_many", True),
    ("activity", "insert_many", False),
    ("activity", "insert_many", True),
    ("starts", "delete_many", False),
    ("starts", "delete_many", True),
]


def failing(database: Database, name: str, method: str, error: Exception, *, after: bool, times: int = 1) -> Database:
    """`database`, with that one collection failing."""
    collection = Failing(getattr(database, name), method, error, after=after, times=times)
    setattr(database, name, collection)
    return database


def store_on(database: Database) -> Store:
    return Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1))


@pytest.mark.parametrize(("name", "method", "after"), STEPS)
async def test_a_crash_at_any_step_of_starting_leaves_sessions_and_log_agreeing_after_the_next_start(
    store: Store, settings: Settings, name: str, method: str, after: bool
) -> None:
    users, exam = await make_class(store.database, 5)
    dying = store_on(failing(Database(str(settings.database_url)), name, method, Killed(), after=after, times=1000))
    await asyncio.gather(*(dying.starting.start(actor(user), exam) for user in users[:3]), return_exceptions=True)
    dying.database.close()
    for _ in range(2):
        async with restarted(settings) as late:
            of, log = await audit(late, exam)
            assert of in (set(), {user["_id"] for user in users[:3]})
            assert await late.database.starts.find({}).to_list(None) == []
    async with restarted(settings) as late:
        await asyncio.gather(*(late.starting.start(actor(user), exam) for user in users))
        of, log = await audit(late, exam)
        log = [record for record in log if record["type"] != "server_restarted"]
        assert (len(of), len(log)) == (5, 5)


@pytest.mark.parametrize(("name", "method", "after"), STEPS)
async def test_a_start_goes_on_by_itself_when_the_database_is_back(
    store: Store, settings: Settings, name: str, method: str, after: bool
) -> None:
    users, exam = await make_class(store.database, 3)
    error = AutoReconnect("the connection was lost")
    database = failing(Database(str(settings.database_url)), name, method, error, after=after, times=2)
    ours = store_on(database)
    got = await asyncio.gather(*(ours.starting.start(actor(user), exam, sid=user["name"]) for user in users))
    assert [new for _, new in got] == [True] * 3
    _, log = await audit(store, exam)
    assert Counter(record["type"] for record in log) == {"session_started": 3, "connected": 3}
    assert await store.database.starts.find({}).to_list(None) == []
    database.close()


async def test_who_is_removed_while_starting_has_no_session_and_the_others_have(store: Store) -> None:
    users, exam = await make_class(store.database, 3)
    real = store.database.sessions.insert_many

    async def remove_first(*arguments: Any, **options: Any) -> Any:
        await store.database.exams.update_one({"_id": exam["_id"]}, {"$pull": {"users": users[1]["_id"]}})
        return await real(*arguments, **options)

    collection: Any = Failing(store.database.sessions, "", Killed(), after=False)
    collection.insert_many = remove_first
    starting = Starting(store.database, store.exams, store.log, store.sessions)
    starting._collection = collection
    got = await asyncio.gather(*(starting.start(actor(user), exam) for user in users), return_exceptions=True)
    assert [isinstance(one, NotFound) for one in got] == [False, True, False]
    of, _ = await audit(store, exam)
    assert of == {users[0]["_id"], users[2]["_id"]}


async def test_a_server_killed_while_a_class_starts_has_each_session_in_its_log_after_the_next_start(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, JWT_SECRET=SECRET) as server:
        database = Database((tmp_path / "data" / "database_url").read_text(encoding="utf-8").strip())
        users, exam = await make_class(database, 60)
        tokens = Tokens(database, SECRET, timedelta(hours=1))
        acked: set[ObjectId] = set()
        enough = asyncio.Event()
        browsers = [Socket(server.ws_url, "/exam") for _ in users]
        await asyncio.gather(*(one.connect(tokens.issue(user)) for one, user in zip(browsers, users, strict=True)))

        async def start(browser: Socket, user: Stored, turn: int) -> None:
            await asyncio.sleep(turn * 0.004)
            if (await browser.call("start", {"examId": str(exam["_id"])}))["ok"]:
                acked.add(user["_id"])
                if len(acked) >= 15:
                    enough.set()

        starts = [
            asyncio.create_task(start(browser, user, turn))
            for turn, (browser, user) in enumerate(zip(browsers, users, strict=True))
        ]
        await asyncio.wait_for(enough.wait(), 30)
        database.close()
        await server.end(signal.SIGKILL)
        for task in starts:
            task.cancel()
        await asyncio.gather(*starts, *(browser.close() for browser in browsers), return_exceptions=True)
    async with serving(tmp_path, JWT_SECRET=SECRET):
        database = Database((tmp_path / "data" / "database_url").read_text(encoding="utf-8").strip())
        of, log = await audit(store_on(database), exam)
        assert acked <= of
        # That the server was away is said once, and nobody is called missing for it.
        types = Counter(record["type"] for record in log)
        assert types == {"session_started": len(of), "connected": types["connected"], "server_restarted": 1}
        (restart,) = [record for record in log if record["type"] == "server_restarted"]
        assert restart["data"]["sessions"] == len(of)
        assert {one["connectivity"] for one in await database.sessions.find({}).to_list(None)} == {"ONLINE"}
        database.close()


async def test_a_note_of_an_older_crash_is_settled_with_what_is_there(store: Store, settings: Settings) -> None:
    """Sessions that were noted and never inserted leave nothing behind."""
    users, exam = await make_class(store.database, 1)
    session, _ = await store.starting.start(actor(users[0]), exam)
    await store.database.starts.insert_one({"sessions": [session["_id"], ObjectId()]})
    async with restarted(settings) as late:
        await audit(late, exam)
    with pytest.raises(ProctoringError):
        await store.starting.start(actor(users[0] | {"_id": ObjectId()}), exam)
    await audit(store, exam)
