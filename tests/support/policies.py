"""Policies, findings and gatherings for tests: real keys, and values exactly as the other rooms make them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.model.digest import Digest
from preverify.model.evidence import Gathered, Image, Unobtained
from preverify.model.findings import Claim, Finding, Step
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.policy.documents import load
from preverify.policy.policies import Policy, PolicySet

NOW = datetime(2026, 1, 2, 10, 0, tzinfo=UTC)
REPOSITORY = Repository("registry.example", "shop/api")
MANIFEST = b'{"schemaVersion":2}'
SUBJECT = Subject(REPOSITORY, Digest.of(MANIFEST))
PROVENANCE = "https://slsa.dev/provenance/v1"

SIGNERS = """
apiVersion: preverify/v1
kind: Signers
metadata: {name: all}
spec:
  release: {key: {file: keys/release.pub}, tlog: none}
  security: {key: {file: keys/security.pub}, tlog: none}
  vendor: {key: {file: keys/vendor.pub}, tlog: none}
  release-again: {key: {file: keys/release-again.pub}, tlog: none}
"""
_SCALARS = {"release": 11, "security": 12, "vendor": 13, "release-again": 11, "stranger": 14}


@cache
def public_key(name: str) -> ec.EllipticCurvePublicKey:
    """Return the key of a name; `release-again` is the key of `release` under a second name."""
    return ec.derive_private_key(_SCALARS[name], ec.SECP256R1()).public_key()


def pem(name: str) -> bytes:
    return public_key(name).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key(name: str) -> TrustedKey:
    return TrustedKey(public_key(name).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def read_file(name: str) -> bytes:
    stem = name.removeprefix("keys/").removesuffix(".pub")
    if not name.startswith("keys/") or stem not in _SCALARS:
        raise FileNotFoundError(2, "No such file or directory", name)
    return pem(stem)


def policy_text(require: str, *, name: str = "shop-release", **spec: str) -> str:
    """Write a policy document; `require` and the values of `spec` are YAML flow text."""
    keys = {"images": '["registry.example/shop/**"]', **spec, "require": require}
    lines = "\n".join(f"  {key}: {value}" for key, value in keys.items())
    return f"apiVersion: preverify/v1\nkind: Policy\nmetadata: {{name: {name}}}\nspec:\n{lines}\n"


def policy_set(*documents: str, signers: str = SIGNERS, reader: Callable[[str], bytes] = read_file) -> PolicySet:
    files = [("signers.yaml", signers.encode())]
    files += [(f"policy-{i}.yaml", text.encode()) for i, text in enumerate(documents)]
    return load(files, reader)


def one_policy(require: str, **spec: str) -> Policy:
    (policy,) = policy_set(policy_text(require, **spec)).policies
    return policy


SIGNED = "[{name: signed, signature: {by: {any: [release]}}}]"
ATTESTED = "[{name: built, attestation: {type: slsa-provenance, by: {any: [release]}}}]"


def signature(signer: str = "release", *, annotations: Mapping[str, str] | None = None, n: int = 0) -> Finding:
    """Return an established signature by a named key; `n` tells pieces of evidence apart."""
    return Finding(
        evidence=f"sha256:signature-{signer}-{n}",
        format="cosign-signature",
        claim=Claim.SIGNATURE,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="",
        signer=key(signer).id,
        annotations=tuple(sorted((annotations or {}).items())),
        place="sig-tag",
    )


def attestation(signer: str = "release", predicate_type: str = PROVENANCE, *, n: int = 0) -> Finding:
    return Finding(
        evidence=f"sha256:attestation-{signer}-{n}",
        format="sigstore-bundle",
        claim=Claim.ATTESTATION,
        step=Step.ESTABLISHED,
        reason=Reason.OK,
        detail="",
        signer=key(signer).id,
        predicate_type=predicate_type,
        statement="sha256:" + "5" * 64,
        place="referrers-api",
    )


def broken(
    reason: Reason, step: Step, *, claim: Claim = Claim.SIGNATURE, signer: str = "", n: int = 0, detail: str = "broken"
) -> Finding:
    return Finding(
        evidence=f"sha256:broken-{reason.value}-{step.value}-{n}",
        format="cosign-signature",
        claim=claim,
        step=step,
        reason=reason,
        detail=detail,
        signer=key(signer).id if signer else "",
        place="sig-tag",
    )


def gathered(
    *, unobtained: tuple[Unobtained, ...] = (), truncated: bool = False, subject: Subject = SUBJECT
) -> Gathered:
    image = Image(subject=subject, manifest=MANIFEST, media_type="application/vnd.oci.image.manifest.v1+json")
    return Gathered(image=image, unobtained=unobtained, truncated=truncated)


def not_obtained(
    reason: Reason = Reason.REGISTRY_UNAVAILABLE, *, retry_after: timedelta | None = None, what: str = "sig-tag"
) -> Unobtained:
    return Unobtained(what=what, reason=reason, detail="status 503", retry_after=retry_after)


def new_id(prefix: str) -> str:
    return f"{prefix}_1"
