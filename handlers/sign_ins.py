"""How often signing in may fail: guessing is slowed down, and nobody is locked out by somebody else's guesses.

A lock on an account would be a weapon: on exam day, anybody who knows an e-mail address could keep its student out. So
failures are counted for an account *and* whoever tries, and whoever was let in before does not pay for strangers:

- **An account at one address**: a few failures within minutes (`SIGN_IN_FAILURES`), then the pair waits for the end of
  the window. Who hammers from one address is soon refused before anything is hashed; the student at another address is
  not concerned, nor is anybody else at the same one. Who mistypes three times waits for nothing.
- **A browser that was let in** has a cookie that says so, for that account alone (OWASP's device cookie). Its failures
  are counted by themselves: a classmate who hammers from the address that the whole school shares holds off the
  account at that address, but not the student in the browser of the day before. A cookie opens nothing.
- **An account everywhere** (`SIGN_IN_FAILURES_PER_ACCOUNT`): guesses from thousands of addresses, a few from each. Then
  an address where that account never signed in has fewer tries, in a longer time (`SIGN_IN_FAILURES_IN_DOUBT`), but it
  always has some: the student who is at a new place and types the right password is let in at once. Nothing changes for
  addresses and browsers that the account was let in from.
- **An address, whatever the account** (`SIGN_IN_FAILURES_PER_ADDRESS`): one password tried on everybody. The limit is
  as wide as a school that mistypes. Past it, who never signed in there waits until the window ends; others do not.
- **A password that staff gave** (`POST /routes/users/:id/password`) has 59 bits, out of reach of any guessing, so it is
  let through all of this until it was used, for 15 minutes. That is for the student who is new at an address that a
  classmate abuses; the proctor in the room can help, and no lock waits for an admin.

All answers are the same for accounts that are not there. What is under way counts as failed until it is known, else a
thousand guesses at once would all come before the first failure. In this process alone: what several nodes let through
beyond is a few guesses each. Who was let in where is forgotten with a restart, unless Redis keeps it; then strangers
and friends have, in doubt, the same few tries.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from aiohttp import web
from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerMinute

from handlers.addresses import counted
from handlers.limits import Rates, Windows
from models.errors import RateLimited

Found = TypeVar("Found")

_LET_IN: Final = RateLimitItemPerDay(1, 90)
_GIVEN: Final = RateLimitItemPerMinute(1, 15)
_AT_ONCE_MS: Final = 1000  # to wait where only tries that are under way are in the way
_FAILURES: Final = "sign_in_failures"  # and those in doubt
_REFUSAL: Final = "Too many sign-ins failed; wait a little."


@dataclass(frozen=True, slots=True)
class Claim:
    """Who says to be whom. `device`: the browser, where it has a cookie of this account."""

    account: str
    address: str
    device: str | None = None

    @classmethod
    def of(cls, email: str, address: str | None) -> Claim:
        return cls(_account(email), counted(address))

    def on(self, device: str | None) -> Claim:
        return replace(self, device=device)

    @property
    def key(self) -> tuple[str, str, str]:
        """By which its failures are counted."""
        return ("sign-in", self.account, f"device {self.device}" if self.device else self.address)


class SignIns:
    """Counts what fails. `rates` is None where nothing is limited."""

    def __init__(self, windows: Windows, rates: Rates | None) -> None:
        self._windows = windows
        self._rates = rates
        self._under_way: Counter[tuple[str, ...]] = Counter()

    async def attempt(self, claim: Claim, verify: Callable[[], Awaitable[Found]]) -> Found:
        """What `verify` gives; nothing true is a failure. RateLimited, before it is asked, where too many failed.

        Where `verify` raises, nothing is known and nothing is counted.
        """
        rates = self._rates
        if rates is None or not await self._windows.left(_GIVEN, "given", claim.account):
            return await self._verified(claim, verify)
        rate = await self._rate(claim, rates)
        left = await self._windows.left(rate, *claim.key)
        if not left:
            raise await self._windows.refused(rate, *claim.key, limit="sign_in_failures", refusal=_REFUSAL)
        if self._under_way[claim.key] >= left:
            self._windows.tell("sign_in_failures")
            raise RateLimited(_REFUSAL, _AT_ONCE_MS)
        self._under_way[claim.key] += 1
        try:
            found = await self._verified(claim, verify)
            if not found:
                await self._failed(claim, rates)
        finally:
            self._under_way[claim.key] -= 1
            if not self._under_way[claim.key]:
                del self._under_way[claim.key]
        return found

    async def password_given(self, email: str) -> None:
        """The account has got a password that was made."""
        if self._rates:
            await self._windows.count(_GIVEN, "given", _account(email))

    async def password_chosen(self, email: str) -> None:
        """The account has got a password that somebody chose."""
        await self._windows.forget(_GIVEN, "given", _account(email))

    async def _rate(self, claim: Claim, rates: Rates) -> RateLimitItem:
        """How many failures are granted here."""
        if claim.device or not await self._windows.left(_LET_IN, "let in", claim.account, claim.address):
            return rates.sign_in_failures
        abused = (rates.sign_in_failures_per_address, "sign-in at", claim.address)
        if not await self._windows.left(*abused):
            raise await self._windows.refused(*abused, limit="sign_in_failures_per_address", refusal=_REFUSAL)
        if await self._windows.left(rates.sign_in_failures_per_account, "sign-in of", claim.account):
            return rates.sign_in_failures
        return rates.sign_in_failures_in_doubt

    async def _verified(self, claim: Claim, verify: Callable[[], Awaitable[Found]]) -> Found:
        found = await verify()
        if found and self._rates:
            for rate in (self._rates.sign_in_failures, self._rates.sign_in_failures_in_doubt):
                await self._windows.forget(rate, *claim.key)
            await self._windows.forget(_GIVEN, "given", claim.account)
            await self._windows.count(_LET_IN, "let in", claim.account, claim.address)
        return found

    async def _failed(self, claim: Claim, rates: Rates) -> None:
        for rate in (rates.sign_in_failures, rates.sign_in_failures_in_doubt):
            await self._windows.count(rate, *claim.key)
        await self._windows.count(rates.sign_in_failures_per_account, "sign-in of", claim.account)
        await self._windows.count(rates.sign_in_failures_per_address, "sign-in at", claim.address)


def _account(email: str) -> str:
    """A key of one length, in which nobody reads an address."""
    return hashlib.sha256(email.casefold().encode()).hexdigest()[:32]


SIGN_INS: Final = web.AppKey("sign_ins", SignIns)
