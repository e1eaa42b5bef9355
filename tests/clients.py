"""The clients that the tests speak through: REST, checked against the published contract, and Socket.IO."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import aiohttp
import jsonschema
import socketio

from handlers.asyncapi import make_asyncapi
from handlers.exam_namespace import ExamNamespace
from handlers.proctor_namespace import ProctorNamespace
from models.measures import Measures

WAIT_S = 10


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any

    @property
    def code(self) -> str | None:
        return self.body["error"]["code"] if isinstance(self.body, dict) and "error" in self.body else None


class Api:
    """REST as one user. Every answer is checked against the OpenAPI document of the server."""

    def __init__(self, http: aiohttp.ClientSession, url: str, contract: dict[str, Any], token: str | None = None):
        self.http, self.url, self.contract, self.token = http, url, contract, token

    def as_(self, token: str | None) -> Api:
        return Api(self.http, self.url, self.contract, token)

    async def call(self, method: str, path: str, body: Any = None, headers: Any = None, **options: Any) -> Answer:
        headers = dict(headers or {})
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if body is not None:
            options["json"] = body
        async with self.http.request(method, self.url + path, headers=headers, **options) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            body = (await response.json() if is_json else text) if text else None
            answer = Answer(response.status, body, response.headers)
        self._check(method, path.partition("?")[0], answer)
        return answer

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.call(method, path, body, **options)
        assert answer.status < 300, (method, path, answer)
        return answer.body

    async def code(self, method: str, path: str, body: Any = None, **options: Any) -> str | None:
        """The error's code; None for a success."""
        return (await self.call(method, path, body, **options)).code

    def _check(self, method: str, path: str, answer: Answer) -> None:
        if answer.status >= 400:
            schema = {"$ref": "#/components/schemas/Error"}
        else:
            responses = self._responses(method.lower(), path)
            content = responses[str(answer.status)].get("content")
            if content is None:
                assert answer.body is None
                return
            schema = content[answer.headers["Content-Type"].partition(";")[0]]["schema"]
        # Not by jsonschema.validate, which each time checks the schema too: that costs four fifths of its time.
        jsonschema.Draft202012Validator({**schema, "components": self.contract["components"]}).validate(answer.body)

    def _responses(self, method: str, path: str) -> Any:
        parts = path.split("/")
        for template, item in self.contract["paths"].items():
            known = template.split("/")
            same = len(known) == len(parts) and all(
                a == b or a.startswith("{") for a, b in zip(known, parts, strict=True)
            )
            if same and method in item:
                return item[method]["responses"]
        raise AssertionError(f"{method} {path} is not in the contract")


class Socket:
    """One Socket.IO connection. `call` gives the whole ack; what is pushed waits in order, by event.

    Every ack of a known event, and all that is pushed, is checked against the AsyncAPI document.
    """

    def __init__(self, url: str, namespace: str):
        self.url, self.namespace = url, namespace
        self.client = socketio.AsyncClient(reconnection=False)
        self.received: dict[str, asyncio.Queue[Any]] = defaultdict(asyncio.Queue)
        self.seen: deque[Any] = deque()  # what a message had beside the activity that was looked for
        self.gone = asyncio.Event()
        self.wrong: list[Exception] = []  # of what was pushed
        self.client.on("*", self._pushed, namespace=namespace)
        self.client.on("disconnect", self._disconnected, namespace=namespace)

    async def connect(self, token: str | None, client_id: str | None = None, transport: str = "websocket") -> Socket:
        auth = {"token": token} | ({"clientId": client_id} if client_id else {})
        await self.client.connect(self.url, namespaces=[self.namespace], auth=auth, transports=[transport])
        return self

    async def call(self, event: str, *payload: Any) -> Any:
        data = payload if len(payload) > 1 else payload[0] if payload else None
        ack = await self.client.call(event, data, namespace=self.namespace, timeout=WAIT_S)
        if event in EVENTS.get(self.namespace, ()):
            check_message(self.namespace, f"{event}_ack", ack)
        return ack

    async def ok(self, event: str, *payload: Any) -> Any:
        ack = await self.call(event, *payload)
        assert ack["ok"], (event, ack)
        return ack["data"]

    async def code(self, event: str, *payload: Any) -> str | None:
        ack = await self.call(event, *payload)
        return None if ack["ok"] else ack["error"]["code"]

    async def next(self, event: str) -> Any:
        return await asyncio.wait_for(self.received[event].get(), WAIT_S)

    async def until(self, event: str, wanted: Any) -> Any:
        """The first pushed `event` for which `wanted(message)` holds."""
        while True:
            message = await self.next(event)
            if wanted(message):
                return message

    async def activity(self, wanted: str) -> Any:
        """The next activity of this type that a console is pushed; those before it are passed over."""
        while True:
            while self.seen:
                item = self.seen.popleft()
                if item["type"] == wanted:
                    return item
            self.seen.extend((await self.next("activity"))["items"])

    async def silence(self, event: str) -> None:
        """Nothing of this event came, also after the server has done all that it had begun."""
        await asyncio.sleep(0.2)
        assert self.received[event].empty(), self.received[event].get_nowait()

    async def closed(self) -> None:
        await asyncio.wait_for(self.gone.wait(), WAIT_S)

    async def drop(self) -> None:
        """Lose the connection without a word."""
        await self.client.eio.disconnect(abort=True)

    async def close(self) -> None:
        await self.client.disconnect()

    def _pushed(self, event: str, data: Any = None) -> None:
        try:
            key = f"{event}_push" if f"{event}_push" in _messages(self.namespace) else event
            assert key in _messages(self.namespace), f"{event} is not in the contract"
            check_message(self.namespace, key, data)
        except (AssertionError, jsonschema.ValidationError) as error:
            self.wrong.append(error)
        self.received[event].put_nowait(data)

    def _disconnected(self, *_: Any) -> None:
        self.gone.set()


EVENTS = {namespace.path: namespace.events for namespace in (ExamNamespace, ProctorNamespace)}
ASYNCAPI = make_asyncapi((ExamNamespace, ProctorNamespace))


def _messages(namespace: str) -> dict[str, Any]:
    messages: dict[str, Any] = ASYNCAPI["channels"].get(namespace.strip("/"), {}).get("messages", {})
    return messages


@cache
def _validator(namespace: str, key: str) -> Any:
    schema = _messages(namespace)[key]["payload"] | {"components": ASYNCAPI["components"]}
    return jsonschema.Draft202012Validator(schema)


def check_message(namespace: str, key: str, payload: Any) -> None:
    """Check an ack or a push against the published contract; of a long list the first few."""
    if key in _messages(namespace):
        _validator(namespace, key).validate(_shortened(payload))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shortened(one) for name, one in value.items()}
    return [_shortened(one) for one in value[:5]] if isinstance(value, list) else value


def lasting(session: dict[str, Any]) -> dict[str, Any]:
    """What of a session stays as it is while nothing changes it, and is the same for a student and a console."""
    passing = {"remainingMs", "lastActivityAt", "counts", "verdict"}
    return {name: value for name, value in session.items() if name not in passing}


def uuid() -> str:
    return str(uuid4())


def refusals(measures: Measures) -> dict[str, float]:
    """What limits have refused so far, by limit."""
    found = (sample for family in measures.registry.collect() for sample in family.samples)
    return {one.labels["limit"]: one.value for one in found if one.name == "proctoring_rate_limited_total"}
