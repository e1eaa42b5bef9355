"""What a client is told of an error, over sockets and REST alike."""

from __future__ import annotations

import logging
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from models import trail
from models.database import is_unavailable
from models.errors import Internal, InvalidPayload, ProctoringError, Unavailable

logger = logging.getLogger(__name__)

_MOST_DETAILS: Final = 20


def to_error(error: Exception) -> ProctoringError:
    """The contract's error for whatever was raised. What nobody expected is logged with a request id."""
    if isinstance(error, ProctoringError):
        return error
    if isinstance(error, ValidationError):
        return InvalidPayload("The payload is not valid.", details(error))
    if isinstance(error, RecursionError):
        return InvalidPayload("The payload is nested too deep.")
    if is_unavailable(error):
        logger.warning("the database does not answer: %s", error)
        return Unavailable()
    request_id = trail.request_id()
    logger.error("request %s failed", request_id, exc_info=error, extra={"requestId": request_id})
    return Internal(f"Something went wrong on our side; the request id is {request_id}.")


def details(error: ValidationError) -> list[dict[str, Any]]:
    """An error's `details`; of many only how many, which else would cost and say more than what they refuse."""
    if error.error_count() > _MOST_DETAILS:
        return [{"loc": [], "msg": f"{error.error_count()} things are wrong"}]
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [detail(one) for one in found]


def detail(error: ErrorDetails) -> dict[str, Any]:
    """One entry of an error's `details`."""
    return {"loc": list(error["loc"]), "msg": error["msg"]}
