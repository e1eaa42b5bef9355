"""The synthetic student: a real Socket.IO client that loses its connection now and then."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from models.periodic import cancel
from server.rehearse.client import AGAIN_S, Client, Disconnected, Refused, wait_out
from server.rehearse.tally import Event, Tally

_REPLAY: Final = 500
_BEAT_ACK_S: Final = 10.0  # later, the connection is dead


class Student:
    """Beats, changes tabs, chats; keeps what is not acked and replays it when it is back."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally, every_s: float = 1.0) -> None:
        """`every_s`: how often it does something besides beating, on average."""
        self._every_s = every_s
        self._client_id = str(uuid4())
        self._client = Client(url, "/exam", {"token": token, "clientId": self._client_id})
        self._exam_id, self._tally = exam_id, tally
        self._seq = 0
        self._unacked: dict[int, dict[str, Any]] = {}
        self._interval_s = self._next_beat_s = 5.0
        self._confirming: set[asyncio.Task[None]] = set()
        self._client.on("command", self._told)
        self._here = self._over = False
        self._started = asyncio.Event()  # since the timer of heartbeats was set
        self.session_id = ""
        self.beats_acked = 0
        self.silence = 0.0  # intervals: for how long, at most, the server may not have heard of it
        self._heard_s: float | None = None  # since when, on the clock of perf_counter
        self.shown: Counter[str] = Counter()  # commands, by id

    @property
    def outages(self) -> list[tuple[float, float]]:
        """From when to when the server did not serve this student."""
        return self._client.outages

    async def start(self) -> None:
        """Connect and start; what was kept is sent again."""
        self._here = False
        while True:
            await self._client.connect()
            began = time.perf_counter()
            try:
                started = await self._client.call("start", {"examId": self._exam_id})
                self._heard(began)
                self.session_id = started["session"]["id"]
                self._interval_s = self._next_beat_s = started["heartbeatIntervalMs"] / 1000
                self._over = started["session"]["endTime"] is not None
                await self._replay()
            except (Disconnected, Refused) as error:
                self._tally.refused[str(error) or "disconnected"] += 1
                await self._client.close()
                await asyncio.sleep(AGAIN_S)
            else:
                self._here = True
                self._started.set()
                return

    async def take_part(self, over: Callable[[], bool]) -> None:
        """Behave like a student until the exam is over, or until a proctor ends it."""
        beating = asyncio.create_task(self._keep_beating())
        while not over() and not self._over:
            try:
                if await self._client.lost_within(random.uniform(0, 2 * self._every_s)):  # noqa: S311 a pause
                    await self._come_back()
                else:
                    await self._do_something()
            except Disconnected:
                await self._come_back()
        await cancel(beating)

    async def _come_back(self) -> None:
        """At once, but not all in one instant."""
        await asyncio.sleep(random.random() * AGAIN_S)  # noqa: S311 a spread
        await self.start()

    async def _do_something(self) -> None:
        with contextlib.suppress(Refused):  # what was refused for now
            await self._replay()
        luck = random.random()  # noqa: S311 a dice
        if luck < 0.02:
            await self._lose_connection()
        elif luck < 0.10:
            await self._report("chat", {"text": "Is the second question complete?"})
        elif luck < 0.60:
            await self._report("tab_change", {"hidden": random.random() < 0.5})  # noqa: S311 a dice
        elif luck < 0.70:
            await self._report("activity", {"type": "copy"})

    async def _keep_beating(self) -> None:
        """Beat whatever else is under way, as a page's timer does: after a start within an interval, then when told."""
        while True:
            self._started.clear()
            await asyncio.sleep(random.random() * self._interval_s)  # noqa: S311 a spread
            while not self._started.is_set():
                with contextlib.suppress(Disconnected):  # whoever takes part comes back
                    if self._here:
                        await self._beat()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._next_beat_s):
                        await self._started.wait()

    async def finish(self) -> None:
        """Send what is left, then submit."""
        while True:
            try:
                await self._replay()
                await self._client.call("end", {})
                self._heard(time.perf_counter())
            except Disconnected:
                await self.start()
            except Refused as error:
                await wait_out(error, self._tally.refused)
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
            except (Disconnected, Refused):  # whoever takes part comes back and sends it
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
            answer = await self._client.call("heartbeat", {}, _BEAT_ACK_S)
        except Refused as error:
            self._heard(began)
            self._tally.refused[str(error)] += 1
            return
        self._heard(began)
        self._tally.ack_s.setdefault("heartbeat", []).append(time.perf_counter() - began)
        self._next_beat_s = answer["nextHeartbeatMs"] / 1000
        self._tally.heartbeats["acked"] += 1
        self.beats_acked += 1

    def _heard(self, began: float) -> None:
        """An answer tells that the server heard of it, at some moment between `began` and now."""
        if self._heard_s is not None:
            self.silence = max(self.silence, (time.perf_counter() - self._heard_s) / self._next_beat_s)
        self._heard_s = began

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
        await asyncio.sleep(self._interval_s * random.uniform(0.04, 0.4))  # noqa: S311 a spread
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
