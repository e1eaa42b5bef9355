"""nginx as deploy/nginx has it, in front of nodes on this machine: only ports and paths are other ones."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.processes import until

DEPLOY = Path(__file__).parent.parent / "deploy"


@dataclass(frozen=True)
class Proxy:
    url: str
    plain_url: str
    process: asyncio.subprocess.Process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def configure(folder: Path, nodes: Sequence[int], port: int, plain_port: int) -> Path:
    """deploy/nginx in `folder`, with a certificate, for nodes on two ports; answers the path of nginx.conf."""
    secrets = folder / "secrets"
    subprocess.run([DEPLOY / "make-secrets", secrets, "proctoring.example"], check=True)
    here = {
        "node1:3000": f"127.0.0.1:{nodes[0]}",
        "node2:3000": f"127.0.0.1:{nodes[1]}",
        "listen 8443": f"listen 127.0.0.1:{port}",
        "listen 8080": f"listen 127.0.0.1:{plain_port}",
        "/run/secrets": str(secrets),
    }
    for path in (DEPLOY / "nginx").glob("*.conf"):
        text = path.read_text(encoding="utf-8")
        for shipped, ours in here.items():
            text = text.replace(shipped, ours)
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / "nginx.conf"


@contextlib.asynccontextmanager
async def proxying(folder: Path, *nodes: int) -> AsyncIterator[Proxy]:
    """nginx in front of what listens, or will listen, on these two ports of 127.0.0.1."""
    port, plain_port = free_port(), free_port()
    configuration = configure(folder, nodes, port, plain_port)
    # The workers of root's nginx are nobody, who may not enter this folder.
    directives = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")
    process = await asyncio.create_subprocess_exec(
        "nginx", "-e", "stderr", "-p", f"{folder}/", "-c", str(configuration), "-g", directives
    )

    async def listens() -> bool:
        assert process.returncode is None, "nginx ended"
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        return False

    try:
        await until(listens)
        yield Proxy(f"https://127.0.0.1:{port}", f"http://127.0.0.1:{plain_port}", process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.wait(), 30)
