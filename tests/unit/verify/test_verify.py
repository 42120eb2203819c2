"""`verify`: one conclusion for every piece of evidence, whatever it holds."""

import subprocess
import sys
from dataclasses import replace

import pytest

from preverify.model.errors import BadInput
from preverify.model.evidence import Flaw, Format
from preverify.model.findings import Claim, Step
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.verify import FORMATS
from support import signed
from support.signed import verify

IMAGE = signed.image("legacy-key-ec1")
EC1, EC2 = signed.key("ec1"), signed.key("ec2")


def test_every_format_has_exactly_one_module() -> None:
    read = sorted(kind for module in FORMATS for kind in module.READS)
    assert read == sorted(set(Format) - {Format.REVOCATION})  # used for the others, nothing of its own
    assert len({module.NAME for module in FORMATS}) == len(FORMATS)


def test_nothing_gives_nothing() -> None:
    assert verify(IMAGE, [], [EC1]) == ()


@pytest.mark.parametrize(
    ("form", "claim"),
    [
        (Format.COSIGN_SIGNATURE, Claim.SIGNATURE),
        (Format.COSIGN_ATTESTATION, Claim.ATTESTATION),
        (Format.SIGSTORE_BUNDLE, Claim.NONE),
    ],
)
def test_a_flaw_is_the_whole_conclusion(form: Format, claim: Claim) -> None:
    """Even around bytes that would verify: the registry room has voided them."""
    (layer,) = signed.evidence("legacy-key-ec1")
    flawed = replace(layer, format=form, flaw=Flaw(reason=Reason.DIGEST_MISMATCH, detail="other bytes"))
    (finding,) = verify(IMAGE, [flawed], [EC1])
    assert (finding.reason, finding.step, finding.claim) == (Reason.DIGEST_MISMATCH, Step.OBTAINED, claim)
    assert finding.detail == "other bytes"


def test_findings_come_in_the_order_of_the_evidence() -> None:
    good, broken = signed.legacy(signed.compact(signed.payload(IMAGE.subject.digest))), signed.bundled(b"junk")
    other = signed.legacy(b"unsigned", by="stranger")
    findings = verify(IMAGE, [broken, good, other], [EC1])
    assert [f.reason for f in findings] == [Reason.BUNDLE_MALFORMED, Reason.OK, Reason.WRONG_KEY]
    assert [f.evidence for f in findings] == [broken.id, good.id, other.id]


def test_bad_evidence_never_spoils_good() -> None:
    case = "legacy-odd-good-among-bad"
    findings = verify(signed.image(case), signed.evidence(case), [EC1])
    assert len(findings) == 3
    assert sum(f.established for f in findings) == 1


def test_each_signer_is_found_among_three() -> None:
    case = "legacy-three-signatures-ec1"
    for name in ("ec1", "ec2", "rsa2048"):
        findings = verify(signed.image(case), signed.evidence(case), [signed.key(name)])
        assert [f.signer for f in findings if f.established] == [signed.key(name).id]
    every = verify(signed.image(case), signed.evidence(case), [EC1, EC2, signed.key("rsa2048")])
    assert len({f.signer for f in every if f.established}) == 3


def test_an_unusable_key_is_the_callers_mistake_and_no_finding() -> None:
    with pytest.raises(BadInput):
        verify(IMAGE, [], [TrustedKey(b"junk")])


def test_the_same_input_gives_the_same_findings() -> None:
    case = "legacy-three-signatures-ec1"
    once = verify(signed.image(case), signed.evidence(case), [EC1, EC2])
    assert verify(signed.image(case), signed.evidence(case), [EC1, EC2]) == once


def test_the_room_is_pure() -> None:
    """Importing it opens nothing and starts nothing: no socket, no thread, no file of its own."""
    code = "import sys, preverify.verify; print({'requests', 'pycurl', 'sqlalchemy', 'structlog'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "set()"
