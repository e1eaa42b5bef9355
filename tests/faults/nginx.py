"""Debian's nginx in front of the nodes, as a process of its own on a free port, without root and without TLS."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pytest

from tests.faults.ports import free_port, takes_connections

PROGRAM: Final = shutil.which("nginx") or ("/usr/sbin/nginx" if Path("/usr/sbin/nginx").exists() else None)
needs_nginx = pytest.mark.skipif(PROGRAM is None, reason="there is no nginx")

_CONFIGURATION: Final = """
worker_processes 1;
worker_rlimit_nofile 16384;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path client_body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    map $http_upgrade $connection_upgrade {{
        default upgrade;
        ""      close;
    }}
    upstream nodes {{
        least_conn;
        {servers}
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://nodes;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_next_upstream error timeout http_503;
            proxy_next_upstream_tries 2;
            proxy_connect_timeout 2s;
            proxy_read_timeout 90s;
        }}
    }}
}}
"""


class Nginx:
    """Passes on to `ports` of this machine."""

    def __init__(self, folder: Path, ports: Iterable[int]) -> None:
        self._folder = folder
        self._ports = list(ports)
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        assert PROGRAM, "there is no nginx"
        self._folder.mkdir()
        self.port = free_port()
        servers = " ".join(f"server 127.0.0.1:{port} max_fails=1 fail_timeout=2s;" for port in self._ports)
        configuration = self._folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(servers=servers, port=self.port), encoding="utf-8")
        with (self._folder / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(PROGRAM, "-e", "stderr", "-p", f"{self._folder}/", "-c", str(configuration), "-g", "daemon off;"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not await takes_connections(self.port):
            assert self._process.returncode is None, (self._folder / "log").read_text(encoding="utf-8")
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.wait()
