"""A new password for who forgot theirs: who gives it to whom, that it is told once, that the old one is over."""

from __future__ import annotations

import asyncio
import json
import logging

import aiohttp
import pytest
import socketio
from bson import ObjectId

from models.actors import Role
from models.database import Stored
from models.passwords import make_password
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.clients import Api, uuid
from tests.conftest import PASSWORD, Connect, Organisation, Person, make_exam, make_user
from tests.test_import import MADE
from tests.test_organisations import UNKNOWN
from tests.test_users import ME
from tests.test_users import PATH as USERS

LOGIN = "/routes/auth/login"


def path_of(person: Person | str) -> str:
    return f"{USERS}/{person if isinstance(person, str) else person.id}/password"


async def stored(store: Store, person: Person) -> Stored:
    return await store.users.by_id(ObjectId(person.id))


async def sign_in_code(api: Api, person: Person, password: str) -> str | None:
    return await api.code("POST", LOGIN, {"email": person.email, "password": password})


async def test_a_proctor_helps_a_student_of_its_exam(api: Api, school: Organisation, store: Store) -> None:
    before = await stored(store, school.student)
    answer = await school.proctor.api.call("POST", path_of(school.student))
    assert answer.status == 200
    assert answer.body.keys() == {"password"}
    assert MADE.fullmatch(answer.body["password"])
    assert await sign_in_code(api, school.student, PASSWORD) == "unauthorized"
    signed_in = await api.ok("POST", LOGIN, {"email": school.student.email, **answer.body})
    assert signed_in["user"]["id"] == school.student.id
    start = {"examId": school.exam_id}
    assert await api.as_(signed_in["token"]).code("POST", "/routes/proctoring/start", start) is None
    after = await stored(store, school.student)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"password", "salt", "tokensValidFrom", "updatedAt"}
    assert answer.body["password"] not in str(after)
    assert await sign_in_code(api, school.other_student, PASSWORD) is None


async def test_all_tokens_are_revoked_and_all_sockets_closed_and_nobody_elses(
    school: Organisation, connect: Connect
) -> None:
    mine = [await connect("/exam", school.student.token) for _ in range(2)]
    await mine[0].ok("start", {"examId": school.exam_id})
    others = await connect("/exam", school.other_student.token)
    await others.ok("start", {"examId": school.exam_id})
    await school.proctor.api.ok("POST", path_of(school.student))
    for socket in mine:
        await socket.closed()
    assert await school.student.api.code("GET", ME) == "unauthorized"
    with pytest.raises(socketio.exceptions.ConnectionError):
        await connect("/exam", school.student.token)
    assert (await others.ok("heartbeat"))["status"] == "ACTIVE"
    assert await school.other_student.api.code("GET", ME) is None
    assert await school.proctor.api.code("GET", ME) is None


async def test_a_running_session_goes_on_with_the_new_password(
    api: Api, school: Organisation, connect: Connect
) -> None:
    start = {"examId": school.exam_id}
    first = await (await connect("/exam", school.student.token, uuid())).ok("start", start)
    body = {"email": school.student.email} | await school.proctor.api.ok("POST", path_of(school.student))
    token = (await api.ok("POST", LOGIN, body))["token"]
    again = await (await connect("/exam", token, uuid())).ok("start", start)
    assert again["session"]["id"] == first["session"]["id"]
    assert again["session"]["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("who", "whom", "code"),
    [
        ("admin", "student", None), ("admin", "proctor", None), ("admin", "second admin", None),
        ("admin", "admin", "forbidden"), ("admin", "sales", "not_found"), ("admin", "foreign student", "not_found"),
        ("admin", "foreign admin", "not_found"), ("proctor", "student", None), ("proctor", "unassigned", "forbidden"),
        ("proctor", "elsewhere", "forbidden"), ("proctor", "proctor", "forbidden"), ("proctor", "admin", "forbidden"),
        ("proctor", "second proctor", "forbidden"), ("proctor", "foreign student", "not_found"),
        ("proctor", "sales", "not_found"), ("sales", "admin", None), ("sales", "foreign admin", None),
        ("sales", "sales", "forbidden"), ("sales", "second sales", "forbidden"), ("sales", "proctor", "forbidden"),
        ("sales", "student", "forbidden"), ("student", "student", "forbidden"), ("student", "elsewhere", "forbidden"),
        ("student", "foreign student", "forbidden"), ("nobody", "student", "unauthorized"),
    ],
)  # fmt: skip
async def test_a_password_is_given_by_those_who_may(
    api: Api, school: Organisation, college: Organisation, sales: Person, store: Store,
    who: str, whom: str, code: str | None,
) -> None:  # fmt: skip
    people = {
        "sales": sales, "admin": school.admin, "proctor": school.proctor, "student": school.student,
        "foreign admin": college.admin, "foreign student": college.student, "nobody": Person("", api, ""),
        "unassigned": await make_user(api, school.id, "STUDENT", "unassigned@example.com"),
        "elsewhere": await make_user(api, school.id, "STUDENT", "elsewhere@example.com"),
        "second proctor": await make_user(school.admin.api, school.id, "PROCTOR", "second@example.com"),
        "second admin": await make_user(school.admin.api, school.id, "ADMIN", "admin2@example.com"),
    }  # fmt: skip
    made = await store.users.create(ObjectId(), "S", "sales2@example.com", PASSWORD, Role.SALES, None)
    people["second sales"] = Person(str(made["_id"]), api, "sales2@example.com")
    await make_exam(school.admin, people["elsewhere"], people["second proctor"])
    await make_exam(school.admin, school.proctor, people["second proctor"])
    person, before = people[whom], await stored(store, people[whom])
    assert await people[who].api.code("POST", path_of(person)) == code
    assert (await stored(store, person) == before) == (code is not None)
    assert await sign_in_code(api, person, PASSWORD) == ("unauthorized" if code is None else None)


