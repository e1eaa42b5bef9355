"""How much one address and one account may ask for over REST. What sign-ins may fail is in `handlers/sign_ins.py`.

An exam of 2,000 behind one address is no attack: at nine o'clock its students sign in within seconds, all of them from
the school's one address. So what an address may do is what such a school does, and what an account may do is little.

Windows are fixed ones, which begin at the first request: one number a key, one step in memory and later on Redis, and
the moment at which they end is known exactly, for Retry-After. A moving window keeps a time for each request, 60,000
for a school. What it would prevent, twice as many around a window's end, does no harm with limits as wide as these.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from bson import ObjectId
from limits import RateLimitItem
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from handlers.addresses import counted
from handlers.socket_limits import Refused
from models.actors import Actor
from models.errors import RateLimited


@dataclass(frozen=True, slots=True)
class Rates:
    """What the settings of the same names say."""

    requests_per_address: RateLimitItem
    requests_per_account: RateLimitItem
    registrations_per_address: RateLimitItem
    sign_in_failures: RateLimitItem
    sign_in_failures_in_doubt: RateLimitItem
    sign_in_failures_per_account: RateLimitItem
    sign_in_failures_per_address: RateLimitItem


class Windows:
    """Counts by kind and key. `storage`: the library's, in memory or shared by several processes. `tell` is told of
    each refusal, by the limit's name.
    """

    def __init__(self, storage: Storage, tell: Refused) -> None:
        self._windows = FixedWindowRateLimiter(storage)
        self.tell = tell

    async def take(self, rate: RateLimitItem, *key: str, limit: str, refusal: str) -> None:
        """Count once; RateLimited with the text `refusal` where that is once too often."""
        if not await self._windows.hit(rate, *key):
            raise await self.refused(rate, *key, limit=limit, refusal=refusal)

    async def count(self, rate: RateLimitItem, *key: str) -> None:
        await self._windows.hit(rate, *key)

    async def left(self, rate: RateLimitItem, *key: str) -> int:
        """How often it may still be counted."""
        return (await self._windows.get_window_stats(rate, *key)).remaining

    async def forget(self, rate: RateLimitItem, *key: str) -> None:
        await self._windows.clear(rate, *key)

    async def refused(self, rate: RateLimitItem, *key: str, limit: str, refusal: str) -> RateLimited:
        """The error that says when the window ends."""
        self.tell(limit)
        ends = (await self._windows.get_window_stats(rate, *key)).reset_time
        return RateLimited(refusal, max(int(1000 * (ends - time.time())), 0) + 1)


class Limits:
    """Raises RateLimited where there is too much of something. `rates` is None where nothing is limited."""

    def __init__(self, windows: Windows, rates: Rates | None) -> None:
        self._windows = windows
        self._rates = rates

    async def request_from(self, address: str | None) -> None:
        """A request came, from anybody at this address."""
        if self._rates:
            key = ("address", counted(address))
            refusal = "Too many requests come from this address; wait a little."
            rate = self._rates.requests_per_address
            await self._windows.take(rate, *key, limit="requests_per_address", refusal=refusal)

    async def request_of(self, actor: Actor) -> None:
        """A request came with a token of `actor`."""
        if self._rates:
            key = ("account", str(actor.id))
            refusal = "Too many requests; wait a little."
            rate = self._rates.requests_per_account
            await self._windows.take(rate, *key, limit="requests_per_account", refusal=refusal)

    async def registration(self, address: str | None, organisation_id: ObjectId) -> None:
        """Somebody registers in an organisation that lets them; for any other there would be no end of keys."""
        if self._rates:
            key = ("registration", counted(address), str(organisation_id))
            refusal = "Too many register from this address; wait a little."
            rate = self._rates.registrations_per_address
            await self._windows.take(rate, *key, limit="registrations_per_address", refusal=refusal)


LIMITS: Final = web.AppKey("limits", Limits)
