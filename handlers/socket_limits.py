"""How much one user may send over sockets, and how many sockets it may have.

What a user may send is counted over all of its sockets, so who opens fifty has not fifty times as much; and it is
remembered for a while after the last one, so who comes back has not more either. Kinds are counted by themselves: a
flood of chat does not keep the heartbeats out.

Whoever goes on after some hundred refusals is disconnected: a client that waits as it is told is refused a few times,
and answering one that does not costs as much as serving it. All of it is counted on the node that the socket is on: a
user's sockets on another one have as much again, which is a few times as much, not a thousand; and an event waits for
nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bson import ObjectId

from handlers.buckets import Bucket, Flow
from models.errors import RateLimited

_KINDS: Final = {"heartbeat": "heartbeats", "chat": "chats", "replay": "replays"}
_SWEEP_S: Final = 60.0

Refused = Callable[[str], None]  # is told the name of the limit that something was refused by


@dataclass(frozen=True, slots=True)
class SocketRates:
    """What the settings of the same names say."""

    events_per_user: Flow
    heartbeats_per_user: Flow
    chats_per_user: Flow
    replays_per_user: Flow
    refusals_per_user: Flow
    new_connections_per_user: Flow
    connections_per_user: int


class Allowance:
    """What is left to one user."""

    __slots__ = ("_arrivals", "_buckets", "_rates", "_refusals", "_refused", "connections")

    def __init__(self, rates: SocketRates, refused: Refused) -> None:
        self._rates = rates
        self._refused = refused
        self._buckets: dict[str, Bucket] = {}  # by kind, once there was one
        self._refusals = Bucket(rates.refusals_per_user)
        self._arrivals = Bucket(rates.new_connections_per_user)
        self.connections = 0

    def enter(self, now: float) -> None:
        """One socket more; RateLimited where that is one too many."""
        wait_ms = self._arrivals.take(now)
        if wait_ms:
            self._refused("new_connections_per_user")
            raise RateLimited("You connect too often; wait a little.", wait_ms)
        if self.connections >= self._rates.connections_per_user:
            self._refused("connections_per_user")
            raise RateLimited("You have too many connections; close one.", 1000)
        self.connections += 1

    def take(self, event: str, now: float) -> None:
        """An event comes; RateLimited where it is one too many of its kind."""
        kind = _KINDS.get(event, "events")
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = Bucket(getattr(self._rates, f"{kind}_per_user"))
        wait_ms = bucket.take(now)
        if wait_ms:
            self._refused(f"{kind}_per_user")
            raise RateLimited("Too many events; wait a little.", wait_ms)

    def goes_on(self, now: float) -> bool:
        """An event was refused: whether that is once too often."""
        if not self._refusals.take(now):
            return False
        self._refused("refusals_per_user")
        return True

    def forgettable(self, now: float) -> bool:
        everything = (*self._buckets.values(), self._refusals, self._arrivals)
        return not self.connections and all(bucket.full(now) for bucket in everything)


class SocketLimits:
    """Everybody's allowances. `rates` is None where nothing is limited."""

    def __init__(self, rates: SocketRates | None, refused: Refused) -> None:
        self._rates = rates
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._by_user: dict[ObjectId, Allowance] = {}
        self._swept = self._loop.time()

    def enter(self, user_id: ObjectId) -> Allowance | None:
        """A socket of this user is let in, until `leave`; RateLimited where that is one too many."""
        if self._rates is None:
            return None
        now = self._loop.time()
        if now - self._swept > _SWEEP_S:
            self._swept = now
            self._by_user = {key: one for key, one in self._by_user.items() if not one.forgettable(now)}
        allowance = self._by_user.get(user_id)
        if allowance is None:
            allowance = self._by_user[user_id] = Allowance(self._rates, self._refused)
        allowance.enter(now)
        return allowance

    def leave(self, allowance: Allowance | None) -> None:
        """The socket that was let in with it is gone."""
        if allowance is not None:
            allowance.connections -= 1
