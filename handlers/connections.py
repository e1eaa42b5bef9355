"""Who is connected: every socket with its identity, and which socket speaks for which session.

Revocation reaches live sockets through here: a signed-out token, a deleted user, a removed student.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from weakref import WeakValueDictionary

from bson import ObjectId

from handlers.deadline import Deadline
from handlers.socket_limits import Allowance, SocketLimits
from handlers.turns import Turns
from models.actors import Actor
from models.database import Stored
from models.fields import now
from models.forgetting import Gone
from models.hints import Hints

logger = logging.getLogger(__name__)

_SWEEP_S: Final = 1.0
_SHUT_OUT_S: Final = 60.0


@dataclass(slots=True, eq=False)
class Connection:
    """One socket in one namespace. `sid` is the connection, never an identity."""

    sid: str
    namespace: str
    actor: Actor
    client_id: str
    address: str | None
    user_agent: str | None
    allowance: Allowance | None
    closed: bool = False
    exams: set[ObjectId] = field(default_factory=set)  # what it takes part in, or watches
    exam: Stored | None = None  # /exam: the exam as it is now
    session: Stored | None = None  # /exam: its session as it is now
    told: tuple[Any, ...] | None = None  # /exam: the `concern` of its session, as the client last had it


class Sockets(Protocol):
    """What is asked of the Socket.IO server here."""

    async def drop(self, sid: str, namespace: str) -> None:
        """Disconnect a client and its transport."""

    async def close_all(self) -> None:
        """Close every transport."""


class Connections:
    """The registry."""

    def __init__(self, server: Sockets, hints: Hints, limits: SocketLimits) -> None:
        self._server = server
        self._hints = hints
        self.limits = limits
        self._by_sid: dict[str, Connection] = {}
        self._bound: dict[ObjectId, Connection] = {}
        self._locks: WeakValueDictionary[ObjectId, asyncio.Lock] = WeakValueDictionary()
        self._sweeping: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._shut_out: dict[ObjectId | str, float] = {}  # by user and by token; when, of the last minute
        self.deadline = Deadline()
        self.turns = Turns()
        self.draining = False  # nobody new is let in
        self.shutting_down = False

    def open(self) -> None:
        self._sweeping = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """End every transport, so that clients come back to whoever serves next, and wait until they are off."""
        self.shutting_down = True
        if self._sweeping:
            self._sweeping.cancel()
        await self._server.close_all()
        while self._by_sid or self._tasks:  # noqa: ASYNC110 each ends in its own time
            await asyncio.sleep(0.02)

    def add(self, connection: Connection) -> None:
        self._by_sid[connection.sid] = connection

    def get(self, sid: str) -> Connection | None:
        return self._by_sid.get(sid)

    def count(self) -> Counter[str]:
        """How many there are by namespace."""
        return Counter(connection.namespace for connection in self._by_sid.values())

    def remove(self, connection: Connection) -> None:
        connection.closed = True
        if self._by_sid.pop(connection.sid, None):
            self.limits.leave(connection.allowance)

    def finish(self, work: Coroutine[Any, Any, None]) -> None:
        """Let work that nobody waits for go on, at most until the server has shut down."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    async def finished(self) -> None:
        """Wait for the work that is under way now."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            logger.error("a connection's end was not handled", exc_info=error)

    def lock(self, session_id: ObjectId) -> asyncio.Lock:
        """Held while a session gets another connection or loses its own."""
        return self._locks.setdefault(session_id, asyncio.Lock())

    def bound(self, session_id: ObjectId) -> Connection | None:
        """The connection that speaks for a session."""
        return self._bound.get(session_id)

    def bind(self, connection: Connection, session: Stored) -> None:
        connection.session = session
        self._bound[session["_id"]] = connection

    def unbind(self, session_id: ObjectId) -> None:
        self._bound.pop(session_id, None)

    def refresh(self, session: Stored) -> None:
        """Let the connection of a session that changed know it as it is now."""
        connection = self._bound.get(session["_id"])
        if connection and connection.session and connection.session["rev"] < session["rev"]:
            connection.session = session

    def refresh_exam(self, exam: Stored) -> None:
        """Let the exam clients of an exam that changed know it as it is now."""
        for connection in self._by_sid.values():
            if connection.exam is not None and connection.exam["_id"] == exam["_id"]:
                connection.exam = exam

    async def disconnect(self, connection: Connection) -> None:
        """Close one socket. From here on it is answered `unauthorized`."""
        connection.closed = True
        with contextlib.suppress(KeyError):  # it has gone by itself
            await self._server.drop(connection.sid, connection.namespace)

    def all(self) -> list[Connection]:
        """Those that are open now."""
        return [connection for connection in self._by_sid.values() if not connection.closed]

    async def close_token(self, token_id: str) -> None:
        self._hints.tell("tokens", [token_id])
        self.shut_out([token_id])
        await self._close(lambda connection: connection.actor.token_id == token_id)

    async def close_user(self, user_id: ObjectId) -> None:
        self._hints.tell("users", [user_id])
        self.shut_out([user_id])
        await self._close(lambda connection: connection.actor.id == user_id)

    def shut_out(self, keys: Iterable[ObjectId | str]) -> None:
        """These users, or tokens, are revoked from now on: what was read of them before may be stale."""
        self._shut_out |= dict.fromkeys(keys, asyncio.get_running_loop().time())

    async def erased(self, gone: Gone) -> None:
        """Close what somebody who was erased has open."""
        if gone.user_id and gone.exam_id is None:
            self.shut_out([gone.user_id])
            await self._close(lambda connection: connection.actor.id == gone.user_id)

    def shut_out_since(self, actor: Actor, moment: float) -> bool:
        """Whether `actor` was revoked after `moment` (of the loop's clock), so that what was read then may be stale."""
        return any(self._shut_out.get(key, moment) > moment for key in (actor.id, actor.token_id))

    async def close_members(self, exam_id: ObjectId, user_ids: Iterable[ObjectId]) -> None:
        """Close what users who are no longer assigned to an exam have open in it."""
        self._hints.tell("exams", [exam_id])
        gone = set(user_ids)
        await self._close(lambda connection: connection.actor.id in gone and exam_id in connection.exams)

    async def close_exam(self, exam_id: ObjectId) -> None:
        self._hints.tell("exams", [exam_id])
        await self._close(lambda connection: exam_id in connection.exams)

    async def _close(self, concerned: Callable[[Connection], Any]) -> None:
        found = [connection for connection in self._by_sid.values() if concerned(connection)]
        await asyncio.gather(*(self.disconnect(connection) for connection in found))

    async def _sweep(self) -> None:
        """Close the sockets whose token has expired, every second."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            time, recent = now(), asyncio.get_running_loop().time() - _SHUT_OUT_S
            self._shut_out = {key: at for key, at in self._shut_out.items() if at > recent}
            for connection in [one for one in self._by_sid.values() if one.actor.expires_at <= time]:
                try:
                    await self.disconnect(connection)
                except Exception:  # the sweep must go on
                    logger.exception("closing an expired connection failed")
