"""The limits, as the settings say them."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from aiohttp import web
from limits import parse
from limits.aio.storage import Storage

from handlers.buckets import Flow
from handlers.counting import Counters
from handlers.handshakes import HandshakeRates
from handlers.limits import Rates
from handlers.socket_limits import SocketRates
from server.bounds import Bounds
from server.redis_counts import RedisCounts
from server.settings import Settings

_Rates = TypeVar("_Rates", Rates, SocketRates, HandshakeRates)


def rates_of(settings: Settings, kind: type[_Rates]) -> _Rates | None:
    """What the settings that are named as the fields of `kind` say; None where nothing is limited."""
    if not settings.rate_limits:
        return None
    return kind(**{one.name: _limit(getattr(settings, one.name)) for one in fields(kind)})


def bounds_of(settings: Settings) -> Bounds:
    """What holds for every transport."""
    rates = rates_of(settings, SocketRates)
    return Bounds(
        settings.authenticate_within_s,
        settings.slow_reader_bytes,
        settings.slow_reader_s,
        settings.malformed_packets,
        rates.refusals_per_user if rates else None,
    )


def counters_of(settings: Settings, database: str, app: web.Application) -> Storage:
    """Where requests and sign-ins are counted; closed with `app`. `database`: the name of the nodes' common one."""
    if settings.redis_url is None or not settings.rate_limits:
        return Counters()
    counts = RedisCounts(settings.redis_url.get_secret_value(), f"proctoring:{database}:limits")

    async def close(_: web.Application) -> None:
        await counts.close()

    app.on_cleanup.append(close)
    return counts


def _limit(value: str | int) -> Any:
    if isinstance(value, int):
        return value
    return Flow.parse(value) if "at once" in value else parse(value)
