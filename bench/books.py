"""What was sent, acked and delivered in one run, and the figures that follow from it."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

Figures = dict[str, float]


@dataclass(slots=True)
class Pairs:
    """When something was due, and when it was done (both `time.perf_counter`, seconds)."""

    due: array[float] = field(default_factory=lambda: array("d"))
    done: array[float] = field(default_factory=lambda: array("d"))

    def done_within(self, begin: float, end: float) -> int:
        return sum(begin <= at < end for at in self.done)

    def took(self, begin: float, end: float, *, by_due: bool) -> list[float]:
        """How long each took, sorted; those that were due (else: done) within this time."""
        moments = self.due if by_due else self.done
        both = zip(moments, self.due, self.done, strict=True)
        return sorted(done - due for at, due, done in both if begin <= at < end)


@dataclass(slots=True)
class Books:
    """The books of one run. A latency counts from when an event was due, not from when it was sent."""

    acks: Pairs = field(default_factory=Pairs)
    deliveries: Pairs = field(default_factory=Pairs)
    event_due: array[float] = field(default_factory=lambda: array("d"))  # by the event's number
    errors: Counter[str] = field(default_factory=Counter)
    sending: bool = True

    def figures(self, begin: float, end: float, *, by_due: bool) -> Figures:
        """Rates a second and milliseconds. `by_due`: an open loop, whose events are those that were due within it."""
        acks = self.acks.took(begin, end, by_due=by_due)
        found: Figures = {"acks": len(acks), "rate": self.acks.done_within(begin, end) / (end - begin)}
        found |= _quantiles("ack", acks)
        if self.deliveries.done:
            found["deliveries"] = self.deliveries.done_within(begin, end)
            found |= _quantiles("delivery", self.deliveries.took(begin, end, by_due=by_due))
        return found


def quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def median(values: Iterable[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _quantiles(name: str, seconds: list[float]) -> Figures:
    if not seconds:
        return {}
    parts = {"P50Ms": 0.5, "P99Ms": 0.99}
    return {name + part: quantile(seconds, where) * 1000 for part, where in parts.items()} | {
        f"{name}MaxMs": seconds[-1] * 1000
    }
