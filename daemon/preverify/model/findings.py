"""Findings: what one piece of evidence establishes, or why it establishes nothing."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from preverify.model.reasons import Reason


class Claim(StrEnum):
    """What a piece of evidence is about, once read."""

    SIGNATURE = "signature"  # "I stand for this image"
    ATTESTATION = "attestation"  # a signed in-toto statement with a predicate
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
class Finding:
    """One conclusion about one piece of evidence.

    Attributes:
        evidence: `Evidence.id`.
        format: `Format` value, for people.
        claim: What the evidence is.
        step: How far it got; `ESTABLISHED` is the only one that a rule may count.
        reason: `ok` exactly where established.
        detail: For people: what was seen, what was expected.
        signer: Identity that the signature verified under: `key:` and the hex SHA-256 of the key; empty where none.
            Set on failed findings too where the signature held but something later did not.
        predicate_type: Of a readable statement, else empty. Signed where `step` >= SIGNED.
        annotations: Signed annotations of a signature payload, sorted by key.
        statement: sha256 of the exact statement bytes (attestations), else empty.
        place: Where the evidence was found.
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

    @property
    def established(self) -> bool:
        """Say whether a rule may count this finding."""
        return self.step is Step.ESTABLISHED and self.reason is Reason.OK
