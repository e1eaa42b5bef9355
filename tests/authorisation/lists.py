"""What lists show, and what students are not told.

A row of LISTS: the cells in the order of `columns.COLUMNS`, the path, the collection whose documents it shows, and
where in the answer they are. `-` is a refusal, which `rest.py` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from models.database import Stored

SHOWN: Final[dict[str, str]] = {
    "A": "all",
    "O": "exactly what belongs to the actor's organisation",
    "S": "exactly what belongs to the exams that the actor is assigned to",
    "W": "of the user that is named, exactly all",
    "P": "of the user that is named, exactly what belongs to exams that the actor is assigned to",
    "M": "the actor alone",
    "E": "exactly what belongs to the exam that is named",
    "T": "exactly what belongs to the session that is named",
    "0": "nothing",
    "-": "refused",
}
FOREIGN: Final = ["foreign organisation", "foreign student", "foreign exam", "foreign session"]


@dataclass(frozen=True)
class Listing:
    cells: str
    path: str
    collection: str
    at: str | None = None
    only: Callable[[Stored], bool] = lambda _: True
    """What the query wants of what may be seen."""

    @property
    def ways(self) -> list[str]:
        """How often it is read: as a whole, page by page, and after the ids of foreign objects."""
        if self.at is not None:
            return ["whole"]
        cursors = FOREIGN if self.collection in ("organisations", "users", "exams", "sessions") else []
        return ["whole", "page by page", *cursors]

    @property
    def name(self) -> str:
        return f"GET {self.path}" + (f", `{self.at}`" if self.at else "")


def _active(session: Stored) -> bool:
    return bool(session["status"] == "ACTIVE")


def _tab_change(record: Stored) -> bool:
    return bool(record["type"] == "tab_change")


LISTS: Final = [
    Listing("-- A OO OOOO OOOOO", "/routes/organisations", "organisations"),
    Listing("-- A OO OOOO MMMMM", "/routes/users", "users"),
    Listing("-- - OO SSSS SSSSS", "/routes/exams", "exams"),
    Listing("-- - OO SSSS -----", "/routes/proctoring", "sessions"),
    Listing("-- - OO SSSS -----", "/routes/proctoring?status=ACTIVE", "sessions", only=_active),
    Listing("-- - E- E--- -----", "/routes/proctoring?examId={exam}", "sessions"),
    Listing("-- - -E ---E -----", "/routes/proctoring?examId={foreign exam}", "sessions"),
    Listing("-- 0 W- PPP- W----", "/routes/users/{student}", "exams", "exams"),
    Listing("-- 0 W- PPP- W----", "/routes/users/{student}", "sessions", "sessions"),
    Listing("-- 0 W- PPP- -----", "/routes/users/{removed student}", "sessions", "sessions"),
    Listing("-- - E- E--- -----", "/routes/exams/{exam}/activity", "activity"),
    Listing("-- - -E ---E -----", "/routes/exams/{foreign exam}/activity", "activity"),
    Listing("-- - T- T--- -----", "/routes/proctoring/{session}/activity", "activity"),
    Listing(
        "-- - T- T--- -----", "/routes/proctoring/{session}/activity?type=tab_change", "activity", only=_tab_change
    ),
    Listing("-- - T- T--- -----", "/routes/proctoring/{session}/record", "activity", "activities"),
    Listing("-- - T- T--- -----", "/routes/proctoring/{session}/commands", "commands"),
    Listing("-- - -T ---T -----", "/routes/proctoring/{foreign session}/commands", "commands"),
]

# What the ADMIN is told and the STUDENT, who may see the document too, is not.
WITHHELD: Final[dict[str, set[str]]] = {
    "/routes/exams": {"users", "accommodations"},
    "/routes/exams/{exam}": {"users", "accommodations"},
    "/routes/proctoring/{session}": {"counts", "verdict"},
}
# What is stored of a user and told to nobody.
SECRET: Final = {"password", "emailKey", "tokensValidFrom"}
