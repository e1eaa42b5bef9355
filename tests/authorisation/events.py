"""Every event for every actor: who is acked what.

A row: the cells in the order of `columns.COLUMNS`, the namespace, the event, its payload. Whom the namespace refuses at
connect, the cell says with what; what is sent all the same is acked `unauthorized`. In `/exam` the actor has tried to
start `started` before, which says who it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Event:
    cells: str
    namespace: str
    event: str
    payload: Any
    started: str | None = None
    writes: bool = True
    """Whether a success changes something."""

    @property
    def name(self) -> str:
        return f"{self.namespace} {self.event}"


EXAM: Final = {"requestId": "{uuid}", "examId": "{exam}"}
OTHER: Final = {"requestId": "{uuid}", "examId": "{other exam}"}
FOREIGN: Final = {"requestId": "{uuid}", "examId": "{foreign exam}"}
MINE: Final = {"requestId": "{uuid}", "examId": "{exam of it}", "sessionId": "{new session}"}
SESSION: Final = {"sessionId": "{session}"}
TEXT: Final = {"text": "Hello"}
WARN: Final = {"action": "warn", "text": "Look at your own screen, please."}
REVIEW: Final = {"requestId": "{uuid}", "verdict": "CLEARED"}

EVENTS: Final = [
    # The exam client. Whom of its columns C is written for could not start.
    Event("UU F FF FFFF ++NNN", "/exam", "start", {"examId": "{new exam}"}),
    Event("UU F FF FFFF ++NNN", "/exam", "start", {"examId": "{exam}", "chatSince": 0}, writes=False),
    Event("UU F FF FFFF NN+NN", "/exam", "start", {"examId": "{other exam}"}, writes=False),
    Event("UU F FF FFFF NNNN+", "/exam", "start", {"examId": "{foreign exam}"}, writes=False),
    Event("UU F FF FFFF NNNNN", "/exam", "start", {"examId": "{empty exam}"}),
    Event("UU F FF FFFF CCNN+", "/exam", "start", {"examId": "{foreign exam}"}, "{exam}", writes=False),
    Event("UU F FF FFFF IIIII", "/exam", "start", {"examId": "{exam}", "userId": "{student}"}),
    Event("UU F FF FFFF ++CCC", "/exam", "heartbeat", {}, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "heartbeat", {"sessionId": "{session}"}, "{exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "tab_change", {"hidden": True}, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "tab_change", {"sessionId": "{session}"}, "{exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "chat", TEXT, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "chat", TEXT | {"examId": "{foreign exam}"}, "{exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "activity", {"type": "copy"}, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "activity", {"type": "reviewed"}, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "activity", {"type": "copy", "userId": "{classmate}"}, "{exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "raise_hand", {}, "{exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "lower_hand", {}, "{exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "lower_hand", {"sessionId": "{session}"}, "{exam}"),
    Event(
        "UU F FF FFFF ++CCC",
        "/exam",
        "replay",
        {"items": [{"event": "activity", "payload": {"seq": 1, "type": "paste"}}]},
        "{exam}",
    ),
    Event("UU F FF FFFF +NCCC", "/exam", "command_ack", {"commandId": "{new command}"}, "{exam}"),
    Event("UU F FF FFFF NNCCC", "/exam", "command_ack", {"commandId": "{foreign command}"}, "{exam}"),
    Event("UU F FF FFFF CCCC+", "/exam", "command_ack", {"commandId": "{foreign command}"}, "{foreign exam}"),
    Event("UU F FF FFFF ++CCC", "/exam", "end", {}, "{new exam}"),
    Event("UU F FF FFFF IIIII", "/exam", "end", {"sessionId": "{session}"}, "{exam}"),
    # The console
    Event("UU F +N +NNN FFFFF", "/proctor", "join", {"examId": "{exam}"}, writes=False),
    Event("UU F +N +NNN FFFFF", "/proctor", "join", {"examId": "{exam}", "since": 0, "epoch": "x"}, writes=False),
    Event("UU F +N N+NN FFFFF", "/proctor", "join", {"examId": "{other exam}"}, writes=False),
    Event("UU F +N NNNN FFFFF", "/proctor", "join", {"examId": "{empty exam}"}, writes=False),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "join", {"examId": "{foreign exam}", "since": 0}, writes=False),
    Event("UU F +N +NNN FFFFF", "/proctor", "leave", {"examId": "{exam}"}, writes=False),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "leave", {"examId": "{foreign exam}"}, writes=False),
    Event("UU F +N +NNN FFFFF", "/proctor", "chat", EXAM | TEXT),
    Event("UU F +N +NNN FFFFF", "/proctor", "chat", EXAM | SESSION | TEXT),
    Event("UU F nN NNNN FFFFF", "/proctor", "chat", EXAM | {"sessionId": "{other session}"} | TEXT),
    Event("UU F NN NNNN FFFFF", "/proctor", "chat", EXAM | {"sessionId": "{foreign session}"} | TEXT),
    Event("UU F +N N+NN FFFFF", "/proctor", "chat", OTHER | TEXT),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "chat", FOREIGN | TEXT),
    Event("UU F NN NNNN FFFFF", "/proctor", "chat", FOREIGN | SESSION | TEXT),
    Event("UU F +N +NNN FFFFF", "/proctor", "command", EXAM | WARN),
    Event("UU F +N +NNN FFFFF", "/proctor", "command", EXAM | SESSION | WARN),
    Event("UU F nN NNNN FFFFF", "/proctor", "command", EXAM | {"sessionId": "{other session}"} | WARN),
    Event("UU F NN NNNN FFFFF", "/proctor", "command", EXAM | {"sessionId": "{foreign session}"} | WARN),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "command", FOREIGN | WARN),
    Event("UU F NN NNNN FFFFF", "/proctor", "command", FOREIGN | SESSION | WARN),
    Event("UU F +N +NNN FFFFF", "/proctor", "command", MINE | {"action": "pause", "reason": "Fire alarm"}),
    Event(
        "UU F +N +NNN FFFFF", "/proctor", "command", MINE | {"action": "extend", "minutes": 5, "reason": "Fire alarm"}
    ),
    Event("UU F +N +NNN FFFFF", "/proctor", "command", MINE | {"action": "terminate", "reason": "Fire alarm"}),
    # A session that is ACTIVE is neither waiting, nor paused, nor over: who may order it is told so.
    Event("UU F CN CNNN FFFFF", "/proctor", "command", EXAM | SESSION | {"action": "admit"}),
    Event("UU F CN CNNN FFFFF", "/proctor", "command", EXAM | SESSION | {"action": "deny"}),
    Event("UU F CN CNNN FFFFF", "/proctor", "command", EXAM | SESSION | {"action": "resume"}),
    Event("UU F CN FFFF FFFFF", "/proctor", "command", EXAM | SESSION | {"action": "reinstate", "reason": "A mistake"}),
    Event(
        "UU F +N FFFF FFFFF",
        "/proctor",
        "command",
        {"requestId": "{uuid}", "examId": "{exam of it}", "sessionId": "{new ended session}"}
        | {"action": "reinstate", "reason": "A mistake"},
    ),
    Event("UU F +N +NNN FFFFF", "/proctor", "lower_hand", {"requestId": "{uuid}"} | SESSION),
    Event("UU F +N N+NN FFFFF", "/proctor", "lower_hand", {"requestId": "{uuid}", "sessionId": "{other session}"}),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "lower_hand", {"requestId": "{uuid}", "sessionId": "{foreign session}"}),
    Event("UU F +N +NNN FFFFF", "/proctor", "review", REVIEW | SESSION),
    Event("UU F +N +NNN FFFFF", "/proctor", "review", REVIEW | {"sessionId": "{removed session}"}),
    Event("UU F +N N+NN FFFFF", "/proctor", "review", REVIEW | {"sessionId": "{other session}"}),
    Event("UU F N+ NNN+ FFFFF", "/proctor", "review", REVIEW | {"sessionId": "{foreign session}"}),
    Event("UU F NN NNNN FFFFF", "/proctor", "review", REVIEW | {"sessionId": "{exam}"}),
]
