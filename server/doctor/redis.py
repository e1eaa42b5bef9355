"""Redis, where REDIS_URL names one: that it is there, and that a message which is published arrives."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final

from server.doctor.findings import Finding

_TIMEOUT_S: Final = 3.0


async def check_redis(url: str) -> list[Finding]:
    """What `url` leads to."""
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ImportError:
        return [Finding("fail", "Redis", "install proctoring-server[redis]")]
    try:
        redis: Any = Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
    except ValueError as error:
        return [Finding("fail", "Redis", f"REDIS_URL: {error}")]
    try:
        async with asyncio.timeout(3 * _TIMEOUT_S):
            version = (await redis.info("server"))["redis_version"]
            ms = await _published(redis)
    except (OSError, RedisError, TimeoutError) as error:
        return [Finding("fail", "Redis", f"REDIS_URL does not answer: {error or 'in time'}; nodes are late to hear")]
    finally:
        await redis.aclose()
    if ms is None:
        return [Finding("fail", "Redis", f"{version}: what is published does not arrive; may this user subscribe?")]
    return [Finding("ok", "Redis", f"{version}, a message arrives in {ms:.1f} ms")]


async def _published(redis: Any) -> float | None:
    """How long a message takes, in milliseconds; None where it does not arrive."""
    channel = f"proctoring:doctor:{secrets.token_hex(8)}"
    async with redis.pubsub(ignore_subscribe_messages=True) as subscription:
        await subscription.subscribe(channel)
        began = time.perf_counter()
        await redis.publish(channel, b"1")
        while (left := began + _TIMEOUT_S - time.perf_counter()) > 0:
            if await subscription.get_message(timeout=left):
                return (time.perf_counter() - began) * 1000
    return None
