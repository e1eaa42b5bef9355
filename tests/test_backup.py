"""Dump and restore: what comes back is what was there, on a database where an exam then goes on, once."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import bson
import pytest
from bson import ObjectId

from models.database import Database, Stored
from models.dump import Item, exam_ids_of, read_organisation
from models.errors import Conflict
from models.fields import now
from models.migrations import MIGRATIONS, migrate
from models.offsets import record_id
from models.restoring import Restore
from models.store import Store
from server.app import Running, running
from server.dump_file import DumpWriter, check_dump, read_dump
from server.settings import Settings, SettingsError
from tests.clients import Api, Socket, uuid
from tests.conftest import SECRET, Connect, Organisation, sign_in
from tests.privacy import sit as sit_exam
from tests.privacy import traces
from tests.processes import environment, run, until
from tests.test_starting import Killed, actor, make_class

Documents = dict[str, dict[Any, Stored]]  # by collection and `_id`


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nobody goes missing while a command runs."""
    return settings.model_copy(update={"heartbeat_interval_ms": 600_000})


@pytest.fixture
async def other(mongodb: str) -> AsyncIterator[Database]:
    """Another database, empty."""
    database = Database(f"{mongodb}/test{uuid4().hex}")
    yield database
    await database.drop()
    database.close()


def url_of(settings: Settings, database: Database) -> str:
    return f"{str(settings.database_url).rpartition('/')[0]}/{database.name}"


async def command(settings: Settings, url: str | None, *arguments: object) -> tuple[int, str, str]:
    found = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "DATA_DIR": settings.data_dir}
    return await run(*map(str, arguments), cwd=settings.data_dir, **found)


async def content(database: Database) -> Documents:
    """All that is stored and belongs to organisations, without what tells one log from another, and what is taken off a
    session some seconds after it is recorded.
    """
    found: Documents = {}
    of_exams = ("exams", "sessions", "activity", "heartbeats", "orders", "fates", "seals")
    for name in ("organisations", "users", "audit", *of_exams):
        found[name] = {one["_id"]: one for one in await database.collection(name).find({}).to_list(None)}
    for exam in found["exams"].values():
        exam.pop("epoch")
    for session in found["sessions"].values():
        session.pop("unlogged", None)
    return found


def of_organisation(found: Documents, organisation_id: ObjectId) -> Documents:
    exams = {key for key, one in found["exams"].items() if one["organisationId"] == organisation_id}

    def own(one: Stored) -> bool:
        mine = (one.get("organisationId"), one["_id"])
        return organisation_id in mine or one.get("examId") in exams

    return {name: {key: one for key, one in documents.items() if own(one)} for name, documents in found.items()}


async def log_of(api: Api, exam_id: str) -> list[dict[str, Any]]:
    log: list[dict[str, Any]] = await api.ok("GET", f"/routes/exams/{exam_id}/activity?limit=500")
    return log


async def take_exam(school: Organisation, connect: Connect) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Some of all that happens; the session that goes on, the one that is over, and the first one's client."""
    client_id = uuid()
    console = await connect("/proctor", school.proctor.token)
    await console.ok("join", {"examId": school.exam_id})
    browser = await connect("/exam", school.student.token, client_id)
    session = (await browser.ok("start", {"examId": school.exam_id}))["session"]
    for seq in range(1, 41):
        await browser.ok("tab_change", {"seq": seq, "hidden": seq % 2 == 1})
    await browser.ok("heartbeat", {})
    order = {"examId": school.exam_id, "sessionId": session["id"]}
    for action in (
        {"action": "pause", "reason": "A noise."},
        {"action": "resume"},
        {"action": "warn", "text": "Quiet."},
    ):
        await console.ok("command", order | action | {"requestId": uuid()})
        await browser.ok("command_ack", {"commandId": (await browser.next("command"))["id"]})
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": "Ten minutes left."})
    second = await connect("/exam", school.other_student.token)
    await second.ok("start", {"examId": school.exam_id})
    await second.ok("chat", {"seq": 1, "text": "May I go?"})
    over = (await second.ok("end", {}))["session"]
    await console.ok("review", {"requestId": uuid(), "sessionId": over["id"], "verdict": "CLEARED"})
    return session, over, client_id


