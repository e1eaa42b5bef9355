"""What was sent, acked and seen, and what that says."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

Event = tuple[str, int]  # (clientId, seq): what tells one event from all others


@dataclass(slots=True)
class Watched:
    """What one console saw. `offset` is the last it has; `gaps` counts what did not continue there; `ids`: of all."""

    offset: int = 0
    gaps: int = 0
    ids: list[str] = field(default_factory=list)
    seen: Counter[Event] = field(default_factory=Counter)


@dataclass(slots=True)
class Tally:
    """The books of one rehearsal. Times are `time.perf_counter` of this process."""

    sent_at: dict[Event, float] = field(default_factory=dict)
    kinds: dict[Event, str] = field(default_factory=dict)
    acked: set[Event] = field(default_factory=set)
    ack_s: dict[str, list[float]] = field(default_factory=dict)
    delivery_s: dict[str, list[float]] = field(default_factory=dict)
    heartbeats: Counter[str] = field(default_factory=Counter)  # sent, acked, stored, missing
    drops: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    consoles: list[Watched] = field(default_factory=list)
    commands: Counter[str] = field(default_factory=Counter)  # by fate
    wrong: list[str] = field(default_factory=list)  # what supervision came to and should not have

    def sent(self, event: Event, kind: str, *, offline: bool) -> None:
        """An event happened; it says how long delivery takes unless it had to wait for a connection."""
        self.kinds[event] = kind
        if not offline:
            self.sent_at[event] = time.perf_counter()

    def saw(self, console: Watched, item: Mapping[str, Any], event: Event | None, *, live: bool) -> None:
        """A console saw one activity. `live`: pushed, not recovered, so that it says how long delivery takes."""
        if item["offset"] != console.offset + 1:
            console.gaps += 1
        console.offset = item["offset"]
        console.ids.append(item["id"])
        if event is not None and event in self.kinds:
            console.seen[event] += 1
            if live and console.seen[event] == 1 and event in self.sent_at:
                took = time.perf_counter() - self.sent_at[event]
                self.delivery_s.setdefault(self.kinds[event], []).append(took)

    def missing(self) -> set[Event]:
        """What was acked and not seen by every console."""
        return {event for event in self.acked if any(event not in console.seen for console in self.consoles)}

    def twice(self) -> set[Event]:
        """What some console saw more than once."""
        return {event for console in self.consoles for event, times in console.seen.items() if times > 1}

    def good(self) -> bool:
        gaps = any(one.gaps for one in self.consoles)
        return not (self.missing() or self.twice() or self.heartbeats["missing"] or gaps or self.wrong)

    def table(self) -> Table:
        """One row a kind of event."""
        caption = "seen: by every console, and for heartbeats: stored; times in ms"
        table = Table(title="Rehearsal", caption=caption, box=None, padding=(0, 2, 0, 0))
        for name in ("event", "sent", "acked", "seen", "missing", "ack p50", "p99", "delivery p50", "p99"):
            table.add_column(name, justify="left" if name == "event" else "right", no_wrap=True)
        missing = self.missing()
        for kind in sorted(set(self.kinds.values())):
            of_kind = {event for event, its in self.kinds.items() if its == kind}
            acked = of_kind & self.acked
            table.add_row(
                kind,
                str(len(of_kind)),
                str(len(acked)),
                str(len(acked - missing)),
                str(len(acked & missing)),
                *_quantiles(self.ack_s.get(kind, ())),
                *_quantiles(self.delivery_s.get(kind, ())),
            )
        beats = [str(self.heartbeats[name]) for name in ("sent", "acked", "stored", "missing")]
        table.add_row("heartbeat", *beats, *_quantiles(self.ack_s.get("heartbeat", ())), "", "")
        return table

    def lines(self) -> Iterable[str]:
        """What the table does not say."""
        gaps = sum(console.gaps for console in self.consoles)
        yield (
            f"{self.drops} connections dropped and came back; {self.duplicates} events sent again were known; "
            f"{len(self.consoles)} consoles, {gaps} gaps, {len(self.twice())} events seen twice"
        )
        yield "commands: " + ", ".join(f"{times} {fate.lower()}" for fate, times in sorted(self.commands.items()))
        yield from (f"WRONG: {line}" for line in self.wrong)
        if self.refused:
            yield "refused: " + ", ".join(f"{code} {times}" for code, times in sorted(self.refused.items()))
        yield "Nothing is missing." if self.good() else "SOMETHING IS MISSING."


def _quantiles(seconds: Iterable[float]) -> list[str]:
    """p50 and p99 in milliseconds; empty where there is nothing."""
    times = sorted(seconds)
    if not times:
        return ["", ""]
    return [f"{times[min(len(times) - 1, int(len(times) * part))] * 1000:.1f}" for part in (0.5, 0.99)]
