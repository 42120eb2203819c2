"""Checking a statement as its consumer has to: whose it is, about what, what it says, and whether it still holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from preverify.attest.bundle import envelope_of
from preverify.attest.envelope import MAX_ENVELOPE_BYTES, Envelope, from_document
from preverify.attest.signatures import holds
from preverify.attest.statement import MAX_SKEW, POLICIES, STATEMENT_TYPE, VALID_UNTIL, rfc3339
from preverify.model.digest import Digest
from preverify.model.dsse import IN_TOTO_PAYLOAD, VSA_PREDICATE
from preverify.model.errors import MalformedEvidence
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.strict_json import parse as parse_json

_TYPES = frozenset({STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1"})
_TRACK = "SLSA_BUILD_LEVEL_"
_LEVELS = {f"{_TRACK}{n}": n for n in range(4)}
_WORDS = frozenset({"FAILED"})
_MAX_SUBJECTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the consumer asks of a statement. `None` and empty mean: not asked.

    Attributes:
        subject: The image; its digest has to be a subject and `registry/repository@digest` the resource.
        keys: Keys of the verifier; bound to `verifier_id` by being given together.
        policy_digest: Digest of the profile that has to have been passed.
        max_age: How old the verification may be.
        level: Least SLSA build level.
        properties: Further values that have to stand in `verifiedLevels`.
    """

    subject: Subject
    keys: Sequence[TrustedKey]
    verifier_id: str | None = None
    policy_digest: Digest | None = None
    max_age: timedelta | None = None
    level: int | None = None
    properties: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The conclusion on one statement. The facts are set as far as they were read; signed where `key_id` is set."""

    reason: Reason
    detail: str
    key_id: str = ""
    verifier_id: str = ""
    time_verified: datetime | None = None
    valid_until: datetime | None = None
    policies: tuple[tuple[str, str], ...] = ()

    @property
    def holds(self) -> bool:
        """Say whether the statement may be relied on."""
        return self.reason is Reason.OK


class _Refused(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def check(body: bytes, wanted: Wanted, *, now: datetime) -> Checked:
    """Check one statement, given as DSSE envelope or as bundle with one.

    Spec:
        SLSA v1.2, "How to verify" of the Verification Summary Attestation, in its order: (1) signature by a
        preconfigured key, (2) subject, (3) predicate type, (4) verifier, (5) resource, (6) result, (7) levels. Ours are
        validity and policy.
    """
    key_id = ""
    try:
        sealed = _open(body)
        key_id = _signed_by(sealed, wanted.keys)
        predicate = _statement(sealed, wanted.subject)
        return _predicate(predicate, wanted, key_id, now)
    except MalformedEvidence as error:
        return Checked(reason=error.reason, detail=error.detail, key_id=key_id)
    except _Refused as error:
        return Checked(reason=error.reason, detail=error.detail, key_id=key_id)


def _open(body: bytes) -> Envelope:
    document = parse_json(body, max_bytes=MAX_ENVELOPE_BYTES, reason=Reason.ENVELOPE_MALFORMED)
    return envelope_of(document) or from_document(document)


def _signed_by(sealed: Envelope, keys: Sequence[TrustedKey]) -> str:
    """(1) A preconfigured key, over the raw bytes; only then the payload type is worth something."""
    signer = next((key for key in keys if any(holds(key, s, sealed.signed_bytes) for s in sealed.signatures)), None)
    if signer is None:
        raise _Refused(Reason.WRONG_KEY, "no given key made a signature of this envelope")
    if sealed.payload_type != IN_TOTO_PAYLOAD:
        raise _Refused(Reason.PAYLOAD_TYPE_MISMATCH, f"payload is {sealed.payload_type[:80]}, not {IN_TOTO_PAYLOAD}")
    return signer.id


def _statement(sealed: Envelope, subject: Subject) -> dict[str, Any]:
    """(2) and (3): the statement is about this digest and is a verification summary. Returns its predicate."""
    document = parse_json(sealed.payload, max_bytes=MAX_ENVELOPE_BYTES, reason=Reason.STATEMENT_MALFORMED)
    if not isinstance(document, dict) or document.get("_type") not in _TYPES:
        raise _Refused(Reason.STATEMENT_MALFORMED, "payload is no in-toto Statement v1 or v0.1")
    subjects = document.get("subject")
    if not isinstance(subjects, list) or not 0 < len(subjects) <= _MAX_SUBJECTS:
        raise _Refused(Reason.STATEMENT_MALFORMED, f"expected 1 to {_MAX_SUBJECTS} subjects")
    digests = [s.get("digest") if isinstance(s, dict) else None for s in subjects]
    if not all(isinstance(d, dict) for d in digests):
        raise _Refused(Reason.STATEMENT_MALFORMED, "a subject has no digest")
    if not any(d.get(subject.digest.algorithm) == subject.digest.hex for d in digests if d is not None):
        raise _Refused(Reason.SUBJECT_MISMATCH, f"statement is not about {subject.digest}")
    if document.get("predicateType") != VSA_PREDICATE:
        seen = str(document.get("predicateType"))[:120]
        raise _Refused(Reason.PREDICATE_TYPE_MISMATCH, f"statement is {seen}, not {VSA_PREDICATE}")
    predicate = document.get("predicate")
    if not isinstance(predicate, dict):
        raise _Refused(Reason.STATEMENT_MALFORMED, "statement has no predicate")
    return predicate


def _predicate(predicate: dict[str, Any], wanted: Wanted, key_id: str, now: datetime) -> Checked:
    verifier_id = _text(_object(predicate, "verifier"), "id")
    if wanted.verifier_id is not None and verifier_id != wanted.verifier_id:  # (4)
        raise _Refused(Reason.IDENTITY_MISMATCH, f"verifier is {verifier_id[:120]}, not {wanted.verifier_id}")
    resource = _text(predicate, "resourceUri")
    if resource != str(wanted.subject):  # (5)
        raise _Refused(Reason.SUBJECT_MISMATCH, f"statement is for {resource[:200]}, not {wanted.subject}")
    result = _text(predicate, "verificationResult")
    if result != "PASSED":  # (6)
        raise _Refused(Reason.CONTENT_MISMATCH, f"verificationResult is {result[:40]}, not PASSED")
    _levels(predicate.get("verifiedLevels"), wanted)  # (7)
    verified_at, valid_until = _times(predicate, wanted, now)
    _policy(predicate, wanted)
    named = predicate.get(POLICIES)
    return Checked(
        reason=Reason.OK,
        detail=f"passed at {rfc3339(verified_at)}",
        key_id=key_id,
        verifier_id=verifier_id,
        time_verified=verified_at,
        valid_until=valid_until,
        policies=tuple(sorted((str(k), str(v)) for k, v in named.items())) if isinstance(named, dict) else (),
    )


def _levels(levels: object, wanted: Wanted) -> None:
    if not isinstance(levels, list) or not all(isinstance(level, str) for level in levels):
        raise _Refused(Reason.STATEMENT_MALFORMED, "verifiedLevels is no list of words")
    for level in levels:
        if level in _WORDS:
            raise _Refused(Reason.CONTENT_MISMATCH, "verifiedLevels says FAILED")
        if level.startswith("SLSA_") and not _is_level(level):
            raise _Refused(Reason.STATEMENT_MALFORMED, f"verifiedLevels has {level[:60]}, which SLSA does not define")
    reached = max((_LEVELS[level] for level in levels if level in _LEVELS), default=-1)
    if wanted.level is not None and reached < wanted.level:
        raise _Refused(Reason.LEVEL_TOO_LOW, f"verified are {', '.join(levels)[:120]}, wanted {_TRACK}{wanted.level}")
    missing = [p for p in wanted.properties if p not in levels]
    if missing:
        raise _Refused(Reason.LEVEL_TOO_LOW, f"verifiedLevels lacks {', '.join(missing)[:120]}")


def _is_level(level: str) -> bool:
    """`SLSA_<TRACK>_LEVEL_<n>` or `…_UNEVALUATED`."""
    track, found, value = level.removeprefix("SLSA_").rpartition("_LEVEL_")
    return bool(found and track) and (value == "UNEVALUATED" or (len(value) == 1 and value in "0123"))


def _times(predicate: dict[str, Any], wanted: Wanted, now: datetime) -> tuple[datetime, datetime | None]:
    verified_at = _time(_text(predicate, "timeVerified"))
    if verified_at - now > MAX_SKEW:
        raise _Refused(Reason.TIMESTAMP_MISMATCH, f"timeVerified {rfc3339(verified_at)} is in the future")
    if wanted.max_age is not None and now - verified_at > wanted.max_age:
        raise _Refused(
            Reason.SIGNATURE_EXPIRED, f"verified at {rfc3339(verified_at)}, longer ago than {wanted.max_age}"
        )
    if VALID_UNTIL not in predicate:  # another verifier's summary: its age is all there is
        return verified_at, None
    valid_until = _time(_text(predicate, VALID_UNTIL))
    if now >= valid_until:
        raise _Refused(Reason.SIGNATURE_EXPIRED, f"statement held until {rfc3339(valid_until)}")
    return verified_at, valid_until


def _policy(predicate: dict[str, Any], wanted: Wanted) -> None:
    digests = _object(_object(predicate, "policy"), "digest")
    if wanted.policy_digest is None:
        return
    if digests.get(wanted.policy_digest.algorithm) != wanted.policy_digest.hex:
        raise _Refused(Reason.CONTENT_MISMATCH, f"another policy was passed than {wanted.policy_digest}")


def _object(predicate: dict[str, Any], member: str) -> dict[str, Any]:
    value = predicate.get(member)
    if not isinstance(value, dict):
        raise _Refused(Reason.STATEMENT_MALFORMED, f"predicate has no object {member}")
    return value


def _text(predicate: dict[str, Any], member: str) -> str:
    value = predicate.get(member)
    if not isinstance(value, str):
        raise _Refused(Reason.STATEMENT_MALFORMED, f"predicate has no text {member}")
    return value


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Refused(Reason.STATEMENT_MALFORMED, f"{text[:40]!r} is no RFC 3339 time")
    return moment
