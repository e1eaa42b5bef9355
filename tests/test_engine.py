"""The engine alone, without a database: every seam of python-socketio, python-engineio and aiohttp that it uses.

Each of these fails when an upgrade moves the seam that it stands on.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import socketio
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from handlers.handshakes import Handshakes
from models.measures import Measures
from server import sockets, websocket
from server.bounds import Bounds
from server.engine import Server, make_server
from server.packets import TextPacket
from server.sockets import Socket
from tests.clients import WAIT_S, refusals
from tests.frames import PATH, Frames, event_frame, opened

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    f"GET {PATH} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()


class Room(socketio.AsyncNamespace):  # type: ignore[misc] # python-socketio ships no types
    """Everybody is in one room. An event is answered with its payload, while the gate is open."""

    def __init__(self) -> None:
        super().__init__("/exam")
        self.seen: list[Any] = []
        self.gone: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def trigger_event(self, name: str, sid: str, *args: Any) -> Any:
        if name == "connect":
            await self.server.enter_room(sid, "room", namespace="/exam")
            return None
        if name == "disconnect":
            self.gone.append(args[0])
            return None
        await self.gate.wait()
        self.seen.append(args[0])
        return args[0]


@dataclass
class Engine:
    url: str
    server: Server
    room: Room
    measures: Measures

    def bound(self, **bounds: Any) -> None:
        """Bounds other than the default ones, for transports that are opened from now on."""
        self.server.eio.bounds = dataclasses.replace(self.server.eio.bounds, **bounds)

    def socket(self) -> Socket:
        """The only connection."""
        (one,) = self.server.eio.sockets.values()
        return one

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def push(self, data: Any) -> None:
        await self.server.emit("push", data, room="room", namespace="/exam")


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    measures = Measures()
    bounds = Bounds(10, 4 * 1024 * 1024, 30, 3, refusals=None)
    server = make_server(["polling", "websocket"], [], bounds, Handshakes(None, measures.refused), measures)
    room, app = Room(), web.Application()
    server.register_namespace(room)
    server.attach(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield Engine(f"http://127.0.0.1:{runner.addresses[0][1]}", server, room, measures)
    await server.close_all()
    await server.shutdown()
    await runner.cleanup()


@contextlib.asynccontextmanager
async def joined(http: aiohttp.ClientSession, engine: Engine) -> AsyncIterator[Frames]:
    async with opened(http, engine.url) as frames:
        assert "sid" in await frames.connect("/exam")
        yield frames


@contextlib.asynccontextmanager
async def deaf(engine: Engine) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that is in the room and reads nothing more than it is made to."""
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port, limit=1024)
    writer.write(HANDSHAKE + masked("40/exam,"))
    await reader.readuntil(b"40/exam,")
    yield reader, writer
    writer.transport.abort()


def masked(text: str) -> bytes:
    """A text frame of a client, masked with zeros."""
    payload = text.encode()
    length = bytes((0x80 | len(payload),)) if len(payload) < 126 else bytes((0x80 | 126,)) + len(payload).to_bytes(2)
    return b"\x81" + length + b"\0\0\0\0" + payload


