"""Who hears what: what somebody does, and to whom what is pushed.

A row: who sends which event, with which payload; then, for each push, who hears it (`h`), does not (`.`), or has no
connection to hear it by (`-`), in the order of `columns.COLUMNS`. Before the first one everybody has tried to start or
to join {exam}, and then the exam that it is assigned to. All in one go: what a row does not name is heard by nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True)
class Doing:
    """`what` tells its activity, message or command from all others; `exam` is where it happens."""

    actor: str
    event: str
    payload: dict[str, Any]
    what: str
    exam: str
    heard: dict[str, str]


CONSOLES: Final = "-- - h. h... ....."
STUDENT: Final = "-- - .. .... h...."
STUDENTS: Final = "-- - .. .... hh..."
OTHER_CONSOLE: Final = "-- - .. .h.. ....."
IDLE_STUDENT: Final = "-- - .. .... ..h.."
FOREIGN_CONSOLES: Final = "-- - .h ...h ....."
FOREIGN_STUDENT: Final = "-- - .. .... ....h"

ID: Final = {"requestId": "{uuid}"}
EXAM: Final = ID | {"examId": "{exam}"}
SESSION: Final = {"sessionId": "{session}"}
WARN: Final = {"action": "warn"}

PUSHES: Final = [
    Doing("STUDENT", "tab_change", {"hidden": True}, "tab_change", "exam", {"activity": CONSOLES}),
    Doing("STUDENT", "activity", {"type": "copy"}, "copy", "exam", {"activity": CONSOLES}),
    Doing("STUDENT", "chat", {"text": "to the proctors"}, "to the proctors", "exam", {"activity": CONSOLES}),
    Doing(
        "STUDENT",
        "raise_hand",
        {"text": "a question"},
        "a question",
        "exam",
        {"activity": CONSOLES, "presence": CONSOLES, "session": STUDENT},
    ),
    Doing(
        "PROCTOR",
        "chat",
        EXAM | SESSION | {"text": "to the student"},
        "to the student",
        "exam",
        {"activity": CONSOLES, "chat": STUDENT},
    ),
    Doing(
        "PROCTOR",
        "chat",
        EXAM | {"text": "to the exam"},
        "to the exam",
        "exam",
        {"activity": CONSOLES, "chat": STUDENTS},
    ),
    Doing(
        "PROCTOR",
        "command",
        EXAM | SESSION | WARN | {"text": "warns the student"},
        "warns the student",
        "exam",
        {"activity": CONSOLES, "commands": CONSOLES, "command": STUDENT},
    ),
    Doing(
        "ADMIN",
        "command",
        EXAM | WARN | {"text": "warns the exam"},
        "warns the exam",
        "exam",
        {"activity": CONSOLES, "commands": CONSOLES, "command": STUDENTS},
    ),
    Doing(
        "PROCTOR",
        "review",
        ID | SESSION | {"verdict": "SUSPICIOUS", "note": "a judgement"},
        "a judgement",
        "exam",
        {"activity": CONSOLES, "presence": CONSOLES},
    ),
    Doing(
        "ADMIN",
        "command",
        EXAM | SESSION | {"action": "extend", "minutes": 5, "reason": "more time"},
        "more time",
        "exam",
        {
            "activity": CONSOLES,
            "presence": CONSOLES,
            "commands": CONSOLES,
            "command": STUDENT,
            "session": STUDENT,
        },
    ),
    Doing(
        "idle STUDENT",
        "raise_hand",
        {"text": "a question elsewhere"},
        "a question elsewhere",
        "other exam",
        {"activity": OTHER_CONSOLE, "presence": OTHER_CONSOLE, "session": IDLE_STUDENT},
    ),
    Doing(
        "idle PROCTOR",
        "chat",
        ID | {"examId": "{other exam}", "text": "to the other exam"},
        "to the other exam",
        "other exam",
        {"activity": OTHER_CONSOLE, "chat": IDLE_STUDENT},
    ),
    Doing(
        "foreign STUDENT",
        "raise_hand",
        {"text": "a foreign question"},
        "a foreign question",
        "foreign exam",
        {"activity": FOREIGN_CONSOLES, "presence": FOREIGN_CONSOLES, "session": FOREIGN_STUDENT},
    ),
    Doing(
        "foreign PROCTOR",
        "command",
        ID | {"examId": "{foreign exam}"} | WARN | {"text": "warns the foreign exam"},
        "warns the foreign exam",
        "foreign exam",
        {"activity": FOREIGN_CONSOLES, "commands": FOREIGN_CONSOLES, "command": FOREIGN_STUDENT},
    ),
    Doing(
        "STUDENT",
        "end",
        {},
        "session_ended",
        "exam",
        {"activity": CONSOLES, "presence": CONSOLES, "session": STUDENT},
    ),
]
