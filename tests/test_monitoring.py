"""What is shipped for Prometheus and Grafana, and the page on it, go by the metrics that there really are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import Connect, Organisation
from tests.test_metrics import Measured, measured, settings  # noqa: F401 fixtures

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text(encoding="utf-8"))
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")

ENDINGS = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}


def panels() -> Iterator[dict[str, Any]]:
    yield from (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def rules() -> list[dict[str, Any]]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:proctoring|process|python)_\w+", re.sub(r'"[^"]*"', "", expression)))


@pytest.fixture
async def families(measured: Measured, school: Organisation, connect: Connect) -> dict[str, Any]:  # noqa: F811 the fixture
    """What a server answers that has had something to do: by the names of the samples, with their labels."""
    student = await connect("/exam", school.student.token)
    await student.ok("start", {"examId": school.exam_id})
    await student.ok("heartbeat")
    measured.server.store.measures.refused("a limit")
    measured.server.store.hints.shared = True
    async with measured.http.get(f"{measured.server.metrics_url}/metrics") as response:
        found = list(text_string_to_metric_families(await response.text()))
    return {one.name: set(one.labels) for family in found for one in family.samples} | {
        family.name + ending: set() for family in found if not family.samples for ending in ENDINGS[family.type]
    }


async def test_every_metric_of_the_dashboard_and_the_alerts_is_there(families: dict[str, Any]) -> None:
    expressions = [target["expr"] for panel in panels() for target in panel["targets"]]
    expressions += [rule["expr"] for rule in rules()]
    assert len(expressions) > 40
    for expression in expressions:
        names = names_in(expression)
        assert names or "up{" in expression, expression
        assert names <= families.keys(), expression
        # A label that no metric of the expression has would select, or join, nothing.
        known = set().union(*(families[name] for name in names)) | {"job", "instance", "le"}
        grouped = {one.strip() for by in re.findall(r"by \(([^)]*)\)", expression) for one in by.split(",")}
        matched = set(re.findall(r"(\w+)(?:=~|!=|=)\"", expression))
        assert grouped | matched <= known, expression


async def test_every_metric_of_ours_is_on_the_page(families: dict[str, Any]) -> None:
    told = {name for name in families if name.startswith("proctoring_") and not name.endswith("_created")}
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in told}
    assert len(ours) > 15
    assert {name for name in ours if f"`{name}`" not in OPERATIONS} == set()
    assert {name for name in names_in(OPERATIONS) if name.startswith("proctoring_")} <= ours


def test_every_alert_says_what_to_do_and_how_soon() -> None:
    assert len({rule["alert"] for rule in rules()}) == len(rules()) > 10
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"]["summary"]
        assert re.fullmatch(r"[A-Z].{20,}\.", rule["annotations"]["runbook"]), rule["alert"]


def test_prometheus_reads_the_rules_and_names_the_job_that_they_go_by() -> None:
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert all((PROMETHEUS / name).is_file() for name in config["rule_files"])
    (job,) = config["scrape_configs"]
    named = {one for rule in rules() for one in re.findall(r'job="([^"]*)"', rule["expr"])}
    assert named == {job["job_name"]}


def test_every_panel_says_what_it_shows_and_none_lies_on_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert panel["title"]
        assert panel["description"]
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in cells)
        taken |= cells
