"""The Answer document: what machines read of an answer, everywhere the same."""

from datetime import datetime

from preverify.model.verdicts import Answer, PolicyAnswer

API_VERSION = "preverify/v1"


def answer_document(answer: Answer) -> dict[str, object]:
    """Return the `Answer` document, ready for a JSON encoder."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Answer",
        "answer": answer.state.value,
        "admit": answer.admit,
        "enforced": answer.enforced,
        "generation": answer.generation,
        "image": answer.image,
        "digest": answer.digest,
        "reason": answer.reason,
        "detail": answer.detail,
        "via": answer.via or None,
        "validUntil": _time(answer.valid_until),
        "staleSince": _time(answer.stale_since),
        "considered": answer.considered,
        "warnings": answer.warnings,
        "policies": [_policy(policy) for policy in answer.policies],
    }


def _policy(policy: PolicyAnswer) -> dict[str, object]:
    return {
        "policy": policy.policy,
        "policyDigest": policy.policy_digest,
        "mode": policy.mode.value,
        "verdict": policy.verdict,
        "verdictId": policy.verdict_id,
        "decidedAt": _time(policy.decided_at),
        "validUntil": _time(policy.valid_until),
        "reasons": [{"rule": rule, "code": code, "detail": detail} for rule, code, detail in policy.reasons],
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")[:19] + "Z"
