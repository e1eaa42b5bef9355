"""What a clone of github.com/pypa/advisory-database knows of installed packages: OSV records, one YAML file each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any

import yaml
from packaging.version import InvalidVersion, Version


def known_flaws(folder: Path, installed: Iterable[Distribution]) -> tuple[list[str], int, int]:
    """The flaws of installed packages, one line each; how many records were looked at, and for how many packages."""
    versions = {_normal(one.metadata["Name"]): one.version for one in installed}
    flaws: list[str] = []
    records = 0
    if not (folder / "vulns").is_dir():
        raise SystemExit(f"audit: {folder} is no clone of pypa/advisory-database")
    for name, version in sorted(versions.items()):
        for path in sorted((folder / "vulns" / name).glob("*.yaml")):
            record = yaml.safe_load(path.read_text(encoding="utf-8"))
            records += 1
            if "withdrawn" not in record and is_affected(record, name, version):
                flaws.append(f"{name} {version}: {record['id']} {', '.join(record.get('aliases', ()))}")
    return flaws, records, len(versions)


def is_affected(record: dict[str, Any], name: str, version: str) -> bool:
    """Whether an OSV record says so of this version of a package."""
    for one in record["affected"]:
        if _normal(one["package"]["name"]) == name:
            if version in one.get("versions", ()):
                return True
            ranges = [each["events"] for each in one.get("ranges", ()) if each["type"] == "ECOSYSTEM"]
            if any(_within(events, version) for events in ranges):
                return True
    return False


def _within(events: list[dict[str, str]], version: str) -> bool:
    """Whether the last event that is not after the version introduced the flaw; `last_affected` is its last one."""
    try:
        ours = Version(version)
        inside = False
        for kind, at in sorted(
            ((kind, Version(at)) for one in events for kind, at in one.items()), key=lambda one: one[1]
        ):
            if kind == "last_affected":
                inside = inside and ours <= at
            elif at <= ours:
                inside = kind == "introduced"
    except InvalidVersion:
        return False
    return inside


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
