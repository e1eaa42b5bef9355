"""What holds for every transport, whoever is at its other end and whether or not clients are limited."""

from __future__ import annotations

from dataclasses import dataclass

from handlers.buckets import Flow


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the settings of these names say; `refusals` is that of a user, None where nothing is limited."""

    authenticate_within_s: float
    slow_reader_bytes: int
    slow_reader_s: float
    malformed_packets: int
    refusals: Flow | None
