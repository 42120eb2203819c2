"""Evidence bytes and trusted keys -> findings. One module per format; pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Evidence, Format, Image
from preverify.model.findings import Claim, Finding, Step
from preverify.model.keys import TrustedKey
from preverify.verify import cosign_legacy, sigstore_bundle
from preverify.verify.keyring import Keyring
from preverify.verify.keys import load_public_key
from preverify.verify.report import Report

__all__ = ["FORMATS", "VerificationFormat", "load_public_key", "verify"]


class VerificationFormat(Protocol):
    """What every format module in this folder offers."""

    NAME: str
    READS: tuple[Format, ...]

    def verify_evidence(self, evidence: Evidence, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
        """Return one established finding per key under which the evidence holds, else exactly one failed finding.

        The evidence has no flaw. `MalformedEvidence` may be raised where the bytes are not readable at all; it stands
        for a failed finding. Nothing else is raised for anything that the bytes say.
        """


FORMATS: tuple[VerificationFormat, ...] = (cosign_legacy, sigstore_bundle)
_BY_FORMAT: Mapping[Format, VerificationFormat] = {kind: module for module in FORMATS for kind in module.READS}

# What evidence of a format claims to be before anything of it could be read.
_CLAIMS = {Format.COSIGN_SIGNATURE: Claim.SIGNATURE, Format.COSIGN_ATTESTATION: Claim.ATTESTATION}


def verify(image: Image, evidence: Sequence[Evidence], keys: Sequence[TrustedKey]) -> tuple[Finding, ...]:
    """Say what each piece of evidence establishes about `image` under `keys`.

    Args:
        image: The subject, hashed by the caller.
        evidence: In the order of reading; bodies have the digests that named them (or `flaw` says why not).
        keys: Every key that some policy trusts, as `load_public_key` gives them. Doubles count once.

    Returns:
        For each piece of evidence, in order: one established finding per key under which it holds, else exactly one
        failed finding whose reason is that of the step where it stopped. Nothing is left out silently.

    Raises:
        BadInput: one of `keys` is not usable; the caller loaded it otherwise than with `load_public_key`.
    """
    keyring = Keyring(keys)
    return tuple(finding for each in evidence for finding in _verify_one(each, image, keyring))


def _verify_one(evidence: Evidence, image: Image, keyring: Keyring) -> tuple[Finding, ...]:
    report = Report(evidence=evidence, claim=_CLAIMS.get(evidence.format, Claim.NONE))
    if evidence.flaw is not None:
        return report.failed(Step.OBTAINED, evidence.flaw.reason, evidence.flaw.detail)
    try:
        return _BY_FORMAT[evidence.format].verify_evidence(evidence, image, keyring)
    except MalformedEvidence as error:
        return report.failed(Step.OBTAINED, error.reason, error.detail)
