"""Access tokens: JWT by HS256, revocable one by one and by user."""

from __future__ import annotations

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
# `org` is not among them only because PyJWT takes a claim that is null, as it is for SALES, for a missing one.
_REQUIRED: Final = ["sub", "role", "jti", "iat", "exp", "iss", "aud"]


class Tokens:
    """Issues, verifies and revokes. A token holds while its user's `tokensValidFrom` is not after its `iat`."""

    def __init__(self, database: Database, secret: str, ttl: timedelta) -> None:
        self._database = database
        self._revocations: Lookup[str] = Lookup(database.revocations)
        self._users: Lookup[ObjectId] = Lookup(database.users)
        self._secret = secret
        self.ttl = ttl

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
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHMS[0])

    async def verify(self, token: str) -> Actor:
        """Who the token stands for, as the database has them now; Unauthorized for any token that does not hold."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=_ALGORITHMS,
                issuer=_ISSUER,
                audience=_AUDIENCE,
                leeway=1,
                options={"require": _REQUIRED, "verify_exp": False},
            )
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
        if user is None or user["tokensValidFrom"].timestamp() > issued_at or user["role"] != claims["role"]:
            raise Unauthorized("The token was revoked; sign in again.")
        return Actor(user_id, Role(user["role"]), user["organisationId"], user["name"], claims["jti"], expires_at)

    async def revoke(self, actor: Actor) -> None:
        """Revoke the token that `actor` came with; remembered until it would have expired."""
        await self._database.revocations.update_one(
            {"_id": actor.token_id}, {"$set": {"expiresAt": actor.expires_at}}, upsert=True
        )
