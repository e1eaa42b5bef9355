"""The AsyncAPI document: valid and whole. All sockets of the tests check what they get against it."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from handlers.base import Namespace
from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from tests.clients import ASYNCAPI, Api, check_message
from tests.test_javascript import node

WEB = Path(__file__).parent.parent / "web"
NAMESPACES: list[type[Namespace]] = [ExamNamespace, ProctorNamespace]


async def test_the_official_parser_has_nothing_against_the_document(api: Api) -> None:
    document = await api.ok("GET", "/asyncapi.json")
    process = await node("asyncapi.mjs")
    out, err = await asyncio.wait_for(process.communicate(json.dumps(document).encode()), 60)
    assert process.returncode == 0, err.decode()
    assert json.loads(out) == {"channels": ["/exam", "/proctor"], "found": []}


async def test_the_document_has_every_event_with_its_ack_and_every_push(api: Api) -> None:
    document = await api.ok("GET", "/asyncapi.json")
    assert document == ASYNCAPI
    for namespace in NAMESPACES:
        name = namespace.path.strip("/")
        messages = document["channels"][name]["messages"]
        sent = {f"{event}{way}" for event in namespace.events for way in ("", "_ack")}
        pushed = {f"{push}_push" if push in namespace.events else push for push in namespace.pushes}
        assert set(messages) == sent | pushed
        received = {key for key, one in document["operations"].items() if one["action"] == "receive"}
        assert received >= {f"{name}_{event}" for event in namespace.events}


async def test_the_types_of_the_client_library_are_made_from_the_document() -> None:
    process = await asyncio.create_subprocess_exec("node", WEB / "types.mjs", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    out, err = await asyncio.wait_for(process.communicate(json.dumps(ASYNCAPI).encode()), 60)
    assert process.returncode == 0, err.decode()
    assert out.decode() == (WEB / "client" / "protocol.ts").read_text("utf-8"), "say `make types`"


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("command", {"requestId": "x", "examId": "65f1c0ffee0123456789abcd", "action": "pause"}),
        ("command", {"examId": "65f1c0ffee0123456789abcd", "action": "pause"}),
        ("join", {"examId": "65f1c0ffee0123456789abcd", "more": 1}),
        ("join_ack", {"ok": True, "data": {}}),
        ("leave_ack", {"ok": True, "data": {"more": 1}}),
        ("leave_ack", {"ok": False, "error": {"code": "unheard_of", "message": "No."}}),
        ("presence", {"examId": "65f1c0ffee0123456789abcd", "items": [{"id": "65f1c0ffee0123456789abcd"}]}),
    ],
)
def test_what_is_not_of_the_contract_does_not_pass_the_check(key: str, payload: Any) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check_message("/proctor", key, payload)
