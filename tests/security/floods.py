"""Too much of what one may do: connections, events, answers, ends, sign-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

from bench import frames
from tests.clients import uuid
from tests.security.attack import Attack, Outcome, Size, Target, call
from tests.security.wire import Wire, open_wire, starts, wires

_TICK_S: Final = 0.02
_CONNECTS_A_SECOND: Final = 2000
_CHATS_A_SECOND: Final = 1000
_HELD: Final = 2000
_BUFFER: Final = 1 << 20
_BURST: Final = 500


async def connects(target: Target, size: Size) -> Outcome:
    """2,000 connections a second; of those that were taken, the latest are kept open, without a word."""
    outcome = Outcome()
    held: list[Wire] = []

    async def one() -> None:
        wire = await open_wire(target, "/exam", None)
        for answer in wire.seen or {"taken": 1}:
            outcome.note(answer)
        held.append(wire)
        if len(held) > _HELD:
            held.pop(0).leave()

    async with asyncio.TaskGroup() as tasks:
        async for number in _paced(size.number, _CONNECTS_A_SECOND):
            for _ in range(number):
                tasks.create_task(one())
    for wire in held:
        wire.leave()
    return outcome


async def chats(target: Target, size: Size) -> Outcome:
    """1,000 messages a second from 20 students into the exam of the honest ones, each as fast as one may."""
    async with wires(target, "/exam", target.world.take(20)) as writers:
        await starts(target, writers, target.world.school.exam_id)
        place = 0
        async for number in _paced(size.number, _CHATS_A_SECOND):
            for _ in range(number):
                writers[place % len(writers)].send("chat", {"text": f"Message {place}"})
                place += 1
        return await _counted(writers)


async def chats_of_one(target: Target, size: Size) -> Outcome:
    """1,000 messages a second from a single connection."""
    async with wires(target, "/exam", target.world.take(1)) as writers:
        await starts(target, writers, target.world.school.exam_id)
        async for number in _paced(size.number, _CHATS_A_SECOND):
            for _ in range(number):
                writers[0].send("chat", {"text": "Hello"})
        return await _counted(writers)


def storm(make: Callable[[Wire, int], bytes], *, acked: bool) -> Callable[[Target, Size], Any]:
    """The same frame again and again from 10 students, as fast as the server takes them. `acked`: it is answered."""

    async def run(target: Target, size: Size) -> Outcome:
        async with wires(target, "/exam", target.world.take(10)) as many:
            await starts(target, many, target.world.school.exam_id)
            burst = min(_BURST, size.number // len(many))

            async def pour(wire: Wire) -> None:
                for start in range(0, size.number // len(many), burst):
                    while wire.transport.get_write_buffer_size() > _BUFFER and not wire.gone.is_set():
                        await asyncio.sleep(_TICK_S)
                    wire.write(*(make(wire, start + place) for place in range(burst)))
                    await asyncio.sleep(0)

            await asyncio.gather(*(pour(wire) for wire in many))
            if not acked:  # this one is, after all that came before it
                for wire in many:
                    wire.send("heartbeat", {})
                await asyncio.gather(*(wire.settled(1) for wire in many))
            return await _counted(many, wait=acked)

    return run


async def replays(target: Target, size: Size) -> Outcome:
    """500 buffered events in one, again and again, from 5 students."""
    async with wires(target, "/exam", target.world.take(min(5, size.number))) as many:
        await starts(target, many, target.world.school.exam_id)

        async def one(wire: Wire) -> None:
            for turn in range(size.number // len(many)):
                items = [{"event": "tab_change", "payload": {"seq": turn * 500 + place}} for place in range(1, 501)]
                wire.send("replay", {"items": items})
                await wire.settled(turn + 1)

        await asyncio.gather(*(one(wire) for wire in many))
        return await _counted(many)


async def joins(target: Target, size: Size) -> Outcome:
    """A proctor's 10 consoles that join the exam from its beginning again and again."""
    school = target.world.school
    async with wires(target, "/proctor", [school.proctor] * 10) as many:
        each = size.number // len(many)
        for wire in many:
            wire.write(*(wire.event("join", {"examId": school.exam_id, "since": 0}) for _ in range(each)))
        return await _counted(many)


async def commands(target: Target, size: Size) -> Outcome:
    """A proctor who warns everybody, again and again, each time anew."""
    school = target.world.crowd
    async with wires(target, "/proctor", [school.proctor]) as many:
        for _ in range(size.number):
            warning = {"action": "warn", "text": "Look at your own screen."}
            many[0].send("command", {"requestId": uuid(), "examId": school.exam_id} | warning)
        return await _counted(many)


