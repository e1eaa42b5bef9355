"""The REST side of a rehearsal: which server, and as whom."""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import aiohttp

from server.demo import demo_file
from server.settings import Settings, SettingsError

_PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Target:
    """A server, where its Socket.IO is, and an ADMIN of it."""

    url: str
    ws_url: str
    email: str
    password: str


class Api:
    """The REST side, as one user."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url
        self._headers: dict[str, str] = {}

    async def login(self, email: str, password: str) -> str:
        """Sign in; returns the token and goes on with it."""
        answer = await self.call("POST", "/routes/auth/login", {"email": email, "password": password})
        self._headers = {"Authorization": f"Bearer {answer['token']}"}
        token: str = answer["token"]
        return token

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON answered; SettingsError with the server's message for an error. One that has too much to do is
        asked again for a minute.
        """
        headers = self._headers | ({"Idempotency-Key": str(uuid4())} if method == "POST" else {})
        until, again = time.monotonic() + _PATIENCE_S, False
        while True:
            status, answer, wait_s = await self._send(method, path, body, headers)
            if status != 503 or time.monotonic() > until:
                break
            again = True
            await asyncio.sleep(wait_s)
        if status == 404 and method == "DELETE" and again:  # what was late for its answer was done after all
            return None
        if status >= 400:
            raise SettingsError(f"{method} {path}: {(answer or {}).get('error', {}).get('message', status)}")
        return answer

    async def _send(
        self, method: str, path: str, body: dict[str, Any] | None, headers: dict[str, str]
    ) -> tuple[int, Any, float]:
        """Status, body, and how many seconds to wait before another try."""
        try:
            async with self._http.request(method, self._url + path, json=body, headers=headers) as response:
                answer = None if response.status == 204 else await response.json()
        except aiohttp.ClientConnectionError as error:
            raise SettingsError(f"--url: {self._url} does not answer ({error})") from None
        return response.status, answer, float(response.headers.get("Retry-After", 1))


def target_of(settings: Settings, arguments: argparse.Namespace) -> Target:
    """What the arguments name; without --url the server that runs with --demo on this DATA_DIR."""
    path = demo_file(settings)
    demo = None
    if path.exists() and arguments.url is None:
        demo = demo_target(json.loads(path.read_text(encoding="utf-8")))
    url = arguments.url or (demo.url if demo else None)
    if not url:
        raise SettingsError("--url: no server runs with --demo on this DATA_DIR; name one")
    email, password = arguments.email, arguments.password
    if email is None and demo is not None:
        email, password = demo.email, demo.password
    if not email or not password:
        raise SettingsError("--email, --password: an ADMIN's are wanted")
    ws_url = arguments.ws_url or (demo.ws_url if demo else url)
    return Target(url.rstrip("/"), ws_url.rstrip("/"), email, password)


def demo_target(demo: dict[str, Any]) -> Target:
    """The server that wrote its demo accounts down."""
    admin = next(account for account in demo["accounts"] if account["role"] == "ADMIN")
    return Target(demo["url"], demo["wsUrl"], admin["email"], admin["password"])