async def test_an_exam_that_is_dumped_while_it_runs_goes_on_on_another_database(
    server: Running,
    settings: Settings,
    other: Database,
    school: Organisation,
    college: Organisation,
    connect: Connect,
    http: aiohttp.ClientSession,
) -> None:
    await connect("/exam", college.student.token)
    session, over, client_id = await take_exam(school, connect)
    await server.store.seals.seal(ObjectId(over["id"]))
    record = await school.admin.api.ok("GET", f"/routes/proctoring/{over['id']}/record")
    heartbeats = await school.proctor.api.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats")
    log = await log_of(school.proctor.api, school.exam_id)
    joined = await (await connect("/proctor", school.proctor.token)).ok("join", {"examId": school.exam_id})
    await school.other_student.api.ok("POST", "/routes/auth/logout")

    file = settings.data_dir / "school.dump"
    status, out, err = await command(settings, settings.database_url, "dump", school.id, file)
    assert (status, err) == (0, "")
    assert f"{len(log)} activity" in out
    assert file.stat().st_mode & 0o077 == 0
    status, out, err = await command(settings, url_of(settings, other), "restore", file)
    assert (status, err) == (0, "")
    dumped = of_organisation(await content(server.store.database), ObjectId(school.id))
    assert await content(other) == dumped
    assert [len(dumped[name]) for name in ("organisations", "users", "exams", "sessions", "seals")] == [1, 4, 1, 2, 1]

    async with running(settings.model_copy(update={"database_url": url_of(settings, other)})) as second:
        api = Api(http, second.url, school.admin.api.contract)
        proctor = await sign_in(api, school.proctor.email)
        assert (await log_of(proctor.api, school.exam_id))[: len(log)] == log
        assert await proctor.api.ok("GET", f"/routes/proctoring/{session['id']}/heartbeats") == heartbeats
        assert await api.as_(school.other_student.token).code("GET", "/routes/auth/me") == "unauthorized"
        again = await proctor.api.ok("GET", f"/routes/proctoring/{over['id']}/record")
        assert again == record
        (settings.data_dir / "record.json").write_text(json.dumps(again), encoding="utf-8")
        key = server.store.seals.public_key
        status, out, err = await run("verify", "record.json", "--public-key", key, cwd=settings.data_dir)
        assert (status, err) == (0, ""), out
        commands = await proctor.api.ok("GET", f"/routes/proctoring/{session['id']}/commands")
        assert {one["action"] for one in commands} == {"pause", "resume", "warn"}
        assert {one["fate"] for one in commands} == {"ACKNOWLEDGED"}

        console = await Socket(second.ws_url, "/proctor").connect(proctor.token)
        asked = {"examId": school.exam_id, "since": joined["offset"], "epoch": joined["epoch"]}
        answer = await console.ok("join", asked)
        assert answer["reset"] is True
        browser = await Socket(second.ws_url, "/exam").connect(school.student.token, client_id)
        started = await browser.ok("start", {"examId": school.exam_id})
        assert (started["session"]["id"], started["lastSeq"]) == (session["id"], 40)
        assert (await browser.ok("tab_change", {"seq": 40, "hidden": False}))["duplicate"] is True
        more = await browser.ok("tab_change", {"seq": 41, "hidden": True})
        assert (await console.activity("tab_change"))["offset"] == more["offset"]
        assert (await browser.ok("end", {}))["session"]["status"] == "SUBMITTED"
        after = await log_of(proctor.api, school.exam_id)
        assert [one["offset"] for one in after] == list(range(1, len(after) + 1))
        await browser.close()
        await console.close()


# Cut off


async def sit(store: Store, students: int = 3, activities: int = 2500) -> tuple[Stored, ObjectId]:
    """An exam with a log of more than one segment, stored as it is; its organisation."""
    users, exam = await make_class(store.database, students)
    organisation_id = exam["organisationId"]
    await store.database.organisations.insert_one({"_id": organisation_id, "name": "School"})
    sessions = [(await store.starting.start(actor(user), exam))[0] for user in users]
    (first,) = await store.database.activity.find({"_id": record_id(exam["_id"], 1)}).to_list(None)
    rest = [
        first
        | {"_id": record_id(exam["_id"], offset), "id": ObjectId(), "offset": offset, "guard": str(offset)}
        | {"sessionId": sessions[offset % students]["_id"], "type": "copy"}
        for offset in range(students + 1, activities + 1)
    ]
    for part in range(0, len(rest), 1000):
        await store.database.activity.insert_many(rest[part : part + 1000])
    store.log.forget(exam["_id"])
    log = store.log.of(exam["_id"])
    await log.open()
    log.head, log._noted = log.head, 0
    await log.close()  # which notes what is known of it
    assert await store.database.log_notes.find_one({"_id": exam["_id"]})
    return exam, organisation_id


