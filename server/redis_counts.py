"""What requests and sign-ins are limited by, counted in Redis for all nodes; in memory while Redis is away.

A request never waits long for Redis and never fails by it: what takes longer than 100 ms, or goes wrong, is answered
from this node's own counters, which count along all the time. Redis is then left alone for a second, after which one
request tries it again. So while it stands still a request in a second is 100 ms late, and nodes count each for itself.

Who comes while many are asking is answered from the own counters at once, and counted in Redis right after: a client
of Redis costs the loop a third of a millisecond each time, and in a rush most of those asks are about the same address.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from limits.aio.storage import RedisStorage, Storage

from handlers.counting import Counters
from server.settings import SettingsError

logger = logging.getLogger(__name__)

_PATIENCE_S: Final = 0.1
_AWAY_S: Final = 1.0
_MOST_AT_ONCE: Final = 20

_Answer = TypeVar("_Answer")


class RedisCounts(Storage):
    """`url`: as redis-py takes it; `prefix`: of the keys. Raises SettingsError; connects when it is first asked."""

    STORAGE_SCHEME = ["async+redis+counters"]

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__()
        try:
            from redis.asyncio import BlockingConnectionPool

            pool = BlockingConnectionPool.from_url(url, max_connections=_MOST_AT_ONCE + 1, timeout=_PATIENCE_S)
        except ImportError:
            raise SettingsError("REDIS_URL: install proctoring-server[redis]") from None
        except ValueError as error:
            raise SettingsError(f"REDIS_URL: {error}") from None
        self._pool = pool
        options: Any = {"connection_pool": pool}  # which the library takes, and does not name in its types
        self._redis = RedisStorage("async+redis://", implementation="redispy", key_prefix=prefix, **options)
        self._own = Counters()
        self._loop = asyncio.get_running_loop()
        self._asking = 0
        self._failures = 0  # without a success in between
        self._again_at = 0.0
        self._owed: Counter[tuple[str, int]] = Counter()  # by key and expiry
        self._settling: asyncio.Task[None] | None = None

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return self._redis.base_exceptions

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        own = await self._own.incr(key, expiry, amount)
        if self._asking >= _MOST_AT_ONCE and not self._failures:
            self._owed[key, expiry] += amount
            if self._settling is None or self._settling.done():
                self._settling = asyncio.create_task(self._settle())
            return own
        return await self._shared(lambda: self._redis.incr(key, expiry, amount), own)

    async def get(self, key: str) -> int:
        return await self._shared(lambda: self._redis.get(key), await self._own.get(key))

    async def get_expiry(self, key: str) -> float:
        return await self._shared(lambda: self._redis.get_expiry(key), await self._own.get_expiry(key))

    async def clear(self, key: str) -> None:
        await self._own.clear(key)
        await self._shared(lambda: self._redis.clear(key), None)

    async def check(self) -> bool:
        return await self._shared(self._redis.check, False)

    async def reset(self) -> int | None:
        await self._own.reset()
        return await self._shared(self._redis.reset, None)

    async def close(self) -> None:
        if self._settling is not None:
            await self._settling
        await self._pool.aclose()

    async def _settle(self) -> None:
        """Count in Redis what could not be at once; nothing of it where Redis goes away meanwhile."""
        while self._owed and not self._failures:
            (key, expiry), amount = self._owed.popitem()
            await self._asked(functools.partial(self._redis.incr, key, expiry, amount), 0)
        self._owed.clear()

    async def _shared(self, ask: Callable[[], Awaitable[_Answer]], own: _Answer) -> _Answer:
        """What Redis says; `own` where it would not say it in time."""
        if self._asking >= _MOST_AT_ONCE:
            return own
        if self._failures:
            if self._loop.time() < self._again_at:
                return own
            self._again_at = self._loop.time() + _AWAY_S  # the others go on without
        return await self._asked(ask, own)

    async def _asked(self, ask: Callable[[], Awaitable[_Answer]], own: _Answer) -> _Answer:
        again = bool(self._failures)
        self._asking += 1
        try:
            async with asyncio.timeout(_PATIENCE_S):
                answer = await ask()
        except Exception as error:  # noqa: BLE001 whatever it is, a request must not fail by it
            if again or not self._failures:  # those that were under way at the first failure are no more of them
                self._failures += 1
                self._again_at = self._loop.time() + _AWAY_S
                if again and self._failures == 2:  # one alone may be the loop's own stand-still
                    logger.warning("Redis is away, each node counts requests and sign-ins by itself: %r", error)
            return own
        finally:
            self._asking -= 1
        if self._failures > 1:
            logger.info("requests and sign-ins are counted in Redis again")
        self._failures = 0
        return answer
