"""What the measurements are to show, each a ratio or a bound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bench.costs import Cost, kb_a_connection, us_a_beat, us_a_delivery
from bench.results import Measured, Results


@dataclass(frozen=True, slots=True)
class Target:
    title: str
    shown: str
    wanted: str
    met: bool


# Scenario, figure, over which peer, at least (or else at most) what ratio.
_RATIOS: Final = (
    ("heartbeat", "rate", "node", ">=", 80.0, "heartbeats a second, stored, over Node"),
    ("heartbeat", "rate", "node-bare", ">=", 0.5, "heartbeats a second, stored, over Node without a database"),
    ("fanout-closed", "rate", "node", ">=", 5.0, "tab changes to 5 consoles a second, over Node"),
    ("fanout", "ackP50Ms", "node", "<=", 1.0, "at 200 tab changes a second, ack p50, over Node"),
    ("fanout", "ackP99Ms", "node", "<=", 0.8, "… ack p99"),
    ("fanout", "deliveryP50Ms", "node", "<=", 1.0, "… delivery p50"),
    ("fanout", "deliveryP99Ms", "node", "<=", 0.8, "… delivery p99"),
    ("idle", "bytesAConnection", "node", "<=", 0.5, "memory a connection, over Node"),
    ("herd", "rate", "node", ">=", 3.0, "students started a second, 1,000 at once, over Node"),
)
# Scenario, figure, at most what, shown how.
_BOUNDS: Final = (
    ("idle", "ackP99Ms", 50.0, "{:,.1f} ms", "2,000 students, a heartbeat every 5 s: ack p99"),
    ("arrivals", "ackP99Ms", 100.0, "{:,.1f} ms", "heartbeats while 1,000 connect and start within 2 s: ack p99"),
    ("sign-ins", "ackP99Ms", 100.0, "{:,.1f} ms", "heartbeats while 2,000 sign in within 2 s: ack p99"),
    ("soak", "ackMaxMs", 2000.0, "{:,.0f} ms", "soak: longest ack"),
    ("soak", "memoryGrowth", 0.05, "{:+.1%}", "soak: memory, from the third quarter to the fourth"),
    ("browser", "longestTaskMs", 100.0, "{:,.0f} ms", "console page, 500 students, 200 events a second: longest task"),
    ("browser", "heapGrowth", 0.05, "{:+.1%}", "console page: heap, from the second quarter to the last"),
)
_GROWTH: Final = 1.3


def targets(found: Results) -> Iterator[Target]:
    """Those that these results speak of."""
    for name, figure, peer, sign, bound, title in _RATIOS:
        if name not in found or not {"ours", peer} <= set(found[name].peers()):
            continue
        wanted = f"{'≥' if sign == '>=' else '≤'} {bound:g} times"
        ours, theirs = (found[name].median(who, figure) for who in ("ours", peer))
        if ours and theirs:
            ratio = ours / theirs
            yield Target(title, f"{ratio:,.2f} times", wanted, ratio >= bound if sign == ">=" else ratio <= bound)
        else:
            yield Target(title, "errors", wanted, met=False)
    if "idle" in found:
        yield from _all_acked(found["idle"])
    for name, figure, bound, shown, title in _BOUNDS:
        if name in found:
            value = found[name].median("ours", figure)
            said = "errors" if value is None else shown.format(value)
            yield Target(title, said, f"≤ {shown.format(bound)}", value is not None and value <= bound)
    if "growth-students" in found:
        of = "from the fewest students to the most"
        yield from _flat(found["growth-students"], us_a_beat, f"CPU a heartbeat, {of}")
        yield from _flat(found["growth-students"], kb_a_connection, f"memory a connection, {of}")
    if "growth-consoles" in found:
        yield from _flat(found["growth-consoles"], us_a_delivery, "CPU a delivery, from one console to the most", 1.0)
    if "faults" in found:
        lost = sum(run.figures.get(name, 0) for run in found["faults"].runs for name in ("missing", "twice"))
        yield Target("faults: acked and missing, or seen twice", f"{lost:g}", "0", lost == 0)


def _all_acked(idle: Measured) -> Iterator[Target]:
    """Whether the server keeps up: what it acks a second is what is sent."""
    rate = idle.median("ours", "rate")
    if rate is not None:
        due = idle.runs[0].size.students / 5
        yield Target(
            "2,000 students, a heartbeat every 5 s: acked a second", f"{rate:,.0f}", f"{due:,.0f}", rate >= 0.99 * due
        )


def _flat(one: Measured, cost: Cost, title: str, most: float = _GROWTH) -> Iterator[Target]:
    first, *_, last = (cost(one, size) for size in one.sizes()) if len(one.sizes()) > 1 else (0.0, 0.0)
    if first:
        yield Target(title, f"{last / first:,.2f} times", f"≤ {most:g} times", last / first <= most)
