"""Runs and what came of them, kept as JSON: the last ones that were saved are in `results.json`."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench.books import Figures, median
from bench.scenarios import Size

PATH: Final = Path(__file__).with_name("results.json")

# Above these, a run says more of the machine than of the server.
GENERATOR_AT_ITS_LIMIT: Final = 0.85
DISTURBED: Final = 0.10


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one server. `errors`: what went wrong, and how often."""

    peer: str
    size: Size
    figures: Figures
    errors: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of one scenario: when (a date), at which commit, on what machine. `samples`: a soak's memory."""

    when: str
    commit: str
    machine: str
    runs: list[Run]
    samples: list[tuple[float, float]] = field(default_factory=list)

    def peers(self) -> list[str]:
        return list(dict.fromkeys(run.peer for run in self.runs))

    def sizes(self) -> list[Size]:
        return list(dict.fromkeys(run.size for run in self.runs if not run.errors))

    def median(self, peer: str, figure: str, size: Size | None = None) -> float | None:
        """The median over the runs that have this figure; None where none has. One with errors counts for nothing."""
        of_peer = (run for run in self.runs if run.peer == peer and size in (None, run.size) and not run.errors)
        values = [run.figures[figure] for run in of_peer if figure in run.figures]
        return median(values) if values else None


Results = dict[str, Measured]  # by scenario


def measured(runs: Iterable[Run], samples: Iterable[tuple[float, float]] = ()) -> Measured:
    """Runs of this machine, today."""
    return Measured(datetime.now(UTC).date().isoformat(), commit(), _machine(), list(runs), list(samples))


@cache
def commit() -> str:
    """The commit that was there when this was first asked; `…-dirty` where the files differed from it."""
    said = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],  # noqa: S607 the git that there is
        cwd=PATH.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return said.stdout.strip() or "unknown"


def load() -> Results:
    """What was saved; nothing where nothing was."""
    stored: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    return {name: _measured(one) for name, one in stored.items()}


def save(new: Results) -> None:
    """Replace what was saved of these scenarios."""
    PATH.write_text(json.dumps({name: asdict(one) for name, one in (load() | new).items()}, indent=1) + "\n")


def _measured(stored: dict[str, Any]) -> Measured:
    runs = [Run(**(run | {"size": Size(**run["size"])})) for run in stored["runs"]]
    samples = [(at, value) for at, value in stored["samples"]]
    return Measured(stored["when"], stored["commit"], stored["machine"], runs, samples)


def _machine() -> str:
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = (line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line)
        model = next(names, model)
    kernel = platform.release().partition("-")[0]
    return f"{os.cpu_count()} cores of {model}, Linux {kernel}, Python {platform.python_version()}, Node {_node()}"


def _node() -> str:
    try:
        said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)  # noqa: S607 the node that there is
    except OSError:
        return "none"
    return said.stdout.strip().removeprefix("v")
