"""Chromium by its own protocol, for tabs that are really hidden: Playwright keeps each visible and its timers fast."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.browser.conftest import CHROMIUM, FLAGS


class Navigated(Exception):
    """The page went while it was asked something."""


class Tabs:
    """A window with tabs, one of which is visible."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}

    async def read(self) -> None:
        async for message in self._socket:
            answer = json.loads(message.data)
            waiting = self._answers.pop(answer.get("id"), None)
            if waiting is None or waiting.done():
                continue
            if "error" in answer:
                said = str(answer["error"])
                gone = "navigated" in said or "context" in said
                waiting.set_exception((Navigated if gone else RuntimeError)(said))
            else:
                waiting.set_result(answer["result"])

    async def call(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json(
            {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        )
        return await asyncio.wait_for(self._answers[number], 30)

    async def open(self, url: str) -> Tab:
        """A new tab, which is the visible one from now on."""
        target = (await self.call("Target.createTarget", url=url))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = Tab(self, target, session)
        await tab.until("document.readyState === 'complete'")
        return tab


class Tab:
    def __init__(self, tabs: Tabs, target: str, session: str) -> None:
        self._tabs, self._target, self._session = tabs, target, session

    async def show(self) -> None:
        """Bring it to the front; whichever was there is hidden."""
        await self._tabs.call("Target.activateTarget", targetId=self._target)

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        answer = await self._tabs.call(
            "Runtime.evaluate", self._session, expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 20) -> None:
        """Wait until the expression is true, on whatever page is there then."""
        async with asyncio.timeout(seconds):
            while not await self._holds(script):
                await asyncio.sleep(0.05)

    async def reload(self, last: str = "") -> None:
        """Load the page again; `last` is run in the same instant."""
        await self.run("window.before = true")
        with contextlib.suppress(Navigated):
            await self.run(f"{last}; location.reload()")
        await self.until("window.before === undefined && document.readyState === 'complete'")

    async def _holds(self, script: str) -> Any:
        try:
            return await self.run(script)
        except Navigated:
            return False


@contextlib.asynccontextmanager
async def browser_with_tabs(folder: Path) -> AsyncIterator[Tabs]:
    """A browser of its own, with its profile in `folder`."""
    assert CHROMIUM
    process = await asyncio.create_subprocess_exec(
        CHROMIUM, "--headless", *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with aiohttp.ClientSession() as http, http.ws_connect(await _address(process), max_msg_size=0) as socket:
            tabs = Tabs(socket)
            reading = asyncio.create_task(tabs.read())
            yield tabs
            with contextlib.suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(tabs.call("Browser.close"), 5)
            reading.cancel()
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await process.communicate()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    async with asyncio.timeout(30):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(r"listening on (ws://\S+)", line):
                return found[1]
    raise AssertionError("Chromium ended")
