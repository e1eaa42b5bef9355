"""The synthetic students and consoles: each a real Socket.IO client that loses its connection now and then."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from typing import Any, Final
from uuid import uuid4

from server.rehearse.client import AGAIN_S, Client, Disconnected, Refused
from server.rehearse.tally import Event, Tally, Watched

_REPLAY: Final = 500


class Student:
    """Beats, changes tabs, chats; keeps what is not acked and replays it when it is back."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally) -> None:
        self._client_id = str(uuid4())
        self._client = Client(url, "/exam", {"token": token, "clientId": self._client_id})
        self._exam_id, self._tally = exam_id, tally
        self._seq = 0
        self._unacked: dict[int, dict[str, Any]] = {}
        self._interval_s = 5.0
        self._confirming: set[asyncio.Task[None]] = set()
        self._client.on("command", self._told)
        self._over = False
        self.session_id = ""
        self.beats_acked = 0
        self.shown: Counter[str] = Counter()  # commands, by id

    async def start(self) -> None:
        """Connect and start; what was kept is sent again."""
        while True:
            await self._client.connect()
            try:
                started = await self._client.call("start", {"examId": self._exam_id})
                self.session_id = started["session"]["id"]
                self._interval_s = started["heartbeatIntervalMs"] / 1000
                self._over = started["session"]["endTime"] is not None
                await self._replay()
            except (Disconnected, Refused) as error:
                self._tally.refused[str(error) or "disconnected"] += 1
                await self._client.close()
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def take_part(self, until: float) -> None:
        """Behave like a student until `until` (perf_counter), or until a proctor ends it."""
        beat_at = time.perf_counter() + random.random() * self._interval_s  # noqa: S311 a spread
        while time.perf_counter() < until and not self._over:
            await asyncio.sleep(random.expovariate(1.0))
            try:
                if time.perf_counter() >= beat_at:
                    beat_at = time.perf_counter() + self._interval_s
                    await self._beat()
                luck = random.random()  # noqa: S311 a dice
                if luck < 0.02:
                    await self._lose_connection()
                elif luck < 0.10:
                    await self._report("chat", {"text": "Is the second question complete?"})
                elif luck < 0.60:
                    await self._report("tab_change", {"hidden": random.random() < 0.5})  # noqa: S311 a dice
                elif luck < 0.70:
                    await self._report("activity", {"type": "copy"})
            except Disconnected:
                await self.start()

    async def finish(self) -> None:
        """Send what is left, then submit."""
        while True:
            try:
                await self._replay()
                await self._client.call("end", {})
            except Disconnected:
                await self.start()
            except Refused as error:
                await _wait_out(error, self._tally)
            else:
                await asyncio.gather(*self._confirming)
                await self._client.close()
                return

    async def raise_hand(self) -> None:
        """Raise it, and see that it is recorded."""
        self._keep("raise_hand", {"text": "A question, please."})
        while self._seq in self._unacked:
            try:
                await self._replay()
            except Disconnected:  # whoever takes part comes back and sends it
                await asyncio.sleep(AGAIN_S)

    def _told(self, command: dict[str, Any]) -> None:
        """Show a command once, and confirm it each time that it is given."""
        self.shown[command["id"]] += command["id"] not in self.shown
        self._over = self._over or command["action"] == "terminate"
        task = asyncio.create_task(self._confirm(command["id"]))
        self._confirming.add(task)
        task.add_done_callback(self._confirming.discard)

    async def _confirm(self, command_id: str) -> None:
        with contextlib.suppress(Disconnected, Refused):  # it is given again after the next start
            await self._client.call("command_ack", {"commandId": command_id})

    async def _beat(self) -> None:
        self._tally.heartbeats["sent"] += 1
        began = time.perf_counter()
        try:
            await self._client.call("heartbeat", {})
        except Refused as error:
            self._tally.refused[str(error)] += 1
            return
        self._tally.ack_s.setdefault("heartbeat", []).append(time.perf_counter() - began)
        self._tally.heartbeats["acked"] += 1
        self.beats_acked += 1

    async def _report(self, event: str, payload: dict[str, Any]) -> None:
        self._keep(event, payload)
        seq, began = self._seq, time.perf_counter()
        try:
            ack = await self._client.call(event, self._unacked[seq]["payload"])
        except Refused as error:
            self._tally.refused[str(error)] += 1
            return
        self._tally.ack_s.setdefault(self._kind(seq), []).append(time.perf_counter() - began)
        self._acked(seq, duplicate=ack.get("duplicate", False))

    def _keep(self, event: str, payload: dict[str, Any], *, offline: bool = False) -> None:
        self._seq += 1
        self._unacked[self._seq] = {"event": event, "payload": payload | {"seq": self._seq}}
        self._tally.sent(self._event(self._seq), payload.get("type", event), offline=offline)

    async def _lose_connection(self) -> None:
        self._tally.drops += 1
        self._keep("tab_change", {"hidden": False})
        # Whether this one arrives, and whether its ack does, is chance; sent again it must be known or new.
        sending = asyncio.create_task(self._client.call("tab_change", self._unacked[self._seq]["payload"]))
        await asyncio.sleep(random.uniform(0, 0.01))  # noqa: S311 a spread
        await self._client.drop()
        await asyncio.gather(sending, return_exceptions=True)
        for _ in range(random.randrange(4)):  # noqa: S311 a dice
            self._keep("tab_change", {"hidden": True}, offline=True)
        await asyncio.sleep(random.uniform(0.2, 2.0))  # noqa: S311 a spread
        await self.start()

    async def _replay(self) -> None:
        while self._unacked:
            seqs = list(self._unacked)[:_REPLAY]
            answer = await self._client.call("replay", {"items": [self._unacked[seq] for seq in seqs]})
            rejected = {one["seq"]: one["error"]["code"] for one in answer["rejected"]}
            self._tally.duplicates += answer["duplicates"]
            for seq in seqs:
                if seq not in rejected:
                    self._acked(seq, duplicate=False)
                elif rejected[seq] != "unavailable":
                    self._tally.refused[rejected[seq]] += 1
                    del self._unacked[seq]

    def _acked(self, seq: int, *, duplicate: bool) -> None:
        self._unacked.pop(seq, None)
        self._tally.acked.add(self._event(seq))
        self._tally.duplicates += duplicate

    def _event(self, seq: int) -> Event:
        return self._client_id, seq

    def _kind(self, seq: int) -> str:
        return self._tally.kinds[self._event(seq)]


