"""`preverify policy import` and `export`: what is written loads, and nothing that is there is replaced."""

import base64
import json
from pathlib import Path

import pytest
import yaml

from preverify import wiring
from preverify.commands.app import run
from preverify.settings import load
from preverify.store import upgrade
from support.foreign_policies import EC1, FIXTURES, key, keyless, policy, trust_root
from support.policies import SIGNED, SIGNERS, pem, policy_text
from support.statements import write_key

VERIFIER = "https://platform.example/preverify"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.yaml"
    path.write_text(policy(key()))
    return path


def preverify(*arguments: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = run([str(argument) for argument in arguments])
    output = capsys.readouterr()
    return int(code), output.out, output.err


def test_documents_are_printed_with_their_files(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = preverify("policy", "import", source, capsys=capsys)
    assert code == 0
    assert [each["kind"] for each in yaml.safe_load_all(out)] == ["Policy", "Signers"]
    assert "# keys/release.pub:\n#   -----BEGIN PUBLIC KEY-----" in out
    assert "no-match-policy" in err


def test_documents_are_written_once(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "ours"
    code, out, _ = preverify("policy", "import", source, "--out", place, capsys=capsys)
    assert (code, out) == (0, "")
    assert (place / "keys" / "release.pub").read_text() == EC1
    (loaded,) = wiring.read_policies((place,)).policies
    assert loaded.name == "shop"
    (place / "policies.yaml").unlink()
    code, _, err = preverify("policy", "import", source, "--out", place, capsys=capsys)
    assert code == 2
    assert "signers.yaml: is there already" in err
    assert not (place / "policies.yaml").exists()


def test_programs_get_everything_in_one_document(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = preverify(
        "policy", "import", source, "-o", "json", "--dialect", "cluster-image-policy", capsys=capsys
    )
    document = json.loads(out)
    assert code == 0
    assert set(document) == {"documents", "files", "notes", "losses"}
    assert base64.b64decode(document["files"]["keys/release.pub"]).decode() == EC1


def test_what_cannot_be_said_is_refused_or_denies(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source.write_text(policy(key(ctlog={})))
    code, out, err = preverify("policy", "import", source, capsys=capsys)
    assert (code, out) == (2, "")
    assert "theirs.yaml:9: spec.authorities[0].ctlog: names no url" in err
    code, out, err = preverify("policy", "import", source, "--allow-lossy", capsys=capsys)
    assert code == 1
    assert "denied instead: " in err
    assert "nobody" in out


def test_a_root_by_tuf_need_not_be_fetched_to_be_imported(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote = {"mirror": "https://tuf.example", "root": base64.b64encode(b"{}").decode()}
    source.write_text(policy(keyless(keyless={"trustRootRef": "own"})) + trust_root(remote=remote))
    code, out, _ = preverify("policy", "import", source, capsys=capsys)
    assert code == 0
    assert "url: https://tuf.example" in out


def test_binary_files_are_printed_all_the_same(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remote = {"mirror": "https://tuf.example", "root": base64.b64encode(b"\xff{}").decode()}
    source.write_text(policy(keyless(keyless={"trustRootRef": "own"})) + trust_root(remote=remote))
    code, out, _ = preverify("policy", "import", source, capsys=capsys)
    assert (code, "#   \\xff{}" in out) == (0, True)


@pytest.fixture
def policies(tmp_path: Path) -> Path:
    directory = tmp_path / "policies"
    (directory / "keys").mkdir(parents=True)
    for name in ("release", "security", "vendor", "release-again"):
        (directory / "keys" / f"{name}.pub").write_bytes(pem(name))
    (directory / "signers.yaml").write_text(SIGNERS)
    (directory / "policy.yaml").write_text(policy_text(SIGNED))
    return directory


def test_an_export_needs_no_configuration_where_all_is_given(
    policies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("--key", FIXTURES / "keys" / "ec1.pub", "--verifier", VERIFIER)
    code, out, _ = preverify("policy", "export", "--to", "kyverno", policies, *given, capsys=capsys)
    assert code == 0
    assert yaml.safe_load(out)["metadata"] == {"name": "preverify"}
    code, out, _ = preverify("policy", "export", "--to", "cosign", policies, *given, capsys=capsys)
    assert (code, out.count("# --- ")) == (0, 3)
    place = tmp_path / "out"
    code, out, _ = preverify("policy", "export", "--to", "cosign", policies, *given, "--out", place, capsys=capsys)
    assert (code, out) == (0, "")
    assert {path.name for path in place.iterdir()} == {"verify.sh", "preverify.rego", "preverify.pub"}
    code, _, err = preverify("policy", "export", "--to", "notation", policies, *given, capsys=capsys)
    assert (code, "'notation' is no tool" in err) == (2, True)


def test_key_and_verifier_are_those_of_the_configuration(
    policies: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "preverify.yaml"
    url = f"sqlite:///{tmp_path / 'preverify.db'}"
    upgrade.upgrade(url)
    own = write_key(tmp_path / "own.pem")
    config.write_text(
        f"state: {tmp_path}\ndatabase: {{url: '{url}'}}\npolicies: {{directory: {policies}}}\n"
        f"signing: {{keyFile: {own}, verifierId: '{VERIFIER}'}}\n"
    )
    arguments = ("policy", "export", "--to", "cosign", "--config", config)
    code, _, err = preverify(*arguments, capsys=capsys)
    assert (code, "signed as an identity, or never" in err) == (2, True)
    settings = load(config, {}, {})
    wiring.note_own_key(settings)
    code, out, _ = preverify(*arguments, capsys=capsys)
    assert code == 0
    assert VERIFIER in out
    assert own.with_suffix(".pub").read_text() in out
    other = tmp_path / "other"
    other.mkdir()
    config.write_text(config.read_text().replace(str(own), str(write_key(other / "own.pem"))))
    wiring.note_own_key(load(config, {}, {}))
    code, _, err = preverify(*arguments, capsys=capsys)
    assert (code, "signed with 2 keys on this machine: name the public key with --key" in err) == (2, True)
