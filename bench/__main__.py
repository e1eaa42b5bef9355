"""`python -m bench`: measure, soak, break, browse, report. See docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace
from typing import Any

import uvloop
from rich.console import Console as Screen

from bench import nodes, report, results, scale
from bench.faults import break_it
from bench.hall import hall_of
from bench.processes import CORES, PEERS, allow_many_files, database_process
from bench.results import Measured, Results, Run, measured
from bench.scenarios import SCENARIOS, Size
from bench.soak import soak

screen = Screen(width=None if sys.stdout.isatty() else 140)


def main(given: Sequence[str] | None = None) -> int:
    """Ends with 1 where an event was refused, lost or delivered twice."""
    arguments = _parser().parse_args(given)
    if arguments.what == ["report"]:
        _write()
        return 0
    if len(CORES) < 2:
        raise SystemExit("bench: two cores are wanted, one for the servers and one for the generator")
    results.commit()  # of the code that runs, not of what it may be at the end
    allow_many_files()
    os.sched_setaffinity(0, {CORES[-1]})
    found: Results = {}
    if arguments.what == ["faults"]:
        os.sched_setaffinity(0, CORES)
        found["faults"] = _run(break_it(arguments.rounds or 20, screen))
    elif arguments.what == ["soak"]:
        found["soak"] = _run(soak(_soak_size(arguments), screen))
    elif arguments.what == ["nodes"]:
        size = replace(nodes.SIZE, **_given(arguments))
        found["nodes"] = _run(nodes.measure(arguments.rounds or 3, size, screen))
    elif arguments.what == ["browser"]:
        found["browser"] = _run(_browse(arguments))
    else:
        found = _run(_measure(arguments))
    for table in (*report.tables(found), *scale.tables(found)):
        screen.print(table.rich())
    bad = list(_errors(found))
    for line in bad:
        screen.print(line, style="red")
    if arguments.save:
        results.save(found)
        _write()
    return 1 if bad else 0


def _write() -> None:
    report.write(results.load())
    scale.write(results.load())


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return uvloop.run(work)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the server and its peers.")
    also = "soak, faults, browser, nodes or report"
    parser.add_argument("what", nargs="*", help=f"{', '.join(SCENARIOS)} (default: all of these); or {also}")
    parser.add_argument("--rounds", type=int, help="default: each scenario's own; for faults 20")
    parser.add_argument("--peers", help=f"some of {','.join(PEERS)}, with commas; default: each scenario's own")
    parser.add_argument("--students", type=int, help="default: the scenario's own")
    parser.add_argument("--consoles", type=int, help="default: the scenario's own")
    parser.add_argument("--seconds", type=float, help="how long a run is measured; default: the scenario's own")
    parser.add_argument("--minutes", type=float, default=20.0, help="of a soak or of `browser`; default: 20")
    parser.add_argument(
        "--save", action="store_true", help="keep the results in bench/results.json, and write the report"
    )
    return parser


async def _measure(arguments: argparse.Namespace) -> Results:
    """Interleaved: a round is one run of each. Each has a database process to itself, so that none finds it used."""
    names = arguments.what or list(SCENARIOS)
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise SystemExit(f"bench: no such scenario: {', '.join(unknown)}")
    runs: dict[str, list[Run]] = {name: [] for name in names}
    rounds = {name: arguments.rounds or SCENARIOS[name].rounds for name in names}
    for number in range(max(rounds.values())):
        for name in names:
            for size, peer in _plan(name, arguments) if number < rounds[name] else ():
                run = await _run_one(name, size, peer)
                runs[name].append(run)
                screen.print(f"{number + 1}. {name:16} {report.line(run)}", highlight=False)
    return {name: measured(runs[name]) for name in names}


async def _run_one(name: str, size: Size, peer: str) -> Run:
    async with database_process() as database:
        async with hall_of(PEERS[peer], database, size.students, size.consoles) as hall:
            figures = await SCENARIOS[name].run(hall, size)
        return Run(peer, size, figures, dict(hall.books.errors))


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    return {key: value for key in ("students", "consoles", "seconds") if (value := getattr(arguments, key))}


def _plan(name: str, arguments: argparse.Namespace) -> Iterator[tuple[Size, str]]:
    given = _given(arguments)
    peers = arguments.peers.split(",") if arguments.peers else SCENARIOS[name].peers
    for size in dict.fromkeys(replace(size, **given) for size in SCENARIOS[name].sizes):
        for peer in peers:
            yield size, peer


async def _browse(arguments: argparse.Namespace) -> Measured:
    from bench.browser import browse  # Playwright is wanted for this alone

    return await browse(Size(arguments.students or 500, 1, arguments.minutes * 60), screen)


def _soak_size(arguments: argparse.Namespace) -> Size:
    return Size(arguments.students or 500, arguments.consoles or 3, arguments.minutes * 60)


def _errors(found: Results) -> Iterator[str]:
    for name, one in found.items():
        for run in one.runs:
            for error, times in run.errors.items():
                yield f"{name}, {run.peer}: {times} times {error}"


if __name__ == "__main__":
    sys.exit(main())
