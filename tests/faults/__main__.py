"""`make chaos`: every fault, at any size, and a table of what it came to."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console as Screen
from rich.table import Table

from bench.processes import allow_many_files
from server.rehearse.client import Refused
from tests.faults.check import Result
from tests.faults.disk import may_mount
from tests.faults.load import SMALL, Size, large
from tests.faults.scenarios import FAULTS, NEED_A_DISK, run

_DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "faults.md"
_LONGEST_S: Final = 300.0
_COLUMNS: Final = (
    *("fault", "students", "acked", "missing", "twice", "gaps", "false alarms"),
    *("back within p50/max s", "exit", "verdict"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"default: all. {'; '.join(FAULTS)}")
    parser.add_argument("--students", type=int, help="default: a small class, for a minute's look")
    parser.add_argument("--consoles", type=int, default=10)
    parser.add_argument("--every", type=float, default=5.0, metavar="S", help="how often a student does something")
    parser.add_argument(
        "--save", action="store_true", help="write its row into the table of docs/faults.md for its size"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.faults) - set(FAULTS):
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    size = large(arguments.students, arguments.consoles, arguments.every) if arguments.students else SMALL
    allow_many_files()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started is ended
    logging.disable(logging.ERROR)  # of the database that is started again, and of clients that are cut off
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(_all(arguments.faults or list(FAULTS), size))
    if arguments.save:
        _save(results, "large" if arguments.students else "small")
    return 0 if all(one.good for one in results) else 1


async def _all(names: Sequence[str], size: Size) -> list[Result]:
    screen, results = Screen(width=160), []
    for name in names:
        if name in NEED_A_DISK and not may_mount():
            screen.print(f"{name}: left out, since only root can mount a small disk", highlight=False)
            continue
        try:
            async with asyncio.timeout(_LONGEST_S):
                result = await run([FAULTS[name]], size)
        except (TimeoutError, Refused) as error:
            result = Result(name, size.students, size.consoles, wrong=[f"it did not come to its end: {error!r}"])
        results.append(result)
        screen.print(f"{name}: {'good' if result.good else 'BAD'}", highlight=False)
        for line, times in Counter(result.problems).items():
            screen.print(f"  WRONG, {times} times: {line}", highlight=False, markup=False)
        for line, times in result.complaints.items():
            screen.print(f"  traceback, {times} times: {line}", highlight=False, markup=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in ("fault", "verdict") else "right", no_wrap=True)
    for result in results:
        table.add_row(*_row(result))
    screen.print(table)
    return results


def _row(result: Result) -> list[str]:
    back = result.back_s
    return [
        result.fault,
        str(result.students),
        *(str(number) for number in (result.acked, result.missing, result.twice, result.gaps)),
        str(len(result.false_alarms)),
        f"{back[len(back) // 2]:.1f} / {back[-1]:.1f}" if back else "-",
        ", ".join(map(str, result.exits)) or "-",
        "good" if result.good else "BAD",
    ]


def _save(results: Sequence[Result], size: str) -> None:
    """Put these rows into the table of this size; those of other faults stay."""
    begin, end = f"<!-- the {size} table begins -->", f"<!-- the {size} table ends -->"
    before, _, rest = _DOCUMENT.read_text(encoding="utf-8").partition(begin)
    table, _, after = rest.partition(end)
    kept = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if line.startswith("|")
    ]
    rows = {row[0]: row for row in [*kept, *map(_row, results)] if row[0] in FAULTS}
    machine = f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    consoles = results[0].consoles if results else 0
    lines = [
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}; {consoles} consoles.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"|{' --- |' * len(_COLUMNS)}",
        *(f"| {' | '.join(rows[name])} |" for name in FAULTS if name in rows),
    ]
    text = "\n".join((begin, "", *lines, "", end))
    _DOCUMENT.write_text(before + text + after, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
