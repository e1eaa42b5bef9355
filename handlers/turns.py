"""Few of those who arrive are served in one turn of the event loop.

Whatever is ready in a turn is handled before the loop looks at anything else: a thousand requests that arrive in one
instant are a turn of a sixth of a second, and the heartbeats of those who are already in wait through several. Here
a few arrivals pass a turn, in their order, and between them everybody else is heard.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

_A_TURN: Final = 5


class Turns:
    """`await turns()` returns in this turn of the loop where few came, else in a later one."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = _A_TURN
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._renewing = False

    async def __call__(self) -> None:
        if not self._renewing:
            self._renewing = True
            self._loop.call_soon(self._renew)
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn = self._loop.create_future()
        self._waiting.append(turn)
        await turn

    def _renew(self) -> None:
        """Let the next few pass."""
        self._left = _A_TURN
        while self._left and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # it has gone meanwhile
                turn.set_result(None)
                self._left -= 1
        self._renewing = bool(self._waiting)
        if self._waiting:
            self._loop.call_soon(self._renew)
