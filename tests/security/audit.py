"""`python -m tests.security.audit`: Bandit over what we wrote, and what is known of what we build on.

The network decides whether anything is known: where neither PyPI nor npm's registry answers, that is said, and is no
failure. pip-audit by itself says then that there is nothing known, which is true and helps nobody. Without the network
`ADVISORIES` names a folder with a clone of github.com/pypa/advisory-database, which holds what PyPI would say.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final

from tests.security.advisories import known_flaws

_ROOT: Final = Path(__file__).parents[2]
_CODE: Final = ("server", "handlers", "models")
_NODE: Final = ("web", "tests/js", "bench/peers/node")
_PATIENCE_S: Final = 180


@dataclass
class Found:
    """`said`: one line for people; `flaws`: what has to be mended, one line each."""

    said: str
    flaws: list[str] = field(default_factory=list)


def bandit() -> Iterator[Found]:
    command = [
        _beside("bandit"),
        "--quiet",
        "--format",
        "json",
        "--configfile",
        "pyproject.toml",
        "--recursive",
        *_CODE,
    ]
    report = _json(command, _ROOT)
    if report is None:
        raise SystemExit("audit: Bandit does not run")
    flaws = [
        f"{one['filename']}:{one['line_number']}: {one['test_id']} {one['issue_text']}" for one in report["results"]
    ]
    flaws += [f"{one['filename']}: {one['reason']}" for one in report["errors"]]
    yield Found(f"bandit: {report['metrics']['_totals']['loc']} lines", flaws)


def python() -> Iterator[Found]:
    folder = os.environ.get("ADVISORIES")
    if folder:
        flaws, known, packages = known_flaws(Path(folder), distributions())
        yield Found(f"{folder}: {known} advisories for {packages} packages", flaws)
        return
    report = _json([_beside("pip-audit"), "--format", "json", "--progress-spinner", "off", "--skip-editable"], _ROOT)
    packages = report["dependencies"] if report else []
    audited = [one for one in packages if "vulns" in one]
    if not audited:
        yield Found("pip-audit: NOT DONE, PyPI's advisories cannot be reached")
        return
    flaws = [f"{one['name']} {one['version']}: {flaw['id']}" for one in audited for flaw in one["vulns"]]
    skipped = [one["name"] for one in packages if "vulns" not in one]
    yield Found(f"pip-audit: {len(audited)} packages; not known: {', '.join(skipped) or 'none'}", flaws)


def node() -> Iterator[Found]:
    if shutil.which("npm") is None:
        yield Found("npm audit: NOT DONE, there is no npm")
        return
    for folder in _NODE:
        report = _json(["npm", "audit", "--json", "--package-lock-only"], _ROOT / folder)
        if report is None or "vulnerabilities" not in report:
            yield Found(f"npm audit in {folder}: NOT DONE, the registry's advisories cannot be reached")
            continue
        flaws = [f"{folder}: {name}, {one['severity']}" for name, one in report["vulnerabilities"].items()]
        yield Found(f"npm audit in {folder}: {report['metadata']['dependencies']['total']} packages", flaws)


def _json(command: list[str], folder: Path) -> Any:
    """What a command prints, whatever it ends with; None where that is no JSON."""
    try:
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
        return json.loads(run.stdout)
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None


def _beside(name: str) -> str:
    """A command of this environment."""
    return str(Path(sys.executable).with_name(name))


def main() -> int:
    """Ends with 1 where there is something to be mended."""
    flaws: list[str] = []
    parts: list[Callable[[], Iterator[Found]]] = [bandit, python, node]
    for part in parts:
        for found in part():
            sys.stdout.write(
                f"{found.said}: {len(found.flaws)} found\n" if "NOT DONE" not in found.said else f"{found.said}\n"
            )
            flaws += found.flaws
    for flaw in flaws:
        sys.stdout.write(f"  {flaw}\n")
    return 1 if flaws else 0


if __name__ == "__main__":
    sys.exit(main())
