"""The official JavaScript client, as it comes, against the same server."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.app import Running
from tests.clients import Api
from tests.conftest import Organisation, make_exam, make_user, sign_in
from tests.processes import run, serving

JS = Path(__file__).parent / "js"
NODE = shutil.which("node")


async def node(script: str, *arguments: str) -> asyncio.subprocess.Process:
    assert NODE, "node is wanted, see README.md"
    return await asyncio.create_subprocess_exec(
        NODE,
        str(JS / script),
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
async def saw(server: Running, school: Organisation) -> dict[str, Any]:
    process = await node("workflow.mjs", server.ws_url, school.exam_id, school.student.token, school.proctor.token)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, err.decode()
    seen: dict[str, Any] = json.loads(out)
    return seen


async def test_the_javascript_client_does_the_same_as_the_python_one(saw: dict[str, Any]) -> None:
    assert saw["refusal"]["code"] == "forbidden"
    assert saw["nowhere"]["code"] == "not_found"
    assert saw["started"]["data"]["session"]["status"] == "ACTIVE"
    assert saw["transport"] == "websocket"
    assert saw["tab"]["ok"]
    assert saw["again"]["data"] == saw["tab"]["data"] | {"duplicate": True}
    assert saw["chat"]["ok"]
    assert saw["heartbeat"]["data"]["nextHeartbeatMs"] == 5000
    assert saw["unknown"]["error"]["code"] == "unknown_event"
    assert saw["binary"]["error"]["code"] == "invalid_payload"
    assert saw["told"] == saw["told"] | {"text": "Yes.", "from": {"name": "proctor"}}
    assert saw["told"]["offset"] == saw["answered"]["data"]["offset"]
    assert saw["ended"]["data"]["session"]["status"] == "SUBMITTED"


async def test_a_console_in_node_that_joins_with_since_gets_what_it_missed(saw: dict[str, Any]) -> None:
    offsets = saw["offsets1"] + saw["offsets2"]
    assert offsets == list(range(saw["joined1"]["data"]["offset"] + 1, len(offsets) + 1))
    assert saw["types2"] == ["chat", "chat", "session_ended"]
    assert saw["joined2"]["data"]["activity"][0]["data"] == {"text": "Hello?", "to": "proctors"}


async def test_javascript_clients_come_back_by_themselves_after_a_restart(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path) as server:
        status, _, err = await run(
            "create-user", "--email", "sales@example.com", "--password-stdin", cwd=tmp_path, stdin="password123\n"
        )
        assert status == 0, err
        async with http.get(server.url + "/openapi.json") as response:
            api = Api(http, server.url, await response.json())
        sales = await sign_in(api, "sales@example.com")
        organisation = await sales.api.ok("POST", "/routes/organisations", {"name": "School"})
        admin = await make_user(sales.api, organisation["id"], "ADMIN", "admin@example.com")
        proctor = await make_user(admin.api, organisation["id"], "PROCTOR", "proctor@example.com")
        student = await make_user(api, organisation["id"], "STUDENT", "student@example.com")
        exam = await make_exam(admin, proctor, student)

        clients = await node("comeback.mjs", server.ws_url, exam["id"], student.token, proctor.token)
        assert clients.stdin
        assert clients.stdout
        first = json.loads(await asyncio.wait_for(clients.stdout.readline(), 30))
        assert first["lastSeq"] == 0
        port = server.url.rpartition(":")[2]
        assert await server.end() == 0

        async with serving(tmp_path, PORT=port):
            clients.stdin.write(b"\n")
            second = json.loads(await asyncio.wait_for(clients.stdout.readline(), 60))
            await clients.wait()
    assert second["lastSeq"] == 1
    assert second["repeat"]["data"] == first["before"]["data"] | {"duplicate": True}
    assert second["seen"] == list(range(1, second["after"]["data"]["offset"] + 1))
