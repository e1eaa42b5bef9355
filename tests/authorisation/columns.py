"""The actors, one a column, and the codes, one a letter: what the rows of all tables are written in."""

from __future__ import annotations

from typing import Final

from models.actors import Role

# Groups in a row's cells: without a valid token, SALES, ADMIN, PROCTOR, STUDENT.
COLUMNS: Final[dict[str, str]] = {
    "anonymous": "sends no token",
    "stale": "sends tokens that no longer hold, of each role that is not forbidden it; see below",
    "SALES": "belongs to no organisation",
    "ADMIN": "of the organisation that all objects belong to which are not called foreign",
    "foreign ADMIN": "of another organisation",
    "PROCTOR": "assigned to {exam}",
    "idle PROCTOR": "of the organisation, assigned to {other exam} and {workshop} alone",
    "removed PROCTOR": "was assigned to {exam} and is no longer",
    "foreign PROCTOR": "of another organisation, assigned to {foreign exam}",
    "STUDENT": "assigned to {exam}, with {session} there; also to {workshop}",
    "classmate": "a STUDENT assigned to {exam}, with a session of its own",
    "idle STUDENT": "of the organisation, assigned to {other exam} alone, with {other session} there",
    "removed STUDENT": "was assigned to {exam}, with {removed session} there, and is no longer",
    "foreign STUDENT": "of another organisation, assigned to {foreign exam}, with {foreign session} there",
}
GROUPS: Final = {"without a valid token": 2, Role.SALES: 1, Role.ADMIN: 2, Role.PROCTOR: 4, Role.STUDENT: 5}

CODES: Final[dict[str, str | None]] = {
    "+": None,
    "U": "unauthorized",
    "F": "forbidden",
    "N": "not_found",
    "n": "not_found",
    "I": "invalid_payload",
    "C": "conflict",
}

MEANINGS: Final[dict[str, str]] = {
    "+": "success",
    "U": "`unauthorized`",
    "F": "`forbidden`",
    "N": "`not_found`, word for word as for an id that nothing has",
    "n": "`not_found`: there is no such thing in what else is named; the actor may see it elsewhere",
    "I": "`invalid_payload`",
    "C": "`conflict`",
}

# Why a token no longer holds.
STALE: Final[dict[str, str]] = {
    "expired": "its time is up",
    "forged": "another secret signed it",
    "revoked": "its user signed out",
    "password changed": "its user got another password",
    "role changed": "its user got another role",
    "deleted": "its user is no longer there",
}


def cells_of(cells: str) -> dict[str, str]:
    """The letters of a row by column; ValueError where they are not in the groups of the columns."""
    groups = cells.split(" ")
    if [len(group) for group in groups] != list(GROUPS.values()):
        wanted = ", ".join(str(size) for size in GROUPS.values())
        raise ValueError(f"{cells!r} should have groups of {wanted} letters, one a column: {', '.join(COLUMNS)}")
    return dict(zip(COLUMNS, "".join(groups), strict=True))


def refused_and_let_in(cells: str) -> tuple[list[str], list[str]]:
    """The columns that are refused, and those that are not."""
    by_column = cells_of(cells)
    return [one for one in COLUMNS if by_column[one] != "+"], [one for one in COLUMNS if by_column[one] == "+"]


def stale_in(cells: str) -> list[tuple[Role, str]]:
    """The tokens that the cell `stale` is tried with: whose, and why they do not hold."""
    groups = dict(zip(GROUPS, cells.split(" "), strict=True))
    return [(role, why) for role in Role if set(groups[role]) != {"F"} for why in STALE]


def tried_in(cells: str) -> int:
    """How many requests the cells of one row of routes or events are."""
    return len(cells_of(cells)) - 1 + len(stale_in(cells))
