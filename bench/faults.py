"""A rehearsal whose server, whose database, or both are killed in the middle: is anything missing afterwards?"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Final

import aiohttp
from rich.console import Console as Screen

from bench.client import clock
from bench.processes import listening, spawn
from bench.results import Measured, Run, measured
from bench.scenarios import Size

_SIZE: Final = Size(students=50, consoles=2, seconds=30.0)
_FIRST_KILL_S: Final = 3.0
_LAST_KILL_S: Final = 20.0  # what follows, the end and the counting, wants a server
_WAIT_S: Final = 120.0
_SERVE: Final = (sys.executable, "-m", "server", "serve", "--demo")
_SETTINGS: Final = {"PBKDF2_ITERATIONS": "1", "RATE_LIMITS": "off"}


class Server:
    """`serve --demo` on one folder and, once it has one, one port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    async def start(self) -> None:
        self._process = await spawn(_SERVE, self._folder, _SETTINGS | {"PORT": str(self._port)})
        _, self._port = await listening(self._process, self._folder)

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()

    async def kill_server(self) -> None:
        """Its database, which is its child, goes with it."""
        await self.stop(signal.SIGKILL)
        await self.start()

    async def kill_database(self) -> None:
        """The server starts it again."""
        self._kill_database()

    async def kill_both(self) -> None:
        self._kill_database()
        await self.kill_server()

    def _kill_database(self) -> None:
        if self._process is None:
            return
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text(encoding="ascii")
        for pid in map(int, children.split()):
            if "secantus" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                os.kill(pid, signal.SIGKILL)


async def break_it(rounds: int, screen: Screen) -> Measured:
    """`rounds` rehearsals with three kills each, of each kind one, at random moments in random order."""
    runs = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            run, said = await _round(Path(folder))
        runs.append(run)
        screen.print(f"{number + 1:3}. {said}", highlight=False)
    return measured(runs)


async def _round(folder: Path) -> tuple[Run, str]:
    server = Server(folder)
    kills = {"server": server.kill_server, "database": server.kill_database, "both": server.kill_both}
    moments = sorted(random.uniform(_FIRST_KILL_S, _LAST_KILL_S) for _ in kills)
    order = random.sample(sorted(kills), len(kills))
    try:
        await server.start()
        arguments = ["--students", _SIZE.students, "--proctors", _SIZE.consoles, "--seconds", int(_SIZE.seconds)]
        command = [sys.executable, "-m", "server", "rehearse", *map(str, arguments)]
        rehearsing = folder / "rehearsal"
        rehearsing.mkdir()
        rehearsal = await spawn(command, rehearsing, _SETTINGS | {"DATA_DIR": str(folder / "data")})
        begin = await _exam_began(folder)
        for moment, which in zip(moments, order, strict=True):
            await asyncio.sleep(max(0.0, begin + moment - clock()))
            await kills[which]()
        async with asyncio.timeout(_WAIT_S):
            status = await rehearsal.wait()
        return judge(status, (rehearsing / "log").read_text(encoding="utf-8"), list(zip(moments, order, strict=True)))
    finally:
        await server.stop()


async def _exam_began(folder: Path) -> float:
    """When the rehearsal's exam was there."""
    demo = folder / "data" / "demo.json"
    async with asyncio.timeout(_WAIT_S), aiohttp.ClientSession() as http:
        while not demo.exists():
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)  # until it is written whole
        written = json.loads(demo.read_text(encoding="utf-8"))
        account = next(one for one in written["accounts"] if one["role"] == "ADMIN")
        credentials = {"email": account["email"], "password": account["password"]}
        async with http.post(written["url"] + "/routes/auth/login", json=credentials) as response:
            headers = {"Authorization": f"Bearer {(await response.json())['token']}"}
        while True:
            async with http.get(written["url"] + "/routes/exams", headers=headers) as response:
                if any(exam["rehearsal"] for exam in await response.json()):
                    return clock()
            await asyncio.sleep(0.1)


def judge(status: int, output: str, killed: list[tuple[float, str]]) -> tuple[Run, str]:
    """What the rehearsal says of itself."""
    told = ", ".join(f"{which} at {moment:.1f} s" for moment, which in killed)
    found: dict[str, float] = {"kills": len(killed)}
    with contextlib.suppress(ValueError):
        rows = [line.split() for line in output.splitlines() if re.match(r"\w+ +\d+ +\d+ +\d+ +\d+ ", line)]
        found["acked"] = sum(int(row[2]) for row in rows)
        found["missing"] = sum(int(row[4]) for row in rows)
    twice = re.search(r"(\d+) events seen twice", " ".join(output.split()))  # the line may be broken anywhere
    found["twice"] = int(twice[1]) if twice else 0
    good = status == 0 and "Nothing is missing." in output and twice is not None
    errors = {} if good else {f"the rehearsal ended with {status}: {output[-2000:]}": 1}
    said = f"killed {told}: {found.get('acked', 0):.0f} acked, {found.get('missing', 0):.0f} missing, "
    return Run("ours", _SIZE, found, errors), f"{said}{found['twice']:.0f} twice"
