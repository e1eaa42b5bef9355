"""`/metrics`, on a port of its own: the public must not read it. Beside what was counted (`models/measures.py`), it
says how things stand at the moment when it is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Final, get_args

from aiohttp import web
from prometheus_client import GCCollector, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder

from handlers import meta_routes
from handlers.connections import Connections
from handlers.exam_namespace import ExamNamespace
from handlers.http import CONNECTIONS, STORE, errors
from handlers.limits import LIMITS
from handlers.pace import Pace
from handlers.proctor_namespace import ProctorNamespace
from models.lifecycle import LIVE
from models.periodic import Periodic
from models.session import Connectivity
from models.store import Store
from server.engine import Server

_LAG_EVERY_S: Final = 0.25
_LAGS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class State:
    """How things stand now: asked by the registry whenever it is read. `ping_s`: None where the database is away."""

    def __init__(self, store: Store, connections: Connections, server: Server, pace: Pace) -> None:
        self._store = store
        self._connections = connections
        self._server = server
        self._pace = pace
        self.ping_s: float | None = None

    async def ping(self) -> None:
        """Look whether the database answers, which takes as long as it takes."""
        began = asyncio.get_running_loop().time()
        try:
            await self._store.database.ping()
        except Exception:  # noqa: BLE001 that is what is told
            self.ping_s = None
            self._store.measures.command_failed("ping")
        else:
            self.ping_s = asyncio.get_running_loop().time() - began

    def collect(self) -> Iterator[Metric]:
        """The library's protocol."""
        yield from self._people()
        yield from self._queues()
        yield _one("proctoring_database_up", "Whether the database answers.", float(self.ping_s is not None))
        if self.ping_s is not None:
            yield _one("proctoring_database_ping_seconds", "How long the database's answer took.", self.ping_s)
        if self._store.hints.shared:
            healthy = float(self._store.hints.healthy)
            yield _one("proctoring_redis_up", "Whether nodes hear of each other by Redis.", healthy)
        yield _one("proctoring_slowdown_factor", "How much more slowly clients are let come.", self._pace.factor)
        about = GaugeMetricFamily("proctoring_build_info", "Which version this is.", labels=["version"])
        about.add_metric([version("proctoring-server")], 1)
        yield about

    def _people(self) -> Iterator[Metric]:
        counts = self._connections.count()
        found = GaugeMetricFamily("proctoring_connections", "Connections that were let in.", labels=["namespace"])
        for namespace in (ExamNamespace.path, ProctorNamespace.path):
            found.add_metric([namespace], counts[namespace])
        yield found
        states = self._store.watch.states()
        sessions = GaugeMetricFamily(
            "proctoring_sessions", "Sessions that are not over.", labels=["connectivity", "status"]
        )
        for connectivity in get_args(Connectivity):
            for status in LIVE if connectivity != "CLOSED" else ():
                sessions.add_metric([connectivity, status], states[connectivity, status])
        yield sessions

    def _queues(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily("proctoring_waiting", "What waits to be stored, or is late.", labels=["what"])
        waiting.add_metric(["activity"], self._store.log.waiting)
        waiting.add_metric(["heartbeats"], self._store.heartbeats.waiting)
        waiting.add_metric(["late_work"], self._connections.deadline.late)
        yield waiting
        queued = [socket.queued for socket in self._server.eio.sockets.values()]
        yield _one("proctoring_sockets", "Transports, also those that nobody has signed in on yet.", len(queued))
        yield _one("proctoring_socket_queued_bytes", "What waits for slow clients, of all.", sum(queued))
        yield _one("proctoring_socket_queued_max_bytes", "What waits for the slowest client.", max(queued, default=0))
        slow = sum(one > self._server.eio.bounds.slow_reader_bytes // 2 for one in queued)
        yield _one("proctoring_sockets_slow", "Clients for whom half as much waits as they are cut off for.", slow)


STATE: Final = web.AppKey("state", State)


def _one(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(name, about, value=value)


def metrics_app(public: web.Application) -> web.Application:
    """Serves /metrics, /healthz and /readyz of the server whose REST application is `public`."""
    state, registry = public[STATE], public[STORE].measures.registry
    registry.register(state)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    lag = Histogram(
        "proctoring_event_loop_lag_seconds",
        "How much later than it asked for the event loop came back to a task.",
        registry=registry,
        buckets=_LAGS,
    )

    async def metrics(request: web.Request) -> web.Response:
        await state.ping()
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def look() -> None:
        loop = asyncio.get_running_loop()
        wanted = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        lag.observe(max(0.0, loop.time() - wanted))

    async def looking(_: web.Application) -> AsyncIterator[None]:
        periodic = Periodic(0, look, "measuring the event loop's lag")
        periodic.open()
        yield
        await periodic.close()

    app = web.Application(middlewares=[errors])
    app[STORE], app[CONNECTIONS], app[LIMITS] = public[STORE], public[CONNECTIONS], public[LIMITS]
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/healthz", meta_routes.healthz)
    app.router.add_get("/readyz", meta_routes.readyz)
    app.cleanup_ctx.append(looking)
    return app
