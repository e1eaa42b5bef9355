"""HTTP that is slow, endless, or none at all."""

from __future__ import annotations

import asyncio
import contextlib
import io
from typing import Final

from tests.security.attack import Attack, Outcome, Size, Target, call

_DRIP_S: Final = 1.0


async def nothing(target: Target, size: Size) -> Outcome:
    """Connections on which nothing is sent."""
    return await _drip(target, size, b"", b"")


async def slow_headers(target: Target, size: Size) -> Outcome:
    """Slowloris: a header a second, and never the last."""
    return await _drip(target, size, b"GET /healthz HTTP/1.1\r\nHost: here\r\n", b"X-More: x\r\n")


async def slow_body(target: Target, size: Size) -> Outcome:
    """A body that was announced, a byte a second."""
    head = b"POST /routes/auth/login HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    return await _drip(target, size, head + b"Content-Length: 100000\r\n\r\n", b" ")


async def unread_answers(target: Target, size: Size) -> Outcome:
    """A large answer is asked for, many times in one go, and never read."""
    return await _drip(target, size, b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 400, b"", read=False)


async def garbage(target: Target, size: Size) -> Outcome:
    """What is no HTTP: other protocols, control characters, headers and lines without an end."""
    outcome = Outcome()
    few = asyncio.Semaphore(100)

    async def one(number: int) -> None:
        async with few:
            try:
                reader, writer = await _connected(target)
            except OSError:
                outcome.note("not taken")
                return
            with contextlib.suppress(ConnectionError):
                writer.write(_GARBAGE[number % len(_GARBAGE)])
                writer.write_eof()
            answer = b""
            with contextlib.suppress(ConnectionError, TimeoutError):
                answer = await asyncio.wait_for(reader.read(200), 10)
            status = answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.") else "closed"
            outcome.note(status)
            if status.startswith("5"):
                outcome.wrong.append(f"{_GARBAGE[number % len(_GARBAGE)][:60]!r}: {answer!r}")
            writer.transport.abort()

    await asyncio.gather(*(one(number) for number in range(size.number)))
    return outcome


async def requests(target: Target, size: Size) -> Outcome:
    """Requests as fast as they are answered, 100 at a time, of an account and of nobody."""
    outcome = Outcome()
    (account,) = target.world.take(1)
    paths = ["/routes/auth/me", "/routes/exams", "/openapi.json", "/routes/nothing"]

    async def one(number: int) -> None:
        who, path = (account if number % 3 else None), paths[number % len(paths)]
        status, body = await call(http, target, who, "GET", path)
        outcome.answered(f"GET {path}", status, body)

    async with target.session(60) as http:
        await asyncio.gather(*(one(number) for number in range(size.number)))
    return outcome


async def large_bodies(target: Target, size: Size) -> Outcome:
    """Bodies of 2 MiB, and such as unpack to ever more."""
    outcome = Outcome()

    async def one() -> None:
        try:
            status, body = await call(
                http, target, None, "POST", "/routes/auth/login", data=io.BytesIO(b" " * (2 << 20))
            )
        except OSError:
            outcome.note("closed")
            return
        outcome.answered("a large body", status, body)

    async with target.session(60, 20) as http:
        await asyncio.gather(*(one() for _ in range(size.number)))
    return outcome


async def _drip(target: Target, size: Size, first: bytes, more: bytes, *, read: bool = True) -> Outcome:
    """On each connection `first`, and then a piece a second. What the server says to it, or that it still waits."""
    outcome = Outcome()
    few = asyncio.Semaphore(50)

    async def one() -> None:
        try:
            async with few:
                reader, writer = await _connected(target)
        except OSError:
            outcome.note("not taken")
            return
        answer = asyncio.create_task(reader.read(200) if read else asyncio.Event().wait())
        try:
            writer.write(first)
            for _ in range(int(size.seconds / _DRIP_S)):
                await asyncio.wait([answer], timeout=_DRIP_S)
                if answer.done() or writer.transport.is_closing():
                    break
                writer.write(more)
            if not read:  # what it was sent before it was closed is still to be read
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(size.seconds / 4):
                        while await reader.read(1 << 16):
                            pass
                        writer.transport.abort()
            if answer.done() and isinstance(text := answer.result(), bytes) and text:
                outcome.note(text[9:12].decode("latin-1"))
            else:
                outcome.note("closed" if answer.done() or writer.transport.is_closing() else "still open")
        except ConnectionError:
            outcome.note("closed")
        finally:
            answer.cancel()
            writer.transport.abort()

    await asyncio.gather(*(one() for _ in range(size.number)))
    return outcome


async def _connected(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(target.host, target.http_port, local_addr=(target.source, 0), limit=1 << 16)


_GARBAGE: Final = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"X: " + b"b" * 100_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: here\r\nX: \x00\x01\r\n\r\n",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
    b"POST /routes/auth/login HTTP/1.1\r\nHost: here\r\nContent-Length: -1\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /routes/auth/login HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nZZZ\r\n",
    b"GET /../../../../etc/passwd HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET /console/..%2f..%2f..%2fsetup.cfg HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET //[::1 HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET http://[ HTTP/1.1\r\nHost: here\r\n\r\n",
    b"CONNECT evil.example:443 HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET /routes/users/%00%ff%fe HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling&sid=%00' HTTP/1.1\r\nHost: here\r\n\r\n",
    b"GET /socket.io/?EIO=x&transport=nothing&j=9e9 HTTP/1.1\r\nHost: here\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n4x",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\r\n" * 1000,
    bytes(1000),
]

HTTP = [
    Attack("HTTP connections that say nothing", nothing, Size(1_000, 80), Size(20, 1)),
    Attack("slowloris: headers", slow_headers, Size(1_000, 80), Size(20, 1)),
    Attack("slowloris: bodies", slow_body, Size(1_000, 45), Size(20, 1)),
    Attack("answers that nobody reads", unread_answers, Size(50, 45), Size(5, 1)),
    Attack("what is no HTTP", garbage, Size(5_000), Size(2 * len(_GARBAGE))),
    Attack("requests without a pause", requests, Size(10_000), Size(100)),
    Attack("bodies of 2 MiB", large_bodies, Size(200), Size(5)),
]
