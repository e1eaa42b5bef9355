"""Passwords that are tried first: the 30,000 most common ones, as the library zxcvbn has them."""

from __future__ import annotations

import functools

from models.actors import STAFF
from models.errors import InvalidPayload


def is_common(password: str) -> bool:
    """Whether the password is among the most common, in any case."""
    return password.casefold() in _common()


def check_password(role: str, password: str) -> None:
    """InvalidPayload for what is guessed first, where the role can do harm to others."""
    if role in STAFF and is_common(password):
        text = "This password is one of the most common; choose another one."
        raise InvalidPayload(text, [{"loc": ["password"], "msg": "one of the most common"}])


@functools.cache
def _common() -> frozenset[str]:
    # Loaded where it is asked for: it takes a quarter of a second and twelve megabytes.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])
