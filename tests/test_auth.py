"""Signing in and out, and which tokens hold."""

from __future__ import annotations

import time
from typing import Any

import jwt
import pytest

from tests.clients import Api, uuid
from tests.conftest import PASSWORD, SECRET, Organisation, Person, sign_in

LOGIN = "/routes/auth/login"
ME = "/routes/auth/me"
USER_FIELDS = {"id", "name", "email", "role", "organisationId", "createdAt", "updatedAt"}


def claims_of(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def forged(person: Person, secret: str | None = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """The person's token with other claims (None takes one off), signed anew."""
    claims = {name: value for name, value in (claims_of(person.token) | changes).items() if value is not None}
    return jwt.encode(claims, secret, algorithm=algorithm)


async def test_a_login_answers_the_token_its_lifetime_in_seconds_and_the_user(api: Api, school: Organisation) -> None:
    body = {"email": school.student.email, "password": PASSWORD}
    answer = await api.ok("POST", LOGIN, body)
    assert answer.keys() == {"token", "expiresIn", "user"}
    assert answer["expiresIn"] == 12 * 3600
    assert answer["user"].keys() == USER_FIELDS
    expected = {"id": school.student.id, "email": school.student.email, "role": "STUDENT", "organisationId": school.id}
    assert {name: answer["user"][name] for name in expected} == expected


@pytest.mark.parametrize("role", ["sales", "admin", "proctor", "student"])
async def test_a_token_carries_the_claims_of_its_user(school: Organisation, sales: Person, role: str) -> None:
    person = sales if role == "sales" else getattr(school, role)
    claims = claims_of(person.token)
    assert claims.keys() == {"sub", "role", "org", "jti", "iat", "exp", "iss", "aud"}
    assert (claims["sub"], claims["role"]) == (person.id, role.upper())
    assert claims["org"] == (None if person is sales else school.id)
    assert claims["exp"] - claims["iat"] == pytest.approx(12 * 3600)
    assert abs(claims["iat"] - time.time()) < 60


async def test_every_login_gives_a_token_of_its_own(api: Api, school: Organisation) -> None:
    again = await sign_in(api, school.student.email)
    first, second = claims_of(school.student.token), claims_of(again.token)
    assert first["jti"] != second["jti"]
    assert (first["iss"], first["aud"]) == (second["iss"], second["aud"])


async def test_an_email_is_compared_without_case(api: Api, school: Organisation) -> None:
    answer = await api.ok("POST", LOGIN, {"email": "STUDENT@School.Example.COM", "password": PASSWORD})
    assert answer["user"]["id"] == school.student.id
    assert answer["user"]["email"] == school.student.email


async def test_a_wrong_password_and_an_unknown_account_are_answered_alike(api: Api, school: Organisation) -> None:
    wrong = await api.call("POST", LOGIN, {"email": school.student.email, "password": PASSWORD + "!"})
    unknown = await api.call("POST", LOGIN, {"email": "nobody@school.example.com", "password": PASSWORD})
    assert (wrong.status, wrong.code) == (401, "unauthorized")
    assert (wrong.status, wrong.body) == (unknown.status, unknown.body)
    assert {*wrong.headers} == {*unknown.headers}


@pytest.mark.parametrize("password", [PASSWORD.upper(), PASSWORD + " ", "", "\0" + PASSWORD, "pässword"])
async def test_a_password_is_compared_exactly(api: Api, school: Organisation, password: str) -> None:
    body = {"email": school.student.email, "password": password}
    assert await api.code("POST", LOGIN, body) == "unauthorized"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": "student@school.example.com"},
        {"password": PASSWORD},
        {"email": "student@school.example.com", "password": 123456},
        {"email": None, "password": PASSWORD},
        {"email": "student@school.example.com", "password": PASSWORD, "role": "ADMIN"},
        {"email": {"$gt": ""}, "password": {"$gt": ""}},
        {"email": ["student@school.example.com"], "password": PASSWORD},
    ],
)
async def test_a_login_that_is_no_credentials_is_refused(api: Api, school: Organisation, body: Any) -> None:
    assert await api.code("POST", LOGIN, body) == "invalid_payload"