async def until(holds: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while not holds():
            await asyncio.sleep(0.01)


async def test_an_idle_connection_keeps_no_task_and_nothing_of_aiohttp(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    def kept() -> tuple[int, int]:
        gc.collect()
        return len(asyncio.all_tasks()), sum(type(one) is RequestHandler for one in gc.get_objects())

    async with joined(http, engine):
        await asyncio.sleep(0.1)
        before = kept()
        async with contextlib.AsyncExitStack() as stack:
            many = [await stack.enter_async_context(joined(http, engine)) for _ in range(10)]
            await many[0].call("/exam", 1, "hello", 1)
            await asyncio.sleep(0.1)
            assert kept() == before


async def test_what_a_client_sends_right_behind_its_handshake_is_read(engine: Engine) -> None:
    async with deaf(engine) as (reader, writer):
        writer.write(masked('42/exam,7["hello",1]'))
        assert await reader.readuntil(b"43/exam,7[1]")


async def test_no_compression_is_agreed_on(engine: Engine, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(engine.url + PATH, compress=15) as ws:
        assert ws.compress == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Key": "short", "Sec-WebSocket-Version": "13"},
        {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "12"},
        {"Sec-WebSocket-Version": "13"},
    ],
)
async def test_what_is_no_handshake_is_answered_400_and_leaves_nothing(
    engine: Engine, http: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    headers = headers | {"Upgrade": "websocket", "Connection": "Upgrade"}
    async with http.get(engine.url + PATH, headers=headers) as response:
        assert response.status == 400
    assert not engine.server.eio.sockets


async def test_messages_in_pieces_and_pings_of_the_protocol_are_understood(engine: Engine) -> None:
    async with deaf(engine) as (reader, writer):
        first, rest = b'42/exam,7["he', b'llo",1]'
        writer.write(bytes((0x01, 0x80 | len(first))) + b"\0\0\0\0" + first)
        writer.write(bytes((0x89, 0x82)) + b"\0\0\0\0hi")  # a ping in between
        assert await reader.readuntil(b"\x8a\x02hi")
        writer.write(bytes((0x80, 0x80 | len(rest))) + b"\0\0\0\0" + rest)
        assert await reader.readuntil(b"43/exam,7[1]")


@pytest.mark.parametrize("kind", [0x89, 0x8A], ids=["pings", "pongs"])
async def test_who_sends_nothing_but_signs_of_life_is_cut_off(engine: Engine, kind: int) -> None:
    async with deaf(engine) as (reader, writer):
        writer.write(bytes((kind, 0x80)) + bytes(4) + masked('42/exam,1["hello",1]'))
        assert await reader.readuntil(b"43/exam,1[1]")
        writer.write((bytes((kind, 0x80)) + bytes(4)) * 1000)
        await until(lambda: engine.room.gone == ["transport close"])
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1 << 16), WAIT_S):
                pass


