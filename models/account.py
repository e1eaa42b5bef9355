"""A new account as it is stored, whether it is made alone or among many."""

from __future__ import annotations

from typing import Any

from bson import ObjectId

from models.actors import Role
from models.database import Stored
from models.fields import now


def make_account(
    new_id: ObjectId, name: str, email: str, role: Role, organisation_id: ObjectId | None, hashed: dict[str, Any]
) -> Stored:
    """The document; `hashed` is what `Passwords.hash` gave. SALES alone have no organisation."""
    time = now()
    return {
        "_id": new_id,
        "name": name,
        "email": email,
        "emailKey": email.casefold(),
        "role": role.value,
        "organisationId": organisation_id,
        **hashed,
        "tokensValidFrom": time,
        "createdAt": time,
        "updatedAt": time,
    }
