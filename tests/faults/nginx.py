"""nginx as deploy/nginx has it, in front of the nodes on this machine: only without TLS, which would cost the load more
than it shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.processes import until
from tests.proxies import DEPLOY, free_port


def _configure(folder: Path, port: int, ports: Sequence[int]) -> None:
    """deploy/nginx in `folder`, for these nodes."""
    folder.mkdir()
    shipped = {path.name: path.read_text(encoding="utf-8") for path in (DEPLOY / "nginx").glob("*.conf")}
    for number, node in enumerate(ports, 1):
        shipped["nodes.conf"] = shipped["nodes.conf"].replace(f"node{number}:3000", f"127.0.0.1:{node}")
    shipped |= {"listen.conf": f"listen 127.0.0.1:{port} backlog=2048;\n", "plain.conf": ""}
    for name, text in shipped.items():
        (folder / name).write_text(text, encoding="utf-8")


@contextlib.asynccontextmanager
async def nginx_before(folder: Path, ports: Sequence[int]) -> AsyncIterator[str]:
    """Its URL, within this block. `ports`: the nodes'."""
    port = free_port()
    _configure(folder, port, ports)
    # The workers of root's nginx are nobody, who may not enter this folder.
    directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *("nginx", "-e", "stderr", "-p", f"{folder}/", "-c", f"{folder}/nginx.conf", "-g", directives),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )

    async def listens() -> bool:
        assert process.returncode is None, (folder / "log").read_text(encoding="utf-8")
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await until(listens)
        yield f"http://127.0.0.1:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