async def items_of(database: Database, organisation_id: ObjectId) -> list[Item]:
    exam_ids = await exam_ids_of(database, organisation_id)
    return [item async for item in read_organisation(database, organisation_id, exam_ids)]


async def restore(
    database: Database, organisation_id: ObjectId, items: list[Item], *, replace: bool = False, migration: int = 10**6
) -> None:
    made = Restore(database, organisation_id)
    exams = [one["_id"] for name, one in items if name == "exams"]
    keys = [one["emailKey"] for name, one in items if name == "users"]
    await made.begin(exams, keys, replace=replace)
    for item in items:
        await made.write(item)
    await made.finish(migration, now())


class Mortal(Database):
    """A database whose process ends before a write, after so many of them."""

    left = 10**9

    def collection(self, name: str) -> Any:
        database, real = self, super().collection(name)

        class Collection:
            def __getattr__(self, method: str) -> Any:
                if method.startswith(("insert", "update", "replace", "delete")):
                    if database.left == 0:
                        raise Killed
                    database.left -= 1
                return getattr(real, method)

        return Collection()


async def test_a_restore_that_is_cut_off_at_any_write_is_made_whole_by_the_next(
    store: Store, settings: Settings, other: Database
) -> None:
    _, organisation_id = await sit(store, activities=2100)
    items = await items_of(store.database, organisation_id)
    assert {name for name, _ in items} >= {"activity", "places", "logNotes", "sessions", "exams", "users"}
    wanted = await content(store.database)
    mortal = Mortal(url_of(settings, other))
    cut = 0
    while True:
        mortal.left = cut
        try:
            await restore(mortal, organisation_id, items)
            break
        except Killed:
            cut += 2
        assert not await other.organisations.find_one({}), "what is there is whole"
    assert cut > 20
    assert await content(other) == wanted
    await restore(other, organisation_id, items, replace=True)
    assert await content(other) == wanted
    assert await other.collection("restores").count_documents({}) == 0
    for name in ("places", "logNotes"):
        assert await other.collection(name).count_documents({}) == 1
    mortal.close()


async def test_what_another_dumps_restore_left_is_taken_away(store: Store, other: Database) -> None:
    exam, organisation_id = await sit(store)
    earlier = await items_of(store.database, organisation_id)
    (user, *_), second = await make_class(store.database, 2)
    await store.starting.start(actor(user), second)
    await store.database.exams.update_one({"_id": second["_id"]}, {"$set": {"organisationId": organisation_id}})
    later = await items_of(store.database, organisation_id)
    made = Restore(other, organisation_id)
    await made.begin([exam["_id"], second["_id"]], [], replace=False)
    for item in later[:-1]:  # all but the organisation
        await made.write(item)
    await made._flush()
    await restore(other, organisation_id, earlier)
    found = await content(other)
    assert found["activity"].keys() == {one["_id"] for name, one in earlier if name == "activity"}
    assert found["sessions"].keys() == {one["_id"] for name, one in earlier if name == "sessions"}
    assert list(found["exams"]) == [exam["_id"]]


