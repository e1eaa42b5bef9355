"""Sign in, sign out, who am I."""

from __future__ import annotations

from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import Field

from handlers.http import ANYONE, CONNECTIONS, STORE, actor_of, operation, reply
from handlers.security import by_tls
from handlers.sign_ins import SIGN_INS, Claim
from models.actors import EVERYBODY
from models.errors import Unauthorized
from models.fields import Document, Payload, shape
from models.users import User, UserRecord

routes = web.RouteTableDef()

_DEVICE: Final = "device"
_DEVICE_S: Final = 180 * 24 * 3600


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
    claim = Claim.of(body.email, request.remote)
    claim = claim.on(store.tokens.device(request.cookies.get(_DEVICE, ""), claim.account))
    user = await request.app[SIGN_INS].attempt(claim, lambda: store.users.authenticate(body.email, body.password))
    if user is None:
        raise Unauthorized("The e-mail address or the password is wrong.")
    answer: dict[str, Any] = {
        "token": store.tokens.issue(user),
        "expiresIn": int(store.tokens.ttl.total_seconds()),
        "user": shape(User, user),
    }
    response = reply(answer)
    _mark(request, response, store.tokens.issue_device(claim.account))
    return response


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


def _mark(request: web.Request, response: web.Response, device: str) -> None:
    """Let the browser show that it was let in, when it signs in again; it is sent nowhere else."""
    response.set_cookie(
        _DEVICE, device, max_age=_DEVICE_S, path=request.path, httponly=True, samesite="Strict", secure=by_tls(request)
    )
