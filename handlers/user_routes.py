"""Users: who may make, see and change whom."""

from __future__ import annotations

import logging
from typing import Any, Final

from aiohttp import web
from bson import ObjectId
from pydantic import Field

from handlers.auditing import ACTION
from handlers.http import (
    ACTOR,
    CONNECTIONS,
    DEFAULT_LIMIT,
    REFUSE_COMMON_PASSWORDS,
    STORE,
    Limit,
    actor_of,
    loaded,
    new_id,
    operation,
    page,
    reply,
)
from handlers.limits import LIMITS
from handlers.sign_ins import SIGN_INS, Claim
from models.actors import EVERYBODY, STAFF, Actor, Role
from models.common_passwords import check_password
from models.database import Stored
from models.errors import Conflict, Forbidden, NotFound
from models.fields import Document, Email, Id, Name, Password, Payload, RoleName, shape
from models.passwords import make_password
from models.store import Store
from models.users import User, UserRecord

logger = logging.getLogger(__name__)

routes = web.RouteTableDef()

_IN_ORGANISATIONS = frozenset({Role.ADMIN, Role.PROCTOR, Role.STUDENT})


class NewUser(Payload):
    name: Name
    email: Email
    password: Password
    role: RoleName = "STUDENT"
    organisation_id: Id


class UserChanges(Payload):
    name: Name = Field(default_factory=str)
    email: Email = Field(default_factory=str)
    password: Password = Field(default_factory=str)
    current_password: str = Field(default_factory=str)
    role: RoleName = Field(default_factory=lambda: "STUDENT")
    organisation_id: Id = Field(default_factory=ObjectId)


class GivenPassword(Document):
    """Answered once; the server keeps only a hash of it."""

    password: str


async def _load(store: Store, actor: Actor, user_id: Id) -> Stored:
    return await store.users.get(actor, user_id)


async def _load_or_erased(store: Store, actor: Actor, user_id: Id) -> Stored:
    """Also somebody whose account is gone and whose erasure is noted, so that it can be sent again."""
    try:
        return await _load(store, actor, user_id)
    except NotFound:
        note = await store.erasures.find(user_id)
        if note is None or (actor.role is not Role.SALES and note["organisationId"] != actor.organisation_id):
            raise
        return note | {"isErased": True}


# Not the path of the import, which would take GET then.
_USER: Final = "/routes/users/{id:(?!import$)[^/]+}"


@routes.post("/routes/users")
@operation(frozenset({Role.SALES, Role.ADMIN}), answer=User, status=201, also_anyone=True)
async def create_user(request: web.Request, body: NewUser) -> web.Response:
    """SALES make ADMINs, an ADMIN makes people of its organisation. Without a token: a STUDENT, where the
    organisation has `selfRegistration`.
    """
    store = request.app[STORE]
    await _check_may_create(store, request.get(ACTOR), body)
    if ACTOR not in request:
        await request.app[LIMITS].registration(request.remote, body.organisation_id)
    _check_password(request, body.role, body.password)
    made = await store.users.create(
        new_id(request), body.name, body.email, body.password, Role(body.role), body.organisation_id
    )
    return reply(shape(User, made), status=201, location=f"/routes/users/{made['_id']}")


@routes.get("/routes/users")
@operation(EVERYBODY, answer=list[User])
async def list_users(request: web.Request, limit: Limit = DEFAULT_LIMIT, after: Id | None = None) -> web.Response:
    """SALES see all, ADMIN and PROCTOR their organisation, a STUDENT itself."""
    found = await request.app[STORE].users.page(actor_of(request), after, limit + 1)
    items = [shape(User, one) for one in found]
    return page(request, items, limit)


@routes.get(_USER)
@operation(EVERYBODY, answer=UserRecord, load=_load, looks=True)
async def get_user(request: web.Request, id: Id, /) -> web.Response:
    """One user, with the exams and sessions that one may see."""
    return reply(await request.app[STORE].users.record(actor_of(request), loaded(request)))


@routes.put(_USER)
@operation(EVERYBODY, answer=UserRecord, load=_load)
async def update_user(request: web.Request, id: Id, /, body: UserChanges) -> web.Response:
    """Everybody changes their own password, with `currentPassword`, and staff their own name; ADMINs what belongs to
    people of their organisation. Another role or password signs the user out everywhere.
    """
    store, actor, user = request.app[STORE], actor_of(request), loaded(request)
    changes = body.model_dump(by_alias=True, exclude_unset=True)
    if changes.pop("organisationId", user["organisationId"]) != user["organisationId"]:
        raise Forbidden("A user's organisation never changes.")
    current_password = changes.pop("currentPassword", None)
    beyond = set(changes) - _changeable(actor, user)
    if beyond:
        raise Forbidden(f"You may not change this user's {', '.join(sorted(beyond))}.")
    if "role" in changes and changes["role"] not in _IN_ORGANISATIONS:
        raise Forbidden("SALES accounts are made on the command line.")
    password = changes.pop("password", None)
    sign_ins = request.app[SIGN_INS]
    if password is not None and user["_id"] == actor.id:
        # As much a guess as a sign-in is, by whoever has got hold of the token.
        claim = Claim.of(user["email"], request.remote)
        if not await sign_ins.attempt(claim, lambda: store.users.verify_password(user, current_password)):
            raise Forbidden("The current password is missing or wrong.")
    if password is not None:
        _check_password(request, str(changes.get("role", user["role"])), password)
        await sign_ins.password_chosen(user["email"])
    changed, revoked = await store.users.update(user, changes, password)
    if revoked:
        await request.app[CONNECTIONS].close_user(id)
    if changed["name"] != user["name"]:
        await store.sessions.rename_user(id, changed["name"])
    return reply(await store.users.record(actor, changed))


