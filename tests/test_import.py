"""Importing many accounts: each line made or refused by itself, no password answered twice, all in bounded time."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from bson import ObjectId

from models import importing
from models.actors import Actor, Role
from models.database import Database, Stored
from models.passwords import Passwords
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.clients import Answer, Api, uuid
from tests.conftest import PASSWORD, SECRET, Organisation, Person
from tests.processes import serving, stop
from tests.test_deadline import ANSWER_S
from tests.test_users import FIELDS, ME
from tests.test_users import PATH as USERS

PATH = f"{USERS}/import"
LOGIN = "/routes/auth/login"
MADE = re.compile(r"[2-9a-hjkmnp-z]{4}(-[2-9a-hjkmnp-z]{4}){2}")


def person(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"name": f"Person {number}", "email": f"person{number}@example.com"} | fields


async def send(api: Api, body: Any) -> list[Any]:
    """A list as JSON, or a text as CSV; the answer's lines."""
    if isinstance(body, list):
        return list((await api.ok("POST", PATH, body))["lines"])
    return list((await csv(api, body)).body["lines"])


async def csv(api: Api, body: str | bytes, content_type: str = "text/csv") -> Answer:
    content = io.BytesIO(body.encode() if isinstance(body, str) else body)  # aiohttp warns of long bytes
    return await api.call("POST", PATH, data=content, headers={"Content-Type": content_type})


def codes(lines: list[Any]) -> list[str | None]:
    return [line["error"]["code"] if "error" in line else None for line in lines]


def places(line: Any) -> set[Any]:
    return {one["loc"][-1] for one in line["error"]["details"]}


async def stored(store: Store, email: str) -> Stored:
    found = await store.users.by_email(email)
    assert found, email
    return found


async def test_accounts_are_made_line_by_line(api: Api, school: Organisation, store: Store) -> None:
    body = [
        person(1),
        person(2, role="PROCTOR", password="chosen by hand"),
        person(3, role="ADMIN", password=None),
        person(4, email="no address"),
        person(5, email="Person5@Example.COM"),
    ]
    lines = await send(school.admin.api, body)
    assert [line["line"] for line in lines] == [1, 2, 3, 4, 5]
    assert codes(lines) == [None, None, None, "invalid_payload", None]
    assert places(lines[3]) == {"email"}
    assert [line["user"]["role"] for line in lines if "user" in line] == ["STUDENT", "PROCTOR", "ADMIN", "STUDENT"]
    for one, line in zip(body, lines, strict=True):
        if "error" in line:
            assert await store.users.by_email(one["email"]) is None
            continue
        user, password = line["user"], one.get("password") or line["password"]
        assert line.keys() == {"line", "user", "password"}
        assert user.keys() == FIELDS
        assert (user["name"], user["email"], user["organisationId"]) == (one["name"], one["email"], school.id)
        assert (line["password"] is None) == bool(one.get("password"))
        assert line["password"] is None or MADE.fullmatch(line["password"])
        record = await school.admin.api.ok("GET", f"{USERS}/{user['id']}")
        assert record.items() >= user.items()
        answer = await api.ok("POST", LOGIN, {"email": one["email"].lower(), "password": password})
        assert answer["user"] == user
        assert await api.as_(answer["token"]).code("GET", ME) is None
        kept = await stored(store, one["email"])
        assert kept["emailKey"] == one["email"].lower()
        assert password not in str(kept)


async def test_an_account_that_was_imported_is_stored_as_one_that_was_made_alone(
    school: Organisation, store: Store
) -> None:
    await send(school.admin.api, [person(1)])
    imported, alone = await stored(store, "person1@example.com"), await stored(store, school.student.email)
    assert {name: type(value) for name, value in imported.items()} == {
        name: type(value) for name, value in alone.items()
    }


async def test_passwords_that_are_made_differ_and_are_answered_once(school: Organisation) -> None:
    lines = await send(school.admin.api, [person(number) for number in range(40)])
    passwords = {line["password"] for line in lines}
    assert len(passwords) == 40
    again = await school.admin.api.call("POST", PATH, [person(number) for number in range(40)])
    later = [again.body, await school.admin.api.ok("GET", f"{USERS}?limit=500")]
    later += [await school.admin.api.ok("GET", f"{USERS}/{line['user']['id']}") for line in lines[:5]]
    text = json.dumps(later)
    assert not [password for password in passwords if password in text]
    assert not [word for word in ("salt", "iterations", "emailKey") if word in text]


