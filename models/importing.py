"""Many accounts at once, each made or refused by itself, and all of them answered for in bounded time.

A password that a person chose takes a tenth of a second to hash, so a long list of those does not fit into one request:
its last lines are refused as unavailable. Addresses that are taken are found before anything is hashed, so that each
time the list is sent it comes further.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from bson import ObjectId
from pydantic import ValidationError
from pymongo.errors import BulkWriteError

from models.account import make_account
from models.actors import Role
from models.common_passwords import check_password
from models.database import IDS_A_QUERY, Database, Stored, delete_by_ids, is_unavailable, patience
from models.errors import Conflict, InvalidPayload, Unavailable
from models.organisations import Organisations
from models.passwords import Passwords, make_password
from models.roster import Line, NewAccount

logger = logging.getLogger(__name__)

# Seconds since the request began. After 9 the boundary answers by itself, and passwords that were made would be lost.
_HASHED_S: Final = 5.0
_WRITTEN_S: Final = 7.0
_ENDED_S: Final = 8.0
_AT_ONCE: Final = 2  # no more than there are threads: who signs in meanwhile waits for two hashes, not for 500
_DUPLICATE: Final = 11000


@dataclass(frozen=True, slots=True)
class Made:
    """An account that was stored. `password`: the one that was made for it; None where the list gave one."""

    user: Stored
    password: str | None


class Import:
    """One import into one organisation. `began`: when its request did, by the loop's clock. `refuse_common`: whether
    staff may not get a password that is guessed first.
    """

    def __init__(
        self,
        database: Database,
        organisations: Organisations,
        passwords: Passwords,
        organisation_id: ObjectId,
        began: float,
        *,
        refuse_common: bool = False,
    ) -> None:
        self._users = database.users
        self._organisations = organisations
        self._passwords = passwords
        self._organisation_id = organisation_id
        self._began = began
        self._refuse_common = refuse_common
        self._outcomes: dict[int, Made | Exception] = {}  # by the line's number

    async def run(self, lines: Sequence[Line]) -> list[tuple[int, Made | Exception]]:
        """The number of each line and what became of it, in their order.

        A line is refused with ValidationError, InvalidPayload, Conflict, or Unavailable: then it is not known to be
        stored, and can be sent again.
        """
        left_s = self._began + _WRITTEN_S - asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(self._began + _ENDED_S):
                with patience(max(left_s, 0.001)):
                    accounts = await self._free(self._valid(lines))
                    await self._write(await self._hashed(accounts))
        except Exception as error:
            if not isinstance(error, TimeoutError) and not is_unavailable(error):
                raise
            # Not with its text, which may be that of a write with all that was to be written.
            logger.warning("an import waits for the database: %s", type(error).__name__)
        for line in lines:
            self._outcomes.setdefault(line.number, Unavailable("There was no time for this line; send it again."))
        return [(line.number, self._outcomes[line.number]) for line in lines]

    def _valid(self, lines: Sequence[Line]) -> dict[int, NewAccount]:
        """By line, the accounts to make: of several with one address the first."""
        accounts: dict[str, tuple[int, NewAccount]] = {}
        for line in lines:
            try:
                account = NewAccount.model_validate(line.fields)
                if self._refuse_common:
                    check_password(account.role, account.password or "")
            except (ValidationError, InvalidPayload) as error:
                self._outcomes[line.number] = error
                continue
            first, _ = accounts.setdefault(account.email.casefold(), (line.number, account))
            if first != line.number:
                self._outcomes[line.number] = Conflict(f"Line {first} has the same e-mail address.")
        return dict(accounts.values())

    async def _free(self, accounts: Mapping[int, NewAccount]) -> dict[int, NewAccount]:
        """Those whose address nobody has."""
        lines = {account.email.casefold(): line for line, account in accounts.items()}
        keys = list(lines)
        for first in range(0, len(keys), IDS_A_QUERY):
            query = {"emailKey": {"$in": keys[first : first + IDS_A_QUERY]}}
            for user in await self._users.find(query, {"emailKey": 1}).to_list(None):
                self._outcomes[lines[user["emailKey"]]] = _taken()
        return {line: account for line, account in accounts.items() if line not in self._outcomes}

    async def _hashed(self, accounts: Mapping[int, NewAccount]) -> dict[int, Made]:
        """As many as there is time for, ready to be stored."""
        made: dict[int, Made] = {}
        waiting = iter(accounts.items())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._began + _HASHED_S):
                await asyncio.gather(*(self._hash(waiting, made) for _ in range(_AT_ONCE)))
        return made

    async def _hash(self, waiting: Iterator[tuple[int, NewAccount]], made: dict[int, Made]) -> None:
        """One after the other; `waiting` is shared with whoever does the same."""
        for line, account in waiting:
            password = None if account.password else make_password()
            try:
                hashed = await self._passwords.hash(account.password or password or "", made=password is not None)
            except Unavailable as error:
                self._outcomes[line] = error
                continue
            role = Role(account.role)
            user = make_account(ObjectId(), account.name, account.email, role, self._organisation_id, hashed)
            made[line] = Made(user, password)

    async def _write(self, made: Mapping[int, Made]) -> None:
        if not made:
            return
        failures: list[dict[str, Any]] = []
        users = [one.user for one in made.values()]
        undo = partial(delete_by_ids, self._users, [user["_id"] for user in users])
        async with self._organisations.adding(self._organisation_id, undo):
            try:
                await self._users.insert_many(users, ordered=False)
            except BulkWriteError as error:
                if is_unavailable(error):
                    raise
                failures = error.details["writeErrors"]
        failed = {failure["index"]: _refusal(failure) for failure in failures}
        self._outcomes |= {line: failed.get(place, one) for place, (line, one) in enumerate(made.items())}


def _taken() -> Conflict:
    return Conflict("This e-mail address is taken.")


def _refusal(failure: Mapping[str, Any]) -> Exception:
    if failure["code"] == _DUPLICATE:
        return _taken()
    logger.error("an account could not be stored: code %s", failure["code"])
    return Unavailable()
