"""Guessing is slowed down, and nobody is kept out by somebody else's guesses."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from limits import parse

from handlers.counting import Counters
from handlers.limits import Rates, Windows
from handlers.sign_ins import Claim, SignIns
from models.errors import RateLimited, Unavailable
from models.measures import Measures
from models.store import Store
from server.app import running
from server.settings import Settings
from tests.clients import Answer, Api
from tests.conftest import PASSWORD, Organisation

LOGIN = "/routes/auth/login"
ATTACKER, HOME, SCHOOL = "192.0.2.66", "198.51.100.7", "203.0.113.1"
PROXY = {"trusted_proxies": [ipaddress.ip_network("127.0.0.1")]}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Limits as they are by default, and clients at any address, as a proxy tells it."""
    return settings.model_copy(update=PROXY | {"rate_limits": True})


SignIn = Callable[..., Awaitable[Answer]]


@pytest.fixture
def sign_in(api: Api) -> SignIn:
    return signing_in(api)


def signing_in(api: Api) -> SignIn:
    async def sign_in(email: str, password: str, address: str, cookie: str | None = None) -> Answer:
        headers = {"X-Forwarded-For": address} | ({"Cookie": f"device={cookie}"} if cookie else {})
        return await api.call("POST", LOGIN, {"email": email, "password": password}, headers)

    return sign_in


@pytest.fixture
async def strict(settings: Settings, api: Api) -> AsyncIterator[Callable[..., Awaitable[SignIn]]]:
    """Sign in at another server on the same database, with other limits."""
    stop, ended = asyncio.Event(), list[asyncio.Task[None]]()

    async def serve(limited: Settings, ready: asyncio.Future[str]) -> None:
        async with running(limited) as server:
            ready.set_result(server.url)
            await stop.wait()

    async def start(**rates: str) -> SignIn:
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        ended.append(asyncio.create_task(serve(settings.model_copy(update=rates), ready)))
        return signing_in(Api(api.http, await ready, api.contract))

    yield start
    stop.set()
    await asyncio.gather(*ended)