async def test_a_list_that_is_sent_again_finds_who_was_made_before_whatever_its_key(
    school: Organisation, store: Store
) -> None:
    headers = {"Idempotency-Key": uuid()}
    first = await school.admin.api.ok("POST", PATH, [person(1), person(2)], headers=headers)
    again = await school.admin.api.ok("POST", PATH, [person(1), person(2), person(3)], headers=headers)
    assert codes(first["lines"]) == [None, None]
    assert codes(again["lines"]) == ["conflict", "conflict", None]
    assert await store.database.idempotency.count_documents({}) == 0


async def test_an_address_is_given_once_in_a_list_and_across_organisations(
    school: Organisation, college: Organisation, store: Store
) -> None:
    before = await store.database.users.find({"organisationId": ObjectId(college.id)}).to_list(None)
    body = [
        person(1, email=college.student.email.upper()),
        person(2, email=school.student.email),
        person(3, role="nothing"),
        person(3),
        person(4, email="PERSON3@example.com"),
        person(5),
        person(3, name=""),
    ]
    lines = await send(school.admin.api, body)
    assert codes(lines) == ["conflict", "conflict", "invalid_payload", None, "conflict", None, "invalid_payload"]
    assert "4" in lines[4]["error"]["message"]
    assert await store.database.users.count_documents({"emailKey": "person3@example.com"}) == 1
    assert (await stored(store, "person3@example.com"))["name"] == "Person 3"
    assert await store.database.users.find({"organisationId": ObjectId(college.id)}).to_list(None) == before
    assert codes(await send(college.admin.api, body[3:6])) == ["conflict"] * 3


async def test_two_imports_of_one_list_at_once_make_each_account_once(
    school: Organisation, college: Organisation, store: Store
) -> None:
    body = [person(number) for number in range(60)]
    answers = await asyncio.gather(*(send(one.admin.api, body) for one in (school, college, school)))
    assert await store.database.users.count_documents({"name": {"$regex": "^Person"}}) == 60
    for lines in zip(*answers, strict=True):
        assert sorted(map(str, codes(list(lines)))) == ["None", "conflict", "conflict"]
        (made,) = [line for line in lines if "user" in line]
        kept = await stored(store, made["user"]["email"])
        assert str(kept["_id"]) == made["user"]["id"]
        assert await store.passwords.verify(made["password"], kept)


CSV = {
    "as it comes": "name,email\nZoë,zoe@example.com\n",
    "with a byte order mark": "\ufeffname,email\nZoë,zoe@example.com\n",
    "with semicolons": "name;email\nZoë;zoe@example.com\n",
    "as spreadsheets write it": "\ufeffName;E-Mail\r\nZoë;zoe@example.com\r\n",
    "in another order": "EMAIL,Role,NAME\nzoe@example.com,student,Zoë\n",
    "quoted": '"name","email","password"\n"Zoë","zoe@example.com",""\n',
    "with blanks": " name , e mail \n Zoë , zoe@example.com \n",
    "without an end": "name,email\nZoë,zoe@example.com",
    "of an old machine": "name,email\rZoë,zoe@example.com\r",
    "with empty columns": "name,email,,\nZoë,zoe@example.com,,\n,,,\n",
    "with optional columns": "password,role,name,email\n,,Zoë,zoe@example.com\n",
}


@pytest.mark.parametrize("text", CSV.values(), ids=CSV)
@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=UTF-8; header=present"])
async def test_a_csv_is_read_as_spreadsheets_write_it(
    api: Api, school: Organisation, text: str, content_type: str
) -> None:
    (line,) = (await csv(school.admin.api, text, content_type)).body["lines"]
    assert line["line"] == 2
    assert (line["user"]["name"], line["user"]["email"]) == ("Zoë", "zoe@example.com")
    assert line["user"]["role"] == "STUDENT"
    assert await api.code("POST", LOGIN, {"email": "zoe@example.com", "password": line["password"]}) is None


async def test_a_csvs_lines_have_their_number_in_the_file(api: Api, school: Organisation) -> None:
    text = (
        "\n"
        "name,email,role,password\n"
        '"Miller, ""Zoë""",zoe@example.com,Proctor,"a, b; c "\n'
        "\n"
        '"two\nlines",two@example.com,,\n'
        "short\n"
        "long,long@example.com,,,more\n"
        "twice,Zoe@example.com,,\n"
        ",nobody@example.com,ROOT,12345\n"
    )
    lines = await send(school.admin.api, text)
    assert [line["line"] for line in lines] == [3, 5, 7, 8, 9, 10]
    assert codes(lines) == [None, None, "invalid_payload", "invalid_payload", "conflict", "invalid_payload"]
    assert [lines[0]["user"][name] for name in ("name", "role")] == ['Miller, "Zoë"', "PROCTOR"]
    assert lines[0]["password"] is None
    assert lines[1]["user"]["name"] == "two\nlines"
    assert [places(lines[place]) for place in (2, 3, 5)] == [{"email"}, {"column 5"}, {"name", "role", "password"}]
    assert "Line 3" in lines[4]["error"]["message"]
    assert await api.code("POST", LOGIN, {"email": "zoe@example.com", "password": "a, b; c "}) is None


