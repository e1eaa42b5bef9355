"""The boundary of every REST route: size, token, role, resource, payload, in the order of the contract. How much an
address may ask for is looked at before all of it, and an account once its token is known.

A route is a function with two decorators: aiohttp's, which says where it is, and `operation`, which says who may call
it, what it looks up first and what it answers. Payload and query are validated by aiohttp-pydantic from the function's
signature; the OpenAPI document is made from the same.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_pydantic.decorator import inject_params
from aiohttp_pydantic.oas import typing as oas_typing
from bson import ObjectId
from pydantic import Field

from handlers.auditing import audited, is_audited
from handlers.base import Json
from handlers.connections import Connections
from handlers.http_payload import MAX_BODY, check_json, check_query, read_body, refuse_payload
from handlers.limits import LIMITS
from handlers.pace import Pace
from handlers.problems import to_error
from models.actors import Actor, Role
from models.database import Stored
from models.errors import (
    Forbidden,
    InvalidPayload,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    ProctoringError,
    Unauthorized,
)
from models.fields import parse_id, to_json
from models.idempotency import Key
from models.store import Store

STORE: Final = web.AppKey("store", Store)
CONNECTIONS: Final = web.AppKey("connections", Connections)
PACE: Final = web.AppKey("pace", Pace)
REFUSE_COMMON_PASSWORDS: Final = web.AppKey("refuse_common_passwords", bool)
ACTOR: Final = web.RequestKey("actor", Actor)
KEY: Final = web.RequestKey("idempotency_key", Key)
_LOADED: Final = web.RequestKey("loaded", dict[str, Any])

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 500

Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
Since = Annotated[int, Field(ge=0, le=2**53 - 1)]

ANYONE: Final[frozenset[Role]] = frozenset()
# Routes that need no token, for telling what an unknown route or method is answered without one.
_PUBLIC: Final = frozenset({"/routes/auth/login"})
# Answered also while as many as may wait for the database do.
_WAIT_FOR_NOTHING: Final = frozenset({"/healthz", "/openapi.json", "/asyncapi.json"})
_STREAMED: Final = "/export"  # its answer begins in time, and goes on for as long as it takes

Load = Callable[[Store, Actor, ObjectId], Awaitable[Stored]]
_Handler = Callable[..., Awaitable[web.StreamResponse]]


def operation(
    roles: frozenset[Role],
    *,
    answer: Any = None,
    status: int = 200,
    load: Load | None = None,
    also_anyone: bool = False,
    idempotent: bool = True,
    media: str = "application/json",
    looks: bool = False,
) -> Callable[[_Handler], Handler]:
    """Make `handler(request, path ids, /, body, query…)` a route for `roles`; ANYONE needs no token.

    `also_anyone`: who sends no token may call it too. `load` looks up what the path's id names, before the payload is
    looked at; the handler finds it by `loaded(request)`. `answer` is the shape of the JSON answered with `status`; None
    where there is no body, and of text where `media`, its type, is not JSON. `idempotent`: whether a POST honours the
    header Idempotency-Key. `looks`: whether staff who only looked is in the audit log too.
    """

    def decorate(handler: _Handler) -> Handler:
        reply_type = getattr(oas_typing, f"r{status}")
        handler.__annotations__["return"] = reply_type if answer is None else reply_type[answer]
        signature = inspect.signature(handler)
        queries = {wire_name(name) for name, one in signature.parameters.items() if one.default is not one.empty}
        has_body = "body" in signature.parameters

        @functools.wraps(handler)
        async def once(request: web.Request, *arguments: Any, **more: Any) -> web.StreamResponse:
            if request.method == "POST" and idempotent and "Idempotency-Key" in request.headers:
                return await _once(request, lambda: handler(request, *arguments, **more))  # type: ignore[arg-type,return-value] # only GET is streamed
            return await handler(request, *arguments, **more)

        validated = inject_params(on_validation_error=refuse_payload).and_request(once)

        @functools.wraps(validated)
        async def handle(request: web.Request) -> web.StreamResponse:
            if not roles or ("Authorization" not in request.headers and also_anyone):
                return await work(request, None)
            actor = await authenticate(request)
            if not is_audited(request, actor, looks=looks):
                return await work(request, actor)
            store, found = request.app[STORE], lambda: request.get(_LOADED)
            return await audited(store, request, actor, handler.__name__, lambda: work(request, actor), found)

        async def work(request: web.Request, actor: Actor | None) -> web.StreamResponse:
            if actor is not None and actor.role not in roles:
                raise Forbidden(f"This is not for the role {actor.role}.")
            if load is not None:
                resource_id = path_id(request)
                request[_LOADED] = await load(request.app[STORE], request[ACTOR], resource_id)
            check_query(request, queries)
            if has_body:
                check_json(request, await request.read())
            response: web.StreamResponse = await validated(request)
            return response

        who = sorted(roles) + ["anyone without a token"] * also_anyone
        handle.__dict__.update(needs_token=bool(roles) and not also_anyone, idempotent=idempotent, media=media, who=who)
        return handle

    return decorate


@web.middleware
async def paced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let few of those who arrive in one instant in at a time."""
    await request.config_dict[CONNECTIONS].turns()
    return await handler(request)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error in the contract's shape."""
    if request.path.startswith("/socket.io/"):
        return await handler(request)
    try:
        if request.path.startswith("/routes/"):
            await request.config_dict[LIMITS].request_from(request.remote)
        await read_body(request)
        try:
            if request.path in _WAIT_FOR_NOTHING or request.path.endswith(_STREAMED):
                return await handler(request)
            return await request.config_dict[CONNECTIONS].deadline.keep(lambda: _work(handler, request))
        except web.HTTPException as error:
            if error.status < 400:
                raise
            if request.path.startswith("/routes/") and request.path not in _PUBLIC and error.status in (404, 405):
                await authenticate(request)
            raise _from_aiohttp(error) from error
    except web.HTTPException:
        raise
    except Exception as error:  # noqa: BLE001 every request gets an answer
        return error_response(to_error(error))


