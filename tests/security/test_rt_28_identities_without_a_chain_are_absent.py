"""RT-28: what a certificate says of its owner counts for nothing until a trusted authority stands behind it."""

import pytest

from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from support import keyless, pki

AT = pki.SIGNED_AT
WHO = "https://github.test/o/r/.github/workflows/x.yml@refs/heads/main"
ISSUING = pki.intermediate(pki.root("trusted root"), "trusted issuing")
STRANGER = pki.intermediate(
    pki.root("trusted root", secret=pki.key(name="s1")), "trusted issuing", secret=pki.key(name="s2")
)
OWNED = (*pki.CODE_LEAF, pki.uri_san(WHO), *pki.fulcio())

FORGED: dict[str, tuple[pki.Party, Reason]] = {
    "below a stranger with the same names": (pki.leaf(STRANGER, WHO), Reason.CERTIFICATE_UNTRUSTED),
    "below a stranger with other names": (pki.leaf(pki.root("stranger"), WHO), Reason.CERTIFICATE_UNTRUSTED),
    "signed by itself": (pki.certificate("me", OWNED), Reason.CERTIFICATE_UNTRUSTED),
    "signed by itself, naming the authority": (
        pki.certificate("me", OWNED, issuer=ISSUING.x509.subject),
        Reason.CERTIFICATE_UNTRUSTED,
    ),
    "below another leaf": (pki.leaf(pki.leaf(ISSUING, WHO), WHO), Reason.CERTIFICATE_UNTRUSTED),
}


def look(leaf: pki.Party, **how: bytes) -> Finding:
    return keyless.finding(keyless.layer(leaf, **how), ISSUING.authority(), now=AT)


def test_with_the_chain_the_identity_is_there() -> None:
    found = look(pki.leaf(ISSUING, WHO))
    assert found.established
    assert found.signing is not None
    assert (found.signing.identity, found.signing.issuer) == (WHO, "https://issuer.test")


@pytest.mark.parametrize("name", sorted(FORGED))
def test_without_a_chain_nobody_is_named(name: str) -> None:
    leaf, reason = FORGED[name]
    for certificate in (leaf.pem, leaf.pem + b"".join(each.pem for each in (STRANGER, ISSUING))):
        found = look(leaf, certificate=certificate)
        assert (found.established, found.signer) == (False, "")
        assert found.signing is None or (found.signing.identity, found.signing.issuer) == ("", "")
        assert found.signing is None or found.signing.extensions == ()
        assert found.reason in (reason, Reason.CERTIFICATE_INVALID)


def test_a_true_certificate_of_somebody_else_does_not_help() -> None:
    found = look(pki.leaf(STRANGER, WHO, secret=pki.key(name="thief")), certificate=pki.leaf(ISSUING, WHO).pem)
    assert (found.established, found.signer) == (False, "")
    assert found.signing is None or found.signing.identity == ""
