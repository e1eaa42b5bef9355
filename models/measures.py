"""What is counted while it happens, for whoever watches the server. What can be asked when it is looked at is asked
then: see `server/metrics.py`.

One registry an application, not the library's global one: a process may have several applications. Whoever measures
often asks once for what it needs and keeps it, so that an event costs some 1.3 µs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sized
from time import perf_counter
from typing import Final, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram

Items = TypeVar("Items", bound=Sized)
Result = TypeVar("Result")

OK: Final = "ok"
UNKNOWN: Final = "unknown"  # what a client has made up is not kept: labels have no end otherwise

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ITEMS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


class Span(Protocol):
    """Something that is under way."""

    def end(self, outcome: str) -> None:
        """It is over. `outcome`: OK, or what it failed with."""


class Tracer(Protocol):
    """Follows what goes on, one piece of work within another."""

    def begin(self, name: str, attributes: Mapping[str, str | int], *, alone: bool = False) -> Span:
        """Work begins; what begins in the same task before its end is within it. `alone`: it is within nothing."""


class Measures:
    """Counts, by the names under which Prometheus finds them. `tracer`: None where nobody follows."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.tracer = tracer
        self.registry = CollectorRegistry()
        self._events = self._histogram(
            "proctoring_event_seconds",
            "Socket events, from their arrival to their ack. outcome: ok, or the error's code.",
            ("namespace", "event", "outcome"),
        )
        self._connects = self._counter(
            "proctoring_connects_total",
            "Connections that were asked for. outcome: ok, or the error's code.",
            ("namespace", "outcome"),
        )
        self._requests = self._histogram(
            "proctoring_http_request_seconds", "HTTP requests.", ("route", "method", "status")
        )
        self._refused = self._counter("proctoring_rate_limited_total", "What a limit refused.", ("limit",))
        self._cut = self._counter(
            "proctoring_slow_consumers_cut_total",
            "Connections cut off since their client did not take what waited for it.",
            ("reason",),
        )
        for reason in ("bytes", "time"):  # so that the first one is seen as an increase
            self._cut.labels(reason)
        self._commit_seconds = self._histogram(
            "proctoring_commit_seconds", "Until the database had acknowledged a batch.", ("what",)
        )
        self._commit_items = self._histogram(
            "proctoring_commit_items", "How many were stored by one commit.", ("what",), _ITEMS
        )
        self._commit_failures = self._counter(
            "proctoring_commit_failures_total", "Commits that failed; most are tried again.", ("what",)
        )
        self._commands = self._histogram(
            "proctoring_database_command_seconds", "Commands that the database carried out.", ("command",)
        )
        self._command_failures = self._counter(
            "proctoring_database_command_failures_total", "Commands that the database did not carry out.", ("command",)
        )

    def events(self, namespace: str) -> Events:
        """For the events of one namespace."""
        return Events(self._events, namespace, self.tracer)

    def connect(self, namespace: str, outcome: str) -> None:
        """Somebody was let in, or refused."""
        self._connects.labels(namespace, outcome).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. `route`: its pattern, never its path."""
        self._requests.labels(route, method, status).observe(seconds)

    def refused(self, limit: str) -> None:
        """A limit refused something. `limit`: the name of its setting, or what it limits."""
        self._refused.labels(limit).inc()

    def cut(self, reason: str) -> None:
        """A client was cut off. `reason`: `bytes` or `time`."""
        self._cut.labels(reason).inc()

    def commits(self, what: str) -> Commits:
        """For what is stored by batches."""
        seconds, items = self._commit_seconds.labels(what), self._commit_items.labels(what)
        return Commits(what, seconds, items, self._commit_failures.labels(what), self.tracer)

    def command(self, name: str, seconds: float) -> None:
        """The database carried out a command."""
        self._commands.labels(name).observe(seconds)

    def command_failed(self, name: str) -> None:
        """The database refused a command, or did not answer."""
        self._command_failures.labels(name).inc()

    def _counter(self, name: str, about: str, labels: tuple[str, ...]) -> Counter:
        return Counter(name, about, labels, registry=self.registry)

    def _histogram(
        self, name: str, about: str, labels: tuple[str, ...], buckets: tuple[float, ...] = _SECONDS
    ) -> Histogram:
        return Histogram(name, about, labels, registry=self.registry, buckets=buckets)


class Events:
    """The events of one namespace."""

    def __init__(self, seconds: Histogram, namespace: str, tracer: Tracer | None) -> None:
        self._seconds = seconds
        self._namespace = namespace
        self._tracer = tracer
        self._observers: dict[tuple[str, str], Callable[[float], None]] = {}

    def begin(self, name: str) -> tuple[float, Span | None]:
        """An event came; what `end` wants of it. `name`: of one that there is, else UNKNOWN."""
        if self._tracer is None:
            return perf_counter(), None
        return perf_counter(), self._tracer.begin(f"{self._namespace} {name}", {})

    def end(self, name: str, outcome: str, began: float, span: Span | None) -> None:
        """It is answered."""
        observe = self._observers.get((name, outcome))
        if observe is None:
            observe = self._observers[name, outcome] = self._seconds.labels(self._namespace, name, outcome).observe
        observe(perf_counter() - began)
        if span is not None:
            span.end(outcome)


class Commits:
    """One kind of batch. It is stored for many who asked, so its span is within none of theirs."""

    def __init__(
        self, what: str, seconds: Histogram, items: Histogram, failures: Counter, tracer: Tracer | None
    ) -> None:
        self._name = f"commit {what}"
        self._seconds = seconds
        self._items = items
        self._failures = failures
        self._tracer = tracer

    def over(self, work: Callable[[Items], Awaitable[Result]]) -> Callable[[Items], Awaitable[Result]]:
        """`work`, which stores all that it is given at once, measured."""

        async def measured(items: Items) -> Result:
            size = len(items)
            span = self._tracer and self._tracer.begin(self._name, {"commit.items": size}, alone=True)
            began, outcome = perf_counter(), "failed"
            try:
                result = await work(items)
                outcome = OK
                self._seconds.observe(perf_counter() - began)
                self._items.observe(size)
                return result
            finally:
                if outcome != OK:
                    self._failures.inc()
                if span:
                    span.end(outcome)

        return measured