async def test_a_proctor_may_only_while_both_are_assigned(school: Organisation) -> None:
    path = f"/routes/exams/{school.exam_id}/users"
    for gone in (school.student, school.proctor):
        await school.admin.api.ok("POST", path, {"remove": [gone.id]})
        assert await school.proctor.api.code("POST", path_of(school.student)) == "forbidden"
        await school.admin.api.ok("POST", path, {"add": [gone.id]})
        assert await school.proctor.api.code("POST", path_of(school.student)) is None


async def test_an_assignment_of_another_organisation_counts_for_nothing(
    school: Organisation, college: Organisation, store: Store
) -> None:
    other = await make_user(school.admin.api, school.id, "STUDENT", "unassigned@example.com")
    both = {"users": [ObjectId(school.proctor.id), ObjectId(other.id)]}
    await store.database.exams.update_one({"_id": ObjectId(college.exam_id)}, {"$set": both})
    assert await school.proctor.api.code("POST", path_of(other)) == "forbidden"


@pytest.mark.parametrize("bad", ["no-id", UNKNOWN, "f" * 23])
async def test_nobody_who_is_not_there_is_given_a_password(school: Organisation, bad: str) -> None:
    assert await school.admin.api.code("POST", path_of(bad)) == "not_found"
    assert await school.admin.api.code("POST", f"{path_of(bad)}?x=1") == "not_found"
    assert await school.student.api.code("POST", path_of(bad)) == "forbidden"


async def test_it_is_answered_once_whatever_the_key(school: Organisation, store: Store) -> None:
    headers = {"Idempotency-Key": uuid()}
    answers = [await school.admin.api.ok("POST", path_of(school.student), headers=headers) for _ in range(2)]
    passwords = [answer["password"] for answer in answers]
    assert passwords[0] != passwords[1]
    assert await store.database.idempotency.count_documents({}) == 0
    later = [await school.admin.api.ok("GET", path) for path in (USERS, f"{USERS}/{school.student.id}", ME)]
    assert not [password for password in passwords if password in json.dumps(later)]
    kept = await stored(store, school.student)
    assert [await store.passwords.verify(password, kept) for password in passwords] == [False, True]


async def test_the_log_says_who_gave_whom_a_password_and_not_which(
    school: Organisation, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert await school.proctor.api.code("POST", path_of(school.admin)) == "forbidden"
        assert not [one for one in caplog.records if "password" in one.getMessage()]
        password = (await school.proctor.api.ok("POST", path_of(school.student)))["password"]
    (record,) = [one for one in caplog.records if "password" in one.getMessage()]
    assert record.levelno == logging.INFO
    assert record.getMessage() == f"user {school.proctor.id} gave user {school.student.id} a new password"
    assert password not in caplog.text
    assert school.student.email not in record.getMessage()


async def test_it_is_hashed_with_the_full_setting(
    settings: Settings, http: aiohttp.ClientSession, api: Api, school: Organisation
) -> None:
    async with running(settings.model_copy(update={"pbkdf2_iterations": 20_000})) as server:
        slow = Api(http, server.url, api.contract, school.admin.token)
        await slow.ok("POST", path_of(school.student))
        assert (await stored(server.store, school.student))["iterations"] == 20_000


async def test_a_student_who_becomes_more_meanwhile_keeps_the_password(
    school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_, hashing, go_on = store.passwords.hash, asyncio.Event(), asyncio.Event()

    async def slow(password: str, *, made: bool = False) -> Stored:
        hashing.set()
        await go_on.wait()
        return await hash_(password, made=made)

    monkeypatch.setattr(store.passwords, "hash", slow)
    asked = asyncio.create_task(school.proctor.api.code("POST", path_of(school.student)))
    await hashing.wait()
    await school.admin.api.ok("PUT", f"{USERS}/{school.student.id}", {"role": "ADMIN"})
    before = await stored(store, school.student)
    go_on.set()
    assert await asked == "conflict"
    assert await stored(store, school.student) == before


def test_a_made_password_is_easy_to_read_aloud_and_hard_to_guess() -> None:
    passwords = [make_password() for _ in range(2000)]
    assert len(set(passwords)) == 2000
    assert all(MADE.fullmatch(password) for password in passwords)
    letters = set("".join(passwords)) - {"-"}
    assert len(letters) == 31  # 31 ** 12 is over 2 ** 59
    assert not letters & set("01oil")
