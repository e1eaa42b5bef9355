"""Passwords: PBKDF2 with a salt each, computed off the event loop in few threads, which give way to all else.

An OWASP-strength hash is a tenth of a second of CPU; more threads than cores would only make all of them late. So who
comes when the threads have work for seconds is told when to come again, before the database is asked anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final

from models.errors import Unavailable

_THREADS: Final = 2
_NICE: Final = 10
_LONGEST_WAIT_S: Final = 5.0  # an answer is due in less than twice this
_MOST_WAITING: Final = 1000
_ITERATION_S: Final = 6e-7  # until a hash has been measured
_WEIGHT: Final = 0.1  # of the latest hash in the measured time of one
_LETTERS: Final = "23456789abcdefghjkmnpqrstuvwxyz"  # none that is taken for another: no 0 o, no 1 l i
_MADE_ITERATIONS: Final = 10_000


def make_password() -> str:
    """Three groups of four, like "h7kd-p2mw-x9rt": 59 bits of chance, to be read out and typed."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))


class Passwords:
    """Hashes with the settings of today; verifies with those that each hash was made with.

    `hash` and `verify` raise Unavailable, with the time to wait, as `room` does. Whoever has many to hash does it
    one by one, and waits and comes again like everybody.
    """

    def __init__(self, iterations: int, keylen: int, digest: str) -> None:
        self._iterations, self._keylen, self._digest = iterations, keylen, digest
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pbkdf2", initializer=_give_way)
        self._turns = asyncio.Semaphore(_THREADS)
        self._under_way = 0
        self._hash_s = iterations * _ITERATION_S
        # Verified against when the account is unknown, so that the answer takes as long as for a known one.
        self._nobody = self._parameters() | {"password": "00" * keylen}

    @contextmanager
    def room(self) -> Iterator[None]:
        """A place for one hash; Unavailable, with the time to wait, where the threads have work for 5 s.

        Taken before the database is asked for what to verify: two thousand such questions at once would keep
        everybody else's waiting.
        """
        if self._wait_s > _LONGEST_WAIT_S or self._under_way >= _MOST_WAITING:
            raise self._too_many()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @property
    def _wait_s(self) -> float:
        """How long the work under way will take, by the time that the latest hashes took."""
        return self._under_way * self._hash_s / _THREADS

    def _too_many(self) -> Unavailable:
        # Spread, so that those who are refused together do not come back together.
        wait_ms = int(1000 * self._wait_s * random.uniform(1, 2)) + 1  # noqa: S311 a spread
        return Unavailable("Too many are signing in; try again in a moment.", wait_ms)

    async def hash(self, password: str, *, made: bool = False) -> dict[str, Any]:
        """The fields to store: `password` (hex), `salt` (hex), `iterations`, `keylen`, `digest`.

        `made`: by `make_password`. A slow hash makes up for the little chance in what a person chose, and one of 2⁵⁹
        needs none of that: at 10,000 iterations it is out of reach already. So hundreds are hashed within one request,
        and those who have them are signed in as fast.
        """
        fields = self._parameters()
        if made:
            fields["iterations"] = min(self._iterations, _MADE_ITERATIONS)
        with self.room():
            # Hundreds of fast ones would make the next rush of sign-ins look shorter than it will be.
            return fields | {"password": (await self._derive(password, fields, measured=not made)).hex()}

    async def verify(self, password: str, stored: dict[str, Any] | None) -> bool:
        """Whether `password` is the stored one's. Called within `room`.

        A wrong one takes as long for every account, and where `stored` is None: else whoever guesses would learn which
        accounts there are, and which of them have a password that was made.
        """
        fields = stored or self._nobody
        derived = await self._derive(password, fields)
        if hmac.compare_digest(derived, bytes.fromhex(fields["password"])) and stored is not None:
            return True
        if (rest := self._iterations - fields["iterations"]) > 0:
            await self._derive(password, fields | {"iterations": rest}, measured=False)
        return False

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _parameters(self) -> dict[str, Any]:
        return {
            "salt": secrets.token_hex(16),
            "iterations": self._iterations,
            "keylen": self._keylen,
            "digest": self._digest,
        }

    async def _derive(self, password: str, fields: dict[str, Any], *, measured: bool = True) -> bytes:
        await self._turn()
        try:
            loop = asyncio.get_running_loop()
            derived, seconds = await loop.run_in_executor(self._threads, _derive, password.encode(), fields)
        finally:
            self._turns.release()
        if measured:
            self._hash_s += _WEIGHT * (seconds - self._hash_s)
        return derived

    async def _turn(self) -> None:
        """Wait for a thread; Unavailable where the others took longer than was thought."""
        try:
            async with asyncio.timeout(_LONGEST_WAIT_S):
                await self._turns.acquire()
        except TimeoutError:
            raise self._too_many() from None


def _derive(password: bytes, fields: dict[str, Any]) -> tuple[bytes, float]:
    """The hash, and how many seconds it took."""
    began = time.perf_counter()
    salt = bytes.fromhex(fields["salt"])
    derived = hashlib.pbkdf2_hmac(fields["digest"], password, salt, fields["iterations"], fields["keylen"])
    return derived, time.perf_counter() - began


def _give_way() -> None:
    """Let the event loop and the database come first; Linux alone gives a thread a priority of its own."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
