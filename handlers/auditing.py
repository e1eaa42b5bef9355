"""What of staff's requests and events goes into the audit log: all that writes, and opening what is stored of people.

Chat is not in it: who wrote what to whom is in the exam's own log. Students are not in it: what they do is there too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from bson import ObjectId

from handlers.connections import Connection
from models.actors import STAFF, Actor
from models.database import Stored, is_unavailable
from models.errors import NotFound, ProctoringError
from models.fields import parse_id
from models.store import Store

# Where a request did something else than what its route is named for.
ACTION: Final = web.RequestKey("action", str)

_WRITES: Final = frozenset({"POST", "PUT", "DELETE"})
_KINDS: Final = {"users": "userId", "exams": "examId", "proctoring": "sessionId", "organisations": "organisationId"}

On = dict[str, ObjectId | None]
Done = TypeVar("Done")


def is_audited(request: web.Request, actor: Actor, *, looks: bool) -> bool:
    return actor.role in STAFF and (looks or request.method in _WRITES)


async def audited(
    store: Store,
    request: web.Request,
    actor: Actor,
    action: str,
    work: Callable[[], Awaitable[web.StreamResponse]],
    loaded: Callable[[], Stored | None],
) -> web.StreamResponse:
    """The response of `work`, once it is noted what it came to. `loaded`: what was looked up for it, after it."""
    response: web.StreamResponse | None = None
    outcome = "ok"
    try:
        response = await work()
    except Exception as error:
        outcome = outcome_of(error)
        raise
    else:
        return response
    finally:
        on = _named(request, response, loaded())
        organisation_id = on.pop("organisationId", None)
        action = request.get(ACTION, action)
        own = on.get("userId") == actor.id and request.method == "GET"
        if not own and (request.method in _WRITES or store.audit.first_look(actor, action, on)):
            await store.audit.did(
                actor, action, on, organisation_id=organisation_id, address=request.remote, outcome=outcome
            )


async def audited_event(
    store: Store, connection: Connection, action: str, payload: Any, work: Callable[[], Awaitable[Done]]
) -> Done:
    """What `work` gives, once it is noted what it came to."""
    outcome = "ok"
    try:
        return await work()
    except Exception as error:
        outcome = outcome_of(error)
        raise
    finally:
        on: On = {"examId": getattr(payload, "exam_id", None), "sessionId": getattr(payload, "session_id", None)}
        if on["sessionId"]:
            with suppress(NotFound):
                session = await store.sessions.get(connection.actor, on["sessionId"])
                on |= {"examId": session["examId"], "userId": session["userId"]}
        await store.audit.did(connection.actor, action, on, address=connection.address, outcome=outcome)


def outcome_of(error: Exception) -> str:
    """What an entry says of a failure: the contract's code."""
    if isinstance(error, ProctoringError):
        return error.code
    return "unavailable" if is_unavailable(error) else "internal"


def _named(request: web.Request, response: web.StreamResponse | None, loaded: Stored | None) -> On:
    """The ids in a request's path, or of what it made; and of what was looked up, whose it is."""
    on: On = {}
    location = response.headers.get("Location") if response else None
    _, _, kind, key, *_ = [*(location or request.path).split("/"), "", ""]
    if kind in _KINDS:
        with suppress(ValueError):
            on[_KINDS[kind]] = parse_id(key)
    if loaded is not None:
        for name in ("userId", "examId", "organisationId"):
            on.setdefault(name, loaded.get(name))
    elif location and isinstance(response, web.Response) and isinstance(response.body, bytes):
        organisation_id = orjson.loads(response.body).get("organisationId")
        on.setdefault("organisationId", parse_id(organisation_id) if organisation_id else None)
    return on
