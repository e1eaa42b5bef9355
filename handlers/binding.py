"""Which connection speaks for a session, and what the log and the consoles hear of it.

A session has one connection. A new one of the same client (a reload) takes over in silence; one of another client is
recorded, and the old one is told. A connection that goes leaves the session as it is: whether its student is there is
told by heartbeats alone.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

import socketio
from bson import ObjectId

from handlers.broadcast import session_room, students_room
from handlers.connections import Connection, Connections
from handlers.pace import Pace
from models.database import Stored, is_unavailable
from models.errors import NotFound, Unauthorized
from models.lifecycle import is_over
from models.session import Holder, entry_of, node_of
from models.store import Store

logger = logging.getLogger(__name__)

_RETRY_S: Final = 1.0


class Binding:
    """Binds connections to sessions and takes them off."""

    def __init__(self, server: socketio.AsyncServer, store: Store, connections: Connections, pace: Pace) -> None:
        self._server = server
        self._store = store
        self._connections = connections
        self._pace = pace

    async def start(self, connection: Connection, exam: Stored) -> Stored:
        """The session of `connection`'s student in `exam`, which `connection` speaks for from here on."""
        new_id = ObjectId()
        # Held, so that whoever finds the new session takes it over from this connection.
        async with self._connections.lock(new_id):
            session, new = await self._store.starting.start(
                connection.actor, exam, new_id, connection.sid, connection.client_id
            )
            await self._connections.turns()
            if new:
                self._connections.bind(connection, session)
        return await self.bind(connection, session)

    async def bind(self, connection: Connection, session: Stored) -> Stored:
        """Let `connection` speak for `session`; returns the session as it is then. After a failure, call it again."""
        try:
            async with self._connections.lock(session["_id"]):
                old = self._connections.bound(session["_id"])
                if old is not connection:
                    await self._take_over(connection, old, session)
                    session = await self._store.sessions.by_id(session["_id"])  # as it was when it got its connection
                session = await self._store.watch.arrive(session, self._pace.interval_ms, connection.client_id)
                self._connections.refresh(session)
        finally:
            if connection.closed:  # it went while it was being bound, so its end found nothing to take off
                self._connections.finish(self.unbind(connection, "transport close"))
        if connection.closed:
            raise Unauthorized("This connection was closed.")
        for room in (session_room(session["_id"]), students_room(session["examId"])):
            await self._server.enter_room(connection.sid, room, namespace=connection.namespace)
        return session

    async def _take_over(self, connection: Connection, old: Connection | None, session: Stored) -> None:
        old_client = old.client_id if old else await self._elsewhere(session["_id"])
        same_client = old_client == connection.client_id
        if old_client is None:
            await self._record(session, "connected", {}, connection)
        elif not same_client:
            who = {"address": connection.address, "userAgent": connection.user_agent}
            await self._record(session, "second_connection", who, connection)
        self._connections.bind(connection, session)
        if old is not None:
            await self._replace(old, told=not same_client)

    async def _elsewhere(self, session_id: ObjectId) -> str | None:
        """The client that speaks for a session at another node; None where none does."""
        if not self._store.nodes.shared:
            return None
        session = await self._store.sessions.by_id(session_id)
        return self._client_of(session) if self._store.nodes.serves(node_of(session)) else None

    def _client_of(self, session: Stored) -> str | None:
        holder: Holder | None = session.get("holder")
        return holder["clientId"] if holder and holder["node"] != self._store.nodes.node_id else None

    async def sessions(self, sessions: list[Stored]) -> None:
        """A subscriber of sessions: who came to another node is replaced here."""
        for session in sessions:
            if self._client_of(session) and self._connections.bound(session["_id"]):
                self._connections.finish(self._give_up(session))  # whoever tells of it may hold the lock

    async def _give_up(self, session: Stored) -> None:
        async with self._connections.lock(session["_id"]):
            connection = self._connections.bound(session["_id"])
            if connection is None or (connection.session and connection.session["rev"] > session["rev"]):
                return
            self._connections.unbind(session["_id"])
            await self._replace(connection, told=self._client_of(session) != connection.client_id)

    async def _replace(self, old: Connection, *, told: bool) -> None:
        if told:
            await self._server.emit("replaced", {}, room=old.sid, namespace=old.namespace)
        await self._connections.disconnect(old)

    async def unbind(self, connection: Connection, reason: str) -> None:
        """Take a connection that went off its session; again and again while the database does not answer."""
        session = connection.session
        if session is None:
            return
        while not await self._try_unbind(connection, session, reason):  # noqa: ASYNC110 nothing tells it
            await asyncio.sleep(_RETRY_S)
        guards = [_once(type_, connection) for type_ in ("connected", "second_connection", "disconnected")]
        self._store.log.of(session["examId"]).forget(session["_id"], guards)

    async def _try_unbind(self, connection: Connection, session: Stored, reason: str) -> bool:
        """Whether it is done."""
        async with self._connections.lock(session["_id"]):
            if self._connections.bound(session["_id"]) is not connection:
                return True
            try:
                session = await self._store.sessions.by_id(session["_id"])
                await self._record(session, "disconnected", {"reason": reason}, connection)
            except NotFound:
                pass  # the session went with its exam
            except Exception as error:
                if is_unavailable(error) and not self._connections.shutting_down:
                    return False
                logger.exception("a connection's end could not be recorded")
            self._connections.unbind(session["_id"])
        try:
            await self._store.watch.leave(session)
        except NotFound:
            pass
        except Exception as error:  # noqa: BLE001 at worst its next client counts as a second one
            logger.warning("that a client left session %s is not known to other nodes: %r", session["_id"], error)
        return True

    async def _record(self, session: Stored, type_: str, data: dict[str, Any], connection: Connection) -> None:
        """Record what the server saw, once a connection; nothing of a session that is over."""
        current = connection.session or session
        if not is_over(current):
            once = _once(type_, connection)
            await self._store.log.append(entry_of(current, type_, "server", data, actor_id=None, once=once))


def _once(type_: str, connection: Connection) -> str:
    """What makes an entry be recorded once a connection; the log's notes leave these out."""
    return f"{type_}:{connection.sid}"
