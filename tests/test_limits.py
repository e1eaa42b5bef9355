"""How much one address and one account may ask for over REST, and what staff may not have as a password."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from limits import RateLimitItemPerSecond, parse

from handlers.counting import Counters
from handlers.limits import Limits, Rates, Windows
from models.common_passwords import is_common
from models.errors import RateLimited
from models.measures import Measures
from server.app import running
from server.settings import Settings, SettingsError, load_settings
from tests.clients import Api, uuid
from tests.conftest import PASSWORD, Organisation, Person, sign_in
from tests.processes import run

ME = "/routes/auth/me"
HERE, THERE = {"X-Forwarded-For": "192.0.2.1"}, {"X-Forwarded-For": "192.0.2.2"}


@contextlib.asynccontextmanager
async def limited(settings: Settings, api: Api, **rates: Any) -> AsyncIterator[Api]:
    """REST at another server on the same database, with these limits; clients at any address, as a proxy tells it."""
    proxy = {"trusted_proxies": [ipaddress.ip_network("127.0.0.1")]}
    async with running(settings.model_copy(update=proxy | {"rate_limits": True} | rates)) as server:
        yield Api(api.http, server.url, api.contract)


async def test_an_address_may_ask_so_often_and_others_are_not_concerned(
    settings: Settings, api: Api, school: Organisation
) -> None:
    async with limited(settings, api, requests_per_address="5 per hour") as there:
        student, other = there.as_(school.student.token), there.as_(school.other_student.token)
        for _ in range(4):
            assert await student.code("GET", ME, headers=HERE) is None
        assert await there.code("GET", "/routes/nothing", headers=HERE) == "unauthorized"  # counted as well
        refused = await other.call("GET", ME, headers=HERE)
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert 3590 <= int(refused.headers["Retry-After"]) <= 3601
        assert refused.body["error"]["retryAfterMs"] <= 3_600_001
        login = {"email": school.student.email, "password": PASSWORD}
        assert await there.code("POST", "/routes/auth/login", login, headers=HERE) == "rate_limited"
        assert await there.code("GET", "/routes/nothing", headers=HERE) == "rate_limited"
        assert await student.code("GET", ME, headers=THERE) is None
        for path in ("/healthz", "/openapi.json"):
            async with there.http.get(there.url + path, headers=HERE) as response:
                assert response.status == 200


async def test_an_account_may_ask_so_often_from_wherever(settings: Settings, api: Api, school: Organisation) -> None:
    async with limited(settings, api, requests_per_account="5 per hour") as there:
        student, other = there.as_(school.student.token), there.as_(school.other_student.token)
        for one in range(5):
            assert await student.code("GET", ME, headers=HERE if one % 2 else THERE) is None
        refused = await student.call("GET", ME, headers=THERE)
        assert (refused.status, refused.code) == (429, "rate_limited")
        assert int(refused.headers["Retry-After"]) > 3500
        again = await sign_in(there, school.student.email)
        assert await again.api.code("GET", ME) == "rate_limited"  # another token is no other account
        assert await other.code("GET", ME, headers=HERE) is None
        assert await there.as_("nonsense").code("GET", ME) == "unauthorized"


async def test_when_the_window_ends_one_may_ask_again(settings: Settings, api: Api, school: Organisation) -> None:
    async with limited(settings, api, requests_per_account="3 per 1 second") as there:
        student = there.as_(school.student.token)
        answers = [await student.call("GET", ME) for _ in range(20)]
        refused = [one for one in answers if one.status == 429]
        assert refused
        assert all(0 < one.body["error"]["retryAfterMs"] <= 1001 for one in refused)
        await asyncio.sleep(1.01)
        assert await student.code("GET", ME) is None


async def test_so_many_register_themselves_from_an_address_in_an_organisation(
    settings: Settings, api: Api, school: Organisation, college: Organisation
) -> None:
    async with limited(settings, api, registrations_per_address="2 per hour") as there:

        async def register(organisation_id: str, headers: Any, maker: Api = there) -> str | None:
            body = {"name": "New", "email": f"{uuid()}@example.com", "password": PASSWORD}
            return await maker.code(
                "POST", "/routes/users", body | {"organisationId": organisation_id}, headers=headers
            )

        for _ in range(3):
            assert await register(str(ObjectId()), HERE) == "forbidden"
        assert [await register(school.id, HERE) for _ in range(4)] == [None, None, "rate_limited", "rate_limited"]
        assert await register(school.id, THERE) is None
        assert await register(college.id, HERE) is None
        admin = there.as_(school.admin.token)
        assert [await register(school.id, HERE, admin) for _ in range(3)] == [None] * 3


async def test_off_is_off(settings: Settings, api: Api, school: Organisation) -> None:
    few = dict.fromkeys(("requests_per_address", "requests_per_account", "registrations_per_address"), "1 per hour")
    async with limited(settings, api, rate_limits=False, **few) as there:
        for _ in range(3):
            assert await there.as_(school.student.token).code("GET", ME) is None
            body = {"name": "New", "email": f"{uuid()}@example.com", "password": PASSWORD, "organisationId": school.id}
            assert await there.code("POST", "/routes/users", body) is None


async def test_an_exam_of_two_thousand_behind_one_address_reaches_no_default() -> None:
    settings = load_settings(_env_file=None)
    assert settings.rate_limits
    limits = Limits(
        Windows(Counters(), Measures().refused),
        Rates(**{one: parse(getattr(settings, one)) for one in Rates.__slots__}),
    )
    organisation_id = ObjectId()
    for _ in range(2000):
        await limits.registration("192.0.2.1", organisation_id)
        for _ in range(30):
            await limits.request_from("192.0.2.1")
    with pytest.raises(RateLimited):
        await limits.request_from("192.0.2.1")


async def test_counters_forget_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    at = time.time()
    monkeypatch.setattr("handlers.counting.time.time", lambda: at)
    counters, rate = Counters(), RateLimitItemPerSecond(2, 5)
    windows = Windows(counters, Measures().refused)
    for one in range(3):
        await windows.count(rate, "key", str(one))
    assert [await windows.left(rate, "key", str(one)) for one in range(4)] == [1, 1, 1, 2]
    await windows.count(rate, "key", "0")
    at += 4.9
    assert await windows.left(rate, "key", "0") == 0
    at += 0.2
    assert await windows.left(rate, "key", "0") == 2
    assert await counters.reset() == 3
    for one in range(3):
        await windows.count(rate, "key", str(one))
    at += 20
    await windows.count(rate, "other")
    assert await counters.reset() == 1


@pytest.mark.parametrize("wrong", ["", "many", "5", "0 per minute", "5 per fortnight", "5/minute;9/hour", "-1/minute"])
def test_a_rate_is_a_number_in_a_time(wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"^REQUESTS_PER_ADDRESS: "):
        load_settings(_env_file=None, requests_per_address=wrong)
    assert load_settings(_env_file=None, requests_per_address="5/2 hours").requests_per_address == "5/2 hours"


def test_what_is_common() -> None:
    assert [one for one in ("password123", "Password", "QWERTY", "h7kd-p2mw-x9rt", "") if is_common(one)] == [
        "password123",
        "Password",
        "QWERTY",
    ]


async def test_staff_may_be_refused_a_password_that_is_guessed_first(
    settings: Settings, api: Api, sales: Person, school: Organisation
) -> None:
    async with limited(settings, api, common_passwords="refuse") as there:
        admin, boss = there.as_(school.admin.token), there.as_(sales.token)

        async def make(maker: Api, role: str, password: str) -> Any:
            body = {"name": "New", "email": f"{uuid()}@example.com", "password": password, "role": role}
            return await maker.call("POST", "/routes/users", body | {"organisationId": school.id})

        for maker, role in ((boss, "ADMIN"), (admin, "ADMIN"), (admin, "PROCTOR")):
            refused = await make(maker, role, "Password123")
            assert (refused.status, refused.code) == (422, "invalid_payload")
            assert [one["loc"] for one in refused.body["error"]["details"]] == [["password"]]
            assert (await make(maker, role, "an uncommon one")).status == 201
        assert (await make(admin, "STUDENT", "password123")).status == 201
        assert (await make(there, "PROCTOR", "password123")).code == "forbidden"
        own = {"password": "letmein", "currentPassword": PASSWORD}
        path = f"/routes/users/{school.proctor.id}"
        assert await there.as_(school.proctor.token).code("PUT", path, own) == "invalid_payload"
        assert await admin.code("PUT", path, {"password": "letmein"}) == "invalid_payload"
        student = f"/routes/users/{school.student.id}"
        assert await admin.code("PUT", student, {"password": "letmein", "role": "PROCTOR"}) == "invalid_payload"
        assert await admin.code("PUT", student, {"password": "letmein"}) is None
        assert (await sign_in(there, school.proctor.email)).id == school.proctor.id  # nothing of it was changed


def test_with_a_database_of_its_own_the_server_says_that_common_passwords_are_allowed() -> None:
    values: dict[str, Any] = {"database_url": "mongodb://db", "jwt_secret": "x" * 32, "_env_file": None}
    assert [one.partition(" ")[0] for one in load_settings(**values).warnings()] == ["COMMON_PASSWORDS"]
    assert load_settings(**values, common_passwords="refuse").warnings() == []


async def test_an_import_gives_staff_no_password_that_is_guessed_first(
    settings: Settings, api: Api, school: Organisation
) -> None:
    lines = [
        {"name": "N", "email": f"{number}@new.example.com", "role": role, "password": password}
        for number, (role, password) in enumerate(
            [
                ("PROCTOR", "Password123"),
                ("ADMIN", "letmein"),
                ("STUDENT", "password123"),
                ("PROCTOR", "an uncommon one"),
                ("PROCTOR", None),
            ]
        )
    ]
    for common, refused in (("refuse", 2), ("allow", 0)):
        async with limited(settings, api, common_passwords=common) as there:
            answer = await there.as_(school.admin.token).ok("POST", "/routes/users/import", lines)
            errors = [line["error"] for line in answer["lines"] if "error" in line]
            found = [error for error in errors if error["code"] == "invalid_payload"]
            assert len(found) == refused
            assert all(error["details"][0]["loc"] == ["password"] for error in found)
            assert not [error for error in errors if "Password123" in str(error) or "letmein" in str(error)]
    assert [line["error"]["code"] for line in answer["lines"][2:]] == ["conflict"] * 3


async def test_the_command_line_gives_staff_no_password_that_is_guessed_first(tmp_path: Path) -> None:
    make = ("create-user", "--password-stdin", "--email", "sales@example.com")
    refused = await run(*make, cwd=tmp_path, stdin="Password123\n", COMMON_PASSWORDS="refuse")
    assert (refused[0], refused[1], refused[2].count("\n")) == (2, "", 1)
    assert "most common" in refused[2]
    assert "Password123" not in refused[2]
    made = await run(*make, cwd=tmp_path, stdin="an uncommon one\n", COMMON_PASSWORDS="refuse")
    assert made[0] == 0, made[2]
