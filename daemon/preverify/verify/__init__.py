"""Evidence bytes, anchors, trust and time -> findings. One module per format in `formats`; pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from preverify.model.anchors import Anchor
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Flaw, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.revocation import Wanted
from preverify.model.trust import Trust
from preverify.verify import revocation
from preverify.verify.formats import buildkit, cosign_legacy, notation_cose, notation_jws, own_reports, sigstore_bundle
from preverify.verify.keys.public_keys import load_public_key
from preverify.verify.report import Report
from preverify.verify.trusting import Trusting

__all__ = ["FORMATS", "MAX_ROUNDS", "VerificationFormat", "load_public_key", "verify", "wanted"]

MAX_ROUNDS = revocation.MAX_ROUNDS


class VerificationFormat(Protocol):
    """What every module of `verify.formats` offers."""

    NAME: str
    READS: tuple[Format, ...]

    def verify_evidence(self, evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
        """Return one established finding per anchor under which the evidence holds, and failed ones.

        At least one finding: where nothing is established, a failed one says where the evidence stopped. A failed
        finding names the anchor that it stopped under; evidence that no anchor could be asked about (not readable, no
        trusted key) gives one that names none.

        The evidence has no flaw. `MalformedEvidence` may be raised where the bytes are not readable at all; it stands
        for a failed finding. Nothing else is raised for anything that the bytes say.
        """


FORMATS: tuple[VerificationFormat, ...] = (
    cosign_legacy,
    sigstore_bundle,
    notation_jws,
    notation_cose,
    buildkit,
    own_reports,
)
_BY_FORMAT: Mapping[Format, VerificationFormat] = {kind: module for module in FORMATS for kind in module.READS}

# What evidence of a format claims to be before anything of it could be read.
_CLAIMS = {
    Format.COSIGN_SIGNATURE: Claim.SIGNATURE,
    Format.COSIGN_ATTESTATION: Claim.ATTESTATION,
    Format.NOTATION_JWS: Claim.SIGNATURE,
    Format.NOTATION_COSE: Claim.SIGNATURE,
    Format.BUILDKIT_STATEMENT: Claim.ATTESTATION,
    Format.SCANNER_SBOM: Claim.REPORT,
    Format.MATCHES: Claim.REPORT,
}


def verify(
    image: Image, evidence: Sequence[Evidence], anchors: Sequence[Anchor], *, trust: Trust, now: datetime
) -> tuple[Finding, ...]:
    """Say what each piece of evidence establishes about `image` under `anchors`.

    Args:
        image: The subject, hashed by the caller.
        evidence: In the order of reading; bodies have the digests that named them (or `flaw` says why not). Revocation
            data is used for the others and has no finding of its own.
        anchors: Every anchor of some policy; keys as `load_public_key` gives them. Doubles count once.
        trust: The roots and stores that the anchors refer to, all of them.
        now: Time of the verification.

    Returns:
        For each piece of evidence, in order: one established finding per anchor under which it holds, and failed ones
        whose reason is that of the step where it stopped; at least one in all. Nothing is left out silently.

    Raises:
        BadInput: a key is not usable; the caller loaded it otherwise than with `load_public_key`.
        KeyError: an anchor refers to a root or store that is not part of `trust`.
    """
    trusting = _trusting(anchors, evidence, trust, now)
    findings: list[Finding] = []
    for each in evidence:
        if each.format is not Format.REVOCATION:
            findings += _verify_one(each, image, trusting)
    return tuple(findings)


def wanted(
    image: Image,
    evidence: Sequence[Evidence],
    anchors: Sequence[Anchor],
    *,
    trust: Trust,
    now: datetime,
    asked: Collection[Wanted] = (),
) -> tuple[Wanted, ...]:
    """Return what has to be asked about revocations before `verify`; arguments as there.

    Answers are added to `evidence`, questions to `asked`, until nothing is wanted: `MAX_ROUNDS` times at most.
    """
    if not revocation.concerns(evidence):
        return ()
    return revocation.wanted(evidence, image, _trusting(anchors, evidence, trust, now), asked=asked)


def _trusting(anchors: Sequence[Anchor], evidence: Sequence[Evidence], trust: Trust, now: datetime) -> Trusting:
    answers = [each for each in evidence if each.format is Format.REVOCATION and each.flaw is None]
    return Trusting(anchors, trust=trust, now=now, revocation=answers)


def _verify_one(evidence: Evidence, image: Image, trusting: Trusting) -> tuple[Finding, ...]:
    flaw: Flaw | MalformedEvidence | None = evidence.flaw
    if flaw is None:
        try:
            return _BY_FORMAT[evidence.format].verify_evidence(evidence, image, trusting)
        except MalformedEvidence as error:
            flaw = error
    report = Report(evidence=evidence, claim=_CLAIMS.get(evidence.format, Claim.NONE))
    return report.failed(Step.OBTAINED, flaw.reason, flaw.detail)
