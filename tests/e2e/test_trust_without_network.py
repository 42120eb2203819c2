"""Behind an air gap, for real: no network at all around the program, and keyless trust that came in one file."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from preverify.commands.app import run
from preverify.trust.embedded import embedded
from support.tuf_repository import TufRepository

SUITE = Path(__file__).resolve().parents[1] / "vectors" / "conformance" / "sigstore"
SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  ci: {keyless: {issuer: "https://issuer.example", subject: "ci@example.com", trust: corp}}
  public: {keyless: {issuer: "https://issuer.example", subject: "ci@example.com", trust: public-good}}
---
apiVersion: preverify/v1
kind: Policy
metadata: {name: all}
spec:
  images: ["registry.example/**"]
  require: [{name: signed, signature: {by: {any: [ci, public]}}}]
---
apiVersion: preverify/v1
kind: Trust
metadata: {name: all}
spec: {roots: {corp: {tuf: {url: "%s", root: tuf-root.json}}}}
"""


def without_network(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--map-root-user", "--net", sys.executable, "-m", "preverify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(autouse=True)
def _needs_namespaces() -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare (util-linux)")
    tried = subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        pytest.skip("this machine allows no network namespaces")


def machine(directory: Path, url: str, root: bytes) -> Path:
    (directory / "policies").mkdir(parents=True)
    (directory / "policies" / "all.yaml").write_text(SIGNERS % url)
    (directory / "policies" / "tuf-root.json").write_bytes(root)
    config = directory / "preverify.yaml"
    config.write_text(f"state: {directory / 'state'}\ntrust: {{offline: true}}\n")
    return config


def test_trust_comes_in_one_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository, file = TufRepository(embedded("staging").target), tmp_path / "trust.json"
    with repository.serving() as url:
        outside = machine(tmp_path / "outside", url, repository.first_root)
        outside.write_text(outside.read_text().replace("offline: true", ""))
        assert run(["trust", "export", str(file), "-c", str(outside)]) == 0, capsys.readouterr().err
    inside = str(machine(tmp_path / "inside", url, repository.first_root))
    shown = without_network("trust", "show", "-c", inside)
    assert (shown.returncode, "preverify trust import" in shown.stderr) == (3, True), shown.stderr
    imported = without_network("trust", "import", str(file), "-c", inside)
    assert (imported.returncode, imported.stderr) == (0, ""), imported.stderr
    shown = without_network("trust", "show", "-c", inside, "-o", "json")
    assert {part["of"] for part in json.loads(shown.stdout)["parts"]} == {"corp", "public-good"}
    linted = without_network("policy", "show", "-c", inside)
    assert linted.returncode == 0, linted.stderr


def test_a_bundle_is_verified_without_network() -> None:
    case = SUITE / "happy-path-v0.3"
    identity = (
        "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon"
        "/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
    )
    done = without_network(
        *("conformance", "verify-bundle", "--bundle", str(case / "bundle.sigstore.json")),
        *("--certificate-identity", identity),
        *("--certificate-oidc-issuer", "https://token.actions.githubusercontent.com", str(SUITE / "a.txt")),
    )
    assert (done.returncode, done.stderr) == (0, "")