async def test_a_login_needs_no_valid_token(api: Api, school: Organisation) -> None:
    body = {"email": school.student.email, "password": PASSWORD}
    assert await api.as_("nonsense").code("POST", LOGIN, body) is None


async def test_logout_revokes_that_token_and_no_other(api: Api, school: Organisation) -> None:
    other = await sign_in(api, school.student.email)
    answer = await school.student.api.call("POST", "/routes/auth/logout")
    assert (answer.status, answer.body) == (204, None)
    assert await school.student.api.code("GET", ME) == "unauthorized"
    assert await school.student.api.code("POST", "/routes/auth/logout") == "unauthorized"
    assert await other.api.code("GET", ME) is None
    assert await school.admin.api.code("GET", ME) is None
    assert await (await sign_in(api, school.student.email)).api.code("GET", ME) is None


@pytest.mark.parametrize("role", ["sales", "admin", "proctor", "student"])
async def test_me_is_the_user_of_the_token(school: Organisation, sales: Person, role: str) -> None:
    person = sales if role == "sales" else getattr(school, role)
    me = await person.api.ok("GET", ME)
    assert me.keys() >= USER_FIELDS
    assert (me["id"], me["role"], me["email"]) == (person.id, role.upper(), person.email)
    assert me["organisationId"] == (None if person is sales else school.id)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer nonsense", "Bearer a.b.c", "Basic {token}", "{token}", "Bearer {token}x",
     "Bearer é", "Bearer {token} {token}", "Token {token}"],
)  # fmt: skip
async def test_a_header_without_a_valid_token_is_unauthorized(school: Organisation, api: Api, header: str) -> None:
    headers = {"Authorization": header.format(token=school.student.token)}
    answer = await api.call("GET", ME, headers=headers)
    assert (answer.status, answer.code) == (401, "unauthorized")


async def test_the_name_of_the_scheme_has_no_case(school: Organisation, api: Api) -> None:
    assert await api.code("GET", ME, headers={"Authorization": f"bearer {school.student.token}"}) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": "another secret, just as long as the real one"},
        {"secret": None, "algorithm": "none"},
        {"aud": "another"},
        {"iss": "another"},
        {"role": "ADMIN"},
        {"sub": "f" * 24},
        {"sub": "no id"},
        {"exp": "soon"},
        {"iat": "now"},
        {"exp": 1e300},
        {"iat": 0},
        *({name: None} for name in ("sub", "role", "jti", "iat", "exp", "iss", "aud")),
    ],
    ids=str,
)
async def test_a_forged_token_is_unauthorized(api: Api, school: Organisation, changes: dict[str, Any]) -> None:
    assert await api.as_(forged(school.student)).code("GET", ME) is None
    assert await api.as_(forged(school.student, **changes)).code("GET", ME) == "unauthorized"


async def test_an_expired_token_is_unauthorized(api: Api, school: Organisation) -> None:
    at = time.time()
    assert await api.as_(forged(school.student, exp=at + 5)).code("GET", ME) is None
    assert await api.as_(forged(school.student, iat=at - 60, exp=at - 1)).code("GET", ME) == "unauthorized"


async def test_a_token_put_together_of_two_is_unauthorized(api: Api, school: Organisation) -> None:
    header, _, signature = school.student.token.split(".")
    mixed = ".".join([header, school.admin.token.split(".")[1], signature])
    assert await api.as_(mixed).code("GET", ME) == "unauthorized"


async def test_the_token_of_a_deleted_user_is_unauthorized(school: Organisation) -> None:
    await school.admin.api.ok("DELETE", f"/routes/users/{school.student.id}")
    assert await school.student.api.code("GET", ME) == "unauthorized"


async def test_a_login_is_no_write_and_gives_a_new_token_under_the_same_idempotency_key(
    api: Api, school: Organisation
) -> None:
    body = {"email": school.student.email, "password": PASSWORD}
    headers = {"Idempotency-Key": uuid()}
    first = await api.ok("POST", LOGIN, body, headers=headers)
    second = await api.ok("POST", LOGIN, body, headers=headers)
    assert first["user"] == second["user"]
    assert await api.as_(second["token"]).code("GET", ME) is None
