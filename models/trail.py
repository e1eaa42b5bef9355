"""Whose doing it is: what log lines, errors and traces say of the request or the connection that they belong to.

A context variable, since a log line is written by whoever has something to say, far from where the request came in.
Work that is done for many at once belongs to nobody: it is begun in an empty context.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final
from uuid import uuid4


class Trail:
    """One request, or one event of a connection. `connection_id` is None for a request over HTTP."""

    __slots__ = ("_request_id", "connection_id")

    def __init__(self, connection_id: str | None = None, request_id: str | None = None) -> None:
        self.connection_id = connection_id
        self._request_id = request_id

    @property
    def request_id(self) -> str:
        """Made where somebody asks for it: most events go well, and nobody does."""
        if self._request_id is None:
            self._request_id = uuid4().hex
        return self._request_id


_current: Final[ContextVar[Trail | None]] = ContextVar("trail", default=None)


def follow(trail: Trail | None) -> Token[Trail | None]:
    """From here on, what this task does, and what it begins, belongs to `trail`."""
    return _current.set(trail)


def leave(token: Token[Trail | None]) -> None:
    """Back to what it was before `follow`."""
    _current.reset(token)


def current() -> Trail | None:
    return _current.get()


def request_id() -> str:
    """Of what is going on; a new one where that is nobody's."""
    trail = _current.get()
    return trail.request_id if trail else uuid4().hex
