"""Statements of ours for tests, signed with a throwaway key by the code that signs in earnest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from preverify.attest.envelope import seal, signed_bytes
from preverify.attest.statement import build
from preverify.model.digest import Digest
from preverify.model.reasons import Reason
from preverify.model.reference import Subject
from preverify.model.verdicts import Outcome, RuleResult, Verdict
from preverify.signing.keyfile import KeyFile, open_key

VERIFIER = "https://platform.acme.example/preverify"
POLICY = "sha256:" + "9b" * 32
PROFILE = Digest("sha256", "5a" * 32)


def write_key(path: Path, *, seed: int | None = None) -> Path:
    """Write a P-256 key file as `signing.keyFile` wants it, with its public key beside it."""
    key = ec.generate_private_key(ec.SECP256R1()) if seed is None else ec.derive_private_key(seed, ec.SECP256R1())
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    path.with_suffix(".pub").write_bytes(public)
    return path


def new_key(directory: Path, name: str = "signing", *, seed: int | None = None) -> KeyFile:
    """Write and open a key."""
    return open_key(write_key(directory / f"{name}.pem", seed=seed))


def passed(subject: Subject, *, name: str = "v_1", at: datetime | None = None, policy: str = "shop-release") -> Verdict:
    """Return a passed verdict."""
    decided = at or datetime.now(UTC)
    rule = RuleResult(rule="signed", outcome=Outcome.PASSED, reason=Reason.OK, detail="signature by release-key")
    return Verdict(
        id=name,
        subject=subject,
        policy=policy,
        policy_digest=POLICY,
        trust_epoch="keys-only",
        outcome=Outcome.PASSED,
        rules=(rule,),
        decided_at=decided,
        valid_until=decided + timedelta(hours=24),
        due_at=decided + timedelta(hours=12),
    )


def payload(subject: Subject, *, name: str = "v_1", at: datetime | None = None) -> bytes:
    """Return the statement that `subject` passed."""
    verdict = passed(subject, name=name, at=at)
    return build(
        subject,
        "default",
        (verdict,),
        verifier_id=VERIFIER,
        version="0.1.0",
        profile_digest=PROFILE,
        generation=17,
        policies={verdict.policy: POLICY},
        validity=timedelta(days=7),
        input_attestations=(),
        now=verdict.decided_at,
    ).payload


def sealed(subject: Subject, key: KeyFile, *, name: str = "v_1", at: datetime | None = None) -> bytes:
    """Return the signed envelope of that statement."""
    statement = payload(subject, name=name, at=at)
    return seal(statement, key.sign(signed_bytes(statement)))
