"""`preverify config`: what is in force, where it comes from, and no secret in it."""

import json
from pathlib import Path

import pytest

from preverify.commands.app import run
from preverify.commands.config import Kind, schema_of


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PREVERIFY_CONFIG", raising=False)
    (tmp_path / "password").write_text("planted-secret\n")
    (tmp_path / "url").write_text("postgresql+psycopg://me:planted-secret@db.example/preverify\n")
    path = tmp_path / "preverify.yaml"
    path.write_text(
        "database: {urlFile: url}\n"
        "sources:\n  shop:\n    registry: registry.example\n"
        "    credentials: {usernameFile: password, passwordFile: password}\n"
        "    hooks: {secretFile: password}\n"
    )
    return path


def preverify(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return int(code), output.out, output.err


@pytest.mark.parametrize("output", ["table", "json", "yaml"])
@pytest.mark.parametrize("origin", [(), ("--origin",)])
def test_show_never_prints_a_secret(
    config: Path, output: str, origin: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = preverify("config", "show", "-c", config, "-o", output, *origin, capsys=capsys)
    assert (code, err) == (0, "")
    assert "planted-secret" not in out
    assert "me:***@db.example" in out


def test_show_says_where_values_come_from(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PREVERIFY__WORKERS", "5")
    code, out, _ = preverify("config", "show", "-c", config, "--origin", "-o", "json", capsys=capsys)
    document = json.loads(out)
    assert code == 0
    assert document["workers"] == {"value": 5, "origin": "environment PREVERIFY__WORKERS"}
    assert document["sources.shop.registry"] == {"value": "registry.example", "origin": f"{config}:4"}
    assert document["listen.address"]["origin"] == "default"
    code, out, _ = preverify("config", "show", "-c", config, "--origin", "-o", "table", capsys=capsys)
    assert "environment PREVERIFY__WORKERS" in out
    code, out, _ = preverify("config", "show", "-c", config, "-o", "table", capsys=capsys)
    assert "environment" not in out


def test_a_mistake_is_a_usage_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text("workrs: 1\n")
    code, out, err = preverify("config", "show", "-c", config, capsys=capsys)
    assert (code, out) == (2, "")
    assert f"{config}:1: workrs: unknown key 'workrs', did you mean 'workers'?" in err


def test_without_a_file_the_defaults_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PREVERIFY_CONFIG", raising=False)
    monkeypatch.setattr("preverify.commands.common.DEFAULT_CONFIG", tmp_path / "none.yaml")
    code, out, _ = preverify("config", "show", "-o", "json", capsys=capsys)
    assert code == 0
    assert json.loads(out)["listen"]["address"] == "127.0.0.1:8787"


@pytest.mark.parametrize("kind", list(Kind))
def test_schemas_are_printed(kind: Kind, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(preverify("config", "schema", kind.value.lower(), capsys=capsys)[1]) == schema_of(kind)
    assert preverify("config", "schema", kind.value, "-o", "yaml", capsys=capsys)[0] == 0


def test_an_unknown_kind_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert preverify("config", "schema", "Polices", capsys=capsys)[0] == 2
