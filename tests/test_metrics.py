"""What /metrics says, asked as Prometheus does, while real clients do what is counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from socketio.exceptions import ConnectionError as Refused

from server.app import Running, running
from server.embedded import EmbeddedDatabase
from server.settings import Settings
from tests.clients import Api, Socket, uuid
from tests.conftest import Connect, Organisation
from tests.frames import event_frame, opened
from tests.processes import run, stop
from tests.test_engine import HANDSHAKE, masked


class Measured:
    """A server that has metrics, and what they say. `samples[name, labels]`: of the last `read`."""

    def __init__(self, server: Running, http: aiohttp.ClientSession) -> None:
        self.server, self.http = server, http
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}

    async def read(self) -> Measured:
        async with self.http.get(f"{self.server.metrics_url}/metrics") as response:
            assert response.status == 200
            assert response.headers["Content-Type"].startswith("text/plain; version=")
            text = await response.text()
        self.samples = {
            (one.name, frozenset(one.labels.items())): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }
        return self

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((name, frozenset(labels.items())), 0)

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(labels)[label] for one, labels in self.samples if one == name}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"metrics_port": 0})


@pytest.fixture
def measured(server: Running, http: aiohttp.ClientSession) -> Measured:
    return Measured(server, http)


async def test_metrics_are_on_a_port_of_their_own_alone(
    settings: Settings, measured: Measured, http: aiohttp.ClientSession
) -> None:
    server = measured.server
    assert server.metrics_url not in (server.url, server.ws_url)
    await measured.read()
    for path in ("/healthz", "/readyz"):
        async with http.get(f"{server.metrics_url}{path}") as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
    async with http.get(f"{server.metrics_url}/openapi.json") as response:
        assert response.status == 404
    async with http.get(f"{server.url}/metrics") as response:
        assert response.status == 404
    async with running(settings.model_copy(update={"metrics_port": None})) as other:
        assert other.metrics_url is None
        async with http.get(f"{other.url}/metrics") as response:
            assert response.status == 404


async def test_the_port_can_be_on_another_address_and_not_that_of_the_server(tmp_path: Path) -> None:
    status, _, err = await run("serve", cwd=tmp_path, PORT=3000, METRICS_PORT=3000)
    assert (status, err.partition(": ")[2].partition(": ")[0]) == (2, "METRICS_PORT")
    # Not an address of this machine: so it is this one that was asked for.
    status, _, err = await run("serve", cwd=tmp_path, PORT=0, METRICS_PORT=0, METRICS_HOST="192.0.2.1")
    assert (status, "METRICS_HOST" in err) == (2, True)


async def test_events_are_counted_by_name_and_outcome_and_invented_names_as_one(
    measured: Measured, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    assert await student.code("heartbeat") == "conflict"
    await student.ok("start", {"examId": school.exam_id})
    for seq in range(1, 4):
        await student.ok("tab_change", {"seq": seq})
    assert await student.code("tab_change", {"seq": 0}) == "invalid_payload"
    for name in ("connect", "disconnect", "ok", "tab_change ", "x" * 1000):
        assert await student.code(name) == "unknown_event"
    await measured.read()

    def count(event: str, outcome: str, namespace: str = "/exam") -> float:
        return measured.value("proctoring_event_seconds_count", namespace=namespace, event=event, outcome=outcome)

    assert (count("start", "ok"), count("tab_change", "ok"), count("tab_change", "invalid_payload")) == (1, 3, 1)
    assert (count("heartbeat", "conflict"), count("heartbeat", "ok")) == (1, 0)
    assert count("unknown", "unknown_event") == 5
    names = measured.labels("proctoring_event_seconds_count", "event")
    assert names == {"start", "tab_change", "heartbeat", "unknown"}
    under_10_s = {"namespace": "/exam", "event": "tab_change", "outcome": "ok", "le": "10.0"}
    assert measured.value("proctoring_event_seconds_bucket", **under_10_s) == 3


async def test_connections_are_counted_while_they_last_and_refusals_by_their_reason(
    measured: Measured, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    await connect("/exam", school.other_student.token)
    await connect("/proctor", school.proctor.token)
    for namespace, token in (
        ("/exam", "nonsense"),
        ("/exam", school.proctor.token),
        ("/nowhere", school.student.token),
    ):
        with pytest.raises(Refused):
            await Socket(measured.server.ws_url, namespace).connect(token)
    await student.close()
    while (await measured.read()).value("proctoring_connections", namespace="/exam") != 1:
        await asyncio.sleep(0.02)

    def connects(namespace: str, outcome: str) -> float:
        return measured.value("proctoring_connects_total", namespace=namespace, outcome=outcome)

    assert measured.value("proctoring_connections", namespace="/proctor") == 1
    assert (connects("/exam", "ok"), connects("/proctor", "ok")) == (2, 1)
    assert (connects("/exam", "unauthorized"), connects("/exam", "forbidden")) == (1, 1)
    assert connects("unknown", "not_found") == 1
    assert measured.labels("proctoring_connects_total", "namespace") == {"/exam", "/proctor", "unknown"}


async def test_requests_are_counted_by_the_pattern_of_their_route(
    measured: Measured, school: Organisation, http: aiohttp.ClientSession
) -> None:
    for _ in range(2):
        await school.admin.api.ok("GET", f"/routes/users/{school.student.id}")
    assert await school.student.api.code("GET", f"/routes/users/{school.admin.id}") == "not_found"
    for path in ("/routes/jane@example.com", "/jane"):
        async with http.request("PROPFIND", measured.server.url + path) as response:
            assert response.status in (401, 404)
    await measured.read()

    def count(route: str, method: str, status: int) -> float:
        labels = {"route": route, "method": method, "status": str(status)}
        return measured.value("proctoring_http_request_seconds_count", **labels)

    assert count("/routes/users/{id}", "GET", 200) == 2
    assert count("/routes/users/{id}", "GET", 404) == 1
    assert count("unknown", "unknown", 401) + count("unknown", "unknown", 404) == 2
    assert not [labels for _, labels in measured.samples if any("jane" in value.lower() for _, value in labels)]


async def test_commits_are_measured_with_what_was_in_them_and_so_is_what_the_database_does(
    measured: Measured, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    items = [{"event": "tab_change", "payload": {"seq": seq}} for seq in range(1, 101)]
    before = (await measured.read()).value("proctoring_commit_items_sum", what="activity")
    await student.ok("replay", {"items": items})
    await student.ok("heartbeat")
    await measured.read()
    assert measured.value("proctoring_commit_items_sum", what="activity") == before + 100
    assert measured.value("proctoring_commit_seconds_sum", what="activity") > 0
    assert measured.value("proctoring_commit_items_sum", what="heartbeats") == 1
    assert measured.value("proctoring_commit_seconds_count", what="heartbeats") == 1
    assert measured.value("proctoring_commit_failures_total", what="activity") == 0
    assert measured.value("proctoring_database_command_seconds_count", command="insert") >= 3


async def test_sessions_are_told_by_connectivity_and_status_and_leave_when_they_end(
    measured: Measured, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    console = await connect("/proctor", school.proctor.token)

    async def sessions() -> dict[tuple[str, str], float]:
        await measured.read()
        found = {
            dict(labels)["connectivity"]: 0.0 for name, labels in measured.samples if name == "proctoring_sessions"
        }
        assert set(found) == {"ONLINE", "LATE", "MISSING"}
        return {
            (dict(labels)["connectivity"], dict(labels)["status"]): value
            for (name, labels), value in measured.samples.items()
            if name == "proctoring_sessions" and value
        }

    assert await sessions() == {}
    session = (await student.ok("start", {"examId": school.exam_id}))["session"]
    assert await sessions() == {("ONLINE", "ACTIVE"): 1}
    pause = {
        "requestId": uuid(),
        "examId": school.exam_id,
        "sessionId": session["id"],
        "action": "pause",
        "reason": "A.",
    }
    await console.ok("command", pause)
    assert await sessions() == {("ONLINE", "PAUSED"): 1}
    await student.ok("end")
    assert await sessions() == {}


async def test_what_a_limit_refuses_is_counted_by_the_limit(
    settings: Settings, school: Organisation, api: Api, http: aiohttp.ClientSession
) -> None:
    limits = {"rate_limits": True, "requests_per_account": "2 per hour", "sign_in_failures": "1 per hour"}
    async with running(settings.model_copy(update=limits)) as server, opened(http, server.ws_url) as frames:
        there = Api(http, server.url, api.contract, school.admin.token)
        assert [await there.code("GET", "/routes/auth/me") for _ in range(4)] == [None, None] + ["rate_limited"] * 2
        wrong = {"email": school.student.email, "password": "wrong password"}
        answers = [await there.code("POST", "/routes/auth/login", wrong) for _ in range(2)]
        assert answers == ["unauthorized", "rate_limited"]
        await frames.connect("/exam", {"token": school.student.token})
        await frames.send(*(event_frame("/exam", number, "heartbeat") for number in range(1, 301)))
        acks, _ = await frames.acks_until_closed_or(300)
        fast = sum(got[0]["error"]["code"] == "rate_limited" for got in acks.values())
        assert fast >= 50
        measured = await Measured(server, http).read()
        server.store.measures.refused("connections_per_address")
        await measured.read()
    assert measured.value("proctoring_rate_limited_total", limit="requests_per_account") == 2
    assert measured.value("proctoring_rate_limited_total", limit="sign_in_failures") == 1
    assert measured.value("proctoring_rate_limited_total", limit="heartbeats_per_user") == fast
    assert measured.value("proctoring_rate_limited_total", limit="connections_per_address") == 1


async def test_what_waits_for_a_client_that_does_not_read_is_told_and_that_it_was_cut_off(
    measured: Measured, settings: Settings, school: Organisation, connect: Connect
) -> None:
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    async with deaf_console(measured.server, school):
        assert (await measured.read()).value("proctoring_sockets") == 2
        items = [{"event": "chat", "payload": {"text": "x" * 2000}}] * 100  # no larger frame is taken
        waits = slow = 0.0
        while measured.value("proctoring_connections", namespace="/proctor"):
            await student.ok("replay", {"items": items})
            await measured.read()
            waits = max(waits, measured.value("proctoring_socket_queued_max_bytes"))
            slow = max(slow, measured.value("proctoring_sockets_slow"))
        assert waits > settings.slow_reader_bytes / 2
        assert slow == 1
        assert measured.value("proctoring_slow_consumers_cut_total", reason="bytes") == 1
        assert measured.value("proctoring_socket_queued_bytes") == 0


@contextlib.asynccontextmanager
async def deaf_console(server: Running, school: Organisation) -> AsyncIterator[None]:
    """A console that joins, and then reads nothing any more."""
    host, _, port = server.ws_url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
    join = f'42/proctor,1["join",{{"examId":"{school.exam_id}"}}]'
    writer.write(HANDSHAKE + masked(f'40/proctor,{{"token":"{school.proctor.token}"}}') + masked(join))
    await reader.readuntil(b"43/proctor,1")
    yield
    writer.transport.abort()


async def test_the_event_loops_lag_and_the_process_are_measured(measured: Measured) -> None:
    while not (await measured.read()).value("proctoring_event_loop_lag_seconds_count"):
        await asyncio.sleep(0.05)
    assert measured.value("process_resident_memory_bytes") > 2**20
    assert measured.labels("proctoring_build_info", "version")


async def test_a_database_that_stands_still_is_told(
    settings: Settings, tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    database = EmbeddedDatabase(tmp_path, secured=False)
    await database.start()
    try:
        async with running(settings.model_copy(update={"database_url": database.url})) as server:
            measured = await Measured(server, http).read()
            assert measured.value("proctoring_database_up") == 1
            assert measured.value("proctoring_database_ping_seconds") > 0
            stop(database.pid)
            await measured.read()
            assert measured.value("proctoring_database_up") == 0
            assert measured.labels("proctoring_database_ping_seconds", "x") == set()
            assert measured.value("proctoring_database_command_failures_total", command="ping") >= 1
            os.kill(database.pid, signal.SIGCONT)
            assert (await measured.read()).value("proctoring_database_up") == 1
    finally:
        await database.stop()


async def test_several_servers_of_one_process_count_by_themselves(
    settings: Settings, measured: Measured, school: Organisation, http: aiohttp.ClientSession
) -> None:
    await school.student.api.ok("GET", "/routes/auth/me")
    labels = {"route": "/routes/auth/me", "method": "GET", "status": "200"}
    async with running(settings) as other:
        elsewhere = await Measured(other, http).read()
        assert elsewhere.value("proctoring_http_request_seconds_count", **labels) == 0
    assert (await measured.read()).value("proctoring_http_request_seconds_count", **labels) == 1
