"""The audit log: read by ADMINs, and by SALES as far as they did it; nobody changes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field

from handlers.http import DEFAULT_LIMIT, STORE, Limit, actor_of, operation, page, reply
from models.actors import Role
from models.audit import AuditEntry
from models.fields import Id, Instant, format_instant, shape

routes = web.RouteTableDef()


@routes.get("/routes/audit")
@operation(frozenset({Role.SALES, Role.ADMIN}), answer=list[AuditEntry])
async def list_audit(
    request: web.Request,
    from_: Annotated[Instant | None, Field(alias="from")] = None,
    to: Instant | None = None,
    actorId: Id | None = None,
    userId: Id | None = None,
    limit: Limit = DEFAULT_LIMIT,
    after: Id | None = None,
) -> web.Response:
    """What staff did and whose records they opened, the newest first, `from` included, `to` not. An ADMIN sees its
    organisation's, SALES what they did themselves.
    """
    audit, actor = request.app[STORE].audit, actor_of(request)
    found = await audit.page(actor, from_, to, actorId, userId, after, limit + 1)
    items = [shape(AuditEntry, one) for one in found]
    if len(items) <= limit:
        return reply(items)
    last = items[limit - 1]
    cursor = {"to": format_instant(last["at"] + timedelta(milliseconds=1)), "after": last["id"]}
    return page(request, items, limit, cursor)