async def test_of_a_thousand_guesses_ten_are_tried_and_the_student_elsewhere_signs_in_at_once(
    sign_in: SignIn, school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = count_tries(store, monkeypatch)
    email = school.student.email

    async def hammer() -> Counter[int]:
        answers = [await sign_in(email, f"guess {number}", ATTACKER) for number in range(100)]
        assert all(1 <= int(one.headers["Retry-After"]) <= 300 for one in answers if one.status == 429)
        assert {one.code for one in answers} <= {"unauthorized", "rate_limited"}
        return Counter(one.status for one in answers)

    hammering = [asyncio.create_task(hammer()) for _ in range(10)]
    while not any(task.done() for task in hammering):
        began = time.monotonic()
        answer = await sign_in(email, PASSWORD, HOME)
        assert answer.status == 200
        assert time.monotonic() - began < 1
        await asyncio.sleep(0.2)
    guessed: Counter[int] = sum(await asyncio.gather(*hammering), Counter())
    assert guessed == {401: 10, 429: 990}
    assert tried[email, False] == 10
    assert (await sign_in(email, PASSWORD, ATTACKER)).status == 429  # also with the right password
    assert (await sign_in(email, PASSWORD, HOME)).status == 200


async def test_guesses_that_come_at_once_are_no_more(
    sign_in: SignIn, school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = count_tries(store, monkeypatch)
    answers = await asyncio.gather(*(sign_in(school.student.email, f"guess {one}", ATTACKER) for one in range(200)))
    assert tried[school.student.email, False] <= 10
    assert {one.status for one in answers} == {401, 429}


async def test_an_account_that_is_not_there_is_answered_alike(sign_in: SignIn, school: Organisation) -> None:
    for email in (school.student.email, "nobody@school.example.com", "x" * 254):
        answers = [await sign_in(email, "guess", ATTACKER) for _ in range(12)]
        assert [one.status for one in answers] == [401] * 10 + [429] * 2
        assert answers[-1].body["error"]["message"] == "Too many sign-ins failed; wait a little."
        assert {*answers[-1].headers} >= {"Retry-After"}


async def test_the_case_of_an_address_is_no_way_around(sign_in: SignIn, school: Organisation) -> None:
    email = school.student.email
    for number in range(10):
        await sign_in(email.upper() if number % 2 else email, "guess", ATTACKER)
    assert (await sign_in(email.title(), PASSWORD, ATTACKER)).status == 429


async def test_ipv6_addresses_of_one_network_are_one(sign_in: SignIn, school: Organisation) -> None:
    answers = [await sign_in(school.student.email, "guess", f"2001:db8:1:2::{one:x}") for one in range(1, 12)]
    assert [one.status for one in answers] == [401] * 10 + [429]
    assert (await sign_in(school.student.email, PASSWORD, "2001:db8:1:3::1")).status == 200


async def test_who_mistypes_three_times_waits_for_nothing_and_neither_does_anybody_beside(
    sign_in: SignIn, school: Organisation
) -> None:
    for _ in range(3):
        assert (await sign_in(school.student.email, "oops", SCHOOL)).status == 401
    assert (await sign_in(school.other_student.email, PASSWORD, SCHOOL)).status == 200
    assert (await sign_in(school.student.email, PASSWORD, SCHOOL)).status == 200
    for _ in range(9):  # what was mistyped before is forgotten
        assert (await sign_in(school.student.email, "oops", SCHOOL)).status == 401
    assert (await sign_in(school.student.email, PASSWORD, SCHOOL)).status == 200


async def test_the_hold_ends_by_itself(strict: Any, school: Organisation) -> None:
    sign_in = await strict(sign_in_failures="2 per 1 second")
    for _ in range(2):
        await sign_in(school.student.email, "guess", ATTACKER)
    held = await sign_in(school.student.email, PASSWORD, ATTACKER)
    assert (held.status, held.headers["Retry-After"]) == (429, "1")
    assert 0 < held.body["error"]["retryAfterMs"] <= 1001
    await asyncio.sleep(held.body["error"]["retryAfterMs"] / 1000)
    assert (await sign_in(school.student.email, PASSWORD, ATTACKER)).status == 200


async def test_a_classmate_at_the_same_address_does_not_hold_off_the_browser_of_the_day_before(
    sign_in: SignIn, school: Organisation
) -> None:
    email = school.student.email
    before = await sign_in(email, PASSWORD, HOME)
    cookie = cookie_of(before)
    others = cookie_of(await sign_in(school.other_student.email, PASSWORD, SCHOOL))
    for _ in range(20):
        await sign_in(email, "guess", SCHOOL, others)
    assert (await sign_in(email, PASSWORD, SCHOOL)).status == 429
    for wrong in (others, before.body["token"], cookie[:-2], "", "nonsense", "a.b.c"):
        assert (await sign_in(email, PASSWORD, SCHOOL, wrong)).status == 429
    assert (await sign_in(email, PASSWORD, SCHOOL, cookie)).status == 200
    answers = [await sign_in(email, "guess", SCHOOL, cookie) for _ in range(11)]  # whoever has stolen the browser
    assert [one.status for one in answers] == [401] * 10 + [429]


async def test_the_cookie_of_a_browser_opens_nothing_and_no_script_reads_it(
    sign_in: SignIn, api: Api, school: Organisation
) -> None:
    answer = await sign_in(school.student.email, PASSWORD, HOME)
    (cookie,) = answer.headers.getall("Set-Cookie")
    assert {*cookie.split("; ")[1:]} == {"HttpOnly", "Max-Age=15552000", f"Path={LOGIN}", "SameSite=Strict"}
    assert await api.as_(cookie_of(answer)).code("GET", "/routes/auth/me") == "unauthorized"
    body = {"email": school.student.email, "password": PASSWORD}
    secure = await api.call("POST", LOGIN, body, {"X-Forwarded-Proto": "https"})
    assert "Secure" in secure.headers["Set-Cookie"].split("; ")
    assert "Set-Cookie" not in (await sign_in(school.student.email, "guess", HOME)).headers


async def test_guesses_from_everywhere_leave_a_few_tries_to_strangers_and_all_to_who_was_let_in_there(
    strict: Any, school: Organisation
) -> None:
    sign_in = await strict(sign_in_failures_per_account="20 per hour")
    email = school.student.email
    assert (await sign_in(email, PASSWORD, HOME)).status == 200
    for one in range(20):
        assert (await sign_in(email, "guess", f"192.0.2.{one}")).status == 401
    answers = [await sign_in(email, "guess", "192.0.2.100") for _ in range(5)]
    assert [one.status for one in answers] == [401] * 3 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 300
    for _ in range(9):
        assert (await sign_in(email, "oops", HOME)).status == 401
    assert (await sign_in(email, PASSWORD, HOME)).status == 200
    assert (await sign_in(email, PASSWORD, SCHOOL)).status == 200  # new there, and right
    assert (await sign_in(school.other_student.email, "guess", "192.0.2.100")).status == 401


async def test_an_address_that_tries_everybody_is_held_off_but_not_who_was_let_in_there(
    strict: Any, school: Organisation
) -> None:
    sign_in = await strict(sign_in_failures_per_address="30 per 2 seconds")
    email = school.student.email
    cookie = cookie_of(await sign_in(school.proctor.email, PASSWORD, HOME))
    assert (await sign_in(email, PASSWORD, SCHOOL)).status == 200
    sprayed = [await sign_in(f"student{one}@school.example.com", PASSWORD, SCHOOL) for one in range(40)]
    assert [one.status for one in sprayed] == [401] * 30 + [429] * 10
    assert (await sign_in(email, PASSWORD, SCHOOL)).status == 200
    assert (await sign_in(school.proctor.email, PASSWORD, SCHOOL, cookie)).status == 200
    assert (await sign_in(school.other_student.email, PASSWORD, HOME)).status == 200
    held = await sign_in(school.other_student.email, PASSWORD, SCHOOL)
    assert held.status == 429
    await asyncio.sleep(held.body["error"]["retryAfterMs"] / 1000)
    assert (await sign_in(school.other_student.email, PASSWORD, SCHOOL)).status == 200


async def test_the_proctor_in_the_room_helps_whoever_is_held_off(sign_in: SignIn, school: Organisation) -> None:
    email = school.student.email
    for _ in range(11):
        await sign_in(email, "guess", SCHOOL)
    assert (await sign_in(email, PASSWORD, SCHOOL)).status == 429
    made = await school.proctor.api.ok("POST", f"/routes/users/{school.student.id}/password")
    assert (await sign_in(email, "guess", SCHOOL)).status == 401
    assert (await sign_in(email, made["password"], SCHOOL)).status == 200
    answers = [await sign_in(email, "guess", SCHOOL) for _ in range(11)]  # once it was used all is as it was
    assert [one.status for one in answers] == [401] * 10 + [429]


async def test_a_password_that_was_chosen_after_one_that_was_made_is_guarded(
    sign_in: SignIn, school: Organisation
) -> None:
    path = f"/routes/users/{school.student.id}"
    await school.proctor.api.ok("POST", path + "/password")
    await school.admin.api.ok("PUT", path, {"password": "tiger1"})
    answers = [await sign_in(school.student.email, "guess", SCHOOL) for _ in range(11)]
    assert [one.status for one in answers] == [401] * 10 + [429]


async def test_the_current_password_is_not_guessed_with_a_stolen_token(school: Organisation) -> None:
    path = f"/routes/users/{school.student.id}"
    body = {"password": "another password", "currentPassword": "guess"}
    answers = [await school.student.api.call("PUT", path, body) for _ in range(11)]
    assert [one.status for one in answers] == [403] * 10 + [429]
    assert await school.student.api.code("PUT", path, body | {"currentPassword": PASSWORD}) == "rate_limited"
    assert await school.other_student.api.code("GET", "/routes/auth/me") is None


async def test_what_could_not_be_verified_is_no_failure(
    sign_in: SignIn, school: Organisation, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: str) -> None:
        raise Unavailable("Too many are signing in.", 1000)

    with monkeypatch.context() as patch:
        patch.setattr(store.users, "authenticate", full)
        answers = [await sign_in(school.student.email, PASSWORD, SCHOOL) for _ in range(15)]
    assert {one.status for one in answers} == {503}
    assert (await sign_in(school.student.email, PASSWORD, SCHOOL)).status == 200


async def test_a_school_of_two_thousand_that_mistypes_signs_in_behind_one_address(settings: Settings) -> None:
    """All at once, every one of them wrong at first, with the limits as they are by default."""
    rates = Rates(**{one: parse(getattr(settings, one)) for one in Rates.__slots__})
    sign_ins = SignIns(Windows(Counters(), Measures().refused), rates)
    claims = [Claim.of(f"student{one}@school.example.com", SCHOOL) for one in range(2000)]

    async def attempt(claim: Claim, right: bool) -> bool:
        async def verify() -> bool:
            await asyncio.sleep(0)
            return right

        return await sign_ins.attempt(claim, verify)

    assert not any(await asyncio.gather(*(attempt(claim, right=False) for claim in claims)))
    assert all(await asyncio.gather(*(attempt(claim, right=True) for claim in claims)))
    for _ in range(1000):
        await attempt(Claim.of(f"{time.monotonic_ns()}@example.com", SCHOOL), right=False)
    with pytest.raises(RateLimited):
        await attempt(Claim.of("new@school.example.com", SCHOOL), right=True)
    assert await attempt(claims[0], right=True)


async def test_off_is_off(strict: Any, school: Organisation) -> None:
    sign_in = await strict(rate_limits=False)
    answers = [await sign_in(school.student.email, "guess", ATTACKER) for _ in range(30)]
    assert {one.status for one in answers} == {401}
    assert (await sign_in(school.student.email, PASSWORD, ATTACKER)).status == 200


def count_tries(store: Store, monkeypatch: pytest.MonkeyPatch) -> Counter[tuple[str, bool]]:
    """How often a password was verified, by e-mail address and outcome."""
    tried: Counter[tuple[str, bool]] = Counter()
    authenticate = store.users.authenticate

    async def counted(email: str, password: str) -> Any:
        found = await authenticate(email, password)
        tried[email, found is not None] += 1
        return found

    monkeypatch.setattr(store.users, "authenticate", counted)
    return tried


def cookie_of(answer: Answer) -> str:
    value: str = answer.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    return value
