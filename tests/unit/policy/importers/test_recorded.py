"""Policies as their projects write them: which are imported, and for which field the others are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration

RECORDED = Path(__file__).parents[3] / "vectors" / "import"
FOLDERS = ("policy-controller", "kyverno")

IMPORTED: dict[str, dict[str, list[str]]] = {
    # file -> policy -> its images
    "policy-controller/signed-by-github-actions.yaml": {"image-is-signed-by-github-actions": ["**"]},
    "policy-controller/cip-key-and-keyless.yaml": {"image-policy-key": ["**demo**"]},
    "policy-controller/cip-keyless-with-identities.yaml": {"image-policy-keyless-with-identities": ["**demo**"]},
    "policy-controller/cip-static-pass.yaml": {"image-policy-static-pass": ["**demo**"]},
    "policy-controller/cip-static-fail.yaml": {"image-policy-static-fail": ["**demo**"]},
    "kyverno/keyed-basic.yaml": {"keyed-basic-policy-keyed-basic-rule": ["ghcr.io/kyverno/test-verify-image"]},
    "kyverno/keyless-attestation-regexp.yaml": {
        "check-invalid-attestors-in-attestations-check-invalid-attestati": ["ghcr.io/kyverno/zulu**"]
    },
    "kyverno/keyless-mutatedigest-verifydigest-required.yaml": {
        "keyless-mutatedigest-verifydigest-required-check-builder-id-key": ["ghcr.io/kyverno/zulu"]
    },
    "kyverno/multiple-attestors.yaml": {
        "validate-signatures-check-1": ["ghcr.io/kyverno/test-verify-image"],
        "validate-signatures-check-2": ["my.local.repo/**"],
    },
    "kyverno/sigstore-image-verification-test.yaml": {
        "sigstore-image-verification-sigstore-image-verification": ["**"]
    },
    "kyverno/validating-forged-annotation.yaml": {"check-signed-images-forged-annotation": ["ghcr.io/**"]},
}

REFUSED = {
    "policy-controller/release-signed-by-github-actions.yaml": r"30: spec.images\[0\].glob: .* names a digest",
    "policy-controller/signed-by-aws-kms-key.yaml": r"36: spec.authorities\[0\].key.kms: ",
    "policy-controller/cip-key-tsa.yaml": r"rfc3161timestamp.trustRootRef: is 'my-sigstore-keys'",
    "policy-controller/cip-key-hash-algorithm.yaml": r"21: spec.images\[0\].glob: .*acmesolver:\*' matches no image",
    "policy-controller/cip-match-resource-label.yaml": "22: spec.match: ",
    "policy-controller/cip-keyless-with-source.yaml": r"29: spec.authorities\[0\].source\[0\].oci: ",
    "policy-controller/cip-requires-two-signatures-and-two-attestations.yaml": "101: spec.policy: this is code",
    "kyverno/keyed-basic-namespace-selector.yaml": r"match.all\[0\].resources.namespaceSelector: is not understood",
    "kyverno/keyed-secret.yaml": r"attestors\[0\].entries\[0\].keys.secret: ",
    "kyverno/keyed-tsa.yaml": r"entries\[0\].keys: trusts timestampAuthorities of one's own beside the public instance",
    "kyverno/keyless-attestations-multiple-subjects-1.yaml": r"attestations\[0\].conditions: this is code",
    "kyverno/with-mutation.yaml": r"spec.rules\[0\].mutate: only verifyImages is imported",
    "kyverno/validating-notary.yaml": "14: spec.matchConditions: this is code",
}


def test_every_recorded_policy_has_an_expectation() -> None:
    there = {f"{folder}/{path.name}" for folder in FOLDERS for path in (RECORDED / folder).glob("*.yaml")}
    assert there == {*IMPORTED, *REFUSED}


@pytest.mark.parametrize("name", IMPORTED)
def test_what_is_imported(plain: Callable[..., dict[str, Any]], name: str) -> None:
    found = plain((RECORDED / name).read_text())
    policies = {key: spec for key, spec in found.items() if isinstance(spec, dict) and "require" in spec}
    assert {key: spec["images"] for key, spec in policies.items()} == IMPORTED[name]
    assert found["losses"] == ()


@pytest.mark.parametrize(("name", "said"), REFUSED.items())
def test_what_is_refused(plain: Callable[..., dict[str, Any]], name: str, said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        plain((RECORDED / name).read_text())