class Console:
    """Watches an exam; comes back with the last offset it has."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally) -> None:
        self._client = Client(url, "/proctor", {"token": token})
        self._client.on("activity", self._pushed)
        self._exam_id, self._tally = exam_id, tally
        self._watched = Watched()
        tally.consoles.append(self._watched)

    async def watch(self) -> None:
        """Stay joined until cancelled."""
        while True:
            await self.join()
            await asyncio.sleep(random.uniform(5, 15))  # noqa: S311 a spread
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
                truncated = joined["truncated"]
        except Disconnected:
            await self._client.close()
            await self.join()
        except Refused as error:
            await self._client.close()
            await _wait_out(error, self._tally)
            await self.join()

    async def catch_up(self) -> None:
        """Join once more, so that nothing is left on the way."""
        await self._client.close()
        await self.join()
        await self._client.close()

    def _pushed(self, message: dict[str, Any]) -> None:
        self._see(message["items"], live=True)

    def _see(self, items: list[dict[str, Any]], *, live: bool) -> None:
        for item in items:
            event = (item["clientId"], item["seq"]) if item["clientId"] and item["seq"] else None
            self._tally.saw(self._watched, item["offset"], event, live=live)


async def _wait_out(error: Refused, tally: Tally) -> None:
    """Count a refusal that passes, and wait a little; any other is raised again."""
    if str(error) != "unavailable":
        raise error
    tally.refused[str(error)] += 1
    await asyncio.sleep(AGAIN_S)
