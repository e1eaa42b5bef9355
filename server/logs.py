"""Log lines: whose request or connection they belong to, and nothing that a person has typed.

An error's text may have in it what was being worked on: a validation error the payload, a refused write the document.
So no line has such a text; it has the error's type, what is known to be harmless, and where it came from.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from traceback import format_tb
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias

from pydantic import ValidationError
from pymongo.errors import ConnectionFailure, OperationFailure
from pythonjsonlogger.json import JsonFormatter

from models.errors import ProctoringError
from models.trail import current

Form: TypeAlias = Literal["text", "json"]
ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]

_SHORT: Final = 8  # characters of an id, where people read it
# What the driver writes below this has whole documents in it.
_LEAST: Final = {"pymongo": logging.INFO}


def set_up_logs(level: str, form: Form) -> None:
    """Write what is logged, at `level` and above, to standard error."""
    handler = logging.StreamHandler()
    make_discreet(handler, form)
    logging.basicConfig(level=level, handlers=[handler])
    for name, least in _LEAST.items():
        logging.getLogger(name).setLevel(max(least, logging.getLogger().level))


def make_discreet(handler: logging.Handler, form: Form) -> None:
    """Have `handler` write lines as this module's docstring says."""
    handler.addFilter(_Discreet())
    handler.setFormatter(_Json() if form == "json" else _Text())


class _Discreet(logging.Filter):
    """Lets every line through: with `requestId` and `connectionId` where it has them, and without errors' own texts."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.exc_text = None  # another handler's formatter keeps there what it wrote
        trail = current()
        if trail is not None:
            if trail.connection_id is not None:
                record.__dict__.setdefault("connectionId", trail.connection_id)
            record.__dict__.setdefault("requestId", trail.request_id)
        if record.name == "asyncio":  # below its first line are tasks, with what they failed with
            record.msg = str(record.msg).partition("\n")[0]
        if isinstance(record.args, tuple):
            record.args = tuple(_said(one) for one in record.args)
        elif isinstance(record.args, Mapping):
            record.args = {name: _said(one) for name, one in record.args.items()}
        return True


def _said(argument: Any) -> Any:
    return described(argument) if isinstance(argument, BaseException) else argument


def described(error: BaseException) -> str:
    """What of an error can be said aloud."""
    name = type(error).__name__
    if isinstance(error, ProctoringError):  # its text is ours
        return f"{name}: {error.message}"
    if isinstance(error, OperationFailure):  # its text and details have the document
        return f"{name}: code {error.code}"
    if isinstance(error, ConnectionFailure | OSError):  # which server, and why it cannot be reached
        return f"{name}: {error}"
    if isinstance(error, ValidationError):
        return f"{name}: {error.title}, " + ", ".join(sorted({one["type"] for one in error.errors()}))
    return name


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and those that it came from, the last one first."""
    seen: set[int] = set()
    current_: BaseException | None = error
    while current_ is not None and id(current_) not in seen:
        seen.add(id(current_))
        yield current_
        current_ = current_.__cause__ or (None if current_.__suppress_context__ else current_.__context__)


def _traceback(info: ExcInfo) -> str:
    """As Python writes it, but for what errors say."""
    if info[1] is None:
        return ""
    parts = []
    for error in reversed(list(_chain(info[1]))):
        head = "Traceback (most recent call last):\n" if error.__traceback__ else ""
        parts.append(f"{head}{''.join(format_tb(error.__traceback__))}{described(error)}")
        if isinstance(error, BaseExceptionGroup):
            parts += [_traceback((type(one), one, one.__traceback__)) for one in error.exceptions]
    return "\n\nFrom it came:\n\n".join(parts)


class _Json(JsonFormatter):
    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s", rename_fields={"asctime": "time", "levelname": "level"}
        )

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 the library's name
        return _traceback(ei)


class _Text(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 the library's name
        ids = [
            f"{label} {value[:_SHORT]}"
            for label, name in (("request", "requestId"), ("connection", "connectionId"))
            if (value := record.__dict__.get(name))
        ]
        return super().formatMessage(record) + (f" [{', '.join(ids)}]" if ids else "")

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 the library's name
        return _traceback(ei)
