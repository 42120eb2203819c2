"""`conformance sign-bundle` against a private Sigstore: we and the real cosign verify what it writes."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from preverify.commands.app import run
from preverify.model.digest import Digest
from support.stack import Stack

pytestmark = [pytest.mark.tools, pytest.mark.timeout(600)]
Tool = Callable[[str], Path]
STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "predicateType": "https://example.com/test/v1",
    "predicate": {"done": True},
}


def sign(stack: Stack, token: str, file: Path, bundle: Path, *more: str) -> int:
    return run(
        [
            *("conformance", "sign-bundle", "--identity-token", token, "--bundle", str(bundle)),
            *("--trusted-root", str(stack.trusted_root), "--signing-config", str(stack.signing_config())),
            *more,
            str(file),
        ]
    )


def verify(stack: Stack, who: dict[str, str], bundle: Path, what: str, *, root: bool = True) -> int:
    trust = ["--trusted-root", str(stack.trusted_root)] if root else []
    identity = ["--certificate-identity", who["identity"], "--certificate-oidc-issuer", who["issuer"]]
    return run(["conformance", "verify-bundle", "--bundle", str(bundle), *identity, *trust, what])


@pytest.mark.parametrize("kind", ["artifact", "statement"])
def test_what_is_signed_here_verifies_here_and_by_the_real_cosign(
    stack: Stack, tool: Tool, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact, file, bundle = tmp_path / "artifact", tmp_path / "file", tmp_path / "bundle.json"
    artifact.write_bytes(b"what it is about\n")
    digest = Digest.of(artifact.read_bytes())
    who = stack.minted("email", email="signer@example.com")
    options = []
    if kind == "statement":
        subject = {"name": "artifact", "digest": {"sha256": digest.hex}}
        file.write_text(json.dumps({**STATEMENT, "subject": [subject]}))
        options = ["--in-toto"]
    assert sign(stack, who["token"], file if options else artifact, bundle, *options) == 0, capsys.readouterr().err
    for what in (str(artifact), str(digest)):
        assert verify(stack, who, bundle, what) == 0, capsys.readouterr().err
    assert verify(stack, {**who, "identity": "other@example.com"}, bundle, str(artifact)) == 1
    assert verify(stack, who, bundle, str(artifact), root=False) == 1, "the public instance does not vouch for it"
    (tmp_path / "else").write_bytes(b"something else\n")
    assert verify(stack, who, bundle, str(tmp_path / "else")) == 1
    verb = ["verify-blob-attestation", "--type", STATEMENT["predicateType"]] if options else ["verify-blob"]
    done = subprocess.run(
        [
            *(str(tool("cosign3")), *verb, "--new-bundle-format", "--bundle", str(bundle)),
            *("--trusted-root", str(stack.trusted_root), "--use-signed-timestamps"),
            *("--certificate-identity", who["identity"], "--certificate-oidc-issuer", who["issuer"], str(artifact)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_signing_that_fails_says_so_in_one_line(
    stack: Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, bundle = tmp_path / "file", tmp_path / "bundle.json"
    file.write_text("{}")
    token = stack.token("email", email="signer@example.com")
    assert sign(stack, token, file, bundle, "--in-toto") == 3, "no statement"
    header, claims, signature = token.split(".")
    assert sign(stack, f"{header}.{claims}.{signature[::-1]}", file, bundle) == 3, "a token that nobody issued"
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(line.startswith("preverify: not signed: ") for line in errors)
    assert not bundle.exists()
