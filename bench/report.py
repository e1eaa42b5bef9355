"""The tables: of a measurement just made, on the screen; of the saved ones, in docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.table import Table as RichTable

from bench.costs import kb_a_connection, server_us_a_beat, us_a_beat, us_a_delivery
from bench.processes import PEERS
from bench.results import DISTURBED, GENERATOR_AT_ITS_LIMIT, Measured, Results, Run
from bench.scenarios import SCENARIOS
from bench.targets import targets

PAGE: Final = Path(__file__).parent.parent / "docs" / "performance.md"
PLOT: Final = PAGE.with_suffix(".svg")
_BEGIN: Final = "<!-- from bench/results.json: make bench ARGS=report -->"
_END: Final = "<!-- end -->"


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    columns: list[str]
    rows: list[list[str]]
    note: str = ""

    def rich(self) -> RichTable:
        table = RichTable(title=self.title, caption=self.note or None, box=None, padding=(0, 2, 0, 0))
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        lines = [f"### {self.title}", ""]
        lines += [_row(self.columns), _row(["---"] + ["--:"] * (len(self.columns) - 1))]
        lines += [_row(row) for row in self.rows]
        return "\n".join(lines + (["", self.note] if self.note else []))


def tables(found: Results) -> Iterator[Table]:
    """What these results say; the targets first."""
    rows = [[one.title, one.shown, one.wanted, "yes" if one.met else "no"] for one in targets(found)]
    if rows:
        yield Table("Targets", ["", "measured", "wanted", "met"], rows)
    for name, one in found.items():
        if name == "nodes":  # has a page of its own, see bench/scale.py
            continue
        make = _TABLES.get(name, _of_peers)
        yield make(name, one)


def line(run: Run) -> str:
    """One run, for whoever waits."""
    figures = run.figures
    size = f"{run.size.students}" + (f"+{run.size.consoles}" if run.size.consoles else "")
    said = [f"{run.peer:10} {size:7}"]
    said += [f"{name} {figures[key]:.{digits}f}" for name, key, digits in _SHORT if key in figures]
    if figures.get("generatorShare", 0) > GENERATOR_AT_ITS_LIMIT:
        said.append("THE GENERATOR IS AT ITS LIMIT")
    if figures.get("othersShare", 0) > DISTURBED:
        said.append(f"disturbed: others took {figures['othersShare']:.0%} of a core")
    if run.errors:
        said.append(f"ERRORS: {run.errors}")
    return "  ".join(said)


_SHORT: Final = (
    ("rate", "rate", 1),
    ("ack p50", "ackP50Ms", 1),
    ("p99", "ackP99Ms", 1),
    ("delivery p50", "deliveryP50Ms", 1),
    ("p99", "deliveryP99Ms", 1),
)


def write(found: Results) -> None:
    """Put the tables of these results into docs/performance.md, and the plot beside it."""
    from bench.plot import draw  # the only one that wants the extra `bench`

    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, found), encoding="utf-8")
    draw(found, PLOT)


def filled(page: str, found: Results) -> str:
    """The page with the tables of these results between its marks."""
    return between(page, _BEGIN, "\n\n".join(one.markdown() for one in tables(found)), _END)


def between(page: str, begin: str, made: str, end: str) -> str:
    """The page with `made` between its marks."""
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n\n{made}\n\n{end}{after}"


def _of_peers(name: str, one: Measured) -> Table:
    """Medians of each server."""
    size = one.runs[0].size
    number = len(one.runs) // len(one.peers())
    runs = f"Medians of {number} runs" if number > 1 else "One run each"
    people = f"{size.students} students" + (f", {size.consoles} consoles" if size.consoles else "")
    columns = [(title, show) for title, show in _COLUMNS if any(show(one, peer) for peer in one.peers())]
    rows = [[PEERS[peer].title, *(show(one, peer) for _, show in columns)] for peer in one.peers()]
    title = f"{SCENARIOS[name].title}: {people}"
    return Table(
        title,
        ["", *(column for column, _ in columns)],
        rows,
        _note(one, runs),
    )


def _figure(figure: str, digits: int = 0, scale: float = 1.0) -> Callable[[Measured, str], str]:
    def show(one: Measured, peer: str) -> str:
        value = one.median(peer, figure)
        return "" if value is None else f"{value * scale:,.{digits}f}"

    return show


def _cpu(figure: str) -> Callable[[Measured, str], str]:
    def show(one: Measured, peer: str) -> str:
        used, rate = one.median(peer, figure), one.median(peer, "rate")
        return f"{used / one.runs[0].size.seconds / rate * 1e6:,.0f}" if used and rate else ""

    return show


_COLUMNS: Final = (
    ("a second", _figure("rate")),
    ("ack p50 ms", _figure("ackP50Ms", 1)),
    ("p99", _figure("ackP99Ms", 1)),
    ("delivery p50 ms", _figure("deliveryP50Ms", 1)),
    ("p99", _figure("deliveryP99Ms", 1)),
    ("server µs each", _cpu("serverCpuS")),
    ("database µs each", _cpu("databaseCpuS")),
    ("KB a connection", _figure("bytesAConnection", 1, 1e-3)),
    ("generator's core", _figure("generatorShare", 2)),
)


def _of_students(name: str, one: Measured) -> Table:
    rows = [
        [
            f"{size.students:,}",
            f"{one.median('ours', 'rate', size):,.0f}",
            f"{server_us_a_beat(one, size):,.0f}",
            f"{us_a_beat(one, size):,.0f}",
            f"{kb_a_connection(one, size):,.1f}",
            f"{one.median('ours', 'ackP99Ms', size):,.1f}",
        ]
        for size in one.sizes()
    ]
    columns = ["students", "a second", "server µs each", "with its database", "KB a connection", "ack p99 ms"]
    return Table(f"Growth with students: {_small(name)}", columns, rows, _note(one, ""))


def _of_consoles(name: str, one: Measured) -> Table:
    rows = [
        [
            f"{size.consoles}",
            f"{(one.median('ours', 'deliveries', size) or 0.0) / size.seconds:,.0f}",
            f"{us_a_delivery(one, size):,.0f}",
            f"{one.median('ours', 'deliveryP99Ms', size):,.1f}",
        ]
        for size in one.sizes()
    ]
    columns = ["consoles", "deliveries a second", "server µs each", "delivery p99 ms"]
    return Table(f"Growth with consoles: {_small(name)}", columns, rows, _note(one, ""))


def _soak(_: str, one: Measured) -> Table:
    (run,) = one.runs
    rows = [
        ["events", f"{run.figures['acks']:,.0f}"],
        [
            "ack p50, p99, longest",
            " / ".join(f"{run.figures[f'ack{part}Ms']:,.1f} ms" for part in ("P50", "P99", "Max")),
        ],
    ]
    if "memoryMb" in run.figures:
        rows.append(["memory at the end", f"{run.figures['memoryMb']:,.1f} MB"])
        rows.append(["its trend over the second half", f"{run.figures['memoryMbAnHour']:+,.1f} MB an hour"])
    size = run.size
    title = f"Soak: {size.students} students, {size.consoles} consoles, {size.seconds / 60:g} minutes"
    return Table(title, ["", ""], rows, _note(one, ""))


def _browser(_: str, one: Measured) -> Table:
    (run,) = one.runs
    figures = run.figures
    rows = [
        ["events a second", f"{figures['rate']:,.0f}"],
        ["longest task of the main thread in a minute", f"{figures['longestTaskMs']:,.0f} ms"],
        ["tasks over 50 ms in it", f"{figures['tasksOver50Ms']:,.0f}"],
        ["the main thread's work", f"{figures['mainThreadShare']:.0%} of the time"],
        [
            "frames p50, p99, longest",
            " / ".join(f"{figures[f'frame{part}Ms']:,.0f} ms" for part in ("P50", "P99", "Max")),
        ],
    ]
    if "heapMb" in figures:
        rows.append(["heap at the end", f"{figures['heapMb']:,.1f} MB"])
        rows.append(["its growth, from the second quarter to the last", f"{figures['heapGrowth']:+.1%}"])
    title = f"The console page: {run.size.students} students, {run.size.seconds / 60:g} minutes"
    return Table(title, ["", ""], rows, _note(one, ""))


def _faults(_: str, one: Measured) -> Table:
    names = {
        "kills": "processes killed",
        "acked": "events acked",
        "missing": "acked and missing",
        "twice": "seen twice",
    }
    rows = [[title, f"{sum(run.figures.get(key, 0) for run in one.runs):,.0f}"] for key, title in names.items()]
    return Table(f"Faults: {len(one.runs)} rehearsals", ["", ""], rows, _note(one, ""))


_TABLES: Final[dict[str, Callable[[str, Measured], Table]]] = {
    "growth-students": _of_students,
    "growth-consoles": _of_consoles,
    "soak": _soak,
    "faults": _faults,
    "browser": _browser,
}


def _small(name: str) -> str:
    title = SCENARIOS[name].title
    return title[0].lower() + title[1:]


def _note(one: Measured, said: str) -> str:
    disturbed = sum(run.figures.get("othersShare", 0) > DISTURBED for run in one.runs)
    failed = sum(bool(run.errors) for run in one.runs)
    said += f"{'; c' if said else 'C'}ommit {one.commit}, {one.when}, {one.machine}."
    if disturbed:
        said += f" In {disturbed} of {len(one.runs)} runs, others on the machine took over a tenth of a core."
    if failed:
        said += f" {failed} of {len(one.runs)} runs had errors: they count for nothing."
    return said


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
