"""Passwords that are tried first: the 30,000 most common ones, as the library zxcvbn has them."""

from __future__ import annotations

import functools


def is_common(password: str) -> bool:
    """Whether the password is among the most common, in any case."""
    return password.casefold() in _common()


@functools.cache
def _common() -> frozenset[str]:
    # Loaded where it is asked for: it takes a quarter of a second and twelve megabytes.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    return frozenset(FREQUENCY_LISTS["passwords"])
