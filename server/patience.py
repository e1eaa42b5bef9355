"""How long HTTP waits for a client: for a whole request, and for its answer to be read.

aiohttp waits for as long as the client likes. Whoever sends a header a minute, or never reads, would hold a connection
each time, until nobody else gets one. A body is waited for in `handlers/http_payload.py`, which answers.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from models.periodic import Periodic

logger = logging.getLogger(__name__)

REQUEST_S: Final = 75.0  # longer than nginx keeps an unused connection, which is then the one that closes it
UNREAD_S: Final = 30.0
_LOOK_S: Final = 5.0


class Unread:
    """Cuts clients off that do not read the answer which they asked for."""

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._waiting: dict[asyncio.Transport, tuple[int, float]] = {}  # how many bytes, and since when as many
        self.periodic = Periodic(_LOOK_S, self._look, "looking for answers that nobody reads")

    async def _look(self) -> None:
        self.look(asyncio.get_running_loop().time())

    def look(self, now: float) -> None:
        """Look at every connection. `now`: the loop's clock, in seconds."""
        before, self._waiting = self._waiting, {}
        for handler in self._server.connections:
            transport = handler.transport
            if transport is None or not (size := transport.get_write_buffer_size()):
                continue
            known, since = before.get(transport, (size, now))
            if known != size:
                since = now
            self._waiting[transport] = (size, since)
            if now - since > UNREAD_S:
                logger.warning("a client that does not read its answer is cut off: %d bytes wait for it", size)
                transport.abort()


class HttpLogger(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's: what a client does wrong is a line, not a traceback, else whoever likes fills the disk."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:
        if isinstance(exc_info, HttpProcessingError):
            self.info("what is no HTTP is refused: %s", type(exc_info).__name__)  # its text has what was sent
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)
