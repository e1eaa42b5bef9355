"""Socket.IO by hand, frame by frame over a plain WebSocket: for what no honest client sends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson

from tests.clients import WAIT_S

PATH = "/socket.io/?EIO=4&transport=websocket"


class Frames:
    """One Engine.IO connection. `opened` is what the server announced. Pings are answered unseen."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, opened: dict[str, Any]):
        self.ws, self.opened = ws, opened

    async def send(self, *frames: str | bytes) -> None:
        """Send these without waiting; a connection that is closed meanwhile takes no more."""
        with contextlib.suppress(ConnectionError):
            for frame in frames:
                await (self.ws.send_bytes(frame) if isinstance(frame, bytes) else self.ws.send_str(frame))

    async def receive(self) -> str | None:
        """The next frame; None once the server has closed the connection."""
        while True:
            message = await asyncio.wait_for(self.ws.receive(), WAIT_S)
            if message.type is not aiohttp.WSMsgType.TEXT or message.data == "1":
                return None
            if message.data != "2":
                return str(message.data)
            await self.send("3")

    async def connect(self, namespace: str, auth: Any = None) -> dict[str, Any]:
        """Connect a namespace: `{"sid": …}`, or `{"message", "data"}` where it was refused."""
        await self.send(_frame("0", namespace, None, auth))
        answer = await self.receive()
        assert answer is not None
        assert answer[:2] in ("40", "44"), answer
        return json.loads(answer[answer.index("{") :])

    async def until_ack(self, namespace: str, number: int) -> tuple[list[tuple[str, Any]], Any]:
        """What was pushed before it, as (event, data), and the ack; None in its place for a closed connection."""
        pushed: list[tuple[str, Any]] = []
        while (frame := await self.receive()) is not None:
            kind, got, data = parse(frame)
            if kind == "ack" and got == number:
                assert len(data) == 1, frame
                return pushed, data[0]
            assert kind != "ack", frame
            pushed.append((data[0], data[1]) if kind == "event" else (kind, data))
        return pushed, None

    async def call(self, namespace: str, number: int, *event: Any) -> Any:
        """The ack of one event; None where the connection was closed instead."""
        await self.send(event_frame(namespace, number, *event))
        return (await self.until_ack(namespace, number))[1]

    async def acks_until_closed_or(self, number: int) -> tuple[dict[int, list[Any]], bool]:
        """All acks, by id, up to the one of this id; and whether the connection was closed before it."""
        acks: dict[int, list[Any]] = {}
        while number not in acks:
            frame = await self.receive()
            if frame is None:
                return acks, True
            kind, got, data = parse(frame)
            if kind == "ack":
                acks.setdefault(got, []).extend(data)
        return acks, False

    async def pushed(self, seconds: float) -> list[tuple[str, Any]]:
        """What is pushed within this time, as (event, data)."""
        found: list[tuple[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while (frame := await self.receive()) is not None:
                    kind, _, data = parse(frame)
                    if kind == "event":
                        found.append((data[0], data[1]))
        return found


@contextlib.asynccontextmanager
async def opened(http: aiohttp.ClientSession, url: str) -> AsyncIterator[Frames]:
    """A connection to the server at `url`, before any namespace is connected."""
    async with http.ws_connect(url + PATH, max_msg_size=0) as ws:
        first = await ws.receive_str(timeout=WAIT_S)
        assert first.startswith("0{"), first
        yield Frames(ws, json.loads(first[1:]))


async def refusal(http: aiohttp.ClientSession, url: str, namespace: str, auth: Any = None) -> str | None:
    """The code that a connection is refused with; None where it is not."""
    async with opened(http, url) as frames:
        answer = await frames.connect(namespace, auth)
    if "sid" in answer:
        return None
    assert set(answer["data"]) <= {"code", "message", "details"}, answer
    assert answer["data"]["message"], answer
    return str(answer["data"]["code"])


def event_frame(namespace: str, number: int | None, *event: Any) -> str:
    return _frame("2", namespace, number, list(event))


def parse(frame: str) -> tuple[str, int, Any]:
    """`("ack" | "event", its id or -1, its data)` of a frame of a namespace."""
    kind = {"42": "event", "43": "ack"}.get(frame[:2], frame[:2])
    rest = frame[2:].partition(",")[2] if frame[2:3] == "/" else frame[2:]
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    data = rest[len(digits) :]
    return kind, int(digits or -1), orjson.loads(data) if data else None


def _frame(kind: str, namespace: str, number: int | None, data: Any) -> str:
    where = "" if namespace == "/" else f"{namespace},"
    return f"4{kind}{where}{'' if number is None else number}{'' if data is None else json.dumps(data)}"
