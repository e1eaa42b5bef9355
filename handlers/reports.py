"""What the exam client reports: payloads of `/exam` that become entries of the log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, ValidationError

from handlers.base import Json
from handlers.problems import details
from models.activity import REPORTED, DurationMs, Text
from models.errors import InvalidPayload
from models.fields import Instant, Payload

Seq = Annotated[int, Field(ge=1, le=2**31 - 1, description="the client's own number, for telling a repeat")]


class Report(Payload):
    """One entry of the log."""

    seq: Seq | None = None

    def content(self) -> tuple[str, Json]:
        """The activity's type and data."""
        raise NotImplementedError

    def time(self) -> datetime | None:
        """When the client says that it happened."""
        return None


class TimedReport(Report):
    occurred_at: Instant | None = None

    def time(self) -> datetime | None:
        return self.occurred_at


class TabChange(TimedReport):
    hidden: bool = True
    duration_ms: DurationMs | None = None

    def content(self) -> tuple[str, Json]:
        return "tab_change", _data(self)


class Chat(Report):
    text: Text

    def content(self) -> tuple[str, Json]:
        return "chat", _data(self) | {"to": "proctors"}


class RaiseHand(Report):
    text: Text | None = None

    def content(self) -> tuple[str, Json]:
        return "hand_raised", _data(self)


class LowerHand(Report):
    def content(self) -> tuple[str, Json]:
        return "hand_lowered", {}


class AnyActivity(TimedReport):
    type: Annotated[str, Field(json_schema_extra={"enum": list(REPORTED)})]
    data: dict[str, Any] = Field(default_factory=dict)

    def content(self) -> tuple[str, Json]:
        model = REPORTED.get(self.type)
        if model is None:
            wrong = [{"loc": ["type"], "msg": f"one of {', '.join(REPORTED)} is wanted"}]
            raise InvalidPayload("No exam client reports this type of activity.", wrong)
        try:
            data = _data(model.model_validate(self.data))
        except ValidationError as error:
            wrong = details(error)
            for one in wrong:
                one["loc"] = ["data", *one["loc"]]
            raise InvalidPayload("The activity's data is not valid.", wrong) from error
        return self.type, data | ({"to": "proctors"} if self.type == "chat" else {})


class Item(Payload):
    """One buffered event: what would have been sent."""

    event: str
    payload: dict[str, Any] = Field(default_factory=dict)


class Replay(Payload):
    items: Annotated[list[Any], Field(max_length=500, json_schema_extra={"items": Item.model_json_schema()})]


def seq_of(item: object) -> int | None:
    """The number of a buffered item that may be anything."""
    payload = item.get("payload") if isinstance(item, dict) else None
    seq = payload.get("seq") if isinstance(payload, dict) else None
    return seq if isinstance(seq, int) else None


def _data(payload: Payload) -> Json:
    return payload.model_dump(by_alias=True, exclude={"seq", "occurred_at"}, exclude_none=True)
