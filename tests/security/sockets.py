"""Connections that are there, and take no part: half open, deaf, or alive and nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import aiohttp

from bench import frames
from tests.security.attack import Attack, Outcome, Size, Target
from tests.security.wire import Wire, starts, wires

_ENDS: Final = (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.ERROR)
_ASKED: Final = 5_000
_PATH: Final = "/socket.io/?EIO=4&transport="


async def half_open(target: Target, size: Size) -> Outcome:
    """WebSockets that never connect a namespace, and answer pings."""
    async with wires(target, "/exam", [None] * size.number) as many:
        return await _kept(many, size.seconds)


async def never_reads(target: Target, size: Size) -> Outcome:
    """Students who ask without an end and read no answer."""
    async with wires(target, "/exam", target.world.take(size.number)) as many:
        await starts(target, many, target.world.school.exam_id)
        for wire in many:
            wire.transport.pause_reading()
            wire.write(*(wire.event("nothing", {"x": place}) for place in range(_ASKED)))
        await asyncio.sleep(size.seconds)
        for wire in many:
            if not wire.gone.is_set():
                wire.transport.resume_reading()  # else nobody sees that it was closed
        return await _kept(many, 1)


async def deaf_consoles(target: Target, size: Size) -> Outcome:
    """Consoles that join the exam that goes on, again and again, and read nothing."""
    school = target.world.school
    async with wires(target, "/proctor", [school.proctor] * size.number) as many:
        for wire in many:
            wire.transport.pause_reading()
            wire.write(*(wire.event("join", {"examId": school.exam_id, "since": 0}) for _ in range(50)))
        await asyncio.sleep(size.seconds)
        for wire in many:
            if not wire.gone.is_set():
                wire.transport.resume_reading()
        return await _kept(many, 1)


async def only_pongs(target: Target, size: Size) -> Outcome:
    """Students who connect, answer pings, and never do anything."""
    async with wires(target, "/exam", target.world.take(size.number)) as many:
        return await _kept(many, size.seconds)


async def half_upgrades(target: Target, size: Size) -> Outcome:
    """Clients that poll, begin to change to a WebSocket, and never do."""
    outcome = Outcome()
    async with target.session() as http:

        async def one() -> None:
            async with http.get(target.ws_url + _PATH + "polling") as response:
                text = await response.text()
            if response.status != 200:
                outcome.note(str(response.status))
                return
            sid = text.partition('"sid":"')[2].partition('"')[0]
            async with http.ws_connect(f"{target.ws_url}{_PATH}websocket&sid={sid}") as ws:
                await ws.send_str("2probe")
                try:
                    async with asyncio.timeout(size.seconds):
                        while (await ws.receive()).type not in _ENDS:
                            pass
                    outcome.note("closed")
                except TimeoutError:
                    outcome.note("still open")

        await asyncio.gather(*(one() for _ in range(size.number)))
    return outcome


async def oversized(target: Target, size: Size) -> Outcome:
    """Frames that announce more than may come, and begin to send it."""
    head = bytes((frames.TEXT, 0xFF)) + (1 << 40).to_bytes(8, "big") + bytes(4) + b"x" * 1000
    async with wires(target, "/exam", [None] * size.number) as many:
        for wire in many:
            wire.write(head)
        return await _kept(many, size.seconds)


async def _kept(many: Sequence[Wire], seconds: float) -> Outcome:
    """Wait until all are closed, at most so long."""
    outcome = Outcome()
    waiting: list[Any] = [asyncio.create_task(wire.gone.wait()) for wire in many]
    await asyncio.wait(waiting, timeout=seconds)
    for task, wire in zip(waiting, many, strict=True):
        task.cancel()
        outcome.note(next(iter(wire.seen), "refused") if wire.gone.is_set() else "still open")
    return outcome


SOCKETS = [
    Attack("half-open WebSockets", half_open, Size(2_000, 15), Size(20, 1)),
    Attack("students who never read", never_reads, Size(20, 35), Size(3, 1)),
    Attack("consoles that never read", deaf_consoles, Size(20, 35), Size(3, 1)),
    Attack("students who only answer pings", only_pongs, Size(200, 30), Size(10, 1)),
    Attack("half-finished changes to a WebSocket", half_upgrades, Size(100, 60), Size(5, 1)),
    Attack("frames larger than may be", oversized, Size(200, 5), Size(10, 5)),
]
