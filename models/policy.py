"""What an exam decides beforehand: who is let in, what happens past a limit, who gets more time."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from models.fields import Id, Payload

MOST_MINUTES: Final = 7 * 24 * 60


class Policy(Payload):
    """An exam's policy. Only hidden tabs of an ACTIVE session count towards `tabChangeLimit`; null: there is none."""

    admission: Literal["open", "proctor"] = "open"
    tab_change_limit: Annotated[int, Field(ge=0, le=10_000)] | None = None
    on_tab_change_limit: Literal["flag", "pause", "terminate"] = "flag"
    outage_credit_max_minutes: Annotated[int, Field(ge=0, le=MOST_MINUTES)] = 0


class Accommodation(Payload):
    """More time for one student."""

    user_id: Id
    extra_minutes: Annotated[int, Field(ge=1, le=MOST_MINUTES, description="whole minutes")]


DEFAULT: Final[dict[str, Any]] = Policy().model_dump(by_alias=True)
