"""Which documents an actor may see, as filters that go into the queries themselves."""

from __future__ import annotations

from models.actors import SUPERVISORS, Actor, Role
from models.database import Filter, Stored


def organisations_of(actor: Actor) -> Filter:
    """SALES all, others their own."""
    return {} if actor.role is Role.SALES else {"_id": actor.organisation_id}


def users_of(actor: Actor) -> Filter:
    """SALES all, supervisors their organisation's, a STUDENT itself."""
    if actor.role is Role.SALES:
        return {}
    if actor.role in SUPERVISORS:
        return {"organisationId": actor.organisation_id}
    return {"_id": actor.id}


def exams_of(actor: Actor) -> Filter:
    """ADMIN its organisation's, PROCTOR and STUDENT those that they are assigned to, SALES none."""
    if actor.role is Role.ADMIN:
        return {"organisationId": actor.organisation_id}
    # An assignment holds within the organisation, whatever the list of users says. SALES is in none.
    return {"users": actor.id, "organisationId": actor.organisation_id}


def sees_exam(actor: Actor, exam: Stored) -> bool:
    """Whether `exams_of(actor)` finds this exam."""
    return exam["organisationId"] == actor.organisation_id and (actor.role is Role.ADMIN or actor.id in exam["users"])
