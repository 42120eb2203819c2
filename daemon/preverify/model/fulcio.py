"""Names of the facts that Fulcio writes into certificates."""

from collections.abc import Mapping

PREFIX = "1.3.6.1.4.1.57264.1."

EXTENSIONS: Mapping[int, str] = {
    9: "buildSignerURI",
    10: "buildSignerDigest",
    11: "runnerEnvironment",
    12: "sourceRepositoryURI",
    13: "sourceRepositoryDigest",
    14: "sourceRepositoryRef",
    15: "sourceRepositoryIdentifier",
    16: "sourceRepositoryOwnerURI",
    17: "sourceRepositoryOwnerIdentifier",
    18: "buildConfigURI",
    19: "buildConfigDigest",
    20: "buildTrigger",
    21: "runInvocationURI",
    22: "sourceRepositoryVisibilityAtSigning",
}
"""Extensions `.9` to `.22` (DER UTF8String). `.1` and `.8` are the issuer and have a field of their own.

Spec:
    Fulcio, docs/oid-info.md.
"""

LEGACY: Mapping[int, str] = {
    2: "githubWorkflowTrigger",
    3: "githubWorkflowSHA",
    4: "githubWorkflowName",
    5: "githubWorkflowRepository",
    6: "githubWorkflowRef",
}
"""Extensions `.2` to `.6` (raw UTF-8), deprecated and still written for GitHub."""

NAMES = frozenset((*EXTENSIONS.values(), *LEGACY.values()))

SAME: Mapping[int, int] = {2: 20, 3: 13, 6: 14}
"""Deprecated extensions and the ones that say the same: where both are there, they have to agree.

`.5` and `.12` do too, but one is `owner/repo` and the other its address.
"""

LEGACY_ISSUER, ISSUER = 1, 8
LEGACY_REPOSITORY, REPOSITORY_URI = 5, 12

USERNAME = f"{PREFIX}7"
"""Type of the alternative name that stands for a user name."""
