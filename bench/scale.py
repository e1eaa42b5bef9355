"""What a deployment of a given size needs, added up from what each thing costs. The page is docs/scale.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.nodes import ALONE, NUMBERS
from bench.report import Table, between
from bench.results import Measured, Results

PAGE: Final = Path(__file__).parent.parent / "docs" / "scale.md"
_BEGIN: Final = "<!-- from bench/results.json: make bench ARGS=report -->"
_END: Final = "<!-- end -->"

_STUDENTS: Final = (2_000, 10_000, 100_000, 1_000_000)
_BUSY: Final = 0.5  # of a core, at most, by what goes on all the time: the rest is for arrivals and the loss of a node
_HEARD_BYTES: Final = 41  # of a hint that a session was heard of: 24 hex digits, a moment, JSON's marks


@dataclass(frozen=True, slots=True)
class Exams:
    """What students do, as far as it is assumed: a heartbeat and an activity every so many seconds, so many to a
    console, for so many hours a day.
    """

    beat_s: float = 5.0
    activity_s: float = 30.0
    to_a_console: float = 50.0
    hours: float = 3.0


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in microseconds, the rest in bytes. `event` is at one node; `follow`, at each other that is in the exam."""

    beat: float
    event: float
    follow: float
    delivery: float
    connection: float
    beat_disk: float
    event_disk: float
    hint: float
    r2: float


def costs_of(one: Measured) -> Costs:
    """The costs that fit what was measured best. `event` and `follow`: by least squares over the numbers of nodes."""

    def per(nodes: str, load: str, figure: str) -> float:
        of_load, quiet = (one.median(f"{nodes} {name}", figure) or 0.0 for name in (load, "quiet"))
        seconds = one.median(f"{nodes} {load}", "seconds") or 1.0
        idle = quiet / (one.median(f"{nodes} quiet", "seconds") or 1.0)
        return max(0.0, of_load - idle * seconds) / (one.median(f"{nodes} {load}", "done") or 1.0)

    numbers = [float(number) for number in NUMBERS]
    events = [per(str(number), "events", "serverCpuS") * 1e6 for number in NUMBERS]
    base, slope, r2 = _line([number - 1 for number in numbers], events)
    consoles = max(1, one.runs[0].size.consoles)
    watched = per(ALONE, "watched", "serverCpuS") - per(ALONE, "events", "serverCpuS")
    messages = max(1.0, per("2", "events", "busMessages"))
    return Costs(
        beat=per("1", "beats", "serverCpuS") * 1e6,
        event=base,
        follow=slope,
        delivery=max(0.0, watched) * 1e6 / consoles,
        connection=one.median(f"{ALONE} events", "bytesAConnection") or 0.0,
        beat_disk=per(ALONE, "beats", "databaseWrittenBytes"),
        event_disk=per(ALONE, "events", "databaseWrittenBytes"),
        hint=per("2", "events", "busReceivedBytes") / messages,
        r2=r2,
    )


def _line(xs: list[float], ys: list[float]) -> tuple[float, float, float]:
    """Intercept and slope of the least squares' line, and how much of the variance it explains."""
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)
    base = mean_y - slope * mean_x
    left = sum((y - base - slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    whole = sum((y - mean_y) ** 2 for y in ys) or 1.0
    return base, slope, 1 - left / whole


@dataclass(frozen=True, slots=True)
class Needs:
    nodes: int
    cores: float
    memory_gb: float
    writes_a_second: float
    bus_mb_a_second: float
    disk_gb_a_day: float


def needs(students: int, costs: Costs, exams: Exams, nodes_an_exam: int | None) -> Needs | None:
    """For so many students at once; None where no number of nodes is enough.

    `nodes_an_exam`: to how many nodes an exam's students are spread; None: to all.
    """
    beats, events = students / exams.beat_s, students / exams.activity_s
    if nodes_an_exam is None and events * costs.follow / 1e6 >= _BUSY:  # each follows what all others do
        return None
    nodes = 1
    while True:
        spread = min(nodes, nodes_an_exam or nodes)
        an_event = costs.event + costs.follow * (spread - 1)
        deliveries = events * min(students, 2_000) / exams.to_a_console  # an exam is watched by its own consoles
        cores = (beats * costs.beat + events * an_event + deliveries * costs.delivery) / 1e6
        if cores / nodes <= _BUSY:
            break
        nodes = max(nodes + 1, int(cores / _BUSY * 0.9))
    heard = beats * _HEARD_BYTES if nodes > 1 else 0.0
    hints = min(50.0 * nodes, events) * costs.hint if nodes > 1 else 0.0
    daily = 3600 * exams.hours
    return Needs(
        nodes=nodes,
        cores=cores,
        memory_gb=students * costs.connection / 1e9,
        writes_a_second=min(40.0 * nodes, beats) + events,
        bus_mb_a_second=(heard + hints) * (nodes + 1) / 1e6,
        disk_gb_a_day=(beats * costs.beat_disk + events * costs.event_disk) * daily / 1e9,
    )


def tables(found: Results) -> Iterator[Table]:
    """What one thing costs, and what follows from it; nothing where nothing was measured."""
    one = found.get("nodes")
    if one is None:
        return
    costs = costs_of(one)
    rows = [
        ["a heartbeat, stored and acked", f"{costs.beat:.0f} µs"],
        ["an activity, stored, acked and hinted at", f"{costs.event:.0f} µs"],
        ["the same activity at each other node that is in its exam", f"{costs.follow:.0f} µs"],
        ["an activity at one console", f"{costs.delivery:.0f} µs" if costs.delivery >= 10 else "under 10 µs"],
        ["a student's connection", f"{costs.connection / 1e3:.0f} kB"],
        ["a heartbeat, written by the database", f"{costs.beat_disk:.0f} B"],
        ["an activity, written by the database", f"{costs.event_disk:.0f} B"],
        ["a message to Redis", f"{costs.hint:.0f} B"],
    ]
    note = f"{one.when}, {one.commit}; {one.machine}. The line through 1, 2 and 4 nodes explains {costs.r2:.0%}."
    yield Table("What one thing costs", ["", "cost"], rows, note)
    for title, spread in (("Students spread over all nodes", None), ("Each exam on two nodes", 2)):
        rows = [_row(students, needs(students, costs, Exams(), spread)) for students in _STUDENTS]
        yield Table(title, ["students", "nodes", "cores", "memory", "documents/s", "by Redis", "disk a day"], rows)


def _row(students: int, need: Needs | None) -> list[str]:
    if need is None:
        return [f"{students:,}", "no number is enough", *[""] * 5]
    return [
        f"{students:,}",
        f"{need.nodes:,}",
        f"{need.cores:,.1f}",
        f"{need.memory_gb:,.1f} GB",
        f"{need.writes_a_second:,.0f}",
        f"{need.bus_mb_a_second:,.1f} MB/s",
        f"{need.disk_gb_a_day:,.0f} GB",
    ]


def write(found: Results) -> None:
    """The tables into docs/scale.md."""
    made = "\n\n".join(table.markdown() for table in tables(found))
    if made:
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), _BEGIN, made, _END), encoding="utf-8")
