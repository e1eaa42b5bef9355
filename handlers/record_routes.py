"""A session's record over REST: as JSON, which `proctoring-server verify` checks, for a spreadsheet, and to print."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from handlers.http import STORE, loaded, operation, reply
from handlers.record_csv import csv_of
from handlers.record_html import POLICY, html_of
from models.actors import SUPERVISORS, Actor
from models.database import Stored
from models.fields import Id
from models.record import Record
from models.store import Store

routes = web.RouteTableDef()

_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


async def _load(store: Store, actor: Actor, session_id: Id) -> Stored:
    return await store.sessions.get(actor, session_id)


@routes.get("/routes/proctoring/{sessionId}/record")
@operation(SUPERVISORS, answer=Record, load=_load, looks=True)
async def record(request: web.Request, sessionId: Id, /) -> web.Response:
    """All of one session, with what proves it: what `proctoring-server verify` checks."""
    response = reply(await request.app[STORE].records.of(loaded(request)))
    response.headers.update(_HEADERS)
    return response


@routes.get("/routes/proctoring/{sessionId}/record.csv")
@operation(SUPERVISORS, answer=str, media="text/csv", load=_load, looks=True)
async def record_csv(request: web.Request, sessionId: Id, /) -> web.Response:
    """The activities of the record for a spreadsheet: UTF-8, one line an activity, no cell that is a formula."""
    whole = await request.app[STORE].records.of(loaded(request))
    attachment = {"Content-Disposition": f'attachment; filename="record-{sessionId}.csv"'}
    return _text(await asyncio.to_thread(csv_of, whole), "text/csv", attachment)


@routes.get("/routes/proctoring/{sessionId}/record.html")
@operation(SUPERVISORS, answer=str, media="text/html", load=_load, looks=True)
async def record_html(request: web.Request, sessionId: Id, /) -> web.Response:
    """The record as a page to read and to print, without scripts."""
    whole = await request.app[STORE].records.of(loaded(request))
    return _text(await asyncio.to_thread(html_of, whole), "text/html", {"Content-Security-Policy": POLICY})


def _text(text: str, media: str, headers: dict[str, str]) -> web.Response:
    return web.Response(text=text, content_type=media, charset="utf-8", headers=_HEADERS | headers)
