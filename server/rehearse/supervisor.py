"""The synthetic proctor who intervenes, and what must be true afterwards of the sessions that it touched."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from server.rehearse.client import AGAIN_S, Client, Disconnected, Refused
from server.rehearse.student import Student
from server.rehearse.tally import Tally

_MINUTES: Final = 2
_ENDS: Final = ("SUBMITTED", "TERMINATED")


class Supervisor:
    """Warns one, pauses all and lets them go on, gives everybody time, lowers a hand, ends one, reviews it."""

    def __init__(self, url: str, token: str, exam_id: str, tally: Tally) -> None:
        self._client = Client(url, "/proctor", {"token": token})
        self._exam_id, self._tally = exam_id, tally
        self.given: dict[str, dict[str, Any]] = {}  # the commands, by id
        self.paused = (0.0, 0.0)  # from when to when, by perf_counter, at most
        self.terminated = ""

    async def supervise(self, students: Sequence[Student], seconds: float) -> None:
        """Do all of it within the first two thirds of so many seconds."""
        step = seconds / 9
        await asyncio.sleep(2 * step)
        await self._client.connect()
        one, other = random.sample(students, 2) if len(students) > 1 else (students[0], students[0])
        await one.raise_hand()
        await self._command("warn", one, text="Eyes on your own paper, please.")
        await self._call("lower_hand", {"sessionId": one.session_id})
        await asyncio.sleep(step / 2)
        began = time.perf_counter()
        await self._command("pause", None, reason="A rehearsal of a fire alarm.")
        await asyncio.sleep(step)
        await self._command("resume", None)
        self.paused = (began, time.perf_counter())
        await self._command("extend", None, minutes=_MINUTES, reason="For the time that the alarm took.")
        await asyncio.sleep(step)
        await self._command("terminate", other, reason="A rehearsal of a dismissal.")
        self.terminated = other.session_id
        await self._call("review", {"sessionId": other.session_id, "verdict": "CLEARED", "note": "A rehearsal."})
        await self._client.close()

    async def _command(self, action: str, student: Student | None, **more: Any) -> None:
        to = {"sessionId": student.session_id} if student else {}
        answer = await self._call("command", {"examId": self._exam_id, "action": action, **to, **more})
        for command in answer["commands"]:
            self.given[command["id"]] = command

    async def _call(self, event: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Ask until it is answered: the same request, so it happens once."""
        payload = {"requestId": str(uuid4())} | payload
        while True:
            try:
                return await self._client.call(event, payload)
            except Disconnected:
                await self._client.close()
                await self._client.connect()
            except Refused as error:
                if str(error) not in ("unavailable", "unauthorized"):
                    raise
                self._tally.refused[str(error)] += 1
                await asyncio.sleep(AGAIN_S)


def judge(
    supervisor: Supervisor,
    duration: int,
    students: Iterable[Student],
    sessions: Iterable[dict[str, Any]],
    commands: Iterable[dict[str, Any]],
    log: Iterable[dict[str, Any]],
    ahead_s: float = 0.0,
) -> list[str]:
    """What is not as it must be, a line each. `sessions`, `commands` and `log` as REST has them at the end; `duration`:
    the exam's, in minutes; `ahead_s`: by how much the server's clock was set ahead during the pause, at most.
    """
    wrong: list[str] = []
    shown = {student.session_id: student.shown for student in students}
    fates = {one["id"]: one for one in commands}
    for command_id, command in supervisor.given.items():
        fate = fates[command_id]["fate"] if command_id in fates else "lost"
        seen = shown[command["sessionId"]][command_id]
        if not (fate == "ACKNOWLEDGED" and seen == 1) and fate != "EXPIRED":
            wrong.append(f"{command['action']}: {fate}, shown {seen} times")
    types = Counter((one["type"], one["sessionId"]) for one in log)
    began, over = supervisor.paused
    paused_s = over - began + ahead_s
    for session in sessions:
        ended = types["session_ended", session["id"]]
        wanted = "TERMINATED" if session["id"] == supervisor.terminated else "SUBMITTED"
        if session["status"] != wanted or ended != 1:
            wrong.append(f"a session is {session['status']} instead of {wanted}, and ended {ended} times")
        wrong += _clock(session, duration, paused_s)
    for kind in ("paused", "resumed", "time_added"):
        if types[kind, None] != 1:
            wrong.append(f"{kind} is recorded {types[kind, None]} times")
    false_alarms = sum(times for (kind, _), times in types.items() if kind == "heartbeat_missing")
    if false_alarms:
        wrong.append(f"{false_alarms} students were called missing")
    return wrong


def _clock(session: dict[str, Any], duration: int, paused_s: float) -> list[str]:
    """The deadline moved by what the ledger says, and the ledger has the pause and the time that was added."""
    ledger = Counter[str]()
    for item in session["timeLedger"]:
        ledger[item["kind"]] += item["ms"]
    began, deadline = (datetime.fromisoformat(session[name]) for name in ("activatedAt", "deadline"))
    moved = deadline - began - timedelta(minutes=duration)
    wrong = []
    if moved != timedelta(milliseconds=sum(ledger.values())):
        wrong.append(f"a deadline moved by {moved}, its ledger says {sum(ledger.values())} ms")
    if ledger["extension"] != _MINUTES * 60_000:
        wrong.append(f"{ledger['extension']} ms were added")
    if ledger["pause"] > paused_s * 1000 + 1000:
        wrong.append(f"a pause of {paused_s:.1f} s is credited with {ledger['pause']} ms")
    return wrong