GARBAGE: dict[str, bytes] = {
    "empty": b"",
    "blank": b" \r\n\n",
    "no header": b"Zoe,zoe@example.com\n",
    "no email": b"name,role\nZoe,STUDENT\n",
    "no name": b"email\nzoe@example.com\n",
    "another column": b"name,email,passwort\nZoe,zoe@example.com,secret12\n",
    "a column twice": b"name,email,E-mail\nZoe,zoe@example.com,zoe@example.com\n",
    "tabs": b"name\temail\nZoe\tzoe@example.com\n",
    "UTF-16": "name,email\nZoë,zoe@example.com\n".encode("utf-16"),
    "Latin-1": "name,email\nZoë,zoe@example.com\n".encode("latin-1"),
    "an open quote": b'name,email\n"Zoe,zoe@example.com\n',
    "a quote amid": b'name,email\n"Zoe"x,zoe@example.com\n',
    "a huge cell": b"name,email\n" + b"x" * 200_000 + b",zoe@example.com\n",
    "binary": bytes(range(256)),
    "JSON": b'[{"name": "Zoe", "email": "zoe@example.com"}]',
}


@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
async def test_a_csv_that_cannot_be_read_is_refused_as_a_whole_and_not_repeated(
    school: Organisation, store: Store, content: bytes
) -> None:
    before = await store.database.users.count_documents({})
    answer = await csv(school.admin.api, content)
    assert (answer.status, answer.code) == (422, "invalid_payload")
    assert answer.body["error"]["details"]
    assert not [word for word in ("zoe@", "secret12") if word in json.dumps(answer.body).lower()]
    assert await store.database.users.count_documents({}) == before


async def test_what_is_no_utf_8_is_said_to_be_none(school: Organisation) -> None:
    for content_type in ("text/csv; charset=windows-1252", "application/json; charset=latin-1"):
        assert (await csv(school.admin.api, "name,email\n", content_type)).code == "invalid_payload"
    answer = await csv(school.admin.api, "name,email\nZoë,zoe@example.com\n".encode("latin-1"))
    assert "UTF-8" in answer.body["error"]["message"]
    assert "byte 14 " in answer.body["error"]["details"][0]["msg"]


@pytest.mark.parametrize("body", [{}, {"lines": []}, "text", 1, None, True])
async def test_json_that_is_no_list_is_refused(school: Organisation, body: Any) -> None:
    answer = await csv(school.admin.api, json.dumps(body), "application/json")
    assert (answer.status, answer.code) == (422, "invalid_payload")


@pytest.mark.parametrize(
    ("item", "place"),
    [
        (person(name=""), "name"), (person(name=None), "name"), (person(name=7), "name"),
        (person(name="x" * 201), "name"),
        (person(email=["a@example.com"]), "email"), (person(email={"$gt": ""}), "email"), ({"name": "N"}, "email"),
        (person(role="SALES"), "role"), (person(role="student"), "role"), (person(role=None), "role"),
        (person(password="12345"), "password"), (person(password=123456), "password"),
        (person(password=""), "password"),
        (person(organisationId="f" * 24), "organisationId"), (person(id="f" * 24), "id"),
    ],
    ids=str,
)  # fmt: skip
async def test_a_line_of_another_shape_is_refused_alone(school: Organisation, item: Any, place: str) -> None:
    lines = await send(school.admin.api, [item, person(2)])
    assert codes(lines) == ["invalid_payload", None]
    assert places(lines[0]) == {place}


@pytest.mark.parametrize("item", [None, 1, "a@example.com", [], [["name", "N"], ["email", "n@example.com"]]])
async def test_an_item_that_is_no_object_is_refused_alone(school: Organisation, item: Any) -> None:
    assert codes(await send(school.admin.api, [item, person(2)])) == ["invalid_payload", None]


async def test_a_refused_line_does_not_repeat_what_was_sent(school: Organisation) -> None:
    lines = await send(
        school.admin.api, [person(password=["a secret"]), person(password="short"), person(role="a secret")]
    )
    assert codes(lines) == ["invalid_payload"] * 3
    assert not [word for word in ("a secret", 'short"') if word in json.dumps(lines)]