async def test_who_is_closed_and_goes_on_sending_is_cut_off(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_S", 60)
    async with deaf(engine) as (_, writer):
        transport = engine.socket()._ws._transport  # type: ignore[union-attr]
        engine.socket()._ws.close()  # type: ignore[union-attr]
        writer.write(masked('42/exam,1["hello",1]') * 1000)
        await until(transport.is_closing)
        assert engine.room.seen == []


async def test_pongs_that_nobody_asked_for_are_no_packets(engine: Engine, http: aiohttp.ClientSession) -> None:
    async with joined(http, engine) as frames:
        await frames.send("3", "3")
        assert await frames.call("/exam", 1, "hello", 1) == 1
        await frames.send("3")
        assert await frames.receive() is None


async def test_a_frame_that_breaks_the_protocol_closes_with_its_code(engine: Engine) -> None:
    async with deaf(engine) as (reader, writer):
        writer.write(bytes((0x83, 0x80)) + b"\0\0\0\0")  # an opcode that there is not
        assert await reader.readuntil(b"\x88\x02\x03\xea")
        await until(lambda: engine.room.gone == ["transport close"])


POLLED = [b"\xff\xfe", b"x", b"", b"4\x1e\x1e", b"9", b"\x1e".join([b"2"] * 100), b"4" * (1 << 19)]


@pytest.mark.parametrize("body", POLLED, ids=[repr(one[:10]) for one in POLLED])
async def test_what_a_poll_sends_that_cannot_be_read_is_refused_and_ends_the_connection(
    engine: Engine, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    url = f"{engine.url}/socket.io/?EIO=4&transport=polling"
    async with http.get(url) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    async with http.post(f"{url}&sid={sid}", data=body) as response:
        assert response.status == (400 if body else 200)
    await until(lambda: bool(engine.server.eio.sockets) is not bool(body))
    assert [one.getMessage() for one in caplog.records if one.exc_info] == []


@pytest.mark.parametrize("length", ["Transfer-Encoding: chunked", "Content-Length: 10"])
async def test_what_a_poll_sends_without_an_end_is_refused(
    engine: Engine, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(sockets, "_BODY_S", 0.1)
    url = f"{engine.url}/socket.io/?EIO=4&transport=polling"
    async with http.get(url) as response:
        sid = json.loads((await response.text())[1:])["sid"]
    reader, writer = await asyncio.open_connection("127.0.0.1", engine.port)
    writer.write(
        f"POST /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: here\r\n{length}\r\n\r\n".encode()
    )
    assert (await asyncio.wait_for(reader.read(12), WAIT_S)) == b"HTTP/1.1 400"
    assert not engine.server.eio.sockets
    writer.transport.abort()


async def test_a_slow_handler_holds_up_the_later_events_of_its_client_alone(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with joined(http, engine) as slow, joined(http, engine) as other:
        engine.room.gate.clear()
        for number in range(1, 101):
            await slow.send(event_frame("/exam", number, "hello", number))
        await asyncio.sleep(0.1)
        await other.send(event_frame("/exam", 1, "hello", "other"))
        await asyncio.sleep(0.1)
        engine.room.gate.set()
        assert (await other.until_ack("/exam", 1))[1] == "other"
        assert (await slow.until_ack("/exam", 1))[1] == 1
        for number in range(2, 101):
            assert (await slow.until_ack("/exam", number))[1] == number
        assert [one for one in engine.room.seen if one != "other"] == list(range(1, 101))


async def test_a_thousand_events_in_one_piece_leave_turns_to_others(engine: Engine) -> None:
    turn, turns = 0, []

    async def handle(name: str, sid: str, *args: Any) -> Any:
        if name == "connect":
            return None
        turns.append(turn)
        return args[0] if args else None

    async def count() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    engine.room.trigger_event = handle  # type: ignore[method-assign]
    async with deaf(engine) as (reader, writer):
        counting = asyncio.create_task(count())
        writer.write(b"".join(masked(f'42/exam,{number}["hello"]') for number in range(1, 1001)))
        answers = b""
        while not answers.endswith(b"43/exam,1000[null]"):
            answers += await asyncio.wait_for(reader.read(1 << 16), WAIT_S)
        counting.cancel()
    assert len(turns) >= 1000
    assert max(Counter(turns).values()) <= 2 * sockets._A_TURN


async def test_a_pong_is_taken_while_a_handler_is_slow(engine: Engine, http: aiohttp.ClientSession) -> None:
    async with joined(http, engine) as frames:
        engine.room.gate.clear()
        await frames.send(event_frame("/exam", 1, "hello", 1))
        engine.socket().check(engine.now + 25)
        assert engine.socket().last_ping
        await frames.send("3")
        await until(lambda: engine.socket().last_ping is None)
        engine.room.gate.set()


async def test_what_a_client_sent_before_it_left_is_handled_before_its_end(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with joined(http, engine) as frames:
        engine.room.gate.clear()
        await frames.send(*(event_frame("/exam", None, "hello", number) for number in range(10)))
    await asyncio.sleep(0.1)
    assert engine.room.gone == []
    engine.room.gate.set()
    await until(lambda: engine.room.gone)
    assert engine.room.seen == list(range(10))


async def test_a_client_that_does_not_answer_pings_is_gone_after_the_timeout(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with joined(http, engine) as frames:
        engine.socket().check(engine.now + 24)
        assert engine.socket().last_ping is None
        engine.socket().check(engine.now + 25)
        assert await asyncio.wait_for(frames.ws.receive_str(), WAIT_S) == "2"
        engine.socket().check(engine.now + 44)
        assert engine.socket().open
        engine.socket().check(engine.now + 46)
        assert await frames.receive() is None
        await until(lambda: engine.room.gone == ["ping timeout"])
        assert not engine.server.eio.sockets


async def test_the_engine_itself_looks_after_time(engine: Engine, http: aiohttp.ClientSession) -> None:
    engine.bound(authenticate_within_s=0.1)
    async with opened(http, engine.url) as frames:
        assert await frames.receive() is None
    assert refusals(engine.measures) == {"authenticate_within_s": 1}


async def test_a_connection_that_nobody_authenticates_is_closed_and_one_in_use_is_not(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with opened(http, engine.url) as frames:
        engine.socket().check(engine.now + 9)
        assert engine.socket().open
        engine.socket().check(engine.now + 11)
        assert await frames.receive() is None
    async with joined(http, engine) as frames:
        await until(lambda: len(engine.server.eio.sockets) == 1)
        engine.socket().check(engine.now)
        engine.socket().check(engine.now + 20)
        assert await frames.call("/exam", 1, "hello", 1) == 1
        await frames.send("41/exam,")  # it leaves the namespace, and stays
        await until(lambda: engine.room.gone)
        engine.socket().check(engine.now)
        engine.socket().check(engine.now + 11)
        assert await frames.receive() is None


async def test_the_third_packet_that_is_none_closes_and_is_logged_once(
    engine: Engine, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "server")
    async with joined(http, engine) as frames:
        await frames.send("9hello", "")
        assert await frames.call("/exam", 1, "hello", 1) == 1
        await frames.send("8", "7", "9")
        assert await frames.receive() is None
    assert len([one for one in caplog.records if "what is no packet" in one.message]) == 1
    assert refusals(engine.measures) == {"malformed_packets": 3}
    assert not [one for one in caplog.records if one.exc_info]


async def test_a_client_that_never_reads_is_cut_off_by_what_waits_for_it(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with deaf(engine) as (reader, _), joined(http, engine) as other:
        engine.room.gone.clear()
        pushed = 0
        while not engine.room.gone:
            await engine.push("x" * 100_000)
            pushed += 1
            assert (await frames_next(other)) == "x" * 100_000
            assert pushed < 500
        # What the kernel took comes first; then the connection is really gone, not only forgotten.
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1 << 20), WAIT_S):
                pass
        assert await other.call("/exam", 1, "hello", 1) == 1
        assert len(engine.server.eio.sockets) == 1
        assert refusals(engine.measures) == {"slow_readers": 1}


async def test_to_let_a_client_go_that_is_going_by_itself_takes_no_time(
    http: aiohttp.ClientSession, engine: Engine
) -> None:
    async with joined(http, engine):
        socket = engine.socket()
        socket._end("transport close")
        async with asyncio.timeout(5):  # it would look again and again at what is done, for ten seconds
            await socket.leave()
        assert engine.room.gone == ["transport close"]


async def test_a_client_that_never_reads_is_cut_off_by_how_long_it_has_not(
    engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    async with deaf(engine) as (reader, _):
        while engine.socket()._ws._stalled_since is None:  # type: ignore[union-attr]
            await engine.push("x" * 100_000)
            await asyncio.sleep(0)
        engine.socket().check(engine.now + 29)
        assert engine.room.gone == []
        engine.socket().check(engine.now + 31)
        await until(lambda: engine.room.gone == ["transport close"])
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1 << 20), WAIT_S):
                pass
    assert "has not kept up" in caplog.text
    assert refusals(engine.measures) == {"slow_readers": 1}


async def test_a_client_that_does_not_read_its_answers_is_not_read_either(engine: Engine) -> None:
    async with deaf(engine) as (reader, writer):
        while engine.socket()._ws._stalled_since is None:  # type: ignore[union-attr]
            await engine.push("x" * 100_000)
            await asyncio.sleep(0)
        writer.write(masked('42/exam,1["hello",1]'))
        await asyncio.sleep(0.2)
        assert engine.room.seen == []
        reading = asyncio.create_task(drain(reader))
        await until(lambda: engine.room.seen == [1])
        reading.cancel()


async def test_a_closing_tells_the_client_why_also_while_it_is_sending(
    engine: Engine, http: aiohttp.ClientSession
) -> None:
    async with joined(http, engine) as frames:
        sending = asyncio.create_task(flood(frames))
        await asyncio.sleep(0.05)
        await engine.push("the last")
        await engine.server.close_all()
        pushed = []
        while (frame := await frames.receive()) is not None:
            pushed.append(frame)
        assert (await frames.ws.receive()).type is aiohttp.WSMsgType.CLOSE
        sending.cancel()
        assert pushed[-1] == '42/exam,["push","the last"]'
        assert frames.ws.close_code == 1000


async def test_a_client_that_does_not_answer_the_closing_is_dropped(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "_CLOSE_S", 0.1)
    async with deaf(engine) as (reader, _):
        await engine.server.close_all()
        with contextlib.suppress(ConnectionResetError):
            while await asyncio.wait_for(reader.read(1 << 20), WAIT_S):
                pass
        assert engine.room.gone == ["server disconnect"]


async def test_rooms_know_who_is_in_them_and_forget_who_has_gone(engine: Engine, http: aiohttp.ClientSession) -> None:
    manager = engine.server.manager
    async with joined(http, engine) as one, joined(http, engine) as two:
        first, second = [sid for sid, _ in manager.get_participants("/exam", None)]
        await engine.server.emit("push", "own", room=first, namespace="/exam")
        assert await frames_next(one) == "own"
        assert sorted(manager.get_rooms(first, "/exam")) == sorted([first, "room"])
        with pytest.raises(ValueError, match="sid room"):
            await engine.server.enter_room(second, first, namespace="/exam")
        await engine.server.leave_room(second, "room", namespace="/exam")
        await engine.push("one alone")
        await engine.server.emit("push", "two", room=second, namespace="/exam")
        assert await frames_next(one) == "one alone"
        assert await frames_next(two) == "two"
    await until(lambda: len(engine.room.gone) == 2)
    await until(lambda: not manager.rooms)
    assert not manager._of
    assert not manager.pending_connect
    assert not manager.pending_disconnect


async def test_a_message_to_many_is_encoded_once_and_reaches_those_who_poll_too(
    engine: Engine, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[TextPacket] = []
    encode = TextPacket.encode
    got: asyncio.Queue[Any] = asyncio.Queue()
    polling = socketio.AsyncClient(reconnection=False)
    polling.on("push", got.put_nowait, namespace="/exam")
    await polling.connect(engine.url, namespaces=["/exam"], transports=["polling"])
    async with joined(http, engine) as one, joined(http, engine) as two:
        monkeypatch.setattr(TextPacket, "encode", lambda self: (encoded.append(self), encode(self))[1])
        await engine.push({"for": "all"})
        assert await frames_next(one) == await frames_next(two) == {"for": "all"}
        assert await asyncio.wait_for(got.get(), WAIT_S) == {"for": "all"}
        assert len(encoded) == 1
        assert engine.server.eio.transport(next(iter(engine.server.eio.sockets))) == "polling"
    await polling.disconnect()


async def test_a_client_changes_from_polling_to_a_websocket_and_misses_nothing(engine: Engine) -> None:
    client = socketio.AsyncClient(reconnection=False)
    got: list[Any] = []
    client.on("push", got.append, namespace="/exam")
    pushing = asyncio.create_task(count(engine))
    await client.connect(engine.url, namespaces=["/exam"])
    await until(lambda: client.transport() == "websocket" and len(got) > 50)
    pushing.cancel()
    assert await client.call("hello", 1, namespace="/exam") == 1
    assert got == list(range(got[0], got[0] + len(got)))
    await client.disconnect()
    await until(lambda: engine.room.gone)


async def test_a_probe_that_fails_leaves_the_client_polling(engine: Engine, http: aiohttp.ClientSession) -> None:
    polling = socketio.AsyncClient(reconnection=False)
    await polling.connect(engine.url, namespaces=["/exam"], transports=["polling"])
    path = f"{PATH}&sid={polling.eio.sid}"
    async with http.ws_connect(engine.url + path) as ws:
        await ws.send_str("2probe")
        assert await ws.receive_str() == "3probe"
        await ws.send_str("4nonsense")
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE
    assert await polling.call("hello", 1, namespace="/exam") == 1
    await polling.disconnect()


async def test_a_client_that_polls_too_slowly_is_cut_off(engine: Engine) -> None:
    engine.bound(slow_reader_bytes=10_000)
    async with aiohttp.ClientSession() as session:
        url = engine.url + PATH.replace("websocket", "polling")
        async with session.get(url) as response:
            sid = json.loads((await response.text())[1:])["sid"]
        async with session.post(f"{url}&sid={sid}", data="40/exam,") as response:
            assert await response.text() == "OK"
        for _ in range(200):
            await engine.push("x" * 100)
        await until(lambda: engine.room.gone == ["transport error"])
    assert refusals(engine.measures) == {"slow_readers": 1}


@pytest.mark.parametrize(
    "encoded",
    [
        '2["e",1]',
        '2/exam,["e"]',
        '2/exam,12["e",{"a":[1,"b"]}]',
        '2/exam?x=1,12["e"]',
        '3/proctor,999["a"]',
        "0/exam,",
        '0/exam,{"token":"t"}',
        "1/exam,",
        '51-/exam,3["e",{"_placeholder":true,"num":0}]',
        '2/exam,7["a\\nb","\u2028"]',
    ],
)
def test_packets_are_taken_apart_as_the_library_takes_them_apart(encoded: str) -> None:
    class Plain(socketio.packet.Packet):  # type: ignore[misc] # python-socketio ships no types
        json = json

    ours, theirs = TextPacket(encoded_packet=encoded), Plain(encoded_packet=encoded)
    for name in ("packet_type", "namespace", "id", "data", "attachment_count"):
        assert getattr(ours, name) == getattr(theirs, name), name


async def frames_next(frames: Frames) -> Any:
    """What the next push carries."""
    frame = await frames.receive()
    assert frame is not None
    return json.loads(frame.partition(",")[2])[1]


async def drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 20):
        pass


async def flood(frames: Frames) -> None:
    while True:
        await frames.send(event_frame("/exam", None, "hello", 1))
        await asyncio.sleep(0)


async def count(engine: Engine) -> None:
    number = 0
    while True:
        await engine.push(number)
        number += 1
        await asyncio.sleep(0.001)
