"""Policies that use presets, and signatures by certificates, for tests."""

from preverify.model.findings import Finding, Signing
from preverify.model.verdicts import Answer
from preverify.policy.documents import load
from preverify.policy.policies import PolicySet
from preverify.trust import read_built_in
from support.asking import ask
from support.policies import SIGNERS, policy_text, read_file, signature
from support.predicates import certified, found

UIDPS = ("45a0c61ea6fd977f050c5fb9ac06a69eed764595/0123456789abcdef", "45a0c61ea6fd977f050c5fb9ac06a69eed764595")
ISSUER = "https://issuer.enforce.dev"


def preset_set(preset: str, *documents: str) -> PolicySet:
    """Load a policy whose one rule is by a preset, with the roots that are built in."""
    texts = (SIGNERS, policy_text(f"[{{name: x, preset: {preset}}}]"), *documents)
    return load([(f"{i}.yaml", text.encode()) for i, text in enumerate(texts)], read_file, read_root=read_built_in)


def signed_as(policies: PolicySet, issuer: str, identity: str) -> Finding:
    """Return a signature by a certificate of the root that the policies trust."""
    (anchor,) = policies.policies[0].anchors
    signing = Signing(anchor=anchor.id, issuer=issuer, identity=identity)
    return Finding(**{**_members(signature()), "signer": f"keyless:{identity}", "signing": signing})


def attested_by_npm() -> Finding:
    """Return the recorded provenance of sigstore-js, attested by its release workflow, under the public-good root."""
    (anchor,) = preset_set("{chainguard-public: {}}").policies[0].anchors
    recorded = certified("github-npm")
    return found("github-npm", Signing(**{**_members(recorded), "anchor": anchor.id}))


def answer(preset: str, issuer: str, identity: str) -> Answer:
    """Ask about an image that somebody signed, under a preset."""
    policies = preset_set(preset)
    return ask(policies, signed_as(policies, issuer, identity))


def built(preset: str) -> Answer:
    """Ask about an image with the recorded provenance, under a preset."""
    return ask(preset_set(preset), attested_by_npm())


def _members(value: Finding | Signing) -> dict[str, object]:
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__}
