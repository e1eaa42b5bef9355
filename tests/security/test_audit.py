"""What is looked up without a network, in records of our own making."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.security.advisories import is_affected, known_flaws
from tests.security.audit import bandit

RECORD = {"package": {"name": "Some_Thing", "ecosystem": "PyPI"}}


@pytest.mark.parametrize(
    ("events", "affected"),
    [
        ([("introduced", "0"), ("fixed", "2.0")], {"1.9", "0.1"}),
        ([("introduced", "1.9"), ("fixed", "2.0")], {"1.9"}),
        ([("introduced", "0"), ("last_affected", "1.9")], {"1.9", "0.1"}),
        ([("introduced", "0"), ("fixed", "1.0"), ("introduced", "2.0")], {"0.1", "2.0", "10.0"}),
        ([("introduced", "0")], {"0.1", "1.9", "2.0", "10.0"}),
    ],
)
def test_a_version_is_affected_between_what_introduced_and_what_fixed_it(
    events: list[tuple[str, str]], affected: set[str]
) -> None:
    ranges = [{"type": "ECOSYSTEM", "events": [{kind: at} for kind, at in events]}]
    record = {"affected": [RECORD | {"ranges": ranges}]}
    versions = ("0.1", "1.9", "2.0", "10.0")
    assert {one for one in versions if is_affected(record, "some-thing", one)} == affected
    assert not is_affected(record, "another", "1.9")


def test_a_flaw_of_an_installed_package_is_found_and_one_that_was_withdrawn_is_not(tmp_path: Path) -> None:
    installed = distribution("aiohttp")
    folder = tmp_path / "vulns" / "aiohttp"
    folder.mkdir(parents=True)
    affected = f"affected: [{{package: {{name: aiohttp, ecosystem: PyPI}}, versions: ['{installed.version}']}}]\n"
    (folder / "1.yaml").write_text(f"id: PYSEC-1\n{affected}")
    (folder / "2.yaml").write_text(f"id: PYSEC-2\nwithdrawn: 2024-01-01T00:00:00Z\n{affected}")
    flaws, records, packages = known_flaws(tmp_path, [installed])
    assert flaws == [f"aiohttp {installed.version}: PYSEC-1 "]
    assert (records, packages) == (2, 1)


def test_bandit_finds_nothing_in_what_we_wrote() -> None:
    (found,) = bandit()
    assert found.flaws == []
