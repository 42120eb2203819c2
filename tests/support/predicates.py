"""Recorded statements, variants of them, and the findings that `verify` would make of them."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from preverify.model.findings import Claim, Finding, Signing, Step
from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import parse_certificate
from preverify.verify.certificates.fulcio import identity_of
from preverify.verify.predicates import read_predicate
from support.policies import key

VECTORS = Path(__file__).resolve().parent.parent / "vectors" / "predicates"
GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
GONE = object()
"""As a value of `changed`: take the member out."""


def payload(name: str) -> bytes:
    """Return the recorded bytes of a statement."""
    return (VECTORS / f"{name}.json").read_bytes()


def document(name: str) -> dict[str, Any]:
    """Return a recorded statement, to be changed."""
    read: dict[str, Any] = json.loads(payload(name))
    return read


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def changed(whole: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Return a copy with one member set (or taken out) below `predicate`. Steps are separated by `/`."""
    whole = copy.deepcopy(whole)
    at: Any = whole["predicate"]
    *steps, last = path.split("/")
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    where: Any = int(last) if isinstance(at, list) else last
    if value is GONE:
        del at[where]
    else:
        at[where] = value
    return whole


def facts(whole: Mapping[str, Any] | str) -> dict[str, str]:
    """Return what the reader of its type says of a statement, recorded or changed."""
    if isinstance(whole, str):
        return dict(read_predicate(document(whole)["predicateType"], payload(whole)))
    return dict(read_predicate(whole["predicateType"], compact(whole)))


def certified(name: str) -> Signing:
    """Return who signed by the recorded certificate of that name."""
    identity = identity_of(parse_certificate((VECTORS / f"{name}.der").read_bytes()))
    return Signing(
        anchor="keyless:test", issuer=identity.issuer, identity=identity.subject, extensions=identity.extensions
    )


def workflow(source: str, path: str, ref: str, **more: str) -> Signing:
    """Return who signed, where that is a GitHub workflow: what a certificate of Fulcio says of its run.

    `more` are further extensions, or `identity` and `issuer`.
    """
    config = f"{source}/{path}@{ref}"
    extensions = {
        "buildSignerURI": config,
        "buildConfigURI": config,
        "buildTrigger": "push",
        "runnerEnvironment": "github-hosted",
        "sourceRepositoryURI": source,
        "sourceRepositoryRef": ref,
        **{name: value for name, value in more.items() if name not in ("identity", "issuer")},
    }
    return Signing(
        anchor="keyless:test",
        issuer=more.get("issuer", GITHUB_ISSUER),
        identity=more.get("identity", extensions["buildSignerURI"]),
        extensions=tuple(sorted((name, value) for name, value in extensions.items() if value)),
    )


def found(whole: Mapping[str, Any] | str, signing: Signing | None = None, *, n: int = 0) -> Finding:
    """Return the established finding about a statement: by a certificate, else by the key `release`."""
    kind = document(whole)["predicateType"] if isinstance(whole, str) else whole["predicateType"]
    return Finding(
        evidence=f"sha256:{n:064x}",
        format="sigstore-bundle",
        claim=Claim.ATTESTATION,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="",
        signer=key("release").id if signing is None else "keyless:test",
        predicate_type=kind,
        statement="5" * 64,
        place="referrers-api",
        signing=signing,
        predicate=tuple(sorted(facts(whole).items())),
    )


MINIMAL: Mapping[str, Any] = {
    "https://slsa.dev/provenance/v0.1": {"builder": {"id": "https://builder.test"}},
    "https://slsa.dev/provenance/v0.2": {"builder": {"id": "https://builder.test"}, "buildType": "https://build.test"},
    "https://slsa.dev/provenance/v1": {
        "buildDefinition": {"buildType": "https://build.test"},
        "runDetails": {"builder": {"id": "https://builder.test"}},
    },
    "https://spdx.dev/Document": {"spdxVersion": "SPDX-2.3"},
    "https://cyclonedx.org/bom": {"bomFormat": "CycloneDX", "specVersion": "1.5"},
    "https://cosign.sigstore.dev/attestation/vuln/v1": {"scanner": {"uri": "pkg:test"}, "metadata": {}},
    "https://in-toto.io/attestation/vulns/v0.1": {"scanner": {"uri": "pkg:test", "result": []}, "metadata": {}},
    "https://in-toto.io/attestation/vulns/v0.2": {"scanner": {"uri": "pkg:test", "result": []}, "metadata": {}},
    "https://openvex.dev/ns": {"author": "test"},
    "https://slsa.dev/verification_summary/v1": {
        "verifier": {"id": "https://verifier.test"},
        "resourceUri": "pkg:test",
        "verificationResult": "PASSED",
        "verifiedLevels": [],
    },
    "https://in-toto.io/attestation/svr/v0.1": {"verifier": {"id": "v:"}, "timeCreated": "2026-01-02T10:00:00Z"},
    "https://in-toto.io/attestation/svr/v0.2": {"verifier": {"id": "v:"}, "timeCreated": "2026-01-02T10:00:00Z"},
    "https://in-toto.io/attestation/test-result/v0.1": {"result": "PASSED"},
    "https://in-toto.io/attestation/scai/v0.3": {"attributes": [{"attribute": "TEST"}]},
    "https://in-toto.io/attestation/release/v0.1": {"purl": "pkg:test/a@1"},
    "https://in-toto.io/Link/v1": {"name": "test"},
    "https://in-toto.io/attestation/link/v0.3": {"name": "test"},
    "https://cosign.sigstore.dev/attestation/v1": {"Data": "test"},
    "https://apko.dev/image-configuration": {},
    "https://chainguard.dev/end-of-life": {},
}
"""The least that a predicate of each type has to say."""


def minimal(predicate_type: str) -> Any:
    """Return the least predicate of a type; versions of SPDX and CycloneDX and OpenVEX have that of the type."""
    head, _, version = predicate_type.rpartition("/v")
    known = predicate_type if predicate_type in MINIMAL or not version[:1].isdigit() else head
    return copy.deepcopy(MINIMAL.get(known, {"scanner": {}}))
