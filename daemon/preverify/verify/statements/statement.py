"""in-toto Statements v0.1 and v1, read strictly."""

import hashlib
import re
from dataclasses import dataclass

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.model.strict_json import parse
from preverify.verify.encodings.text import exact_members
from preverify.verify.predicates.outline import LARGE, MAX_KEYS, belongs

TYPES = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1")
COSIGN_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
MAX_SUBJECTS = 1024
MAX_PREDICATE_TYPE = 1024
MAX_PAYLOAD_BYTES = 64 * 1024 * 1024
_HEX = re.compile(r"[0-9a-f]{32,128}")
_MEMBERS = frozenset({"_type", "subject", "predicateType", "predicate"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementSubject:
    """One thing that a statement is about: digests by algorithm, and the annotations beside them."""

    digests: tuple[tuple[str, str], ...]
    annotations: tuple[tuple[str, str], ...]

    def names(self, digest: Digest) -> bool:
        """Say whether this is the thing with `digest`: same algorithm, same lower-case hex. Names do not count."""
        return (digest.algorithm, digest.hex) in self.digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A statement as read. `sha256` is over its exact bytes, in hex."""

    predicate_type: str
    subjects: tuple[StatementSubject, ...]
    sha256: str

    def about(self, digest: Digest) -> StatementSubject | None:
        """Return the first subject that is `digest`; None where the statement is about other things."""
        return next((subject for subject in self.subjects if subject.names(digest)), None)


def parse_statement(payload: bytes) -> Statement:
    """Read the payload of an envelope. The predicate itself is not looked at here. Raises as `read_statement` does."""
    return read_statement(payload)[0]


def read_statement(payload: bytes) -> tuple[Statement, dict[str, object]]:
    """Read the payload of an envelope, and return the whole document beside, for `predicates.facts_of`.

    Of a large document only the statement's own members and the outline of a bill of materials are there.

    Raises:
        MalformedEvidence: `statement-malformed`, or `too-large`.

    Spec:
        in-toto attestation, Statement layer v1, and v0.1, which cosign still writes.
    """
    parsed = parse(
        payload,
        max_bytes=MAX_PAYLOAD_BYTES,
        max_keys=MAX_KEYS,
        reason=Reason.STATEMENT_MALFORMED,
        keep=_is_wanted if len(payload) > LARGE else None,
    )
    document = exact_members(parsed, _MEMBERS, "statement", Reason.STATEMENT_MALFORMED)
    if document.get("_type") not in TYPES:
        raise _malformed(f"_type is {str(document.get('_type'))[:80]!r}, expected {TYPES[0]} or v0.1")
    predicate_type = document.get("predicateType")
    # Findings carry it, those of statements that nobody trusted signed too: it must not be a place to store things.
    if not isinstance(predicate_type, str) or not 0 < len(predicate_type) <= MAX_PREDICATE_TYPE:
        raise _malformed(f"predicateType is missing or longer than {MAX_PREDICATE_TYPE} characters")
    subjects = document.get("subject")
    if not isinstance(subjects, list) or not 1 <= len(subjects) <= MAX_SUBJECTS:
        count = len(subjects) if isinstance(subjects, list) else "no list of"
        raise _malformed(f"{count} subjects, expected 1 to {MAX_SUBJECTS}")
    statement = Statement(
        predicate_type=predicate_type,
        subjects=tuple(map(_read_subject, subjects)),
        sha256=hashlib.sha256(payload).hexdigest(),
    )
    return statement, document


def _is_wanted(members: dict[str, object]) -> bool:
    return _is_ours(members) or belongs(members)


def _is_ours(members: dict[str, object]) -> bool:
    """Say whether an object of a large statement belongs to the statement itself rather than to its predicate.

    A digest map is told by its values. What is wrongly taken for the predicate's becomes empty, and an empty subject or
    digest voids the statement: nothing can match by being dropped. Annotations of subjects are not kept: no signature
    is that large, and only signatures have annotations that count.
    """
    if "digest" in members or "_type" in members:
        return True
    return any(isinstance(value, str) and _HEX.fullmatch(value) for value in members.values())


def _read_subject(document: object) -> StatementSubject:
    """Read one subject. A null or half-formed one voids the statement: readers skip such entries differently."""
    digests = document.get("digest") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(digests, dict) or not digests:
        raise _malformed("a subject has no digest")
    if not all(isinstance(value, str) and value for value in digests.values()):
        raise _malformed("a digest of a subject is no text")
    annotations = document.get("annotations")
    if annotations is not None and not isinstance(annotations, dict):
        raise _malformed("annotations of a subject are no object")
    return StatementSubject(digests=tuple(digests.items()), annotations=text_members(annotations))


def text_members(document: dict[str, object] | None) -> tuple[tuple[str, str], ...]:
    """Return the members whose values are text, sorted. Others can equal nothing that a policy asks for."""
    if not document:
        return ()
    return tuple(sorted((key, value) for key, value in document.items() if isinstance(value, str)))


def _malformed(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.STATEMENT_MALFORMED, detail)
