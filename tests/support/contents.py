"""Long documents as attestations: signed by a fixture key, verified, and read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preverify.model.contents import Content
from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from preverify.model.needs import OF_CONTENTS
from preverify.verify.contents import read_contents
from support.signed import attestation, envelope, image, key, statement, verify

SBOMS = Path(__file__).resolve().parent.parent / "vectors" / "sboms"
SPDX = "https://spdx.dev/Document"
BOM = "https://cyclonedx.org/bom"
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
VULNS = "https://in-toto.io/attestation/vulns/v0.2"
VEX = "https://openvex.dev/ns"
IMAGE = image("legacy-att-spdxjson")


def sbom(name: str) -> Any:
    """Return a recorded bill of materials, to be changed."""
    return json.loads((SBOMS / name).read_bytes())


def attested(kind: str, predicate: object) -> tuple[Evidence, tuple[Finding, ...]]:
    """Return an attestation about `IMAGE` by the key `ec1`, and what is established by it."""
    evidence = attestation(envelope(statement(IMAGE.subject.digest, kind, predicate=predicate)))
    return evidence, verify(IMAGE, [evidence], [key("ec1")])


def contents(kind: str, predicate: object) -> Mapping[str, Content]:
    """Return what is read of an attestation that holds."""
    evidence, findings = attested(kind, predicate)
    assert [finding.established for finding in findings] == [True], findings
    return read_contents([evidence], findings, OF_CONTENTS)


def content(kind: str, predicate: object) -> Any:
    """Return what an attestation says: one document."""
    (found,) = contents(kind, predicate).values()
    return found