async def test_a_request_takes_500_lines(school: Organisation, store: Store) -> None:
    text = "name,email\n" + "".join(f"P,person{number}@example.com\n" for number in range(501))
    for answer in (
        await csv(school.admin.api, text),
        await school.admin.api.call("POST", PATH, [person(number) for number in range(501)]),
    ):
        assert (answer.status, answer.code) == (422, "invalid_payload")
        assert "500" in answer.body["error"]["message"]
    assert await store.database.users.count_documents({"name": {"$regex": "^P"}}) == 0
    lines = await send(school.admin.api, text.rpartition("P,")[0])
    assert codes(lines) == [None] * 500
    assert [line["line"] for line in lines] == list(range(2, 502))
    assert await store.database.users.count_documents({"organisationId": ObjectId(school.id)}) == 504


async def test_a_list_of_nobody_makes_nobody(school: Organisation) -> None:
    for body in ([], "name,email\n"):
        assert await send(school.admin.api, body) == []


async def test_errors_come_in_the_order_of_the_contract(api: Api, school: Organisation, sales: Person) -> None:
    big = b" " * (1024**2 + 1)
    for caller in (api, school.student.api, school.admin.api):
        assert (await csv(caller, big)).code == "payload_too_large"
    assert (await csv(api, b"garbage")).code == "unauthorized"
    for person_ in (sales, school.proctor, school.student):
        assert (await csv(person_.api, b"garbage")).code == "forbidden"
        assert await person_.api.code("POST", PATH, [person(1)]) == "forbidden"
    assert await school.admin.api.code("POST", f"{PATH}?x=1", [person(1)]) == "invalid_payload"


async def test_a_made_password_is_hashed_fast_and_a_given_one_with_the_full_setting(
    settings: Settings, http: aiohttp.ClientSession, api: Api, school: Organisation
) -> None:
    async with running(settings.model_copy(update={"pbkdf2_iterations": 20_000})) as server:
        slow = Api(http, server.url, api.contract, school.admin.token)
        lines = await send(slow, [person(1), person(2, password=PASSWORD)])
        made, given = [await stored(server.store, f"person{number}@example.com") for number in (1, 2)]
        assert (made["iterations"], given["iterations"]) == (10_000, 20_000)
        for email, password in ((made["email"], lines[0]["password"]), (given["email"], PASSWORD)):
            assert await slow.code("POST", LOGIN, {"email": email, "password": password}) is None
            assert await slow.code("POST", LOGIN, {"email": email, "password": "wrong one"}) == "unauthorized"


async def test_a_wrong_password_takes_the_full_setting_whatever_the_account_was_hashed_with() -> None:
    passwords = Passwords(20_000, 64, "sha512")
    expected_s = passwords._hash_s
    made = await passwords.hash("password", made=True)
    assert passwords._hash_s == expected_s, "a fast one tells nothing of how long sign-ins take"
    given = await passwords.hash("password")
    worked: list[int] = []
    derive = passwords._derive

    async def counted(password: str, fields: Any, **more: Any) -> bytes:
        worked.append(fields["iterations"])
        return await derive(password, fields, **more)

    passwords._derive = counted  # type: ignore[method-assign]
    for account in (made, given, None):
        worked.clear()
        assert not await passwords.verify("wrong one", account)
        assert sum(worked) == 20_000
    assert await passwords.verify("password", made)
    passwords.close()