async def test_a_restore_that_is_killed_midway_and_run_again_has_all_once(
    store: Store, settings: Settings, other: Database
) -> None:
    _, organisation_id = await sit(store, activities=6000)
    file = settings.data_dir / "school.dump"
    status, _, err = await command(settings, settings.database_url, "dump", organisation_id, file)
    assert (status, err) == (0, "")
    url = url_of(settings, other)
    await migrate(other)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "restore", str(file)),
        cwd=settings.data_dir,
        env=environment(DATABASE_URL=url, JWT_SECRET=SECRET, DATA_DIR=settings.data_dir),
    )
    while process.returncode is None and not await other.activity.find_one({}):
        await asyncio.sleep(0.005)
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    assert 0 < await other.activity.count_documents({}) < 6000
    status, out, err = await command(settings, url, "restore", file)
    assert (status, err) == (0, "")
    assert "6000 activity" in out
    assert await content(other) == of_organisation(await content(store.database), organisation_id)
    status, _, err = await command(settings, url, "restore", file)
    there = f"proctoring-server: The organisation {organisation_id} is there; --replace deletes it first.\n"
    assert (status, err) == (2, there)
    (exam,) = await other.exams.find({}).to_list(None)
    (last,) = await other.activity.find({"_id": record_id(exam["_id"], 6000)}).to_list(None)
    await other.activity.insert_one(last | {"_id": record_id(exam["_id"], 6001), "offset": 6001})
    status, _, err = await command(settings, url, "restore", file, "--replace")
    assert (status, err) == (0, "")
    assert await content(other) == of_organisation(await content(store.database), organisation_id)


# While everything moves


async def test_a_dump_of_an_exam_in_which_everybody_starts_and_ends_fits_together(store: Store) -> None:
    users, exam = await make_class(store.database, 60)
    organisation_id = exam["organisationId"]
    await store.database.organisations.insert_one({"_id": organisation_id, "name": "School"})

    async def sit_through(user: Stored) -> None:
        session, _ = await store.starting.start(actor(user), exam)
        await store.sessions.end(session, actor(user))

    moments = set[int]()
    for first in range(0, len(users), 10):  # each dump is made while ten come and go
        work = asyncio.gather(*map(sit_through, users[first : first + 10]))
        moments.add(check_fits(await items_of(store.database, organisation_id), exam["_id"]))
        await work
    assert len(moments) > 2, "some were made midway"


def check_fits(items: list[Item], exam_id: ObjectId) -> int:
    """That log and sessions say the same; how long the log is."""
    documents: dict[str, list[Stored]] = defaultdict(list)
    for name, document in items:
        documents[name].append(document)
    log = documents["activity"]
    assert [one["_id"] for one in log] == [record_id(exam_id, offset) for offset in range(1, len(log) + 1)]
    sessions = {one["_id"]: one for one in documents["sessions"]}
    noted = {one for start in documents["starts"] for one in start["sessions"]}
    said = Counter((one["sessionId"], one["type"]) for one in log)
    assert set(said.values()) <= {1}
    assert {session_id for session_id, _ in said} <= sessions.keys()
    for key, session in sessions.items():
        owed = {one["type"] for one in session.get("unlogged", ())}
        assert (key, "session_started") in said or key in noted
        over = session["status"] == "SUBMITTED"
        assert over == ((key, "session_ended") in said or "session_ended" in owed), session
    return len(log)


# What is never taken away


async def test_who_was_erased_after_the_dump_does_not_come_back_with_it(
    server: Running, settings: Settings, school: Organisation, connect: Connect
) -> None:
    sat = await sit_exam(school, connect)
    database, file = server.store.database, settings.data_dir / "school.dump"
    assert (await command(settings, settings.database_url, "dump", school.id, file))[0] == 0
    erase = f"/routes/users/{sat.person.id}?erase=true"
    assert (await school.admin.api.call("DELETE", erase)).status == 204
    assert await traces(database) == {}
    audited = await database.audit.find({"organisationId": ObjectId(school.id)}).to_list(None)
    await server.store.nodes._periodic.close()  # as one that was killed
    status, _, err = await command(settings, settings.database_url, "restore", file, "--replace")
    assert (status, err) == (0, "")
    assert await traces(database)
    assert await database.audit.find({"organisationId": ObjectId(school.id)}).to_list(None) == audited
    async with running(settings):

        async def nothing_is_left() -> bool:
            return await traces(database) == {}

        await until(nothing_is_left)


# Refused


async def test_a_database_that_a_server_is_on_is_refused_and_one_that_it_has_left_not(
    server: Running, settings: Settings, school: Organisation
) -> None:
    store, file = server.store, settings.data_dir / "school.dump"
    assert (await command(settings, settings.database_url, "dump", school.id, file))[0] == 0
    status, _, err = await command(settings, settings.database_url, "restore", file, "--replace")
    assert (status, err) == (
        2,
        "proctoring-server: A server runs on this database: stop all of them first.\n",
    )
    await store.nodes._periodic.close()  # as one that was killed
    status, _, err = await command(settings, settings.database_url, "restore", file, "--replace")
    assert (status, err) == (0, "")
    assert await store.organisations.by_id(ObjectId(school.id))


