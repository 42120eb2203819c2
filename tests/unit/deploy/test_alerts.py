"""Alert rules, runbooks and promtool cases belong together, and rules only use metrics that exist."""

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from preverify.observe.catalogue import BY_NAME, PREFIX, Kind

ROOT = Path(__file__).resolve().parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "preverify.rules.yaml").read_text())["groups"]
    for rule in group["rules"]
}
CASES: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "preverify.tests.yaml").read_text())["tests"]
_SELECTOR = re.compile(rf"({PREFIX}[a-z_]+)(?:\{{([^}}]*)\}})?")
_MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


def _selectors(text: str) -> Iterator[tuple[str, str]]:
    for match in _SELECTOR.finditer(text):
        yield match[1], match[2] or ""


def test_each_alert_has_a_runbook_and_a_promtool_case_and_nothing_else_has() -> None:
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == set(RULES)
    assert {case["name"] for case in CASES} == {
        f"{alert} {what}" for alert in RULES for what in ("fires", "stays silent")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_expects_what_its_name_says(case: dict[str, Any]) -> None:
    alert, _, what = case["name"].partition(" ")
    checks = case["alert_rule_test"]
    assert all(check["alertname"] == alert for check in checks)
    assert all(bool(check["exp_alerts"]) == (what == "fires") for check in checks)


@pytest.mark.parametrize("alert", RULES)
def test_every_alert_says_what_one_who_is_woken_needs(alert: str) -> None:
    rule = RULES[alert]
    assert re.fullmatch(r"Preverify([A-Z][a-z]+)+", alert)
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" not in rule["annotations"]["summary"], "a fixed text groups well"
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{alert}.md"
    assert rule["for"]


@pytest.mark.parametrize("alert", RULES)
def test_a_runbook_has_its_four_parts(alert: str) -> None:
    text = (RUNBOOKS / f"{alert}.md").read_text()
    assert text.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]
    assert f"Severity: {RULES[alert]['labels']['severity']}." in text
    for linked in re.findall(r"\]\(([^)]+)\)", text):
        assert (RUNBOOKS / linked).is_file(), linked


def _texts() -> list[tuple[str, str]]:
    rules = [(alert, rule["expr"]) for alert, rule in RULES.items()]
    cases = [(case["name"], series["series"]) for case in CASES for series in case["input_series"]]
    pages = [(page.name, page.read_text()) for page in RUNBOOKS.glob("*.md")]
    return rules + cases + pages


@pytest.mark.parametrize(("where", "text"), _texts())
def test_only_metrics_labels_and_values_that_exist_are_used(where: str, text: str) -> None:
    """A renamed metric leaves an alert that can never fire."""
    for name, matchers in _selectors(text):
        bare = name.removeprefix(PREFIX)
        metric = BY_NAME.get(bare) or BY_NAME.get(re.sub(r"_(bucket|sum|count)$", "", bare))
        assert metric is not None, f"{where}: {name} is not in the catalogue"
        assert (bare == metric.name) != (metric.kind is Kind.HISTOGRAM and bare.endswith(("_bucket", "_sum", "_count")))
        labels = {label.name: label.values for label in metric.labels}
        for label, operator, value in _MATCHER.findall(matchers):
            if label in {"le", "instance", "job"}:
                continue
            assert label in labels, f"{where}: {name} has no label {label}"
            values = labels[label]
            if values is not None:
                options = value.split("|") if operator in {"=~", "!~"} else [value]
                assert set(options) <= values, f"{where}: {label} of {name} is never one of {options}"


@pytest.mark.tools
@pytest.mark.parametrize(
    "arguments", [("check", "rules", "preverify.rules.yaml"), ("test", "rules", "preverify.tests.yaml")]
)
def test_promtool_agrees(tool: Callable[[str], Path], arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        [tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr
