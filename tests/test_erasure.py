"""Erasing a person: nothing of theirs is left in the database; what is evidence stays and verifies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from models import erasure
from models.database import Database
from models.erasure import NAME as ERASED
from models.fields import now
from models.passwords import Passwords
from models.store import Store
from server.settings import Settings
from tests.clients import uuid
from tests.conftest import PASSWORD, SECRET, Connect, Organisation, Person, make_user
from tests.privacy import EMAIL, NAME, OTHERS, SAID, TRACES, sit, traces, verified
from tests.processes import environment, run, until
from tests.test_starting import Killed, restarted

ALL = ["users", "sessions", "activity", "orders", "seals", "idempotency"]


def path_of(person_id: str) -> str:
    return f"/routes/users/{person_id}?erase=true"


async def record_of(school: Organisation, session_id: str) -> dict[str, Any]:
    record: dict[str, Any] = await school.admin.api.ok("GET", f"/routes/proctoring/{session_id}/record")
    return record


@pytest.mark.parametrize("sealed", [True, False])
async def test_nothing_of_a_person_is_left_and_the_record_verifies_before_and_after(
    school: Organisation, connect: Connect, store: Store, sealed: bool
) -> None:
    sat = await sit(school, connect)
    before = None
    if sealed:
        await store.seals.seal(ObjectId(sat.session_id))
        before = await record_of(school, sat.session_id)
        assert "Erased" not in verified(before)
    assert set(await traces(store.database)) >= set(ALL) - ({"seals"} if not sealed else set())
    assert (await school.admin.api.call("DELETE", path_of(sat.person.id))).status == 204
    assert await traces(store.database) == {}

    after = await record_of(school, sat.session_id)
    assert "Erased since" in verified(after)
    assert after["user"]["name"] == ERASED
    assert all(one["data"] is None for one in after["activities"])
    assert after["verdict"] == "SUSPICIOUS"
    if before:
        verified(before)
        kept = ("id", "offset", "type", "severity", "receivedAt", "occurredAt", "userId", "dataHash", "link")
        for old, new in zip(before["activities"], after["activities"], strict=True):
            assert {name: old[name] for name in kept} == {name: new[name] for name in kept}
        assert [one["data"] for one in before["activities"]] != [one["data"] for one in after["activities"]]
    # Also with the sweep's second time round, and what this process remembers.
    await store.database.erasures.update_one({}, {"$set": {"due": now()}})
    await store.erasures.sweep()
    note = await store.erasures.find(ObjectId(sat.person.id))
    assert note
    assert "due" not in note
    assert await record_of(school, sat.session_id) == after
    await store.log.close()
    assert await traces(store.database) == {}
    assert OTHERS in str(await store.database.activity.find({}).to_list(None))


async def test_a_person_is_out_at_once_and_its_address_is_free(
    school: Organisation, connect: Connect, store: Store, api: Any
) -> None:
    sat = await sit(school, connect)
    assert (await school.admin.api.call("DELETE", path_of(sat.person.id))).status == 204
    await sat.socket.closed()
    assert await sat.person.api.code("GET", "/routes/auth/me") == "unauthorized"
    assert await school.admin.api.code("GET", f"/routes/users/{sat.person.id}") == "not_found"
    exam = await school.admin.api.ok("GET", f"/routes/exams/{school.exam_id}")
    assert sat.person.id not in exam["users"]
    assert exam["accommodations"] == []
    again = await make_user(api, school.id, "STUDENT", EMAIL)
    assert again.id != sat.person.id
    assert await store.database.heartbeats.find({}).to_list(None) == []


async def test_consoles_see_no_more_of_it(school: Organisation, connect: Connect, store: Store) -> None:
    sat = await sit(school, connect)
    assert (await school.admin.api.call("DELETE", path_of(sat.person.id))).status == 204
    shown = await sat.console.until(
        "presence", lambda message: any(one["user"]["name"] == ERASED for one in message["items"])
    )
    assert NAME not in str(shown)
    again = await connect("/proctor", school.proctor.token)
    for since in ({}, {"since": 0}):
        view = await again.ok("join", {"examId": school.exam_id} | since)
        text = str(view)
        assert [word for word in TRACES if word in text] == []
        assert OTHERS in text
    (one,) = [one for one in view["sessions"] if one["id"] == sat.session_id]
    assert (one["user"]["name"], one["verdict"], one["timeLedger"][0]["reason"]) == (ERASED, "SUSPICIOUS", None)
    commands = await school.proctor.api.ok("GET", f"/routes/proctoring/{sat.session_id}/commands")
    assert [(one["action"], one["text"], one["reason"]) for one in commands] == [
        ("warn", None, None),
        ("extend", None, None),
    ]
    reinstate = {"requestId": uuid(), "examId": school.exam_id, "sessionId": sat.session_id, "action": "reinstate"}
    admin = await connect("/proctor", school.admin.token)
    assert await admin.code("command", reinstate | {"reason": "a mistake"}) == "conflict"


async def test_the_rules_of_deleting_hold_but_for_sessions(
    school: Organisation, college: Organisation, sales: Person, connect: Connect, api: Any
) -> None:
    sat = await sit(school, connect, end=False)
    assert await school.admin.api.code("DELETE", path_of(sat.person.id)) == "conflict"
    await sat.socket.ok("end", {})
    assert await school.admin.api.code("DELETE", f"/routes/users/{sat.person.id}") == "conflict"
    for person in (school.proctor, school.student, sales):
        assert await person.api.code("DELETE", path_of(sat.person.id)) == "forbidden"
    assert await college.admin.api.code("DELETE", path_of(sat.person.id)) == "not_found"
    assert await school.admin.api.code("DELETE", path_of(school.admin.id)) == "conflict"
    assert await sales.api.code("DELETE", path_of(school.admin.id)) == "conflict"  # the last one
    second = await make_user(school.admin.api, school.id, "ADMIN", "second@school.example.com")
    assert (await sales.api.call("DELETE", path_of(second.id))).status == 204
    # Sent again it is answered as before; who it is not for learns nothing, and without `erase` there is nobody.
    for _ in range(2):
        assert (await school.admin.api.call("DELETE", path_of(sat.person.id))).status == 204
    assert await college.admin.api.code("DELETE", path_of(sat.person.id)) == "not_found"
    assert await school.admin.api.code("DELETE", f"/routes/users/{sat.person.id}") == "not_found"
    assert await school.admin.api.code("DELETE", f"{path_of(sat.person.id)}x") == "invalid_payload"


async def test_a_request_that_made_the_person_makes_nobody_when_it_is_repeated(
    school: Organisation, store: Store
) -> None:
    body = {"name": NAME, "email": EMAIL, "password": PASSWORD, "organisationId": school.id}
    headers = {"Idempotency-Key": uuid()}
    made = await school.admin.api.call("POST", "/routes/users", body, headers=headers)
    assert (await school.admin.api.call("DELETE", path_of(made.body["id"]))).status == 204
    assert (await school.admin.api.call("POST", "/routes/users", body, headers=headers)).code == "conflict"
    assert await traces(store.database) == {}


async def test_of_staff_the_name_and_what_they_wrote_go_from_all_students_records(
    school: Organisation, connect: Connect, store: Store
) -> None:
    words = ["okapi to one", "okapi to all"]
    proctor = await make_user(school.admin.api, school.id, "PROCTOR", "okapi@school.example.com")
    await school.admin.api.ok("POST", f"/routes/exams/{school.exam_id}/users", {"add": [proctor.id]})
    sat = await sit(school, connect)
    other = await school.student.api.ok("POST", "/routes/proctoring/start", {"examId": school.exam_id})
    console = await connect("/proctor", proctor.token)
    to = {"requestId": uuid(), "examId": school.exam_id, "text": words[0], "sessionId": other["id"]}
    await console.ok("chat", to)
    await console.ok("chat", {"requestId": uuid(), "examId": school.exam_id, "text": words[1]})
    await sat.other.ok("end", {})
    await store.seals.seal(ObjectId(other["id"]))
    await school.admin.api.ok("PUT", f"/routes/users/{proctor.id}", {"role": "STUDENT"})
    assert set(await traces(store.database, ["okapi"])) >= {"users", "activity"}
    assert (await school.admin.api.call("DELETE", path_of(proctor.id))).status == 204
    assert await traces(store.database, ["okapi"]) == {}
    record = await record_of(school, other["id"])
    assert "the data of offset" in verified(record)
    assert [one["type"] for one in record["activities"] if one["data"] is None] == ["chat"]
    late = await connect("/exam", school.other_student.token)
    assert (await late.ok("start", {"examId": school.exam_id}))["chat"] == []
    # What somebody else wrote to the other student is still there.
    assert SAID[2] in str(await store.database.activity.find({}).to_list(None))


WRITES = {
    "insert_one", "insert_many", "update_one", "update_many", "replace_one", "delete_one", "delete_many", "bulk_write",
}  # fmt: skip


class Mortal(Database):
    """A database whose process is killed right before, or after, its n-th write."""

    def __init__(self, url: str, lives: int, *, after: bool) -> None:
        self.lives, self.after = lives, after
        super().__init__(url)

    def collection(self, name: str) -> Any:
        return Watched(super().collection(name), self)


class Watched:
    def __init__(self, real: Any, database: Mortal) -> None:
        self._real, self._database = real, database

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in WRITES:
            return real

        async def write(*arguments: Any, **options: Any) -> Any:
            self._database.lives -= 1
            if self._database.lives < 0 or (self._database.lives == 0 and not self._database.after):
                raise Killed
            result = await real(*arguments, **options)
            if self._database.lives == 0:
                raise Killed
            return result

        return write


async def bury(dead: Store) -> None:
    """Have nothing left that goes on by itself."""
    await dead.commands.close()
    with contextlib.suppress(Killed):
        await dead.sessions.close()
    dead.database.close()


@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
async def test_killed_at_every_single_write_it_is_carried_on_and_verifies_at_every_moment(
    school: Organisation, connect: Connect, store: Store, settings: Settings, after: bool
) -> None:
    sat = await sit(school, connect)
    await store.erasures.periodic.close()
    await store.seals.seal(ObjectId(sat.session_id))
    user = await store.users.by_id(ObjectId(sat.person.id))
    session = await store.sessions.by_id(ObjectId(sat.session_id))
    kills = 0
    while True:
        database = Mortal(str(settings.database_url), kills + 1, after=after)
        dying = Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1), seal_key=bytes(32))
        try:
            if await dying.erasures.find(user["_id"]) is None:
                await dying.erasures.erase(user, None)
            else:
                await dying.erasures.carry_on(user["_id"])
            break
        except Killed:
            kills += 1
        finally:
            await bury(dying)
        verified(await store.records.of(await store.sessions.by_id(session["_id"])))
    assert kills >= 10
    assert await traces(store.database) == {}
    verified(await store.records.of(await store.sessions.by_id(session["_id"])))


async def test_a_command_that_is_killed_is_carried_on_by_the_next_start(
    school: Organisation, connect: Connect, store: Store, settings: Settings
) -> None:
    sat = await sit(school, connect)
    await store.erasures.periodic.close()
    environ = environment(DATABASE_URL=settings.database_url, JWT_SECRET=SECRET, DATA_DIR=settings.data_dir)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "erase", sat.person.id, env=environ,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip

    async def noted() -> bool:
        return await store.database.users.find_one({"_id": ObjectId(sat.person.id)}) is None

    async with asyncio.timeout(60):
        while not await noted():
            await asyncio.sleep(0)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    note = await store.erasures.find(ObjectId(sat.person.id))
    assert note
    assert "once" not in note, "it was killed too late"
    assert await traces(store.database)
    async with restarted(settings):
        await until(lambda: clean(store))


async def clean(store: Store) -> bool:
    return await traces(store.database) == {}


async def test_a_server_forgets_what_a_command_beside_it_erases(
    school: Organisation, connect: Connect, store: Store, settings: Settings
) -> None:
    sat = await sit(school, connect)
    environ: Any = {"DATABASE_URL": settings.database_url, "JWT_SECRET": SECRET, "DATA_DIR": settings.data_dir}
    status, out, err = await run("erase", sat.person.id, cwd=settings.data_dir, **environ)
    assert (status, err) == (0, "")
    assert sat.person.id in out
    await sat.socket.closed()
    console = await connect("/proctor", school.proctor.token)

    async def forgotten() -> bool:
        view = str(await console.ok("join", {"examId": school.exam_id, "since": 0}))
        return not [word for word in TRACES if word in view]

    await until(forgotten)
    await store.log.close()
    assert await clean(store)
    # Run again, it finds it done; somebody unknown is said to be.
    assert (await run("erase", sat.person.id, cwd=settings.data_dir, **environ))[0] == 0
    status, _, err = await run("erase", str(ObjectId()), cwd=settings.data_dir, **environ)
    assert (status, err) == (2, "proctoring-server: No such user.\n")
    audited = await school.admin.api.ok("GET", f"/routes/audit?userId={sat.person.id}")
    assert [(one["action"], one["actorId"], one["role"]) for one in audited if one["role"] is None] == [
        ("erase_user", None, None)
    ] * 2


async def test_what_was_on_its_way_is_met_the_second_time(
    school: Organisation, connect: Connect, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sat = await sit(school, connect)
    session = await store.sessions.by_id(ObjectId(sat.session_id))
    (chat,) = await store.database.activity.find({"data.text": SAID[0]}).to_list(None)
    monkeypatch.setattr(erasure, "_AGAIN", timedelta(0))
    assert (await school.admin.api.call("DELETE", path_of(sat.person.id))).status == 204
    # Stored after it had been gone through: a record, an answer, heartbeats.
    late = chat | {"_id": "late", "id": ObjectId()}
    head = store.log.of(session["examId"]).head + 1
    late |= {"_id": f"{session['examId']}:{head:010d}", "offset": head, "seq": 9}
    await store.database.activity.insert_one(late)
    answer = {"body": f'{{"id":"{sat.person.id}","name":"{NAME}"}}'.encode()}
    await store.database.idempotency.insert_one({"_id": "late", "content": "", "answer": answer, "createdAt": now()})
    assert set(await traces(store.database)) == {"activity", "idempotency"}
    await store.erasures.sweep()
    assert await traces(store.database) == {}
    verified(await record_of(school, sat.session_id))


async def test_two_who_erase_at_once_come_to_the_same_end(
    school: Organisation, connect: Connect, store: Store, settings: Settings
) -> None:
    sat = await sit(school, connect)
    user = await store.users.by_id(ObjectId(sat.person.id))
    async with restarted(settings) as other:
        await asyncio.gather(store.erasures.erase(user, None), other.erasures.erase(user, None))
    assert await traces(store.database) == {}
    verified(await record_of(school, sat.session_id))
