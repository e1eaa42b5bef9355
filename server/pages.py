"""The browser's pages and the client library, as `npm run build` made them (web/): served, never run here.

What has a hash of its content in its name is kept by browsers for good; the pages themselves and the library are asked
for anew each time. aiohttp serves the gzip or brotli file beside each, and answers 304 where nothing has changed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from models.errors import NotFound

BUILT: Final = Path(__file__).parent / "web"
PAGES: Final = ("console", "exam", "docs")

_SECURITY: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HASHED: Final = _SECURITY | {"Cache-Control": "public, max-age=31536000, immutable"}
# A browser imports a module from another origin only where this is said.
_IMPORTED: Final = _SECURITY | {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}


def has_pages() -> bool:
    """Whether the pages have been built."""
    return all((BUILT / page / "index.html").is_file() for page in PAGES)


def add_pages(app: web.Application, ws_port: int | None) -> None:
    """Serve what is in BUILT at /console, /exam, /docs, /assets and /client.

    `ws_port`: of Socket.IO, where it has a port of its own.
    """
    for page in PAGES:
        app.router.add_get(f"/{page}", _page(BUILT / page / "index.html", ws_port))
    app.router.add_get("/assets/{file}", _files(BUILT / "assets", _HASHED))
    app.router.add_get("/client/{file}", _files(BUILT / "client", _IMPORTED))


def _files(folder: Path, headers: dict[str, str]) -> Handler:
    """The files that are in `folder` now, and nothing else."""
    known = {path.name: path for path in folder.glob("*") if path.suffix not in (".gz", ".br")}

    async def serve(request: web.Request) -> web.FileResponse:
        path = known.get(request.match_info["file"])
        if path is None:
            raise NotFound("No such file.")
        return web.FileResponse(path, headers=headers)

    return serve


def _page(path: Path, ws_port: int | None) -> Handler:
    html = path.read_text("utf-8").replace("%SOCKET_PORT%", str(ws_port or "")) if path.is_file() else None
    headers = _SECURITY | {"Cache-Control": "no-cache", "Content-Security-Policy": _policy(ws_port)}

    async def serve(request: web.Request) -> web.Response:
        if html is None:
            raise NotFound(
                "The pages have not been built. With Node.js: npm --prefix web ci, npm --prefix web run build."
            )
        return web.Response(text=html, content_type="text/html", headers=headers)

    return serve


def _policy(ws_port: int | None) -> str:
    """What a page may load and reach: the server, and nothing else. The heartbeat's worker is a blob of the library."""
    sockets = f" http://*:{ws_port} https://*:{ws_port} ws://*:{ws_port} wss://*:{ws_port}" if ws_port else ""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            f"connect-src 'self'{sockets}",
            "worker-src blob:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
