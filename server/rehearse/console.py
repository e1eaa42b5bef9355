"""The synthetic console: it loses its connection now and then, and comes back with the last offset it has."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from server.rehearse.client import Client, Disconnected, Refused, wait_out
from server.rehearse.tally import Tally, Watched


class Console:
    """Watches an exam; comes back with the last offset it has. `sessions`: by id, as they were last shown."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally) -> None:
        self._client = Client(url, "/proctor", {"token": token})
        self._client.on("activity", self._pushed)
        self._client.on("presence", lambda message: self.show(message["items"]))
        self._exam_id, self._tally = exam_id, tally
        self._watched = Watched()
        tally.consoles.append(self._watched)
        self.sessions: dict[str, dict[str, Any]] = {}

    async def watch(self) -> None:
        """Stay joined until cancelled."""
        while True:
            await self.join()
            if not await self._client.lost_within(random.uniform(5, 15)):  # noqa: S311 a spread
                self._tally.drops += 1
                await self._client.drop()
            await asyncio.sleep(random.uniform(0.1, 1.0))  # noqa: S311 a spread

    async def join(self) -> None:
        """Connect and join from the last offset on, in as many steps as it takes."""
        await self._client.connect()
        try:
            truncated = True
            while truncated:
                joined = await self._client.call("join", {"examId": self._exam_id, "since": self._watched.offset})
                self._see(joined["activity"], live=False)
                self.show(joined["sessions"])
                truncated = joined["truncated"]
        except Disconnected:
            await self._client.close()
            await self.join()
        except Refused as error:
            await self._client.close()
            await wait_out(error, self._tally.refused)
            await self.join()

    async def catch_up(self) -> None:
        """Join once more, so that nothing is left on the way."""
        await self._client.close()
        await self.join()
        await self._client.close()

    async def close(self) -> None:
        await self._client.close()

    def show(self, sessions: list[dict[str, Any]]) -> None:
        """Sessions are as these, unless something newer is shown."""
        for session in sessions:
            if session["rev"] >= self.sessions.get(session["id"], session)["rev"]:
                self.sessions[session["id"]] = session

    def _pushed(self, message: dict[str, Any]) -> None:
        self._see(message["items"], live=True)

    def _see(self, items: list[dict[str, Any]], *, live: bool) -> None:
        for item in items:
            event = (item["clientId"], item["seq"]) if item["clientId"] and item["seq"] else None
            self._tally.saw(self._watched, item, event, live=live)
