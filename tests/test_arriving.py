"""Many who arrive in one instant: taken a few a turn of the loop, in their order, and nobody is lost."""

from __future__ import annotations

import asyncio
import errno
import itertools
import socket
from collections.abc import AsyncIterator

import pytest

from handlers import turns
from handlers.turns import Turns
from server import listening
from server.listening import Listener


class Arrival(asyncio.Protocol):
    """Says hello, and counts those that began."""

    began = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Arrival.began += 1
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(b"hello")
        transport.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    Arrival.began = 0
    opened = await Listener.open(Arrival, "127.0.0.1", 0)
    yield opened
    opened.close()


async def hello(listener: Listener) -> bytes:
    reader, writer = await asyncio.open_connection(*listener.address)
    said = await reader.read()
    writer.close()
    return said


async def turns_until(done: asyncio.Future[object]) -> int:
    """How many turns of the loop it takes."""
    count = 0
    while not done.done():
        await asyncio.sleep(0)
        count += 1
    return count


async def test_a_few_connections_are_taken_a_turn_and_all_in_the_end(listener: Listener) -> None:
    address = listener.address
    waiting = [socket.create_connection(address) for _ in range(35)]  # nobody takes them meanwhile
    most, before = 0, 0
    async with asyncio.timeout(5):
        while Arrival.began < 35:
            await asyncio.sleep(0)
            most, before = max(most, Arrival.began - before), Arrival.began
    assert 0 < most <= listening._MOST_A_TURN
    for one in waiting:
        assert await asyncio.to_thread(one.recv, 100) == b"hello"
        one.close()


async def test_an_address_of_each_kind_and_one_that_is_taken() -> None:
    opened = await Listener.open(Arrival, "localhost", 0)
    assert await hello(opened) == b"hello"
    host, port = opened.address
    with pytest.raises(OSError, match="in use"):
        await Listener.open(Arrival, host, port)
    opened.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(host, port)


async def test_without_file_descriptors_it_waits_and_goes_on(
    listener: Listener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listening, "_PAUSE_S", 0.05)

    class Full:
        """The listening socket where the process has no descriptor left."""

        def __init__(self, real: socket.socket) -> None:
            self.fileno = real.fileno

        def accept(self) -> None:
            raise OSError(errno.EMFILE, "Too many open files")

    real = listener._sockets[0]
    full = Full(real)
    monkeypatch.setattr(listener, "_go_on", lambda _: Listener._go_on(listener, real))
    listener._accept(full)  # type: ignore[arg-type] # cannot be provoked without harm to the other tests
    assert "Too many open files" in caplog.text
    assert await hello(listener) == b"hello"


async def test_a_few_pass_a_turn_in_their_order_and_who_went_takes_no_place() -> None:
    ask, passed = Turns(), []

    async def arrive(number: int) -> None:
        await ask()
        passed.append(number)

    tasks = [asyncio.create_task(arrive(number)) for number in range(35)]
    await asyncio.sleep(0)
    for gone in (12, 13):
        tasks[gone].cancel()
    seen = [len(passed)]
    while len(passed) < 33:
        await asyncio.sleep(0)
        seen.append(len(passed))
    assert passed == [number for number in range(35) if number not in (12, 13)]
    assert max(after - before for before, after in itertools.pairwise(seen)) <= turns._A_TURN
    alone = asyncio.create_task(arrive(100))
    assert await turns_until(alone) == 1  # where few come, nobody waits
