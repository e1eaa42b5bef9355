"""All that is stored about a person, for that person and for the ADMIN of its organisation."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from handlers.http import STORE, actor_of, loaded, operation
from models.actors import EVERYBODY, Actor, Role
from models.database import Stored
from models.errors import Forbidden
from models.export import Export
from models.fields import Id
from models.store import Store

logger = logging.getLogger(__name__)

routes = web.RouteTableDef()

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


async def _load(store: Store, actor: Actor, user_id: Id) -> Stored:
    user = await store.users.get(actor, user_id)
    if user["_id"] != actor.id and actor.role is not Role.ADMIN:
        raise Forbidden("Only the person itself and an ADMIN of its organisation get what is stored about it.")
    return user


@routes.get("/routes/users/{id}/export")
@operation(EVERYBODY, answer=Export, load=_load, looks=True)
async def export_user(request: web.Request, id: Id, /) -> web.StreamResponse:
    """All that is stored about a person. A student's own has no severities, verdicts and notes of reviews, and not who
    of the staff opened it, but that, when and in which role.
    """
    user, own = loaded(request), actor_of(request).id == id
    # The first piece before the headers: a failure until then is answered as one.
    pieces = request.app[STORE].exports.of(user, as_student=own and user["role"] == Role.STUDENT)
    first = await anext(pieces)
    headers = _HEADERS | {"Content-Disposition": f'attachment; filename="export-{id}.json"'}
    response = web.StreamResponse(headers=headers)
    response.content_type = "application/json"
    await response.prepare(request)
    try:
        await _write(response, first, pieces)
    except Exception:
        logger.exception("an export was cut off")
        if request.transport:
            request.transport.abort()  # so that nobody takes the beginning for the whole
    return response


async def _write(response: web.StreamResponse, first: bytes, pieces: AsyncIterator[bytes]) -> None:
    await response.write(first)
    async for piece in pieces:
        await response.write(piece)
    await response.write_eof()
