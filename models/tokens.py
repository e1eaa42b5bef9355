"""Access tokens: JWT by HS256, revocable one by one and by user; and what a browser shows that was let in before.

The secret can be changed without signing anybody out: tokens of earlier ones hold as long as `accept` names them. They
are tried in turn. A `kid` would only say which to try first, and would be one more thing that whoever forges can write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import jwt
from bson import ObjectId

from models.actors import Actor, Role
from models.database import Database, Stored
from models.errors import Unauthorized
from models.fields import parse_id
from models.groups import Lookup

_ALGORITHMS: Final = ["HS256"]
_ISSUER: Final = "proctoring-server"
_AUDIENCE: Final = "proctoring"
_DEVICE_AUDIENCE: Final = "proctoring-device"  # so that neither is ever taken for the other
_DEVICE_TTL: Final = timedelta(days=180)
# `org` is not among them only because PyJWT takes a claim that is null, as it is for SALES, for a missing one.
_REQUIRED: Final = ["sub", "role", "jti", "iat", "exp", "iss", "aud"]


class Tokens:
    """Issues, verifies and revokes. A token holds while its user's `tokensValidFrom` is not after its `iat`."""

    def __init__(self, database: Database, secret: str, ttl: timedelta) -> None:
        self._database = database
        self._revocations: Lookup[str] = Lookup(database.revocations)
        self._users: Lookup[ObjectId] = Lookup(database.users)
        self._secrets = [secret]
        self.ttl = ttl

    def accept(self, secrets: Iterable[str]) -> None:
        """Let tokens hold that were signed with these; none is signed with them any more."""
        self._secrets += secrets

    def issue(self, user: Stored) -> str:
        """A token for a stored user. `iat` carries milliseconds, to tell it from a revocation in the same second."""
        issued_at = round(datetime.now(UTC).timestamp(), 3)
        claims: dict[str, Any] = {
            "sub": str(user["_id"]),
            "role": user["role"],
            "org": str(user["organisationId"]) if user["organisationId"] else None,
            "jti": uuid4().hex,
            "iat": issued_at,
            "exp": issued_at + self.ttl.total_seconds(),
            "iss": _ISSUER,
            "aud": _AUDIENCE,
        }
        return jwt.encode(claims, self._secrets[0], algorithm=_ALGORITHMS[0])

    def issue_device(self, account: str) -> str:
        """What a browser keeps that `account` was signed in from. It lets nobody in; see `handlers/sign_ins.py`."""
        expires_at = datetime.now(UTC) + _DEVICE_TTL
        claims = {"sub": account, "jti": uuid4().hex, "exp": expires_at, "iss": _ISSUER, "aud": _DEVICE_AUDIENCE}
        return jwt.encode(claims, self._secrets[0], algorithm=_ALGORITHMS[0])

    def device(self, token: str, account: str) -> str | None:
        """The id of the browser that has this token; None where it is not one of `account`, or does not hold."""
        options: Any = {"require": ["sub", "jti", "exp", "iss", "aud"]}
        try:
            claims = self._decode(token, _DEVICE_AUDIENCE, options)
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            return None
        return str(claims["jti"]) if claims["sub"] == account else None

    async def verify(self, token: str) -> Actor:
        """Who the token stands for, as the database has them now; Unauthorized for any token that does not hold."""
        try:
            claims = self._decode(token, _AUDIENCE, {"require": _REQUIRED, "verify_exp": False})
            user_id = parse_id(claims["sub"])
            issued_at = float(claims["iat"])
            expires_at = datetime.fromtimestamp(float(claims["exp"]), UTC)
        except jwt.InvalidTokenError as error:
            raise Unauthorized("The token is not valid.") from error
        except (ValueError, TypeError, OverflowError) as error:
            raise Unauthorized("The token's claims are not valid.") from error
        if expires_at <= datetime.now(UTC):
            raise Unauthorized("The token has expired; sign in again.")
        if await self._revocations(claims["jti"]):
            raise Unauthorized("The token was revoked; sign in again.")
        user = await self._users(user_id)
        if user is None or not _is_current(user, issued_at, claims["role"]):
            raise Unauthorized("The token was revoked; sign in again.")
        name, role = user["name"], Role(user["role"])
        return Actor(user_id, role, user["organisationId"], name, claims["jti"], expires_at, issued_at)

    async def holds(self, actor: Actor) -> bool:
        """Whether the token that `actor` came with has not been revoked since."""
        revoked, user = await asyncio.gather(self._revocations(actor.token_id), self._users(actor.id))
        return not revoked and _is_current(user, actor.issued_at, actor.role)

    async def revoke(self, actor: Actor) -> None:
        """Revoke the token that `actor` came with; remembered until it would have expired."""
        await self._database.revocations.update_one(
            {"_id": actor.token_id}, {"$set": {"expiresAt": actor.expires_at}}, upsert=True
        )

    def _decode(self, token: str, audience: str, options: Any) -> dict[str, Any]:
        """The claims, by the first secret that fits; the exceptions are those of `jwt.decode`."""
        *earlier, last = self._secrets
        for secret in earlier:
            try:
                return self._decode_by(secret, token, audience, options)
            except jwt.InvalidSignatureError:
                continue
        return self._decode_by(last, token, audience, options)

    def _decode_by(self, secret: str, token: str, audience: str, options: Any) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token, secret, algorithms=_ALGORITHMS, issuer=_ISSUER, audience=audience, leeway=1, options=options
        )
        return claims


def _is_current(user: Stored | None, issued_at: float, role: str) -> bool:
    """Whether a token issued then, for this role, still stands for the user."""
    return user is not None and user["tokensValidFrom"].timestamp() <= issued_at and user["role"] == role
