"""Is it alive, is it ready, what can it do."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from handlers.http import ANYONE, CONNECTIONS, STORE, operation, reply
from models.errors import Unavailable
from models.fields import Document

routes = web.RouteTableDef()

OPENAPI: Final = web.AppKey("openapi", dict[str, Any])
ASYNCAPI: Final = web.AppKey("asyncapi", dict[str, Any])


class Health(Document):
    status: str


@routes.get("/healthz")
@operation(ANYONE, answer=Health)
async def healthz(request: web.Request) -> web.Response:
    """The process is alive."""
    return reply({"status": "ok"})


@routes.get("/readyz")
@operation(ANYONE, answer=Health)
async def readyz(request: web.Request) -> web.Response:
    """The database answers; 503 while it does not, and when the server is about to end."""
    if request.config_dict[CONNECTIONS].draining:
        raise Unavailable("The server is shutting down.")
    try:
        await request.app[STORE].database.ping()
    except Exception as error:
        raise Unavailable("The database does not answer.") from error
    return reply({"status": "ok"})


@routes.get("/openapi.json")
@operation(ANYONE, answer=dict[str, Any])
async def openapi(request: web.Request) -> web.Response:
    """This document."""
    return reply(request.app[OPENAPI])


@routes.get("/asyncapi.json")
@operation(ANYONE, answer=dict[str, Any])
async def asyncapi(request: web.Request) -> web.Response:
    """The same for Socket.IO: every event, its ack, and what is pushed."""
    return reply(request.app[ASYNCAPI])
