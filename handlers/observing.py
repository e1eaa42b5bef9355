"""What is noted of every HTTP request: its id, its duration, its outcome.

The id is the proxy's, where a trusted one sent `X-Request-Id`, else it is made here; log lines and errors have it, and
the answer says it. A path is never noted, only the pattern of its route: anybody writes into a path whatever they like.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handlers.addresses import Network, is_in
from models.measures import OK, UNKNOWN, Measures
from models.trail import Trail, follow, leave

logger = logging.getLogger("access")

HEADER: Final = "X-Request-Id"

_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
# Any other method that a client makes up counts as one.
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observed(measures: Measures, trusted: Sequence[Network], *, log: bool) -> Middleware:
    """The outermost middleware. `log`: whether each request gets a line."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        trail = Trail(request_id=_given(request, trusted))
        token, began, status = follow(trail), perf_counter(), 0
        method, route = request.method if request.method in _METHODS else UNKNOWN, _pattern(request)
        about = {"http.request.method": method, "http.route": route, "request.id": trail.request_id}
        span = measures.tracer and measures.tracer.begin(f"{method} {route}", about)
        try:
            response = await handler(request)
        except web.HTTPException as error:
            status = error.status
            error.headers[HEADER] = trail.request_id
            raise
        else:
            status = response.status
            if not response.prepared:
                response.headers[HEADER] = trail.request_id
            return response
        finally:
            seconds = perf_counter() - began
            if status:  # else the client, or the server, went in the middle of it
                measures.request(route, method, status, seconds)
            if span:
                span.end(OK if 0 < status < 500 else str(status))
            if log:
                fields = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 1)}
                logger.info("%(method)s %(route)s %(status)d %(ms).1f ms", fields, extra=fields)
            leave(token)

    return observe


def _given(request: web.Request, trusted: Sequence[Network]) -> str | None:
    """The id that a trusted proxy gave."""
    given = request.headers.get(HEADER)
    return given if given and _ID.fullmatch(given) and is_in(request.remote, trusted) else None


def _pattern(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else UNKNOWN