@routes.post("/routes/users/{id}/password")
@operation(STAFF, answer=GivenPassword, load=_load, idempotent=False)
async def give_password(request: web.Request, id: Id, /) -> web.Response:
    """Give a user a new password, which the server makes and answers once; the user's tokens are revoked.

    For a student who forgot theirs five minutes before the exam: the proctor in the room can help. ADMIN gives them in
    its organisation, PROCTOR to the students of its exams, SALES to ADMINs, and nobody to themselves. The header
    Idempotency-Key is not honoured, as no answer with a password is kept: sent again, it makes another one.
    """
    store, actor, user = request.app[STORE], actor_of(request), loaded(request)
    await _check_may_give_password(store, actor, user)
    password = make_password()
    await store.users.update(user, {}, password)
    await request.app[SIGN_INS].password_given(user["email"])
    await request.app[CONNECTIONS].close_user(id)
    ids = {"actorId": str(actor.id), "userId": str(id)}
    logger.info("user %(actorId)s gave user %(userId)s a new password", ids, extra=ids)
    return reply({"password": password})


@routes.delete(_USER)
@operation(frozenset({Role.SALES, Role.ADMIN}), status=204, load=_load_or_erased)
async def delete_user(request: web.Request, id: Id, /, erase: bool = False) -> web.Response:
    """Not oneself, not an organisation's last ADMIN, not somebody with sessions: `conflict`. With `erase=true` somebody
    with sessions too, unless one is running: all that is stored about the person goes or is emptied. What takes longer
    than an answer may goes on; sent again, it is answered when it is done.
    """
    actor, user = actor_of(request), loaded(request)
    if erase:
        request[ACTION] = "erase_user"
    elif user.get("isErased"):
        raise NotFound("No such user.")
    if actor.id == id:
        raise Conflict("Nobody deletes their own account.")
    if actor.role is Role.SALES and user["role"] != Role.ADMIN:
        raise Forbidden("SALES deletes ADMINs only.")
    if user.get("isErased"):
        await request.app[STORE].erasures.carry_on(id)
    elif erase:
        await request.app[STORE].erasures.erase(user, actor)
    else:
        await request.app[STORE].users.delete(user)
    await request.app[CONNECTIONS].close_user(id)
    return web.Response(status=204)


async def _check_may_create(store: Store, actor: Actor | None, body: NewUser) -> None:
    if actor is None:
        try:
            organisation = await store.organisations.by_id(body.organisation_id)
        except NotFound:
            organisation = {"selfRegistration": False}
        if body.role != Role.STUDENT or not organisation["selfRegistration"]:
            raise Forbidden("Students register themselves only where the organisation lets them; no one else does.")
    elif actor.role is Role.SALES:
        if body.role != Role.ADMIN:
            raise Forbidden("SALES makes ADMINs only.")
    elif actor.role is not Role.ADMIN or body.role not in _IN_ORGANISATIONS:
        raise Forbidden(f"The role {actor.role} may not make a {body.role}.")
    elif actor.organisation_id != body.organisation_id:
        raise NotFound("No such organisation.")


def _check_password(request: web.Request, role: str, password: str) -> None:
    if request.app[REFUSE_COMMON_PASSWORDS]:
        check_password(role, password)


async def _check_may_give_password(store: Store, actor: Actor, user: Stored) -> None:
    if actor.id == user["_id"]:
        raise Forbidden("Your own password you change yourself, with the current one.")
    if actor.role is Role.SALES and user["role"] != Role.ADMIN:
        raise Forbidden("SALES gives new passwords to ADMINs only.")
    if actor.role is Role.PROCTOR and (user["role"] != Role.STUDENT or not await store.users.shares_exam(actor, user)):
        raise Forbidden("A PROCTOR gives new passwords only to the students of its exams.")


def _changeable(actor: Actor, user: dict[str, Any]) -> set[str]:
    """The fields of `user` that `actor` may change."""
    fields: set[str] = set()
    if actor.id == user["_id"]:
        fields |= {"password"} | ({"name"} if actor.role in STAFF else set())
    if actor.role is Role.ADMIN:
        fields |= {"name", "email", "password", "role"}
    elif actor.role is Role.SALES and user["role"] == Role.ADMIN:
        fields |= {"name", "email", "password"}
    return fields
