"""RT-22: a Notation signature whose manifest, or whose payload, is about another image establishes nothing."""

import pytest

from preverify.model.findings import Step
from preverify.model.reasons import Reason
from support import notary
from support.hostile import OCI_MANIFEST, Hostile
from support.notary import evidence, only, verify
from support.registry_clients import gather, remote

NOTATION = "application/vnd.cncf.notary.signature"


def put(registry: Hostile, subject: str | None, body: bytes) -> str:
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": NOTATION, **registry.blob("a/b", b"{}")},
        "layers": [{"mediaType": "application/jose+json", **registry.blob("a/b", body)}],
        **({"subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}} if subject else {}),
    }
    return registry.put("a/b", document)


@pytest.mark.parametrize("theirs", [True, False], ids=["another-subject", "no-subject"])
def test_listed_signature_of_another_image(*, theirs: bool) -> None:
    with Hostile(referrers=False) as registry:
        ours, other = registry.image("a/b", "ours"), registry.image("a/b", "theirs", content="2")
        signature = put(registry, other if theirs else None, b"jws")
        registry.fallback("a/b", ours, [registry.entry("a/b", signature)])
        found = gather(remote(registry.host), "a/b", ours)
        assert [each.flaw.reason for each in found.evidence if each.flaw] == [Reason.SUBJECT_MISMATCH]
        assert not any(each.body for each in found.evidence)


def test_right_subject_around_a_signature_of_another_image() -> None:
    """The registry writes `subject`; the signer wrote the payload."""
    other = notary.image(b"another manifest")
    finding = only(verify(evidence(notary.jws(notary.payload(other)))))
    assert (finding.step, finding.reason) == (Step.PAYLOAD, Reason.SUBJECT_MISMATCH)
