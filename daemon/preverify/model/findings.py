"""Findings: what one piece of evidence establishes, or why it establishes nothing."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

from preverify.model.reasons import Reason

DOCKER_REFERENCE = "dockerReference"
"""Under this name a finding about a signature says which image name its payload states."""


class Claim(StrEnum):
    """What a piece of evidence is about, once read."""

    SIGNATURE = "signature"  # "I stand for this image"
    ATTESTATION = "attestation"  # a signed in-toto statement with a predicate
    REPORT = "report"  # made here, signed by nobody: a scanner's or our own matching's result
    NONE = "none"  # not even readable as one of these


class Step(IntEnum):
    """How far a piece of evidence got. The reason of the one that got furthest is the one people read."""

    OBTAINED = 0
    PARSED = 1
    SIGNED = 2  # a signature verifies under a configured key or identity
    PAYLOAD = 3  # the signed payload is of the format
    SUBJECT = 4  # it names this subject
    ESTABLISHED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedTime:
    """A moment that somebody trusted vouches for: a log's signed entry time, or an RFC 3161 time stamp.

    `by` names who: `log:` or `tsa:` and a digest. Two times of one authority are one witness.
    """

    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """Who signed, when, and what believing that rests on.

    Attributes:
        anchor: `Anchor.id` under which this was concluded.
        issuer: Keyless: the OIDC issuer that vouched for the identity. Else empty.
        identity: Keyless: the subject alternative name. Notation: the leaf's subject (RFC 4514). Keys: empty.
        key: Certificates: `TrustedKey.id` of the leaf's key. Keys: empty.
        extensions: Further facts of a Fulcio certificate by their names (`model.fulcio`), sorted.
        times: Trusted times of the signature, in the order of the evidence; all of them were checked.
        rests_on: Ids of what was needed: `ca:`, `log:`, `ct:`, `tsa:`, `crl:`, `ocsp:`, `store:` and a digest, sorted.
        degraded: What failed and was only logged (Notation levels): codes with a colon and a detail. Nothing is
            published on a degraded finding.
        until: When this stops to hold by time alone (a certificate or signature expires, revocation data grows old);
            None for never.
    """

    anchor: str
    issuer: str = ""
    identity: str = ""
    key: str = ""
    extensions: tuple[tuple[str, str], ...] = ()
    times: tuple[TrustedTime, ...] = ()
    rests_on: tuple[str, ...] = ()
    degraded: tuple[str, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One conclusion about one piece of evidence.

    Attributes:
        evidence: `Evidence.id`.
        format: `Format` value, for people.
        claim: What the evidence is.
        step: How far it got; `ESTABLISHED` is the only one that a rule may count.
        reason: `ok` exactly where established.
        detail: For people: what was seen, what was expected.
        signer: Authority that the signature verified under, which counts once in a quorum: `key:` and the hex SHA-256
            of the key, `keyless:` or `x509:` and a digest over issuer and identity; empty where none. Set on failed
            findings too where the signature held but something later did not.
        predicate_type: Of a readable statement, else empty. Signed where `step` >= SIGNED.
        annotations: Signed annotations of a signature payload, sorted by key.
        statement: sha256 of the exact statement bytes (attestations), else empty.
        place: Where the evidence was found.
        signing: Who signed and under which anchor. None on findings about evidence that no anchor was asked about, and
            where a bare key (no log, no time stamps) says it all: then `signer` is the anchor's id.
        predicate: Facts of an established attestation's predicate, as `verify.predicates` names them, sorted by name.
            Of a signature's payload: `dockerReference`, where it states one.
        about: Digest of the child manifest that this is about; empty: the subject itself.
    """

    evidence: str
    format: str
    claim: Claim
    step: Step
    reason: Reason
    detail: str
    signer: str = ""
    predicate_type: str = ""
    annotations: tuple[tuple[str, str], ...] = field(default=())
    statement: str = ""
    place: str = ""
    signing: Signing | None = None
    predicate: tuple[tuple[str, str], ...] = field(default=())
    about: str = ""

    @property
    def anchor(self) -> str:
        """Return the id of the anchor under which this was concluded; empty where under none."""
        return self.signer if self.signing is None else self.signing.anchor

    @property
    def established(self) -> bool:
        """Say whether a rule may count this finding."""
        return self.step is Step.ESTABLISHED and self.reason is Reason.OK
