"""The statement that we sign: a SLSA verification summary (VSA) in an in-toto Statement, rebuilt from verdict rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785

from preverify.model.digest import Digest
from preverify.model.dsse import VSA_PREDICATE
from preverify.model.errors import BadInput
from preverify.model.reference import Subject
from preverify.model.verdicts import Outcome, Verdict

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
SLSA_VERSION = "1.2"
UNEVALUATED = "SLSA_BUILD_LEVEL_UNEVALUATED"
MAX_SKEW = timedelta(minutes=5)
MAX_PAYLOAD_BYTES = 96 * 1024

VALID_UNTIL = "urn:preverify:validUntil"
GENERATION = "urn:preverify:generation"
POLICIES = "urn:preverify:policies"
EXCEPTIONS = "urn:preverify:exceptions"
VERDICTS = "urn:preverify:verdicts"
_PROFILE = "urn:preverify:profile:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What is to be signed: canonical JSON bytes, and until when they say that they hold."""

    payload: bytes
    valid_until: datetime


def verdict_set_id(verdicts: Sequence[str]) -> str:
    """Name a set of verdict ids, in whatever order they come.

    >>> verdict_set_id(["v_2", "v_1"]) == verdict_set_id(["v_1", "v_2"])
    True
    """
    return str(Digest.of(rfc8785.dumps(sorted(verdicts))))


def profile_uri(profile: str) -> str:
    """Return the URI by which a statement names a profile."""
    return _PROFILE + profile


def build(
    subject: Subject,
    profile: str,
    verdicts: Sequence[Verdict],
    *,
    verifier_id: str,
    version: str,
    profile_digest: Digest,
    generation: int,
    policies: Mapping[str, str],
    validity: timedelta,
    input_attestations: Sequence[Digest],
    now: datetime,
    ends: datetime | None = None,
) -> Statement:
    """Return the statement that `subject` passed `profile`, from the verdicts that say so.

    The bytes depend on the arguments but for `now`: the same verdict set gives the same bytes, whenever it is built.
    No level is claimed: no rule establishes one yet.

    Args:
        subject: What was verified. Its digest is the statement's subject, registry/repository@digest the resource.
        profile: Name of the profile.
        verdicts: Exactly one passed verdict for each of `policies`, all about `subject`. In any order.
        verifier_id: URI that names this verifier.
        version: Version of this program.
        profile_digest: Digest of the whole profile.
        generation: Number of the generation that the verdicts count under.
        policies: Every enforcing policy of the profile that matches the image, name to digest.
        validity: How long the statement holds, from the latest decision on.
        input_attestations: Manifests of the evidence that the verdicts rest on, in the subject's repository.
        now: The clock's time; only used to refuse.
        ends: When the first exception ends that a verdict rests on: the statement does not hold for longer. None where
            there is none.

    Raises:
        BadInput: a verdict that is not passed, about something else or of no policy of the profile, a policy without
            verdict, a clock that runs behind the verdicts, or a statement that would be over already or be too large.

    Spec:
        in-toto Statement v1; SLSA v1.2, Verification Summary Attestation. Extension members are URIs.
    """
    _check_set(subject, verdicts, policies)
    latest = max(v.decided_at for v in verdicts)
    verified_at = latest.astimezone(UTC).replace(microsecond=0)
    valid_until = verified_at + validity if ends is None else min(verified_at + validity, ends)
    if latest - now > MAX_SKEW:
        raise BadInput(
            f"the clock says {rfc3339(now)}, a verdict was decided at {rfc3339(latest)}: set the clock before signing"
        )
    if valid_until <= now:
        raise BadInput(f"the statement would have ended at {rfc3339(valid_until)}: decide anew before signing")
    predicate: dict[str, Any] = {
        "verifier": {"id": verifier_id, "version": {"preverify": version}},
        "timeVerified": rfc3339(verified_at),
        "resourceUri": str(subject),
        "policy": {"uri": profile_uri(profile), "digest": {profile_digest.algorithm: profile_digest.hex}},
        "inputAttestations": [
            {"uri": str(Subject(subject.repository, d)), "digest": {d.algorithm: d.hex}}
            for d in sorted(set(input_attestations))
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": [UNEVALUATED],
        "slsaVersion": SLSA_VERSION,
        VALID_UNTIL: rfc3339(valid_until),
        GENERATION: generation,
        POLICIES: dict(policies),
        VERDICTS: sorted(v.id for v in verdicts),
    }
    if exceptions := sorted({name for verdict in verdicts for name in verdict.excepted}):
        predicate[EXCEPTIONS] = exceptions
    document: dict[str, Any] = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": str(subject.repository), "digest": {subject.digest.algorithm: subject.digest.hex}}],
        "predicateType": VSA_PREDICATE,
        "predicate": predicate,
    }
    payload = rfc8785.dumps(document)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise BadInput(f"the statement would have {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}: fewer policies")
    return Statement(payload=payload, valid_until=valid_until)


def rfc3339(moment: datetime) -> str:
    """Write an aware time in UTC, whole seconds.

    >>> rfc3339(datetime(2026, 1, 2, 10, tzinfo=UTC))
    '2026-01-02T10:00:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_set(subject: Subject, verdicts: Sequence[Verdict], policies: Mapping[str, str]) -> None:
    """Refuse everything but one passed verdict of each policy about exactly this subject."""
    if not verdicts:
        raise BadInput(f"no verdict about {subject}: nothing is stated without one")
    for verdict in verdicts:
        if verdict.subject != subject:
            raise BadInput(f"verdict {verdict.id} is about {verdict.subject}, not about {subject}")
        if verdict.outcome is not Outcome.PASSED:
            raise BadInput(f"verdict {verdict.id} of policy {verdict.policy} is {verdict.outcome.value}, not passed")
    decided = sorted((v.policy, v.policy_digest) for v in verdicts)
    wanted = sorted(policies.items())
    if decided != wanted:
        raise BadInput(f"verdicts are of {_names(decided)}, the profile wants exactly {_names(wanted)}")


def _names(policies: Sequence[tuple[str, str]]) -> str:
    return ", ".join(f"{name}@{digest}" for name, digest in policies) or "no policy"
