"""Sign in, sign out, who am I."""

from __future__ import annotations

from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from handlers.http import ANYONE, CONNECTIONS, STORE, actor_of, operation, reply
from models.actors import EVERYBODY
from models.errors import Unauthorized
from models.fields import Document, Payload, shape
from models.users import User, UserRecord

routes = web.RouteTableDef()


class Credentials(Payload):
    email: Annotated[str, Field(max_length=254)]
    password: Annotated[str, Field(max_length=1024)]


class SignedIn(Document):
    token: str
    expires_in: Annotated[int, Field(description="seconds")]
    user: User


@routes.post("/routes/auth/login")
@operation(ANYONE, answer=SignedIn, idempotent=False)
async def login(request: web.Request, body: Credentials) -> web.Response:
    """Sign in. `expiresIn` is in seconds; the answer takes as long for an unknown account as for a known one."""
    store = request.app[STORE]
    user = await store.users.authenticate(body.email, body.password)
    if user is None:
        raise Unauthorized("The e-mail address or the password is wrong.")
    answer: dict[str, Any] = {
        "token": store.tokens.issue(user),
        "expiresIn": int(store.tokens.ttl.total_seconds()),
        "user": shape(User, user),
    }
    return reply(answer)


@routes.post("/routes/auth/logout")
@operation(EVERYBODY, status=204, idempotent=False)
async def logout(request: web.Request) -> web.Response:
    """Revoke the token that this is sent with; its sockets close."""
    actor = actor_of(request)
    await request.app[STORE].tokens.revoke(actor)
    await request.app[CONNECTIONS].close_token(actor.token_id)
    return web.Response(status=204)


@routes.get("/routes/auth/me")
@operation(EVERYBODY, answer=UserRecord)
async def me(request: web.Request) -> web.Response:
    """Who the token stands for."""
    users, actor = request.app[STORE].users, actor_of(request)
    return reply(await users.record(actor, await users.by_id(actor.id)))
