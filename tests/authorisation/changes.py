"""What ends an access, or changes it, at once: also that of whoever is connected.

A row: what happens, to whom, and the cells in the order of ASKED. `x` is a socket that was closed, `h` one that is
still there. The PROCTOR and the STUDENT are assigned to an exam, of which the STUDENT has a session; the ADMIN is of
its organisation. All are connected, the student's session started, the exam joined. That sockets close when their token
expires is in tests/test_connecting.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ASKED: Final[dict[str, str]] = {
    "the open socket": "`x`: closed, and heard nothing more; `h`: there, and hears on",
    "the exam": "GET /routes/exams/:id, with the token from before",
    "the session": "GET /routes/proctoring/:id, with the token from before",
    "connect": "with the token from before",
    "start or join": "on a new connection, with the token from before",
    "sign in anew": "and GET /routes/exams/:id with the new token",
}


@dataclass(frozen=True)
class Change:
    happens: str
    role: str
    cells: str


CHANGES: Final = [
    Change("nothing", "ADMIN", "h++++ +"),
    Change("nothing", "PROCTOR", "h++++ +"),
    Change("nothing", "STUDENT", "h++++ +"),
    Change("signs out", "ADMIN", "xUUUU +"),
    Change("signs out", "PROCTOR", "xUUUU +"),
    Change("signs out", "STUDENT", "xUUUU +"),
    Change("gets another password", "ADMIN", "xUUUU +"),
    Change("gets another password", "PROCTOR", "xUUUU +"),
    Change("gets another password", "STUDENT", "xUUUU +"),
    Change("is given a password", "STUDENT", "xUUUU +"),
    Change("becomes a STUDENT", "ADMIN", "xUUUU N"),
    Change("becomes a STUDENT", "PROCTOR", "xUUUU +"),
    Change("becomes a PROCTOR", "STUDENT", "xUUUU +"),
    Change("is removed from the exam", "PROCTOR", "xNN+N N"),
    Change("is removed from the exam", "STUDENT", "xNN+N N"),
    Change("is left out of the exam's users", "PROCTOR", "xNN+N N"),
    Change("is left out of the exam's users", "STUDENT", "xNN+N N"),
    Change("another is removed from the exam", "PROCTOR", "h++++ +"),
    Change("another is removed from the exam", "STUDENT", "h++++ +"),
    Change("the exam is deleted", "ADMIN", "xNN+N N"),
    Change("the exam is deleted", "PROCTOR", "xNN+N N"),
    Change("the exam is deleted", "STUDENT", "xNN+N N"),
    Change("is deleted", "ADMIN", "xUUUU U"),
    Change("is deleted", "PROCTOR", "xUUUU U"),
]
