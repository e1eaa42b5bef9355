"""What every HTTP answer tells a browser: to take it for what it says it is, to frame it nowhere, to pass nothing on.

Set where the answer is prepared, so that no route can forget it; a route that says something itself, as the pages do
of what they load, is left alone. A WebSocket's handshake has no document to protect.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
# What a person may see is for nobody who uses the browser after them.
_PERSONAL: Final = ("/routes/", "/socket.io/")


def secured(hsts_s: int) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """For `on_response_prepare`. `hsts_s`: for how long a browser is to come by TLS alone; 0 says nothing of it."""

    async def secure(request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        for name, value in _ALWAYS.items():
            headers.setdefault(name, value)
        if request.path.startswith(_PERSONAL):
            headers.setdefault("Cache-Control", "no-store")
        if hsts_s and by_tls(request):
            headers["Strict-Transport-Security"] = f"max-age={hsts_s}"
        headers["Server"] = "proctoring-server"  # which version of what library it is helps nobody but attackers

    return secure


def by_tls(request: web.Request) -> bool:
    """Whether the browser speaks TLS, to us or to a proxy in front, which says so. Whoever lies fools their own."""
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
