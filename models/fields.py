"""The types that payloads and documents are made of, and how they look as JSON."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import orjson
from bson import ObjectId
from bson.tz_util import utc as STORED_UTC  # noqa: N812 a constant of another library
from pydantic import (
    BaseModel,
    ConfigDict,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
# The pattern that HTML gives <input type=email>: a deployment on an intranet may use names like `.local`.
_EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9-]{1,63}(\.[a-zA-Z0-9-]{1,63})*$"
_MOST_FIELDS = 50


def now() -> datetime:
    """The server's clock: UTC, cut to the milliseconds that MongoDB keeps."""
    return datetime.fromtimestamp(int(time.time() * 1000) / 1000, UTC)


def in_milliseconds(at: datetime) -> datetime:
    """`at` in UTC without its microseconds, as MongoDB stores it."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def parse_id(value: object) -> ObjectId:
    """An ObjectId from 24 hex digits; ValueError for all else."""
    if isinstance(value, ObjectId):
        return value
    if not isinstance(value, str) or not ObjectId.is_valid(value):
        raise ValueError("not an id: 24 hex digits are wanted")
    return ObjectId(value)


def parse_instant(value: object) -> datetime:
    """A moment from RFC 3339 text; ValueError for all else."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("not a time: RFC 3339 with an offset is wanted, like 2026-05-04T09:00:00.000Z")
    try:
        return in_milliseconds(datetime.fromisoformat(value.upper()))
    except OverflowError as error:
        raise ValueError("a time out of range") from error


def format_instant(at: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`."""
    if at.tzinfo is not UTC and at.tzinfo is not STORED_UTC:
        at = at.astimezone(UTC)
    text = orjson.dumps(at, option=orjson.OPT_UTC_Z).decode()  # several times as fast as isoformat()
    return f"{text[1:24]}Z" if at.microsecond else f"{text[1:20]}.000Z"


Id = Annotated[
    ObjectId,
    PlainValidator(parse_id),
    PlainSerializer(str, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^[0-9a-fA-F]{24}$", "examples": ["65f1c0ffee0123456789abcd"]}),
]
Instant = Annotated[
    datetime,
    PlainValidator(parse_instant),
    PlainSerializer(format_instant, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"\S")]
Email = Annotated[str, StringConstraints(max_length=254, pattern=_EMAIL)]
Password = Annotated[str, StringConstraints(min_length=6, max_length=1024)]
# Strict validation takes no text for a member of an enumeration, so roles come as the text that they are.
RoleName = Literal["SALES", "ADMIN", "PROCTOR", "STUDENT"]


class Payload(BaseModel):
    """What a client sends: no unknown field, no value of another type than the declared one."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, alias_generator=to_camel, hide_input_in_errors=True
    )

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: object) -> object:
        """Each unknown field is an error of its own in the answer, so their number is bounded first."""
        if isinstance(value, dict) and len(value) > _MOST_FIELDS:
            raise ValueError(f"more than {_MOST_FIELDS} fields")
        return value


class Document(BaseModel):
    """The shape of an answer, for the published contract. Answers themselves are plain dicts, cut by `shape`."""

    model_config = ConfigDict(alias_generator=to_camel)
    id_is_key: ClassVar[bool] = True  # the document's `id` is stored as `_id`


def shape(model: type[Document], stored: dict[str, Any]) -> dict[str, Any]:
    """The fields of `model` out of a stored document, under their names on the wire; `_id` becomes `id`."""
    return {name: stored.get(source) for name, source, always in _fields(model) if always or source in stored}


@cache
def _fields(model: type[Document]) -> tuple[tuple[str, str, bool], ...]:
    """Name on the wire, name in the database, and whether it is always there, of each field."""
    return tuple(
        (alias, "_id" if name == "id" and model.id_is_key else alias, field.is_required())
        for name, field in model.model_fields.items()
        for alias in [field.alias or name]
    )


def _encode_other(value: object) -> str:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, ObjectId):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def to_json(value: object) -> bytes:
    """JSON with ids and times as the contract has them."""
    return orjson.dumps(value, default=_encode_other, option=orjson.OPT_PASSTHROUGH_DATETIME)
