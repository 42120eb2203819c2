"""`preverify policy exceptions`: who answers for what, until when."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from preverify import wiring
from preverify.commands.app import run
from preverify.settings import load
from preverify.store import upgrade
from support.policies import SIGNED, SIGNERS, pem, policy_text


def exception(name: str, since: datetime, days: int, **spec: str) -> str:
    keys = {
        "policies": "[shop-release]",
        "images": "['registry.example/shop/**']",
        "owner": "dana@acme.test",
        "reason": "the key is lost",
        "notBefore": f"'{since.isoformat()}'",
        "expires": f"'{(since + timedelta(days=days)).isoformat()}'",
    } | spec
    lines = "\n".join(f"  {key}: {value}" for key, value in keys.items())
    return f"apiVersion: preverify/v1\nkind: Exception\nmetadata: {{name: {name}}}\nspec:\n{lines}\n"


NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    (directory / "keys").mkdir(parents=True)
    for name in ("release", "release-again", "security", "vendor"):
        (directory / "keys" / f"{name}.pub").write_bytes(pem(name))
    (directory / "signers.yaml").write_text(SIGNERS)
    (directory / "policy.yaml").write_text(policy_text(SIGNED))
    return directory


@pytest.fixture
def config(tmp_path: Path, policies: Path) -> Path:
    path = tmp_path / "preverify.yaml"
    url = f"sqlite:///{tmp_path / 'preverify.db'}"
    upgrade.upgrade(url)
    path.write_text(f"state: {tmp_path}\ndatabase: {{url: '{url}'}}\n")
    return path


def preverify(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["policy", *map(str, arguments)])
    return int(code), capsys.readouterr().out


def test_none_is_said(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert preverify("exceptions", policies, capsys=capsys) == (0, "no exceptions\n")


def test_each_is_listed_with_its_owner_and_end(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (policies / "exceptions.yaml").write_text(
        exception("hotfix", NOW - timedelta(days=1), 3, ticket="SEC-1", rules="[signed]")
        + "---\n"
        + exception("later", NOW + timedelta(days=1), 3, vulnerabilities="[CVE-2026-1]")
    )
    code, out = preverify("exceptions", policies, "-o", "json", capsys=capsys)
    first, second = json.loads(out)["exceptions"]
    assert code == 0
    assert first == {
        "name": "hotfix",
        "state": "in-force",
        "policies": ["shop-release"],
        "rules": ["signed"],
        "images": ["registry.example/shop/**"],
        "owner": "dana@acme.test",
        "reason": "the key is lost",
        "ticket": "SEC-1",
        "notBefore": (NOW - timedelta(days=1)).isoformat(),
        "expires": (NOW + timedelta(days=2)).isoformat(),
    }
    assert (second["name"], second["state"], second["vulnerabilities"]) == ("later", "pending", ["CVE-2026-1"])
    code, out = preverify("exceptions", policies, capsys=capsys)
    assert code == 0
    assert "the key is lost (SEC-1)" in out
    assert "(all)" in out


def test_one_that_has_ended_is_no_good_end(policies: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (policies / "exceptions.yaml").write_text(exception("old", NOW - timedelta(days=3), 2))
    code, out = preverify("exceptions", policies, "-o", "json", capsys=capsys)
    assert (code, json.loads(out)["exceptions"][0]["state"]) == (1, "ended")


def test_without_places_it_is_what_is_in_force(
    policies: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert preverify("exceptions", "-c", config, capsys=capsys) == (0, "no exceptions\n")
    (policies / "exceptions.yaml").write_text(exception("hotfix", NOW - timedelta(days=1), 3))
    assert preverify("exceptions", "-c", config, capsys=capsys) == (0, "no exceptions\n")  # not in force yet
    assert preverify("activate", "-c", config, capsys=capsys)[0] == 0
    code, out = preverify("exceptions", "-c", config, capsys=capsys)
    assert (code, "hotfix" in out) == (0, True)


def test_metrics_tell_what_is_in_force(policies: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (policies / "exceptions.yaml").write_text(exception("hotfix", NOW - timedelta(days=1), 3))
    assert preverify("activate", "-c", config, capsys=capsys)[0] == 0
    (policies / "exceptions.yaml").write_text(exception("other", NOW - timedelta(days=1), 3))  # not in force yet
    settings = load(config, {}, {})
    figures = list(wiring.trust_figures(settings, wiring.open_records(settings)))
    assert ("exceptions", ("in-force",), 1.0) in figures
    ends = {labels: figure for name, labels, figure in figures if name == "exception_expiry_timestamp_seconds"}
    assert ends == {("hotfix",): (NOW + timedelta(days=2)).timestamp()}
