"""How many transports one address may open, before anybody knows who is there.

A school is one address, and its students arrive within seconds: so the limits are what such a school does, as over
REST. What has no identity yet costs an attacker nothing, so it is bounded by itself, and in time: see
`server/sockets.py`. Counted on this node alone: its memory and its sockets are what is protected, and those of another
node are none of its concern.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from handlers.addresses import counted
from handlers.buckets import Bucket, Flow
from handlers.socket_limits import Refused
from models.errors import RateLimited

_SWEEP_S: Final = 60.0
_FULL_MS: Final = 5000  # to wait where others have to go first


@dataclass(frozen=True, slots=True)
class HandshakeRates:
    """What the settings of the same names say."""

    new_connections_per_address: Flow
    connections_per_address: int
    unauthenticated_per_address: int


class _Address:
    __slots__ = ("arrivals", "open", "unauthenticated")

    def __init__(self, flow: Flow) -> None:
        self.arrivals = Bucket(flow)
        self.open = 0
        self.unauthenticated = 0


class Place:
    """One transport's, from its handshake to its end."""

    __slots__ = ("_address", "_unauthenticated")

    def __init__(self, address: _Address | None) -> None:
        self._address = address
        self._unauthenticated = True
        if address is not None:
            address.open += 1
            address.unauthenticated += 1

    def authenticated(self) -> None:
        """It has shown a token that holds. May be called again."""
        if self._unauthenticated and self._address is not None:
            self._address.unauthenticated -= 1
        self._unauthenticated = False

    def leave(self) -> None:
        """It is gone. May be called again."""
        self.authenticated()
        if self._address is not None:
            self._address.open -= 1
            self._address = None


class Handshakes:
    """`rates` is None where nothing is limited."""

    def __init__(self, rates: HandshakeRates | None, refused: Refused) -> None:
        self._rates = rates
        self._refused = refused
        self._by_address: dict[str, _Address] = {}
        self._swept = 0.0

    def enter(self, address: str | None) -> Place:
        """A transport is opened from here; RateLimited where that is one too many."""
        rates = self._rates
        if rates is None:
            return Place(None)
        now = asyncio.get_running_loop().time()
        self._sweep(now)
        key = counted(address)
        here = self._by_address.get(key)
        if here is None:
            here = self._by_address[key] = _Address(rates.new_connections_per_address)
        wait_ms = here.arrivals.take(now)
        if wait_ms:
            self._refused("new_connections_per_address")
            raise RateLimited("Too many connect from this address; wait a little.", wait_ms)
        if here.open >= rates.connections_per_address:
            self._refused("connections_per_address")
            raise RateLimited("This address has too many connections.", _FULL_MS)
        if here.unauthenticated >= rates.unauthenticated_per_address:
            self._refused("unauthenticated_per_address")
            raise RateLimited("Too many connect from this address; wait a little.", _FULL_MS)
        return Place(here)

    def _sweep(self, now: float) -> None:
        if now - self._swept > _SWEEP_S:
            self._swept = now
            self._by_address = {
                key: one for key, one in self._by_address.items() if one.open or not one.arrivals.full(now)
            }
