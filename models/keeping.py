"""How long an organisation keeps what is stored of its sessions: in days from a session's end, null for ever."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from models.errors import InvalidPayload
from models.fields import Payload

MOST_DAYS: Final = 36_500
LEAST_SEALED: Final = 2  # a record is sealed a day after the session's end, or within minutes of that

Days = Annotated[int, Field(ge=1, le=MOST_DAYS, description="whole days from a session's end")]


class Retention(Payload):
    """`activityDays`: what the records say; that they happened stays as long as the exam. Null: for ever."""

    heartbeats_days: Days | None = None
    activity_days: Annotated[Days, Field(ge=LEAST_SEALED)] | None = None
    sessions_days: Annotated[Days, Field(ge=LEAST_SEALED)] | None = None


def kept(organisation: Mapping[str, Any], defaults: Mapping[str, int | None]) -> dict[str, int | None]:
    """What holds for an organisation: its own settings, and the server's for the others."""
    return {**defaults, **organisation.get("retention", {})}


def check(retention: Mapping[str, int | None]) -> None:
    """InvalidPayload where a session would go before its records do."""
    activity, sessions = retention["activityDays"], retention["sessionsDays"]
    if sessions is not None and (activity is None or activity > sessions):
        text = "sessionsDays is shorter than activityDays: what a session did cannot be kept for longer than it."
        raise InvalidPayload(text, [{"loc": ["retention", "sessionsDays"], "msg": "shorter than activityDays"}])


def had_its_time(ended: datetime, days: int | None, at: datetime) -> bool:
    return days is not None and ended + timedelta(days=days) <= at
