"""The README, taken at its word: its commands are pasted, its clients are run."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.processes import serving

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
JS = Path(__file__).parent / "js"


def blocks(language: str) -> list[str]:
    """The README's fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def put_clients(folder: Path) -> None:
    """The README's JavaScript, each block in the file that its first line names, beside the official client."""
    for block in blocks("js"):
        name = block.removeprefix("// ").partition(":")[0]
        (folder / name).write_text(block, encoding="utf-8")
    (folder / "node_modules").symlink_to(JS / "node_modules")


async def bash(script: str, folder: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PBKDF2_ITERATIONS": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, out.decode()
    return out.decode()


@pytest.mark.skipif(not shutil.which("curl"), reason="the README's workflow uses curl")
async def test_the_workflow_can_be_pasted_line_by_line(tmp_path: Path) -> None:
    put_clients(tmp_path)
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    async with serving(tmp_path) as server:
        script = "\n".join(blocks("sh")).replace("http://127.0.0.1:3000", server.url)
        out = await bash(script, tmp_path)
    assert '"code"' not in out
    # The console's line may come in the middle of curl's: two processes write to one terminal.
    assert re.search(r'\b2 \S+Z tab_change medium {"hidden":true}\n', out)
    assert '"status":"SUBMITTED"' in out


def test_every_setting_is_in_the_readme() -> None:
    from server.settings import Settings

    named = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", README))
    assert {name.upper() for name in Settings.model_fields} <= named
