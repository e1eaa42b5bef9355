"""A clock of the nodes' own that can be set: the server's one clock, `models.fields.now`, is ahead by what a file says.

As when a machine's clock is set, the loop's own goes on. Debian's libfaketime would set the clock of the whole process,
but what Python sleeps by fails under it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

_AHEAD: Final = """
from datetime import timedelta
from pathlib import Path

from models import fields

real = fields.now
fields.now = lambda: real() + timedelta(seconds=float(Path({path!r}).read_text()))  # before others import it

from server.cli import main

main()
"""


class Clock:
    """`serve`: the command for a node that has this clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settings: list[tuple[float, float]] = []
        self.set(0)
        self.serve = (sys.executable, "-c", _AHEAD.format(path=str(path)), "serve")

    def set(self, seconds: float) -> None:
        """Let it be ahead of this machine's by so much."""
        draft = self._path.with_suffix(".new")
        draft.write_text(f"{seconds}", encoding="ascii")
        draft.rename(self._path)
        self._settings.append((time.perf_counter(), seconds))

    def rise(self, began: float, ended: float) -> float:
        """By how many seconds it was set ahead at most between two moments of perf_counter."""
        first = [ahead for at, ahead in self._settings if at <= began][-1]
        then = [first, *(ahead for at, ahead in self._settings if began < at <= ended)]
        return max(later - before for place, before in enumerate(then) for later in then[place:])
