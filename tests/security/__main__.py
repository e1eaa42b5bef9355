"""`python -m tests.security`: every attack at full size, while students take an exam. See docs/attacks.md."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import aiohttp
from rich.console import Console as Screen
from rich.table import Table

from bench.processes import CORES, allow_many_files, on_core
from tests.security.attack import Attack, Outcome, Size
from tests.security.honest import Figures, Where
from tests.security.registry import ATTACKS
from tests.security.served import Served, served

_PAGE: Final = Path(__file__).parents[2] / "docs/attacks.md"
_INSIDERS: Final = 1000
_CROWD: Final = 5000
_REST_S: Final = 2.0
_LIMIT_S: Final = 600.0
_LATE_MS: Final = 1000.0
_QUIET: Final = "no attack, for comparison"
_COLUMNS: Final = ("attack", "tried", "answered or refused", "p99, ms", "longest, ms", "sent again", "lost", "MB")

screen = Screen(width=None if sys.stdout.isatty() else 200)


@dataclass
class Row:
    """One attack, how long it took in seconds, what the honest students had meanwhile, and the server's memory."""

    name: str
    took_s: float
    outcome: Outcome
    honest: Figures
    megabytes: int

    @property
    def cells(self) -> list[str]:
        seen = ", ".join(f"{answer} {times:,}" for answer, times in self.outcome.seen.most_common(6))
        late = " (late)" if self.honest.p99_ms > _LATE_MS else ""
        again = f"{self.honest.again}" + (f", {self.honest.back} came back" if self.honest.back else "")
        figures = [f"{self.honest.p99_ms:,.0f}{late}", f"{self.honest.max_ms:,.0f}", again, f"{len(self.honest.lost)}"]
        return [self.name, f"{self.outcome.tried:,}", seen, *figures, f"{self.megabytes}"]

    @property
    def wrong(self) -> list[str]:
        return [f"{self.name}: {line}" for line in (*self.outcome.wrong[:5], *self.honest.lost[:5])]


class Students:
    """The process of the honest students."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def enter(cls, one: Served) -> Students:
        target = one.target
        school, people = target.world.school, target.world.honest
        where = Where(
            target.url, target.ws_url, school.exam_id, school.proctor.token, [(one.id, one.token) for one in people]
        )
        command = (sys.executable, "-m", "tests.security.honest")
        pipe = asyncio.subprocess.PIPE
        with on_core(-1):
            self = cls(await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe))
        await self._ask(asdict(where))
        return self

    async def report(self) -> Figures:
        return Figures(**await self._ask("report"))

    async def _ask(self, what: object) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(what).encode() + b"\n")
        line = await asyncio.wait_for(self._process.stdout.readline(), 180)
        return json.loads(line)

    async def leave(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        await self._process.wait()


async def run(attacks: Sequence[Attack], honest: int, source: str | None) -> tuple[list[Row], list[str]]:
    """The rows, and what went wrong, one line each."""
    rows: list[Row] = []
    wrong: list[str] = []
    async with served(honest=honest, insiders=_INSIDERS, crowd=_CROWD) as one:
        students = await Students.enter(one)
        os.nice(10)  # they share a core with who attacks, whose work would be told as the server's
        for place, attack in enumerate([Attack(_QUIET, _nothing, Size(0, 20), Size(0)), *attacks]):
            target = replace(one.target, source=source or f"127.0.1.{place + 1}")
            await students.report()
            began = time.monotonic()
            try:
                outcome = await asyncio.wait_for(attack.run(target, attack.full), _LIMIT_S)
            except Exception as error:  # noqa: BLE001 the other attacks go on
                outcome = Outcome(wrong=[f"the attack failed: {type(error).__name__} {error}"])
            await asyncio.sleep(_REST_S)
            took_s = time.monotonic() - began
            row = Row(attack.name, took_s, outcome, await students.report(), one.megabytes)
            outcome.wrong += one.failures()
            outcome.wrong += [] if one.alive and await _lives(one.target.url) else ["the server does not answer"]
            rows.append(row)
            wrong += row.wrong
            screen.print(f"{took_s:5.0f} s  " + " | ".join(row.cells), *row.wrong, sep="\n", highlight=False)
            if not one.alive:
                break
        await students.leave()
    return rows, wrong


async def _nothing(_: object, size: Size) -> Outcome:
    await asyncio.sleep(size.seconds)
    return Outcome()


async def _lives(url: str) -> bool:
    try:
        async with aiohttp.request("GET", url + "/readyz", timeout=aiohttp.ClientTimeout(10)) as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


def table(rows: Sequence[Row]) -> Table:
    made = Table(*_COLUMNS)
    for row in rows:
        made.add_row(*row.cells)
    return made


def page(rows: Sequence[Row], honest: int) -> str:
    """docs/attacks.md."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|---|--:|---|--:|--:|--:|--:|--:|"]
    lines += ["| " + " | ".join(row.cells) + " |" for row in rows]
    head = _PAGE.read_text(encoding="utf-8").partition(_MARK)[0] if _PAGE.exists() else ""
    when = f"{datetime.now(UTC):%Y-%m-%d}"
    machine = f"{_processor()}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    return f"{head}{_MARK}\n\n{when}; {machine}; {honest} honest students.\n\n" + "\n".join(lines) + "\n"


_MARK: Final = "## What was seen"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def main(given: Sequence[str] | None = None) -> int:
    """Ends with 1 where an honest student lost an event, or the server did what it must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.security", description="Attack the server.")
    parser.add_argument("words", nargs="*", help="attacks whose name has one of these in it; default: all")
    parser.add_argument("--honest", type=int, default=50, help="students who take an exam meanwhile; default: 50")
    parser.add_argument("--from", dest="source", help="attack from this address; default: from one for each attack")
    parser.add_argument("--save", action="store_true", help="write the table to docs/attacks.md")
    arguments = parser.parse_args(given)
    words = [word.lower() for word in arguments.words]
    attacks = [one for one in ATTACKS if not words or any(word in one.name.lower() for word in words)]
    if not attacks:
        raise SystemExit("security: no attack of this name")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    allow_many_files()
    os.sched_setaffinity(0, {CORES[-1]})
    rows, wrong = asyncio.run(run(attacks, arguments.honest, arguments.source))
    screen.print(table(rows))
    for line in wrong:
        screen.print(line, style="red", highlight=False)
    if arguments.save:
        _PAGE.write_text(page(rows, arguments.honest), encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