async def test_what_does_not_fit_into_the_time_is_refused_and_comes_further_each_time_it_is_sent(
    school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    derive = store.passwords._derive

    async def slow(*what: Any, **more: Any) -> bytes:
        await asyncio.sleep(0.04)
        return await derive(*what, **more)

    monkeypatch.setattr(store.passwords, "_derive", slow)
    monkeypatch.setattr(importing, "_HASHED_S", 0.6)
    body = [person(number, password=PASSWORD) for number in range(40)]
    made: set[int] = set()
    sendings = 0
    while len(made) < 40:
        sendings += 1
        begun = time.monotonic()
        lines = await send(school.admin.api, body)
        assert time.monotonic() - begun < 3
        now = {line["line"] for line in lines if "user" in line}
        late = {line["line"] for line in lines if "error" in line and line["error"]["code"] == "unavailable"}
        assert made == {line["line"] for line in lines if "error" in line and line["error"]["code"] == "conflict"}
        assert await store.database.users.count_documents({"name": {"$regex": "^Person"}}) == len(made | now)
        made |= now
        assert made | late == set(range(1, 41))
        assert now, "it came no further"
    assert sendings > 1, "all of it fitted at once"


async def test_the_time_that_the_token_took_to_be_looked_up_counts(
    school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = store.tokens.verify

    async def slow(token: str) -> Actor:
        await asyncio.sleep(0.4)
        return await verify(token)

    monkeypatch.setattr(store.tokens, "verify", slow)
    monkeypatch.setattr(importing, "_HASHED_S", 0.3)
    assert codes(await send(school.admin.api, [person(1)])) == ["unavailable"]
    monkeypatch.setattr(importing, "_HASHED_S", 5)
    assert codes(await send(school.admin.api, [person(1)])) == [None]


async def test_a_line_without_room_for_its_hash_is_refused_alone(
    school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    hash_, asked = store.passwords.hash, 0

    async def crowded(password: str, *, made: bool = False) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        if asked == 2:
            monkeypatch.setattr(store.passwords, "_under_way", 1000)
            try:
                return await hash_(password, made=made)
            finally:
                monkeypatch.setattr(store.passwords, "_under_way", 0)
        return await hash_(password, made=made)

    monkeypatch.setattr(importing, "_AT_ONCE", 1)
    monkeypatch.setattr(store.passwords, "hash", crowded)
    lines = await send(school.admin.api, [person(1), person(2), person(3)])
    assert codes(lines) == [None, "unavailable", None]
    assert lines[1]["error"]["retryAfterMs"] > 0
    assert codes(await send(school.admin.api, [person(1), person(2), person(3)])) == ["conflict", None, "conflict"]


async def test_an_organisations_lock_that_is_held_does_not_hold_the_answer(
    school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "_ENDED_S", 0.3)
    async with store.organisations.lock(ObjectId(school.id)):
        assert codes(await send(school.admin.api, [person(1), person(2, email="x")])) == [
            "unavailable",
            "invalid_payload",
        ]
    assert await store.users.by_email("person1@example.com") is None


async def test_while_the_database_stands_still_the_lines_are_refused_in_time_and_can_be_sent_again(
    tmp_path: Path, http: aiohttp.ClientSession, api: Api
) -> None:
    async with serving(tmp_path, JWT_SECRET=SECRET, PBKDF2_ITERATIONS=300_000) as server:
        database = Database((tmp_path / "data" / "database_url").read_text(encoding="utf-8").strip())
        fast = Store.on(database, Passwords(1, 64, "sha512"), SECRET, timedelta(hours=1))
        organisation = await fast.organisations.create(ObjectId(), "School", True)
        admin = await fast.users.create(ObjectId(), "A", "admin@example.com", PASSWORD, Role.ADMIN, organisation["_id"])
        caller = Api(http, server.url, api.contract, fast.tokens.issue(admin))
        body = [person(number, password=PASSWORD) for number in range(12)]
        begun = time.monotonic()
        sending = asyncio.create_task(send(caller, body))
        await asyncio.sleep(0.6)  # by now it hashes
        pid = server.database_pid()
        stop(pid)
        try:
            lines = await sending
        finally:
            os.kill(pid, signal.SIGCONT)
        assert time.monotonic() - begun < ANSWER_S
        assert codes(lines) == ["unavailable"] * 12
        again = codes(await send(caller, body))
        assert set(again) <= {None, "conflict"}
        assert await database.users.count_documents({"name": {"$regex": "^Person"}}) == 12
        database.close()


async def test_the_contract_has_both_bodies_and_both_lines(api: Api) -> None:
    operation = api.contract["paths"][PATH]["post"]
    assert "Idempotency-Key" not in {one["name"] for one in operation.get("parameters", ())}
    content = operation["requestBody"]["content"]
    assert content.keys() == {"application/json", "text/csv"}
    assert content["application/json"]["schema"]["maxItems"] == 500
    schemas = api.contract["components"]["schemas"]
    assert schemas["NewAccount"]["required"] == ["name", "email"]
    assert schemas["NewAccount"]["properties"]["role"]["enum"] == ["ADMIN", "PROCTOR", "STUDENT"]
    assert {one["$ref"].rpartition("/")[2] for one in schemas["Imported"]["properties"]["lines"]["items"]["anyOf"]} == {
        "MadeLine",
        "RefusedLine",
    }


async def test_the_contracts_example_can_be_sent(api: Api, school: Organisation) -> None:
    example = api.contract["paths"][PATH]["post"]["requestBody"]["content"]["text/csv"]["example"]
    assert codes(await send(school.admin.api, example)) == [None]
