"""Traces by OpenTelemetry, for who wants them: an extra, as its libraries are many, and used by few."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from models.errors import ERRORS
from models.measures import OK, Span
from models.trail import current
from server.settings import SettingsError

_SERVICE: Final = "proctoring-server"
_EXPORT_S: Final = 3  # also at the end, where nothing but this is still waited for
# A client's mistake is no failure of what is followed.
_AS_IT_SHOULD: Final = {OK} | {one.code for one in ERRORS if one.status < 500}


class OpenTelemetry:
    """Sends spans to `endpoint` by OTLP over HTTP, from a thread of its own. SettingsError without the extra `otel`."""

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import context, trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError:
            wanted = 'the extra "otel" is wanted: pip install "proctoring-server[otel]"'
            raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT: {wanted}") from None
        self._context = context
        self._trace = trace
        self._nothing = context.Context()
        # A provider of our own, not the library's global one: a process may have several servers.
        self._provider = TracerProvider(resource=Resource.create({"service.name": _SERVICE}), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + "/v1/traces", timeout=_EXPORT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(_SERVICE)

    def begin(self, name: str, attributes: Mapping[str, str | int], *, alone: bool = False) -> Span:
        """A span; it is the current one until its end, which has to come in the same task."""
        trail = None if alone else current()
        if trail is not None and trail.connection_id is not None:
            attributes = {**attributes, "connection.id": trail.connection_id}
        span = self._tracer.start_span(name, context=self._nothing if alone else None, attributes=attributes)
        token = self._context.attach(self._trace.set_span_in_context(span))
        return _Begun(self, span, token)

    def end(self, span: Any, token: Any, outcome: str) -> None:
        """See `Span.end`."""
        self._context.detach(token)
        span.set_attribute("outcome", outcome)
        if outcome not in _AS_IT_SHOULD:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR))
        span.end()

    async def close(self) -> None:
        """Send what waits."""
        await asyncio.to_thread(self._provider.shutdown)


class _Begun:
    __slots__ = ("_owner", "_span", "_token")

    def __init__(self, owner: OpenTelemetry, span: Any, token: Any) -> None:
        self._owner, self._span, self._token = owner, span, token

    def end(self, outcome: str) -> None:
        self._owner.end(self._span, self._token, outcome)
