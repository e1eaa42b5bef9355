"""What an attack is, what it finds, and what it is aimed at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.frames import Frames
from tests.security.world import Account, World


@dataclass
class Target:
    """A server that is attacked from the address `source`."""

    url: str
    ws_url: str
    world: World
    source: str = "127.0.0.1"

    @property
    def host(self) -> str:
        return self.ws_url.rpartition("/")[2].partition(":")[0]

    @property
    def port(self) -> int:
        return int(self.ws_url.rpartition(":")[2])

    @property
    def http_port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def session(self, seconds: float = 30, connections: int = 100) -> aiohttp.ClientSession:
        """HTTP from the attacker's address."""
        connector = aiohttp.TCPConnector(local_addr=(self.source, 0), limit=connections)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(seconds))


@dataclass
class Outcome:
    """What came of an attack.

    `tried`: how many times; `seen`: how often it was answered or refused in which way; `wrong`: what a server must not
    do whatever it is sent, one line each.
    """

    tried: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def note(self, answer: str, times: int = 1) -> None:
        self.tried += times
        self.seen[answer] += times

    def answered(self, what: str, status: int, body: Any) -> str | None:
        """Note an HTTP answer: its error's code, or else its status, which is returned; 5xx is wrong but for 503."""
        error = body.get("error") if isinstance(body, Mapping) else None
        code = str(error["code"]) if isinstance(error, Mapping) and "code" in error else None
        self.note(code or str(status))
        if status >= 500 and status != 503:
            self.wrong.append(f"{what}: {status} {str(body)[:200]}")
        return code

    def acked(self, what: str, ack: Any) -> str | None:
        """Note an event's ack, None for a connection that was closed; the error's code is returned."""
        code = "closed" if ack is None else "ok" if ack["ok"] else str(ack["error"]["code"])
        self.note(code)
        if code == "internal":
            self.wrong.append(f"{what}: {ack}")
        return None if code == "ok" else code


@dataclass(frozen=True)
class Size:
    """`number`: of what the attack's name counts; `seconds`: how long it is kept up where it is kept up."""

    number: int
    seconds: float = 0.0


@dataclass(frozen=True)
class Attack:
    """`full` is for `make attack`, `small` for the tests."""

    name: str
    run: Callable[[Target, Size], Awaitable[Outcome]]
    full: Size
    small: Size


async def ask(frames: Frames, namespace: str, number: int, *event: Any) -> Any:
    """The ack of an event, which waits where it is too fast; None where the connection was closed instead."""
    while True:
        ack = await frames.call(namespace, number, *event)
        if ack is None or ack["ok"] or ack["error"]["code"] != "rate_limited":
            return ack
        await asyncio.sleep(ack["error"]["retryAfterMs"] / 1000)


async def call(
    http: aiohttp.ClientSession, target: Target, who: Account | str | None, method: str, path: str, **options: Any
) -> tuple[int, Any]:
    """Status and body of a REST call; `who`: an account, or a token."""
    headers = dict(options.pop("headers", {}))
    if who is not None:
        headers["Authorization"] = f"Bearer {who if isinstance(who, str) else who.token}"
    async with http.request(method, target.url + path, headers=headers, **options) as response:
        is_json = response.content_type == "application/json"
        return response.status, (await response.json() if is_json else await response.text())
