"""The boundary of every socket event.

Here alone is a client authenticated, its payload validated, its pace limited, an error turned into an answer. A
namespace below it holds a payload model and a method an event; who, which exam and which session come from the
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, TypeVar, get_type_hints
from uuid import uuid4

import socketio
from bson import ObjectId
from pydantic import Field

from handlers.auditing import audited_event
from handlers.connections import Connection, Connections
from handlers.problems import to_error
from models.actors import Actor, Role
from models.database import Stored
from models.errors import (
    Forbidden,
    Internal,
    InvalidPayload,
    NotFound,
    ProctoringError,
    RateLimited,
    Unauthorized,
    Unavailable,
    UnknownEvent,
)
from models.fields import Document, Payload
from models.idempotency import Key
from models.measures import OK, UNKNOWN, Measures
from models.store import Store

logger = logging.getLogger(__name__)

Json = dict[str, Any]

_UUID: Final = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
Uuid = Annotated[str, Field(pattern=_UUID, json_schema_extra={"format": "uuid"})]


@dataclass(frozen=True, slots=True)
class Event:
    """One client event of a namespace: its name, its method, what it takes, what its ack has as `data`."""

    name: str
    method: Callable[[Any, Connection, Any], Awaitable[Json]]
    payload: type[Payload]
    answer: type[Document]
    audited: bool = False


_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Json]])


def event(answer: type[Document], *, audited: bool = False) -> Callable[[_Method], _Method]:
    """Make `on_<name>(self, connection, payload: Model)` the handler of the client event `<name>`. `audited`:
    whether it is in the audit log who sent it.
    """

    def decorate(method: _Method) -> _Method:
        method.__dict__.update(answer=answer, audited=audited)
        return method

    return decorate


class NoPayload(Payload):
    """An event that takes nothing."""


class Request(Payload):
    """A writing event that may be sent again: the boundary answers a repeat as it did the first, for a day."""

    request_id: Uuid


class Auth(Payload):
    """What a client connects with."""

    token: str
    client_id: Uuid | None = None


class Namespace(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio ships no types
    """A namespace for some roles. Its events are those of the table, not whatever method is called on_…"""

    path: ClassVar[str]
    roles: ClassVar[frozenset[Role]]
    pushes: ClassVar[dict[str, type[Document]]]  # what clients are sent, by event
    events: ClassVar[dict[str, Event]] = {}

    def __init_subclass__(cls) -> None:
        cls.events = {
            name: Event(name, method, get_type_hints(method)["payload"], method.answer, method.audited)
            for method_name, method in vars(cls).items()
            for name in [method_name.removeprefix("on_")]
            if hasattr(method, "answer")
        }

    def __init__(self, store: Store, connections: Connections) -> None:
        super().__init__(self.path)
        self.store = store
        self.connections = connections
        self._measured = store.measures.events(self.path)

    async def _enter(self, connection: Connection, exam_id: ObjectId) -> Stored:
        """The exam, which the connection takes part in from here on; NotFound where the actor may not see it.

        It is noted before it is looked up, so that who is removed in between has a connection to be closed.
        """
        entered_before = exam_id in connection.exams
        connection.exams.add(exam_id)
        try:
            return await self.store.exams.get(connection.actor, exam_id)
        except Exception:
            if not entered_before:
                connection.exams.discard(exam_id)
            raise

    async def disconnected(self, connection: Connection, reason: str) -> None:
        """What follows when a connection has gone."""

    async def trigger_event(self, name: object, sid: str, *args: Any) -> Any:
        """python-socketio calls this for all that happens; an event's return value is its ack.

        A client may call an event `connect` or `disconnect`. The genuine ones are told by what a client cannot send:
        the environ itself, and a connection that is no longer there.
        """
        if name == "connect" and args and args[0] is self.server.get_environ(sid, self.namespace):
            return await self._connect(sid, *args)
        if name == "disconnect" and not self.server.manager.is_connected(sid, self.namespace):
            return await self._disconnect(sid, *args)
        known = self.events.get(name) if isinstance(name, str) else None
        kind = known.name if known else UNKNOWN
        began, span = self._measured.begin(kind)
        try:
            answer, outcome = {"ok": True, "data": await self._dispatch(known, name, sid, args)}, OK
        except Exception as error:  # noqa: BLE001 every event that asks for an ack gets one
            problem = to_error(error)
            answer, outcome = {"ok": False, "error": problem.as_dict()}, problem.code
        self._measured.end(kind, outcome, began, span)
        return answer

    async def _connect(self, sid: str, environ: Json, auth: object = None) -> None:
        if self.connections.draining or self.connections.shutting_down:
            raise Unavailable("The server is shutting down.")
        try:
            token = auth.get("token") if isinstance(auth, dict) else None
            if not isinstance(token, str):
                raise Unauthorized("Connect with auth: {token}.")
            actor = await self._verify(token)
            if actor.role not in self.roles:
                raise Forbidden(f"{self.namespace} is not for the role {actor.role}.")
            client_id = Auth.model_validate(auth).client_id or str(uuid4())
        except Exception as error:
            problem = to_error(error)
            self.store.measures.connect(self.namespace, problem.code)
            if isinstance(problem, Unavailable | Internal):
                raise  # closes the transport: clients come back by themselves from that, but not from a refusal
            raise _refusal(problem) from error
        await self.connections.turns()
        if not self.server.is_open(sid, self.namespace):
            raise Unavailable("The client has gone.")
        try:
            allowance = self.connections.limits.enter(actor.id)
        except RateLimited as error:
            raise _refusal(error) from error
        self.connections.add(
            Connection(
                sid=sid,
                namespace=self.namespace,
                actor=actor,
                client_id=client_id.lower(),
                address=environ["address"],
                user_agent=environ["user_agent"].encode("utf-8", "replace").decode() or None,
                allowance=allowance,
            )
        )
        self.store.measures.connect(self.namespace, OK)

    async def _verify(self, token: str) -> Actor:
        """Who the token stands for, also where it is being revoked at this very moment."""
        while True:
            began = asyncio.get_running_loop().time()
            actor = await self.store.tokens.verify(token)
            if not self.connections.shut_out_since(actor, began):
                return actor

    async def _disconnect(self, sid: str, reason: str) -> None:
        connection = self.connections.get(sid)
        if connection:
            self.connections.remove(connection)
            self.connections.finish(self.disconnected(connection, reason))

    async def _dispatch(self, known: Event | None, name: object, sid: str, args: tuple[Any, ...]) -> Json:
        connection = self.connections.get(sid)
        if known is None:
            if connection is not None:
                with contextlib.suppress(RateLimited):
                    self._limit(connection, "")
            shown = name[:100] if isinstance(name, str) else "not a text"
            raise UnknownEvent(f"No such event: {re.sub(r'[^ -~]', '?', shown)}.")
        if connection is None or connection.closed:
            raise Unauthorized("This connection was closed.")
        self._limit(connection, known.name)
        if len(args) > 1:
            raise InvalidPayload("An event takes one payload.")
        payload = known.payload.model_validate(args[0] if args else {})
        if isinstance(payload, Request):
            return await self._once(known, connection, payload)
        return await known.method(self, connection, payload)

    def _limit(self, connection: Connection, event: str) -> None:
        """RateLimited where there are too many; who goes on is disconnected, once that has been answered."""
        allowance, now = connection.allowance, asyncio.get_running_loop().time()
        if allowance is None:
            return
        try:
            allowance.take(event, now)
        except RateLimited:
            if not connection.closed and allowance.goes_on(now):
                connection.closed = True
                logger.info("user %s goes on sending what is refused and is disconnected", connection.actor.id)
                self.connections.finish(self.connections.disconnect(connection))
            raise

    async def _once(self, known: Event, connection: Connection, payload: Request) -> Json:
        idempotency = self.store.idempotency
        content = payload.model_dump_json(exclude={"request_id"}).encode()
        who_and_where = (str(connection.actor.id), self.namespace, known.name, payload.request_id.lower())
        key = Key.of(*who_and_where, content=content)

        async def work() -> Json:
            async with idempotency.lock(key):
                answer: Json | None = await idempotency.find(key)
                if answer is None:
                    answer = await self._do(known, connection, payload)
                    await idempotency.keep(key, answer)
                return answer

        return await self.connections.deadline.keep(work)

    async def _do(self, known: Event, connection: Connection, payload: Request) -> Json:
        if not known.audited:
            return await known.method(self, connection, payload)
        action = f"{known.name}_{payload.action}" if hasattr(payload, "action") else known.name
        return await audited_event(
            self.store, connection, action, payload, lambda: known.method(self, connection, payload)
        )


class Elsewhere(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio ships no types
    """Every other namespace: refused, in the contract's shape."""

    def __init__(self, measures: Measures) -> None:
        super().__init__("*")
        self._measures = measures

    async def trigger_event(self, name: str, namespace: str, *_: Any) -> None:
        if name == "connect":
            problem = NotFound("No such namespace; there are /exam and /proctor.")
            self._measures.connect(UNKNOWN, problem.code)
            raise _refusal(problem)


def _refusal(problem: ProctoringError) -> Exception:
    """What python-socketio refuses a namespace's connect by."""
    refusal: Exception = socketio.exceptions.ConnectionRefusedError(problem.message, problem.as_dict())
    return refusal
