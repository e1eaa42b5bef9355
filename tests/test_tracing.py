"""Traces: what a receiver of OTLP is sent of real requests, events and commits."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from server.app import running
from server.settings import Settings, SettingsError
from tests.clients import Api, Socket
from tests.conftest import Organisation


@dataclass
class Receiver:
    """Takes spans. `spans`: all that came so far, by their names."""

    url: str = ""
    services: set[str] = field(default_factory=set)
    spans: dict[str, list[Any]] = field(default_factory=dict)

    async def take(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        for resource in ExportTraceServiceRequest.FromString(await request.read()).resource_spans:
            self.services.add(_attributes(resource.resource)["service.name"])
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.setdefault(span.name, []).append(span)
        return web.Response(content_type="application/x-protobuf")


def _attributes(of: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in of.attributes}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_post("/v1/traces", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


async def test_requests_events_and_commits_are_followed(
    settings: Settings, receiver: Receiver, school: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = settings.model_copy(update={"otel_exporter_otlp_endpoint": receiver.url + "/"})
    async with running(traced) as server:
        there = Api(school.student.api.http, server.url, school.student.api.contract, school.student.token)
        request_id = (await there.call("GET", f"/routes/exams/{school.exam_id}")).headers["X-Request-Id"]
        student = await Socket(server.ws_url, "/exam").connect(school.student.token)
        connection_id = student.client.eio.sid
        await student.ok("start", {"examId": school.exam_id})
        assert await student.code("tab_change", {"seq": 0}) == "invalid_payload"
        items = [{"event": "chat", "payload": {"text": "my own words"}}] * 3
        await student.ok("replay", {"items": items})
        await student.code("my own words")
        monkeypatch.setattr(server.store.heartbeats, "beat", None)
        await student.code("heartbeat")
        await student.close()
    # What waited was sent when the server ended.
    assert receiver.services == {"proctoring-server"}
    (request,) = receiver.spans["GET /routes/exams/{id}"]
    about = {"http.request.method": "GET", "http.route": "/routes/exams/{id}", "request.id": request_id}
    assert _attributes(request) == about | {"outcome": "ok"}
    (replay,) = receiver.spans["/exam replay"]
    assert _attributes(replay) == {"connection.id": connection_id, "outcome": "ok"}
    assert replay.status.code != Status.STATUS_CODE_ERROR
    (refused,) = receiver.spans["/exam tab_change"]
    assert _attributes(refused)["outcome"] == "invalid_payload"
    assert refused.status.code != Status.STATUS_CODE_ERROR  # it is the client's mistake
    (crashed,) = receiver.spans["/exam heartbeat"]
    assert _attributes(crashed)["outcome"] == "internal"
    assert crashed.status.code == Status.STATUS_CODE_ERROR
    commits = {_attributes(one)["commit.items"]: one for one in receiver.spans["commit activity"]}
    assert not commits[3].parent_span_id  # it may have been many clients'
    assert replay.start_time_unix_nano < commits[3].start_time_unix_nano
    assert commits[3].end_time_unix_nano < replay.end_time_unix_nano
    assert "/exam unknown" in receiver.spans
    assert "my own words" not in str(receiver.spans)


async def test_without_the_setting_nothing_is_followed(settings: Settings) -> None:
    async with running(settings) as server:
        assert server.store.measures.tracer is None


async def test_a_receiver_that_is_away_holds_nobody_up(
    settings: Settings, school: Organisation, http: aiohttp.ClientSession
) -> None:
    nobody = settings.model_copy(update={"otel_exporter_otlp_endpoint": "http://127.0.0.1:9"})
    async with running(nobody) as server, http.get(server.url + "/readyz") as response:
        assert response.status == 200


async def test_without_the_extra_the_start_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    traced = settings.model_copy(update={"otel_exporter_otlp_endpoint": "http://127.0.0.1:9"})
    with pytest.raises(SettingsError, match=r'^OTEL_EXPORTER_OTLP_ENDPOINT: .*"proctoring-server\[otel\]"$'):
        async with running(traced):
            pass
