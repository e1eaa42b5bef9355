"""The picture in docs/performance.md: how the servers compare, and how the cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.costs import kb_a_connection, server_us_a_beat, us_a_beat, us_a_delivery
from bench.results import Measured, Results

_COLOURS: Final = {"ours": "#1b6ca8", "node": "#7aa874", "plain": "#d9a441", "node-bare": "#c7d9c4"}
_NAMES: Final = {"ours": "this server", "node": "Node", "plain": "Python", "node-bare": "Node,\nno database"}

# Scenario, figure, title, factor, whether the scale is logarithmic.
_BARS: Final = (
    ("heartbeat", "rate", "Heartbeats a second, stored (logarithmic)", 1.0, True),
    ("fanout-closed", "rate", "Tab changes a second to 5 consoles", 1.0, False),
    ("fanout", "deliveryP99Ms", "Delivery p99 at 200 a second (ms)", 1.0, False),
    ("idle", "bytesAConnection", "Memory a connection (KB)", 1e-3, False),
)


def draw(found: Results, path: Path) -> None:
    """An SVG of what there is, the same for the same results."""
    mpl.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 8, "axes.titlesize": 9})
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    axes = list(figure.subplots(2, 3).flat)
    for axis, (name, key, title, scale, logarithmic) in zip(axes, _BARS, strict=False):
        if name in found:
            _bars(axis, found[name], key, scale)
            if logarithmic:
                axis.set_yscale("log")
                axis.set_ylim(bottom=1)
        axis.set_title(title)
    _growth(axes[4], found.get("growth-students"))
    _deliveries(axes[5], found.get("growth-consoles"))
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})


def _bars(axis: Any, one: Measured, key: str, scale: float) -> None:
    values = {peer: (one.median(peer, key) or 0.0) * scale for peer in one.peers() if peer in _NAMES}
    bars = axis.bar(
        [_NAMES[peer] for peer in values], list(values.values()), color=[_COLOURS[peer] for peer in values], width=0.6
    )
    axis.bar_label(bars, [f"{value:,.0f}" for value in values.values()], padding=2)
    axis.margins(y=0.15)


def _growth(axis: Any, one: Measured | None) -> None:
    axis.set_title("One heartbeat's CPU (µs), one connection's memory (KB, right)")
    if one is None:
        return
    memory = axis.twinx()
    students = [size.students for size in one.sizes()]
    for cost, where, name, style in (
        (us_a_beat, axis, "CPU, server and database", "C0o-"),
        (server_us_a_beat, axis, "CPU, server", "C0o--"),
        (kb_a_connection, memory, "memory", "C1s-"),
    ):
        where.plot(students, [cost(one, size) for size in one.sizes()], style, label=name)
        where.set_ylim(bottom=0)
    memory.set_ylim(0, 2 * max(kb_a_connection(one, size) for size in one.sizes()))
    memory.spines["top"].set_visible(False)
    axis.set_xlabel("students, each beating every 2 s")
    axis.set_xscale("log", base=2)
    axis.set_xticks(students, [f"{number:,}" for number in students])
    axis.legend(handles=[*axis.lines, *memory.lines], frameon=False)


def _deliveries(axis: Any, one: Measured | None) -> None:
    axis.set_title("One delivery's CPU (µs)")
    if one is None:
        return
    consoles = [size.consoles for size in one.sizes()]
    axis.plot(consoles, [us_a_delivery(one, size) for size in one.sizes()], "o-", color=_COLOURS["ours"])
    axis.set_xlabel("consoles, at 200 tab changes a second")
    axis.set_xscale("log")
    axis.set_xticks(consoles, [str(number) for number in consoles])
    axis.minorticks_off()
    axis.set_ylim(bottom=0)
