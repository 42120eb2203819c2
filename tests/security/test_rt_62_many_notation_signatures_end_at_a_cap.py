"""RT-62: any number of Notation signatures beside an image costs a bounded amount, and starves no other kind."""

import time

from preverify.model.evidence import Format
from support import notary
from support.hostile import OCI_MANIFEST, Hostile
from support.notary import evidence, verify
from support.registry_clients import gather, remote

NOTATION = "application/vnd.cncf.notary.signature"


def put(registry: Hostile, subject: str, body: bytes) -> str:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": NOTATION, **registry.blob("a/b", b"{}")},
        "layers": [{"mediaType": "application/jose+json", **registry.blob("a/b", body)}],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
    }
    return registry.put("a/b", document)


def test_fifty_are_considered_and_the_rest_is_said() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        good = put(registry, subject, b"good")
        for i in range(200):
            put(registry, subject, b"junk %d" % i)
        found = gather(remote(registry.host), "a/b", subject)
        assert len(found.evidence) == 50
        assert found.truncated
        assert b"good" in [each.body for each in found.evidence], "valid evidence within the cap counts"
        assert len(registry.sent("GET", "/manifests/sha256:")) <= 102
        assert good


def test_neither_kind_starves_the_other() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        for i in range(120):
            put(registry, subject, b"junk %d" % i)
        registry.referrer("a/b", subject, b"bundle")
        forms = [each.format for each in gather(remote(registry.host), "a/b", subject).evidence]
        assert (forms.count(Format.NOTATION_JWS), forms.count(Format.SIGSTORE_BUNDLE)) == (50, 1)
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        for i in range(120):
            registry.referrer("a/b", subject, b"bundle %d" % i)
        put(registry, subject, b"jws")
        forms = [each.format for each in gather(remote(registry.host), "a/b", subject).evidence]
        assert (forms.count(Format.NOTATION_JWS), forms.count(Format.SIGSTORE_BUNDLE)) == (1, 50)


def test_a_signature_that_costs_the_most_costs_little() -> None:
    """Ten certificates, a chain that fails at its end: fifty of them stay far below the time for one image."""
    chain = (notary.SIGNER.der, *(notary.BETWEEN.der,) * 8, notary.ROOT.der)
    found = evidence(notary.jws(chain=chain))
    start = time.process_time()
    for _ in range(50):
        assert not verify(found)[0].established
    assert time.process_time() - start < 5
