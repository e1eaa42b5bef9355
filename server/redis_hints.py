"""Carries hints between nodes by Redis: JSON on one channel a database.

Redis keeps nothing of it. While it is away hints are dropped, and `Hints.healthy` says so; this node then looks by
itself (`handlers/following.py`), and subscribes again within a second of its being back. A subscription may also die in
silence, behind a firewall say: so each node speaks every second, and one that does not hear itself is not subscribed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final

import orjson

from models.hints import Hints, Message
from models.periodic import cancel
from server.settings import SettingsError

logger = logging.getLogger(__name__)

_SPEAK_S: Final = 1.0
_DEAF_S: Final = 4.0  # without hearing oneself
_TIMEOUT_S: Final = 2.0
_RETRY_S: Final = 0.5
_GATHER_S: Final = 0.02  # after a message: a message costs a quarter of a millisecond, however many hints are in it


class RedisHints:
    """`async with` it while the node serves. `url`: as redis-py takes it; `channel`: the nodes' of one database."""

    def __init__(self, url: str, channel: str, hints: Hints) -> None:
        try:
            from redis.asyncio import Redis
        except ImportError:
            raise SettingsError("REDIS_URL: install proctoring-server[redis]") from None
        try:
            self._redis: Any = Redis.from_url(
                url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, health_check_interval=0
            )
        except ValueError as error:
            raise SettingsError(f"REDIS_URL: {error}") from None
        self._channel = channel
        self._hints = hints
        self._tasks: list[asyncio.Task[None]] = []
        hints.shared = True

    async def __aenter__(self) -> RedisHints:
        self._tasks = [asyncio.create_task(work()) for work in (self._listen, self._speak)]
        return self

    async def __aexit__(self, *_: object) -> None:
        await cancel(*self._tasks)
        await self._redis.aclose()

    async def _listen(self) -> None:
        while True:
            try:
                await self._subscribed()
            except Exception as error:  # noqa: BLE001 whatever it is, there is nothing but to try again
                if self._hints.healthy:
                    logger.warning("Redis is away, nodes are late to hear of each other: %r", error)
            self._hints.healthy = False
            await asyncio.sleep(_RETRY_S)

    async def _subscribed(self) -> None:
        """Hear until nothing is heard any more."""
        loop = asyncio.get_running_loop()
        async with self._redis.pubsub(ignore_subscribe_messages=True) as subscription:
            await subscription.subscribe(self._channel)
            self._hints.doubted = False
            heard = loop.time()
            while loop.time() - heard < _DEAF_S and not self._hints.doubted:
                message = await subscription.get_message(timeout=_SPEAK_S)
                content = _decoded(message["data"]) if message else {}
                if content.pop("node", None) == self._hints.node_id:
                    heard = loop.time()
                    if not self._hints.healthy:
                        logger.info("nodes hear of each other by Redis")
                        self._hints.healthy = True
                elif content:
                    self._hints.hear(content)
        raise TimeoutError("nothing is heard")

    async def _speak(self) -> None:
        """Send what there is to tell, and a sign of life where there is nothing."""
        while True:
            message: Message = {}
            try:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SPEAK_S):
                        message = await self._hints.take()
                await self._redis.publish(self._channel, orjson.dumps({"node": self._hints.node_id, **message}))
            except Exception as error:  # noqa: BLE001 `_listen` tells of it
                logger.debug("hints wait for Redis: %r", error)
                self._hints.untell(message)
                await asyncio.sleep(_RETRY_S)
            else:
                await asyncio.sleep(_GATHER_S)


def _decoded(data: bytes) -> dict[str, Any]:
    """A message; nothing where it is none of ours."""
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}
