"""Rows of demands that are put together."""

from preverify.model.verdicts import Answer
from support.asking import ask
from support.policies import attestation, policy_set, policy_text, signature

RELEASE = "{signature: {by: {any: [release]}}}"
VENDOR = "{signature: {by: {any: [vendor]}}}"
STAGED = "{signature: {by: {any: [release]}, annotations: {stage: test}}}"
BUILT = "{attestation: {type: slsa-provenance, by: {any: [release]}}}"


def pair(kept: str, violated: str) -> tuple[Answer, Answer]:
    """Ask about an image that `release` signed and whose build it attests."""
    return tuple(
        ask(policy_set(policy_text(f"[{{name: x, {d}}}]")), signature(), attestation()) for d in (kept, violated)
    )  # type: ignore[return-value]


ROWS = {
    "RuleSpec.anyOf": pair(f"anyOf: [{VENDOR}, {BUILT}]", f"anyOf: [{VENDOR}]"),
    "RuleSpec.allOf": pair(f"allOf: [{RELEASE}, {BUILT}]", f"allOf: [{RELEASE}, {BUILT}, {VENDOR}]"),
    "RuleSpec.atLeast": pair(
        f"atLeast: {{atLeast: 2, of: [{RELEASE}, {BUILT}, {VENDOR}]}}", f"atLeast: {{atLeast: 1, of: [{VENDOR}]}}"
    ),
    "RuleSpec.not": pair(f"not: {STAGED}", f"not: {RELEASE}"),
    "AtLeastSpec.at_least": pair(
        f"atLeast: {{atLeast: 2, of: [{RELEASE}, {BUILT}, {VENDOR}]}}",
        f"atLeast: {{atLeast: 3, of: [{RELEASE}, {BUILT}, {VENDOR}]}}",
    ),
    "AtLeastSpec.of": pair(
        f"atLeast: {{atLeast: 1, of: [{VENDOR}, {BUILT}]}}", f"atLeast: {{atLeast: 1, of: [{VENDOR}]}}"
    ),
}
