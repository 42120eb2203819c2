"""RT-19: a signer without identity, or a policy that anything satisfies, does not load (sigstore-go v1.2.2).

Keyless identities come with a later version. Until then each form of them is refused, the empty ones too, and the only
identity there is, a key, cannot be left out.
"""

import pytest

from preverify.model.errors import BadConfiguration
from preverify.policy.lint import lint
from support.policies import SIGNED, policy_set, policy_text


@pytest.mark.parametrize(
    "signer",
    [
        "{}",
        "null",
        "{tlog: none}",
        "{key: {}, tlog: none}",
        "{key: null, tlog: none}",
        "{key: {file: ''}, tlog: none}",
        "{key: {file: '*'}, tlog: none}",
        "{key: {file: keys/empty.pub}, tlog: none}",
        "{keyless: {}}",
        "{keyless: {issuer: '', subject: ''}}",
        "{keyless: {issuerRegExp: '.*', subjectRegExp: '.*'}}",
        "{notation: {identities: ['*']}}",
        "{any: true}",
    ],
)
def test_a_signer_without_identity_does_not_load(signer: str) -> None:
    def read(name: str) -> bytes:
        return b""

    document = f"apiVersion: preverify/v1\nkind: Signers\nmetadata: {{name: x}}\nspec: {{anybody: {signer}}}\n"
    with pytest.raises(BadConfiguration, match=r"spec\.anybody"):
        policy_set(signers=document, reader=read)


@pytest.mark.parametrize(
    "require",
    [
        "[]",
        "null",
        "[{name: nothing}]",
        "[{name: a, signature: {}}]",
        "[{name: a, signature: {by: {any: ['*']}}}]",
        "[{name: a, signature: {by: {any: []}}}]",
        "[{name: a, attestation: {type: '*', by: {any: [release]}}}]",
        "[{name: a, attestation: {type: '', by: {any: [release]}}}]",
        "[{name: a, mode: audit, signature: {by: {any: [release]}}}]",
    ],
)
def test_a_policy_that_anything_satisfies_does_not_load(require: str) -> None:
    with pytest.raises(BadConfiguration):
        policy_set(policy_text(require))


def test_images_of_any_registry_are_remarked_upon() -> None:
    remarks = lint(policy_set(policy_text(SIGNED, images="['**']")))
    assert "catch-all-images" in {remark.code for remark in remarks}
