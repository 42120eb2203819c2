"""`preverify doctor` about the database of vulnerabilities and the scanner: what is there, and what to do where not."""

import hashlib
from pathlib import Path

import pytest

from preverify.commands.doctor import Check, diagnose
from preverify.settings import Settings
from support.scanning import SYFT

POLICY = (
    "apiVersion: preverify/v1\nkind: Policy\nmetadata: {name: clean}\n"
    "spec: {images: ['r.example/**'], require: [{name: clean, vulnerabilities: {scanner: true, maxSeverity: high}}]}\n"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "policy.yaml").write_text(POLICY)
    return tmp_path


def checks(directory: Path, **more: object) -> dict[str, Check]:
    settings = Settings.model_validate(
        {
            "state": str(directory),
            "database": {"url": f"sqlite:///{directory / 'preverify.db'}"},
            "policies": {"directory": str(directory / "policies")},
            **more,
        }
    )
    return {check.check: check for check in diagnose(settings)}


def test_a_database_that_policies_ask_for_has_to_be_there(directory: Path) -> None:
    check = checks(directory)["vulnerability database"]
    assert (check.state, check.todo) == ("broken", "run `preverify db pull`")


def test_nothing_is_said_of_a_database_that_nobody_asks_for(directory: Path) -> None:
    (directory / "policies" / "policy.yaml").write_text("no: policy")
    assert "vulnerability database" not in checks(directory)


@pytest.mark.usefixtures("shut_in")
def test_the_scanner_is_tried_shut_in(directory: Path) -> None:
    sha256 = hashlib.sha256(SYFT.read_bytes()).hexdigest()
    scanner = {"tool": "syft", "path": str(SYFT), "sha256": sha256}
    check = checks(directory, vulnerabilities={"scanner": scanner})["scanner"]
    assert check.state == "ok"
    assert "syft" in check.seen
    other = {**scanner, "sha256": "0" * 64}
    check = checks(directory, vulnerabilities={"scanner": other})["scanner"]
    assert check.state == "broken"
    assert "scanner" not in checks(directory)
