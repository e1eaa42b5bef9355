"""What can go wrong, one class a code of the contract. Handlers and models raise these; the boundary answers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class ProctoringError(Exception):
    """Base of every expected error. `code` and `status` (HTTP) are the contract's.

    `retry_after_ms`: how long to wait before trying again, in milliseconds, where that is known.
    """

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(
        self, message: str, details: Sequence[dict[str, Any]] | None = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.retry_after_ms = retry_after_ms

    @property
    def retry_after_s(self) -> int | None:
        """The same in whole seconds, as HTTP's Retry-After has it."""
        return None if self.retry_after_ms is None else -(-self.retry_after_ms // 1000)

    def as_dict(self) -> dict[str, Any]:
        """The error object that REST and Socket.IO share: `{code, message, details?, retryAfterMs?}`."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.details:
            error["details"] = list(self.details)
        if self.retry_after_ms is not None:
            error["retryAfterMs"] = self.retry_after_ms
        return error


class UnknownEvent(ProctoringError):
    code, status = "unknown_event", 404


class PayloadTooLarge(ProctoringError):
    code, status = "payload_too_large", 413


class Unauthorized(ProctoringError):
    code, status = "unauthorized", 401


class RateLimited(ProctoringError):
    """Too fast."""

    code, status = "rate_limited", 429

    def __init__(self, message: str, retry_after_ms: int) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)


class Forbidden(ProctoringError):
    code, status = "forbidden", 403


class NotFound(ProctoringError):
    code, status = "not_found", 404


class MethodNotAllowed(ProctoringError):
    code, status = "method_not_allowed", 405


class InvalidPayload(ProctoringError):
    code, status = "invalid_payload", 422


class Conflict(ProctoringError):
    code, status = "conflict", 409


class Unavailable(ProctoringError):
    """The database did not answer in time, or too much waits: not known to be stored."""

    code, status = "unavailable", 503

    def __init__(
        self,
        message: str = "The database does not answer; keep this and send it again.",
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)


class Internal(ProctoringError):
    code, status = "internal", 500


ERRORS: tuple[type[ProctoringError], ...] = (
    UnknownEvent,
    PayloadTooLarge,
    Unauthorized,
    RateLimited,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    InvalidPayload,
    Conflict,
    Unavailable,
    Internal,
)
