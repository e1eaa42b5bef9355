"""The secret is changed while people are signed in; what anybody else signed never holds."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from server.app import running
from server.settings import Settings, SettingsError, load_settings
from tests.clients import Api, Socket
from tests.conftest import PASSWORD, SECRET, Organisation

ME = "/routes/auth/me"
NEW = "a newer secret for the tests, of 32 bytes and more"
OLDER = "the oldest secret of the tests, of 32 bytes and more"
OTHER = "a secret that was never one of the server's, as long"


@pytest.fixture
def rotated(settings: Settings) -> Settings:
    """SECRET, which the tokens of the fixtures were signed with, is the latest of two earlier ones."""
    previous = [SecretStr(SECRET), SecretStr(OLDER)]
    return settings.model_copy(update={"jwt_secret": SecretStr(NEW), "jwt_secret_previous": previous})


async def test_a_token_of_an_earlier_secret_holds_until_that_is_removed(
    rotated: Settings, api: Api, school: Organisation
) -> None:
    token = school.student.token
    claims = jwt.decode(token, options={"verify_signature": False})
    oldest = jwt.encode(claims | {"jti": "another"}, OLDER)
    async with running(rotated) as server:
        there = Api(api.http, server.url, api.contract)
        assert await there.as_(token).code("GET", ME) is None
        assert await there.as_(oldest).code("GET", ME) is None
        socket = await Socket(server.ws_url, "/exam").connect(token)
        await socket.close()
        signed_in = await there.ok("POST", "/routes/auth/login", {"email": school.student.email, "password": PASSWORD})
        assert jwt.decode(signed_in["token"], NEW, algorithms=["HS256"], audience="proctoring")
        assert await there.as_(signed_in["token"]).code("GET", ME) is None
        assert await there.as_(token).call("POST", "/routes/auth/logout")
        assert await there.as_(token).code("GET", ME) == "unauthorized"
        assert await there.as_(signed_in["token"]).code("GET", ME) is None
    removed = rotated.model_copy(update={"jwt_secret_previous": []})
    async with running(removed) as server:
        there = Api(api.http, server.url, api.contract)
        assert await there.as_(oldest).code("GET", ME) == "unauthorized"
        assert await there.as_(school.proctor.token).code("GET", ME) == "unauthorized"
        assert await there.as_(signed_in["token"]).code("GET", ME) is None


@pytest.mark.parametrize("secret", [NEW, SECRET, OLDER])
async def test_whatever_secret_a_token_was_signed_with_all_else_has_to_be_right(
    rotated: Settings, api: Api, school: Organisation, secret: str
) -> None:
    claims = jwt.decode(school.student.token, options={"verify_signature": False})
    at = time.time()
    good = jwt.encode(claims, secret, headers={"kid": "whatever", "jku": "https://evil.example/keys"})
    refused = {
        "none": jwt.encode(claims, None, algorithm="none"),
        "another algorithm": jwt.encode(claims, secret * 2, algorithm="HS512"),
        "another secret": jwt.encode(claims, OTHER),
        "an empty secret": unsigned(claims),
        "a forged kid": jwt.encode(claims, OTHER, headers={"kid": "0"}),
        "a kid that is a path": jwt.encode(claims, OTHER, headers={"kid": "../../../../dev/null"}),
        "another audience": jwt.encode(claims | {"aud": "another"}, secret),
        "a browser's": jwt.encode(claims | {"aud": "proctoring-device"}, secret),
        "another issuer": jwt.encode(claims | {"iss": "another"}, secret),
        "expired": jwt.encode(claims | {"iat": at - 60, "exp": at - 1}, secret),
        "without end": jwt.encode({name: one for name, one in claims.items() if name != "exp"}, secret),
        "truncated": good[:-2],
        "without signature": good.rpartition(".")[0] + ".",
        "two parts": good.rpartition(".")[0],
        "another's claims": ".".join([good.split(".")[0], school.admin.token.split(".")[1], good.split(".")[2]]),
    }
    async with running(rotated) as server:
        there = Api(api.http, server.url, api.contract)
        assert await there.as_(good).code("GET", ME) is None
        answers = {name: await there.as_(token).code("GET", ME) for name, token in refused.items()}
    assert answers == dict.fromkeys(refused, "unauthorized")


def unsigned(claims: dict[str, Any]) -> str:
    """The claims with HS256 in the header, under the empty key that PyJWT would refuse to sign with."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    signed = part(b'{"alg":"HS256","typ":"JWT"}') + "." + part(json.dumps(claims).encode())
    return signed + "." + part(hmac.new(b"", signed.encode(), hashlib.sha256).digest())


def test_earlier_secrets_are_as_long_as_that_of_today() -> None:
    values: dict[str, Any] = {"database_url": "mongodb://db", "jwt_secret": NEW}
    loaded = load_settings(_env_file=None, jwt_secret_previous=f"{SECRET.replace(',', '')},", **values)
    assert [one.get_secret_value() for one in loaded.jwt_secret_previous] == [SECRET.replace(",", "")]
    assert SECRET.replace(",", "") not in repr(loaded)
    with pytest.raises(SettingsError, match=r"^JWT_SECRET_PREVIOUS: ") as refused:
        load_settings(_env_file=None, jwt_secret_previous="short and secret", **values)
    assert "short and secret" not in str(refused.value)
    warned = load_settings(_env_file=None, jwt_secret_previous="short").warnings()
    assert [one.partition(" ")[0] for one in warned] == ["JWT_SECRET_PREVIOUS"]