async def test_an_address_of_another_organisation_is_named_and_nothing_is_touched(
    store: Store, school: Organisation, other: Database
) -> None:
    items = await items_of(store.database, ObjectId(school.id))
    await other.users.insert_one({"email": school.proctor.email, "emailKey": school.proctor.email, "organisationId": 1})
    with pytest.raises(Conflict, match=school.proctor.email):
        await restore(other, ObjectId(school.id), items)
    assert {name: len(found) for name, found in (await content(other)).items() if found} == {"users": 1}


async def test_documents_of_an_earlier_version_get_the_migrations_that_they_have_not_had(
    store: Store, school: Organisation, other: Database
) -> None:
    items = await items_of(store.database, ObjectId(school.id))
    for name, document in items:
        if name == "exams":
            del document["policy"], document["accommodations"]
    await restore(other, ObjectId(school.id), items, migration=2)
    (exam,) = await other.exams.find({}).to_list(None)
    assert exam["policy"]["admission"] == "open"


def documents_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())


async def test_a_file_that_is_cut_off_or_changed_or_none_is_refused(
    store: Store, settings: Settings, school: Organisation, tmp_path: Path
) -> None:
    file = tmp_path / "school.dump"
    items = await items_of(store.database, ObjectId(school.id))
    with DumpWriter(file, {"organisationId": ObjectId(school.id), "exams": [], "migration": len(MIGRATIONS)}) as made:
        for item in items:
            made.write(item)
    assert list(read_dump(file)) == items
    assert check_dump(file).counts == Counter(name for name, _ in items)
    packed, plain = file.read_bytes(), documents_of(file)
    bad = tmp_path / "bad.dump"
    tries = [packed[:size] for size in (0, 5, len(packed) // 2, len(packed) - 9, len(packed) - 1)]
    ends = [0]
    while ends[-1] < len(plain):
        ends.append(ends[-1] + int.from_bytes(plain[ends[-1] : ends[-1] + 4], "little"))
    tries += [gzip.compress(plain[:end]) for end in ends[:-1]]  # between two documents
    tries += [gzip.compress(plain + plain[ends[1] : ends[2]]), gzip.compress(plain[ends[1] :]), plain]
    tries += [gzip.compress(plain[: ends[1]] + plain[ends[2] :])]
    tries += [gzip.compress(plain.replace(b"school", b"schoal", 1)), gzip.compress(bson.encode({"a": 1}))]
    for content_ in tries:
        bad.write_bytes(content_)
        with pytest.raises(SettingsError, match=r"bad\.dump"):
            check_dump(bad)
    status, _, err = await command(settings, settings.database_url, "restore", bad)
    assert (status, err.count("\n")) == (2, 1)
    status, _, err = await command(settings, settings.database_url, "restore", tmp_path / "nothing")
    assert (status, err) == (2, f"proctoring-server: {tmp_path / 'nothing'}: No such file or directory\n")


async def test_a_dump_that_fails_leaves_the_file_that_was_there(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "school.dump"
    file.write_text("the last one", encoding="utf-8")
    status, _, err = await command(settings, settings.database_url, "dump", ObjectId(), file)
    assert (status, err) == (2, "proctoring-server: No such organisation.\n")
    with contextlib.suppress(Killed), DumpWriter(file, {}) as made:
        made.write(("users", {"_id": 1, "at": now()}))
        raise Killed
    assert file.read_text(encoding="utf-8") == "the last one"
    assert not file.with_name("school.dump.part").exists()
    assert (await command(settings, settings.database_url, "dump", "short", file))[0] == 2


def test_a_dump_of_a_newer_version_is_refused(tmp_path: Path, settings: Settings) -> None:
    file = tmp_path / "school.dump"
    with DumpWriter(file, {"organisationId": ObjectId(), "exams": [], "migration": 1000, "at": now()}):
        pass
    status, _, err = asyncio.run(command(settings, settings.database_url, "restore", file))
    assert (status, "newer version, which knows migration 1000" in err) == (2, True)
