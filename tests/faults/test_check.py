"""The check finds what is wrong: each thing that a fault could do to an exam, made up."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.database import Stored
from server.rehearse.tally import Tally, Watched
from tests.faults.check import Result, compare_log, false_alarms
from tests.faults.clocks import Clock
from tests.faults.load import SMALL

Break = Callable[[Any, list[Stored]], None]


def record(offset: int, type_: str = "tab_change", **changes: Any) -> Stored:
    return {
        "id": f"id{offset}",
        "offset": offset,
        "type": type_,
        "source": "client",
        "sessionId": "session",
        "clientId": "client",
        "seq": offset,
        "data": {},
    } | changes


def sound() -> tuple[Any, list[Stored]]:
    """Three activities, acked, stored and seen by one console; the student beat in time."""
    log = [record(offset) for offset in (1, 2, 3)]
    tally = Tally(acked={("client", 1), ("client", 2), ("client", 3)}, consoles=[Watched()])
    for one in log:
        tally.sent(("client", one["seq"]), "tab_change", offline=False)
        tally.saw(tally.consoles[0], one, ("client", one["seq"]), live=True)
    console = SimpleNamespace(called=set[tuple[str, str]]())
    load = SimpleNamespace(tally=tally, consoles=[console], size=SMALL, silences=lambda: {"session": 1.5})
    return load, log


def looked_at(load: Any, log: list[Stored]) -> Result:
    result = Result("made up", 1, 1)
    compare_log(result, load, log)
    result.false_alarms += false_alarms(load, log)
    return result


def test_what_is_sound_is_good() -> None:
    result = looked_at(*sound())
    assert result.good
    assert result.acked == 3


@pytest.mark.parametrize(
    ("silence", "connectivity", "false"), [(1.9, "LATE", 1), (2.1, "LATE", 0), (3.9, "MISSING", 1), (4.1, "MISSING", 0)]
)
def test_how_long_nobody_was_heard_of_decides_what_is_a_false_alarm(
    silence: float, connectivity: str, false: int
) -> None:
    load, log = sound()
    load.silences = lambda: {"session": silence}
    load.consoles[0].called.add(("session", connectivity))
    assert len(looked_at(load, log).false_alarms) == false


BREAKS: dict[str, Break] = {
    "an acked one is missing": lambda load, _: load.tally.acked.add(("client", 4)),
    "one is stored twice": lambda _, log: log.append(record(4, seq=3)),
    "the log has a hole": lambda _, log: log.append(record(5, seq=4)),
    "a console has not all": lambda _, log: log.append(record(4, seq=4)),
    "a console has another one": lambda load, _: load.tally.consoles[0].ids.__setitem__(1, "other"),
    "a console saw one twice": lambda load, log: load.tally.saw(
        load.tally.consoles[0], log[2], ("client", 3), live=True
    ),
    "who was there is late": lambda load, _: load.consoles[0].called.add(("session", "LATE")),
    "who was there is missing": lambda _, log: log.append(record(4, "heartbeat_missing", clientId=None, seq=None)),
    "the same device is a second one": lambda _, log: log.append(record(4, "second_connection", source="server")),
    "the server ended a session": lambda _, log: log.append(record(4, "session_ended", source="server")),
    "a node ended badly": lambda *_: None,
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_wrong_is_found(what: str) -> None:
    load, log = sound()
    BREAKS[what](load, log)
    result = looked_at(load, log)
    if what == "a node ended badly":
        result.exits = [0, -9]
    assert not result.good


def test_who_was_away_for_long_is_rightly_called_missing() -> None:
    load, log = sound()
    load.silences = lambda: {"session": 4.5}
    load.consoles[0].called |= {("session", "LATE"), ("session", "MISSING")}
    gone = record(4, "heartbeat_missing", source="server", clientId=None, seq=None)
    load.tally.saw(load.tally.consoles[0], gone, None, live=True)
    assert looked_at(load, [*log, gone]).good


def test_a_clock_tells_by_how_much_it_was_set_ahead_in_between(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    before = time.perf_counter()
    clock.set(1800)
    ahead = time.perf_counter()
    clock.set(0)
    after = time.perf_counter()
    assert clock.rise(before, ahead) == 1800
    assert clock.rise(before, after) == 1800
    assert clock.rise(ahead, after) == 0
    assert clock.rise(after, after) == 0
