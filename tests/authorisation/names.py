"""What the rows of the tables name, and how a row is filled with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from models.actors import Role
from tests.clients import uuid

UNKNOWN: Final = "f" * 24  # nothing has it
WARNING: Final = "Look at your own screen, please."  # what {session} and {foreign session} were told
_NAME: Final = re.compile(r"\{([^{}]+)\}")

NAMES: Final[dict[str, str]] = {
    "organisation": "has all that is not called foreign; students register themselves in it",
    "closed organisation": "a third one, without self-registration",
    "foreign organisation": "the other one",
    "sales": "the column SALES",
    "second sales": "another SALES",
    "admin": "the column ADMIN",
    "second admin": "another ADMIN of the organisation",
    "proctor": "the column PROCTOR",
    "second proctor": "another PROCTOR of the organisation, assigned to nothing",
    "student": "the column STUDENT",
    "pupil": "another student assigned to {exam}, without a session",
    "foreign admin": "the column foreign ADMIN",
    "foreign student": "the column foreign STUDENT",
    "foreign pupil": "another student assigned to {foreign exam}",
    "me": "the actor itself",
    "exam": "PROCTOR, STUDENT, classmate and pupil are assigned to it",
    "other exam": "idle PROCTOR and idle STUDENT are",
    "workshop": "idle PROCTOR and STUDENT are, who has a session in it",
    "empty exam": "nobody is",
    "foreign exam": "foreign PROCTOR, foreign STUDENT and foreign pupil are",
    "session": "of the STUDENT in {exam}",
    "classmate": "the column classmate",
    "removed session": "of the removed STUDENT in {exam}",
    "other session": "of the idle STUDENT in {other exam}",
    "foreign session": "of the foreign STUDENT in {foreign exam}",
    "foreign pupil session": "of the foreign pupil in {foreign exam}",
    "foreign command": "was given to {foreign session}",
    "email": "of a user who is in no column",
    "unknown": "an id that nothing has",
    "uuid": "a new one each time",
    "new organisation": "has nobody",
    "new admin": "of the organisation",
    "new student": "of the organisation, assigned to nothing",
    "new exam": "of the organisation; PROCTOR, STUDENT and classmate are assigned to it",
    "new rehearsal": "the same, as a rehearsal",
    "new session": "of the STUDENT, in an exam of its own that is like {new exam}",
    "new ended session": "the same, ended by the ADMIN",
    "exam of it": "the exam of {new session} or {new ended session}",
    "new command": "was given to {session} just now",
}

PEOPLE: Final[dict[str, tuple[Role, str | None]]] = {
    "SALES": (Role.SALES, None),
    "second sales": (Role.SALES, None),
    "ADMIN": (Role.ADMIN, "organisation"),
    "foreign ADMIN": (Role.ADMIN, "foreign organisation"),
    "PROCTOR": (Role.PROCTOR, "organisation"),
    "idle PROCTOR": (Role.PROCTOR, "organisation"),
    "removed PROCTOR": (Role.PROCTOR, "organisation"),
    "foreign PROCTOR": (Role.PROCTOR, "foreign organisation"),
    "STUDENT": (Role.STUDENT, "organisation"),
    "classmate": (Role.STUDENT, "organisation"),
    "idle STUDENT": (Role.STUDENT, "organisation"),
    "removed STUDENT": (Role.STUDENT, "organisation"),
    "foreign STUDENT": (Role.STUDENT, "foreign organisation"),
    "second admin": (Role.ADMIN, "organisation"),
    "second foreign admin": (Role.ADMIN, "foreign organisation"),
    "second proctor": (Role.PROCTOR, "organisation"),
    "pupil": (Role.STUDENT, "organisation"),
    "foreign pupil": (Role.STUDENT, "foreign organisation"),
}
ASSIGNED: Final[dict[str, list[str]]] = {
    "exam": ["PROCTOR", "removed PROCTOR", "STUDENT", "classmate", "removed STUDENT", "pupil"],
    "other exam": ["idle PROCTOR", "idle STUDENT"],
    "workshop": ["idle PROCTOR", "STUDENT"],
    "empty exam": [],
    "foreign exam": ["foreign PROCTOR", "foreign STUDENT", "foreign pupil"],
}
SESSIONS: Final[dict[str, tuple[str, str]]] = {
    "session": ("STUDENT", "exam"),
    "classmate session": ("classmate", "exam"),
    "removed session": ("removed STUDENT", "exam"),
    "other session": ("idle STUDENT", "other exam"),
    "workshop session": ("STUDENT", "workshop"),
    "foreign session": ("foreign STUDENT", "foreign exam"),
    "foreign pupil session": ("foreign pupil", "foreign exam"),
}


def names_in(value: object) -> list[str]:
    """The names in braces in a path or payload, in order."""
    if isinstance(value, str):
        return _NAME.findall(value)
    if isinstance(value, Mapping):
        value = list(value.values())
    return [name for one in value for name in names_in(one)] if isinstance(value, list | tuple) else []


def filled(value: Any, names: Mapping[str, str]) -> Any:
    """A path or payload with what its names stand for."""
    if isinstance(value, str):
        return _NAME.sub(lambda found: uuid() if found[1] == "uuid" else names[found[1]], value)
    if isinstance(value, dict):
        return {name: filled(one, names) for name, one in value.items()}
    return [filled(one, names) for one in value] if isinstance(value, list) else value
