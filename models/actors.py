"""Who acts: the identity behind a request or a connection."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from bson import ObjectId


class Role(StrEnum):
    SALES = "SALES"
    ADMIN = "ADMIN"
    PROCTOR = "PROCTOR"
    STUDENT = "STUDENT"


STAFF: Final = frozenset({Role.SALES, Role.ADMIN, Role.PROCTOR})
SUPERVISORS: Final = frozenset({Role.ADMIN, Role.PROCTOR})
EVERYBODY: Final = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Actor:
    """A signed-in user. `organisation_id` is None for SALES alone; `token_id` is the token's `jti`."""

    id: ObjectId
    role: Role
    organisation_id: ObjectId | None
    name: str
    token_id: str
    expires_at: datetime
    issued_at: float = 0.0  # seconds since the epoch
