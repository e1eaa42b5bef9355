"""The house rules that a machine can check."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {"models": 0, "handlers": 1, "server": 2}
FILES = [path.relative_to(ROOT) for floor in FLOORS for path in sorted((ROOT / floor).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """The top-level packages that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_run_downward(path: Path) -> None:
    above = {floor for floor, height in FLOORS.items() if height > FLOORS[path.parts[0]]}
    assert not imported(path) & above


def test_one_module_imports_motor_and_none_the_embedded_database() -> None:
    assert [str(path) for path in FILES if "motor" in imported(path)] == ["models/database.py"]
    assert not [path for path in FILES if imported(path) & {"secantus", "secantusdb"}]


def test_settings_alone_read_the_environment() -> None:
    reads = ("os.environ", "getenv", "load_dotenv", "BaseSettings")
    readers = [path for path in FILES if any(one in (ROOT / path).read_text(encoding="utf-8") for one in reads)]
    assert [str(path) for path in readers] == ["server/settings.py"]
