"""One raw Socket.IO connection of an attacker: sends what it is told, counts what it is answered, and costs little."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from bench import frames
from tests.security.attack import Target
from tests.security.world import Account

_CODE: Final = re.compile(rb'"code":"(\w+)"')
_WAIT_S: Final = 15.0
_AT_ONCE: Final = 64


class Wire(asyncio.Protocol):
    """`seen`: its acks by code, `ok` among them, and `closed` once the server has ended it."""

    def __init__(self, namespace: str, token: str | None) -> None:
        self._hello = None if token is None else frames.connect(namespace, {"token": token})
        self._namespace = namespace.encode()
        self._rest = b""
        self._upgraded = False
        self._number = 0
        self.transport: Any = None
        self.seen: Counter[str] = Counter()
        self.sent = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone = asyncio.Event()
        self.leaving = False

    def event(self, name: str, payload: dict[str, Any], *, ack: bool = True) -> bytes:
        """The frame of an event, which asks for an ack."""
        self._number += 1
        number = b"%d" % self._number if ack else b""
        return frames.frame(b"42" + self._namespace + b"," + number + frames.event(name, payload))

    def send(self, name: str, payload: dict[str, Any]) -> None:
        """Send an event; nothing once the connection is gone."""
        self.write(self.event(name, payload))

    def write(self, *framed: bytes) -> None:
        if not self.gone.is_set():
            self.sent += len(framed)
            self.transport.write(b"".join(framed))

    @property
    def answers(self) -> int:
        return sum(self.seen.values())

    async def settled(self, number: int, seconds: float = _WAIT_S) -> None:
        """Wait until so many answers are here, or the connection is gone, or no answer came for so long."""
        loop = asyncio.get_running_loop()
        before, until = self.answers, loop.time() + seconds
        while self.answers < number and not self.gone.is_set() and loop.time() < until:
            if self.answers != before:
                before, until = self.answers, loop.time() + seconds
            await asyncio.sleep(0.05)

    def leave(self) -> None:
        self.leaving = True
        if self.transport is not None:
            self.transport.abort()

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(frames.UPGRADE)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at = 0
        if not self._upgraded:
            at = data.find(b"\r\n\r\n") + 4
            if at < 4:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101 "):
                code = _CODE.search(data)
                self._refused(code[1].decode() if code else data[9:12].decode())
                return
            self._upgraded = True
        while (found := frames.next_frame(data, at)) is not None:
            first, payload, at = found
            if first == frames.TEXT:
                self._message(payload)
            elif first == frames.CLOSE:
                self.transport.abort()
                return
        self._rest = data[at:]

    def _message(self, payload: bytes) -> None:
        if payload == b"2":
            self.transport.write(frames.PONG)
        elif payload.startswith(b"43"):
            code = _CODE.search(payload)
            self.seen[code[1].decode() if code and b'"ok":false' in payload else "ok"] += 1
        elif payload.startswith(b"0{"):
            if self._hello is None:
                self._done()
            else:
                self.transport.write(self._hello)
        elif payload.startswith(b"40"):
            self._done()
        elif payload.startswith(b"44"):
            code = _CODE.search(payload)
            self._refused(code[1].decode() if code else "refused")

    def _done(self) -> None:
        if not self.opened.done():
            self.opened.set_result(None)

    def _refused(self, code: str) -> None:
        self.seen[code] += 1
        self.leaving = True
        self.transport.close()
        self._done()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.leaving:
            self.seen["closed"] += 1
        self.gone.set()
        self._done()


async def open_wire(target: Target, namespace: str, account: Account | None) -> Wire:
    """Connect; whoever is refused has the refusal in `seen`, and is gone. `account` None: no namespace is connected."""
    wire = Wire(namespace, account.token if account else None)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_WAIT_S):
            where = (target.host, target.port)
            await loop.create_connection(lambda: wire, *where, local_addr=(target.source, 0))
            await wire.opened
    except (OSError, TimeoutError) as error:
        wire.seen["not answered" if isinstance(error, TimeoutError) else "closed"] += 1
        wire.leave()
        wire.gone.set()
    return wire


@contextlib.asynccontextmanager
async def wires(target: Target, namespace: str, accounts: Iterable[Account | None]) -> AsyncIterator[list[Wire]]:
    """A connection for each account within this block, some at once."""
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(account: Account | None) -> Wire:
        async with few:
            return await open_wire(target, namespace, account)

    made = await asyncio.gather(*(one(account) for account in accounts))
    try:
        yield list(made)
    finally:
        for wire in made:
            wire.leave()


async def starts(target: Target, many: Iterable[Wire], exam_id: str) -> None:
    """Have each begin its session of an exam."""
    for wire in many:
        wire.send("start", {"examId": exam_id})
    for wire in many:
        await wire.settled(1)
        wire.seen.clear()
        wire.sent = 0
