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
