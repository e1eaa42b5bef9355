"""What one thing costs our server, from the medians of a scenario's runs of one size."""

from __future__ import annotations

from collections.abc import Callable

from bench.results import Measured
from bench.scenarios import Size

Cost = Callable[[Measured, Size], float]


def server_us_a_beat(one: Measured, size: Size) -> float:
    """Microseconds of the server's CPU a heartbeat."""
    return _sum(one, size, "serverCpuS") / _beats(one, size) * 1e6


def us_a_beat(one: Measured, size: Size) -> float:
    """The same with its database's."""
    return _sum(one, size, "serverCpuS", "databaseCpuS") / _beats(one, size) * 1e6


def kb_a_connection(one: Measured, size: Size) -> float:
    """Kilobytes of the server's memory, its database's not counted."""
    return _sum(one, size, "bytesAConnection") / 1e3


def us_a_delivery(one: Measured, size: Size) -> float:
    """Microseconds of the server's CPU for one event at one console."""
    return _sum(one, size, "serverCpuS") / _sum(one, size, "deliveries") * 1e6


def _beats(one: Measured, size: Size) -> float:
    return _sum(one, size, "rate") * size.seconds


def _sum(one: Measured, size: Size, *figures: str) -> float:
    return sum(one.median("ours", figure, size) or 0.0 for figure in figures)