async def mass_disconnect(target: Target, size: Size) -> Outcome:
    """Everybody of another exam is gone in one instant."""
    outcome, crowd = Outcome(), target.world.crowd
    async with wires(target, "/exam", crowd.students[: size.number]) as many:
        for wire in many:
            wire.send("start", {"examId": crowd.exam_id})
        for wire in many:
            await wire.settled(1, 60)
            for answer in wire.seen or {"not answered": 1}:
                outcome.note("in the exam" if answer == "ok" else answer)
    path = f"/routes/proctoring?examId={crowd.exam_id}&limit=500"
    async with target.session() as http, asyncio.timeout(60):
        while True:
            _, sessions = await call(http, target, crowd.proctor, "GET", path)
            if all(one["connectivity"] != "ONLINE" for one in sessions):
                return outcome
            await asyncio.sleep(0.5)


async def sign_ins(target: Target, size: Size) -> Outcome:
    """Passwords guessed, 50 at a time, of as many accounts as there are."""
    outcome, world = Outcome(), target.world
    emails = [one.email for one in (*world.crowd.students, *world.insiders)]

    async def guess(number: int) -> None:
        body = {"email": emails[number % len(emails)], "password": f"password{number}"}
        status, answer = await call(http, target, None, "POST", "/routes/auth/login", json=body)
        outcome.answered("POST /routes/auth/login", status, answer)
        if status == 200:
            outcome.wrong.append(f"signed in with a guess: {body}")

    async with target.session(120, 50) as http:
        await asyncio.gather(*(guess(number) for number in range(size.number)))
    return outcome


async def _paced(number: int, a_second: float) -> Any:
    """How many are due, every few milliseconds, until it was this number."""
    loop = asyncio.get_running_loop()
    began, done = loop.time(), 0
    while done < number:
        due = min(number, int((loop.time() - began) * a_second)) - done
        if due > 0:
            yield due
            done += due
        await asyncio.sleep(_TICK_S)


async def _counted(many: Iterable[Wire], *, wait: bool = True) -> Outcome:
    """What became of all that was sent."""
    outcome = Outcome()
    if wait:
        await asyncio.gather(*(wire.settled(wire.sent) for wire in many))
    for wire in many:
        for answer, times in wire.seen.items():
            outcome.seen[answer] += times
            if answer == "internal":
                outcome.wrong.append("an event was answered internal")
        outcome.tried += wire.sent
    return outcome


def _beat(wire: Wire, _: int) -> bytes:
    return wire.event("heartbeat", {})


def _unknown(wire: Wire, _: int) -> bytes:
    return wire.event("nothing", {})


def _foreign_ack(*_: object) -> bytes:
    return frames.frame(b'43/exam,1[{"ok":true}]')


def _pong(*_: object) -> bytes:
    return frames.PONG


def _ping(*_: object) -> bytes:
    return bytes((frames.PING, 0x80)) + bytes(4)


def _malformed(*_: object) -> bytes:
    return frames.frame(b'42/exam,1["heartbeat",{')


FLOODS = [
    Attack("2,000 connects a second from one address", connects, Size(20_000), Size(100)),
    Attack("1,000 chat messages a second, 20 students", chats, Size(20_000), Size(60)),
    Attack("1,000 chat messages a second, one connection", chats_of_one, Size(20_000), Size(60)),
    Attack("ack storm: heartbeats", storm(_beat, acked=True), Size(200_000), Size(500)),
    Attack("ack storm: events that there are not", storm(_unknown, acked=True), Size(200_000), Size(2_000)),
    Attack("acks that nobody asked for", storm(_foreign_ack, acked=False), Size(500_000), Size(5_000)),
    Attack("pongs that nobody asked for", storm(_pong, acked=False), Size(1_000_000), Size(5_000)),
    Attack("pings of WebSocket", storm(_ping, acked=False), Size(1_000_000), Size(5_000)),
    Attack("malformed packets", storm(_malformed, acked=False), Size(50_000), Size(5_000)),
    Attack("replays of 500 events", replays, Size(50), Size(1)),
    Attack("joins from the beginning", joins, Size(500), Size(20)),
    Attack("warnings to a whole exam", commands, Size(500), Size(20)),
    Attack("mass disconnect", mass_disconnect, Size(5_000), Size(20)),
    Attack("guessed passwords", sign_ins, Size(1_000), Size(50)),
]