async def _work(handler: Handler, request: web.Request) -> web.StreamResponse:
    return await handler(request)


def error_response(error: ProctoringError) -> web.Response:
    response = reply({"error": error.as_dict()}, status=error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error.__cause__, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = error.__cause__.headers["Allow"]
    return response


def _from_aiohttp(error: web.HTTPException) -> ProctoringError:
    if error.status == 403:
        return Forbidden(error.text or "This is not allowed.")
    if error.status == 404:
        return NotFound("No such route.")
    if error.status == 405:
        return MethodNotAllowed("This route does not take this method.")
    if error.status == 413:
        return PayloadTooLarge(f"A body may have {MAX_BODY} bytes.")
    return InvalidPayload("The request is not valid.", [{"loc": ["body"], "msg": error.text or error.reason}])


async def authenticate(request: web.Request) -> Actor:
    """Who sent the request; Unauthorized where no valid token says so."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Send Authorization: Bearer <token>.")
    actor = await request.app[STORE].tokens.verify(token.strip())
    await request.app[LIMITS].request_of(actor)
    request[ACTOR] = actor
    return actor


def actor_of(request: web.Request) -> Actor:
    return request[ACTOR]


def loaded(request: web.Request) -> Stored:
    """What the operation's `load` found."""
    return request[_LOADED]


def wire_name(parameter: str) -> str:
    """The name in a query of a handler's parameter: `from_` is `from`, which Python keeps for itself."""
    return parameter.rstrip("_")


def path_id(request: web.Request) -> ObjectId:
    """The id in the path; NotFound for one that is none."""
    try:
        return parse_id(next(iter(request.match_info.values())))
    except ValueError as error:
        raise NotFound("No such thing: the path has no id.") from error


def new_id(request: web.Request) -> ObjectId:
    """The id for what this request makes; the same for a repeat with the same Idempotency-Key."""
    key = request.get(KEY)
    return key.new_id if key else ObjectId()


def reply(data: object, *, status: int = 200, location: str | None = None) -> web.Response:
    headers = {"Location": location} if location else None
    return web.Response(body=to_json(data), status=status, headers=headers, content_type="application/json")


def page(
    request: web.Request, items: Sequence[Json], limit: int, cursor: Mapping[str, object] | None = None
) -> web.Response:
    """A list's answer. `items` has one more than `limit` where more follow; `cursor` is the query of what follows,
    by default that of what comes after the last one's id.
    """
    response = reply(items[:limit])
    if len(items) > limit:
        cursor = cursor or {"after": items[limit - 1]["id"]}
        query = {**request.query, **{name: str(value) for name, value in cursor.items()}}
        response.headers["Link"] = f'<{request.path}?{urlencode(query)}>; rel="next"'
    return response


async def _once(request: web.Request, work: Callable[[], Awaitable[web.Response]]) -> web.Response:
    """Answer a repeat as the first was answered. A refusal is not kept: nothing was written."""
    actor = request.get(ACTOR)
    idempotency = request.app[STORE].idempotency
    who = str(actor.id) if actor else "anyone"
    key = Key.of(who, request.method, request.path, request.headers["Idempotency-Key"], content=await request.read())
    async with idempotency.lock(key):
        first = await idempotency.find(key)
        if first is not None:
            return web.Response(
                body=first["body"],
                status=first["status"],
                headers={"Location": first["location"]} if first["location"] else None,
                content_type="application/json",
            )
        request[KEY] = key
        response = await work()
        await idempotency.keep(
            key,
            {"body": response.body, "status": response.status, "location": response.headers.get("Location")},
        )
        return response
