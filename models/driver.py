"""What the database's driver tells of each command: how long it took, and which were not carried out.

It is told in the driver's threads; the counters have locks of their own.
"""

from __future__ import annotations

from typing import Final

from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from models.measures import Measures

_MICROSECONDS: Final = 1_000_000


class Listening(CommandListener):
    """Counts the driver's commands."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing is to be counted yet."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self._measures.command(event.command_name, event.duration_micros / _MICROSECONDS)

    def failed(self, event: CommandFailedEvent) -> None:
        self._measures.command_failed(event.command_name)
