"""The application: the store, the namespaces and the routes, put together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

import aiohttp_cors
import socketio
from aiohttp import web

from handlers import (
    audit_routes,
    auth_routes,
    exam_routes,
    export_routes,
    import_routes,
    meta_routes,
    organisation_routes,
    proctoring_routes,
    record_routes,
    user_routes,
)
from handlers.addresses import behind
from handlers.asyncapi import make_asyncapi
from handlers.base import Elsewhere
from handlers.binding import Binding
from handlers.broadcast import Broadcast
from handlers.connections import Connections
from handlers.delivery import Delivery
from handlers.exam_namespace import ExamNamespace
from handlers.following import Following
from handlers.handshakes import HandshakeRates, Handshakes
from handlers.http import CONNECTIONS, PACE, REFUSE_COMMON_PASSWORDS, STORE, errors, paced
from handlers.http_payload import MAX_BODY
from handlers.limits import LIMITS, Limits, Rates, Windows
from handlers.observing import HEADER, observed
from handlers.openapi import make_openapi
from handlers.pace import Pace
from handlers.proctor_namespace import ProctorNamespace
from handlers.security import secured
from handlers.sign_ins import SIGN_INS, SignIns
from handlers.socket_limits import SocketLimits, SocketRates
from models.database import Database
from models.errors import ProctoringError, Unavailable
from models.measures import Measures, Tracer
from models.migrations import check, migrate
from models.passwords import Passwords
from models.store import Store
from server.draining import drain
from server.embedded import EmbeddedDatabase, running_url
from server.engine import make_server
from server.limiting import bounds_of, counters_of, rates_of
from server.listening import Factory, Listener
from server.metrics import STATE, State, metrics_app
from server.pages import add_pages
from server.patience import REQUEST_S, HttpLogger, Unread
from server.redis_hints import RedisHints
from server.settings import Settings
from server.tracing import OpenTelemetry

PREPARE: Final[dict[str, Callable[[Database], Awaitable[object]]]] = {"auto": migrate, "check": check}
NAMESPACES: Final = (ExamNamespace, ProctorNamespace)
_ROUTES: Final = (
    auth_routes,
    organisation_routes,
    user_routes,
    import_routes,
    exam_routes,
    proctoring_routes,
    record_routes,
    export_routes,
    audit_routes,
    meta_routes,
)
_CLOSE_S: Final = 5


def make_store(settings: Settings, database_url: str, tracer: Tracer | None = None) -> Store:
    passwords = Passwords(settings.pbkdf2_iterations, settings.pbkdf2_keylen, settings.pbkdf2_digest)
    store = Store.on(
        Database(database_url, Measures(tracer)),
        passwords,
        settings.secret(),
        timedelta(hours=settings.token_ttl_hours),
        timedelta(milliseconds=settings.heartbeat_interval_ms),
        settings.sealing_key(),
        settings.retention(),
        settings.retention_audit_days,
    )
    store.tokens.accept(secret.get_secret_value() for secret in settings.jwt_secret_previous)
    return store


@dataclass(frozen=True, slots=True)
class Apps:
    """`app`: REST; `sockets`: Socket.IO, the same where WS_PORT is unset. `drain`: see server/draining.py."""

    app: web.Application
    sockets: web.Application
    drain: Callable[[], Awaitable[None]]


def create_app(settings: Settings, store: Store) -> Apps:
    """All of the server but its listening."""
    refused = store.measures.refused
    handshakes = Handshakes(rates_of(settings, HandshakeRates), refused)
    server = make_server(
        settings.used_transports, settings.cors_origins, bounds_of(settings), handshakes, store.measures
    )
    connections = Connections(server, store.hints, SocketLimits(rates_of(settings, SocketRates), refused))
    following = Following(store, connections, store.hints)
    store.nodes.on_back(following.look)
    broadcast = Broadcast(server, connections, store.sessions)
    store.log.subscribe(broadcast.activity)
    store.sessions.subscribe(broadcast.sessions)
    delivery = Delivery(server, store, connections)
    store.commands.subscribe(broadcast.commands)
    store.commands.subscribe(delivery.commands)
    for subscriber in (connections.erased, broadcast.erased):
        store.forgetting.subscribe(subscriber)
    pace = Pace(store.heartbeats, settings.heartbeat_interval_ms, settings.connects_per_second, settings.connects_burst)
    server.eio.refuse = lambda: _refusal(connections, pace, store.measures)
    binding = Binding(server, store, connections, pace)
    store.sessions.subscribe(binding.sessions)
    server.register_namespace(ExamNamespace(store, connections, binding, delivery, pace))
    server.register_namespace(ProctorNamespace(store, connections, broadcast))
    server.register_namespace(Elsewhere(store.measures))

    first = [observed(store.measures, settings.trusted_proxies, log=settings.log_requests), paced]
    if settings.trusted_proxies:
        first.insert(1, behind(settings.trusted_proxies))
    app = web.Application(middlewares=[*first, errors], client_max_size=MAX_BODY)
    app[STORE] = store
    app[CONNECTIONS] = connections
    app[PACE] = pace
    app[REFUSE_COMMON_PASSWORDS] = settings.common_passwords == "refuse"
    windows, rates = Windows(counters_of(settings, store.database.name, app), refused), rates_of(settings, Rates)
    app[LIMITS] = Limits(windows, rates)
    app[SIGN_INS] = SignIns(windows, rates)
    for module in _ROUTES:
        app.add_routes(module.routes)
    app[meta_routes.OPENAPI] = make_openapi(app)
    app[meta_routes.ASYNCAPI] = make_asyncapi(NAMESPACES)
    _allow_origins(app, settings.cors_origins)
    add_pages(app, settings.ws_port)
    app.cleanup_ctx.append(lambda _: _lifespan(settings, store, connections, following, pace))
    sockets = app if settings.ws_port is None else web.Application(middlewares=first)
    sockets[CONNECTIONS] = connections
    app[STATE] = State(store, connections, server, pace)
    server.attach(sockets)
    for one in {app, sockets}:
        one.on_response_prepare.append(secured(settings.hsts_s))
    sockets.on_shutdown.append(lambda _: _close_sockets(connections, server))
    return Apps(app, sockets, lambda: drain(server, connections, settings.spread_s))


@contextlib.asynccontextmanager
async def command_store(settings: Settings) -> AsyncIterator[Store]:
    """The store for a command that works beside a server, or without one."""
    async with contextlib.AsyncExitStack() as stack:
        store = make_store(settings, await stack.enter_async_context(database_url(settings)))
        stack.callback(store.database.close)
        stack.push_async_callback(store.log.close)
        stack.push_async_callback(store.sessions.close)
        stack.push_async_callback(store.audit.close)
        await PREPARE[settings.migrate](store.database)
        yield store


@contextlib.asynccontextmanager
async def database_url(settings: Settings) -> AsyncIterator[str]:
    """Where a command finds the database: DATABASE_URL, or DATA_DIR's, which is started where no server runs on it."""
    if url := settings.database_url or running_url(settings.data_dir):
        yield url
        return
    database = EmbeddedDatabase(settings.data_dir)
    try:
        await database.start()
        yield database.url
    finally:
        await database.stop()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves: where, and on what."""

    url: str
    ws_url: str
    metrics_url: str | None
    store: Store
    database: EmbeddedDatabase | None
    drain: Callable[[], Awaitable[None]]  # let everybody who is connected go; see server/draining.py


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """Serve within this block. SettingsError where that cannot be."""
    async with contextlib.AsyncExitStack() as stack:
        tracer = None
        if settings.otel_exporter_otlp_endpoint:
            tracer = OpenTelemetry(settings.otel_exporter_otlp_endpoint)
            stack.push_async_callback(tracer.close)
        database = None
        if settings.database_url is None:
            database = EmbeddedDatabase(settings.data_dir)
            stack.push_async_callback(database.stop)
            await database.start()
        store = make_store(settings, settings.database_url or (database.url if database else ""), tracer)
        if settings.redis_url:
            channel = f"proctoring:{store.database.name}"
            await stack.enter_async_context(RedisHints(settings.redis_url.get_secret_value(), channel, store.hints))
        apps = create_app(settings, store)
        url = await _listen(stack, apps.app, settings.host, settings.port, shared=settings.reuse_port)
        ws_url = url
        if apps.sockets is not apps.app and settings.ws_port is not None:
            ws_url = await _listen(stack, apps.sockets, settings.host, settings.ws_port, shared=settings.reuse_port)
        metrics_url = None
        if settings.metrics_port is not None:
            host = settings.metrics_host or settings.host
            metrics_url = await _listen(stack, metrics_app(apps.app), host, settings.metrics_port)
        yield Running(url, ws_url, metrics_url, store, database, apps.drain)


async def _listen(
    stack: contextlib.AsyncExitStack, app: web.Application, host: str, port: int, *, shared: bool = False
) -> str:
    log: Any = HttpLogger(logging.getLogger("aiohttp.server"), {})
    runner = web.AppRunner(app, access_log=None, logger=log, keepalive_timeout=REQUEST_S, shutdown_timeout=_CLOSE_S)
    stack.push_async_callback(runner.cleanup)
    await runner.setup()
    unread = Unread(cast("web.Server", runner.server)).periodic
    stack.push_async_callback(unread.close)
    unread.open()
    factory = cast("Factory", runner.server)
    listener = await Listener.open(factory, host, port, shared=shared)
    stack.callback(listener.close)
    address, port = listener.address
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"


def _refusal(connections: Connections, pace: Pace, measures: Measures) -> ProctoringError | None:
    """Why a new Socket.IO connection is not taken now; None where it is."""
    if connections.draining:
        return Unavailable("The server is shutting down.", 1000)
    wait_s = pace.refuses_for()
    if wait_s is None:
        return None
    measures.refused("connects_per_second")
    return Unavailable("Too many come at once.", round(wait_s * 1000) + 1)


async def _lifespan(
    settings: Settings, store: Store, connections: Connections, following: Following, pace: Pace
) -> AsyncIterator[None]:
    await store.open(PREPARE[settings.migrate])
    connections.open()
    following.open()
    pace.open()
    yield
    await pace.close()
    await following.close()
    await store.close()


async def _close_sockets(connections: Connections, server: socketio.AsyncServer) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(connections.close(), _CLOSE_S)
    await server.shutdown()


def _allow_origins(app: web.Application, origins: list[str]) -> None:
    if not origins:
        return
    options: Any = aiohttp_cors.ResourceOptions(  # type: ignore[no-untyped-call] # its constructor has no types
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key"),
        expose_headers=("Link", "Location", "Retry-After", HEADER),
        allow_methods="*",
        max_age=3600,
    )
    cors = aiohttp_cors.setup(app, defaults=dict.fromkeys(origins, options))
    for route in list(app.router.routes()):
        cors.add(route)
