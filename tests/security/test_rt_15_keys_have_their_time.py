"""RT-15: a key counts from its first to its last moment and until it is revoked (CVE-2026-54787), by written policies.

The time that counts is the one that somebody trusted signed; where there is none, it is now.
"""

import base64
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from preverify.model.evidence import Evidence
from preverify.model.verdicts import Outcome, Verdict
from preverify.verify.formats.cosign_legacy import LOG_ANNOTATION, SIGNATURE_ANNOTATION, STAMP_ANNOTATION
from support import pki, signed
from support.recorded import IMAGE, Instance, annotated, in_bundle, verdict

OWN, STRANGER = Instance(), Instance(name="stranger")
AT = pki.SIGNED_AT
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
FIRST, LAST, REVOKED = AT - DAY, AT + DAY, AT
NOW = AT + 300 * DAY
PUBLIC = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()
PAYLOAD = signed.compact(signed.payload(IMAGE.subject.digest))
SIGNED: dict[str, Any] = {"signature": {"by": {"any": ["release"]}}}
ATTESTED: dict[str, Any] = {"attestation": {"type": "vuln", "by": {"any": ["release"]}}}
WITNESSES = ("stamp", "log", "both")


def stamp(covered: bytes, at: datetime, by: Instance = OWN) -> str:
    return signed.b64(by.tsa.response(covered, at=at))


def layer(at: datetime | None, witness: str = "stamp", by: Instance = OWN) -> Evidence:
    """Return a signature of the tag format, signed at `at` as `witness` says."""
    signature = signed.sign("ec1", PAYLOAD)
    plain = signed.legacy(PAYLOAD, signature=signed.b64(signature))
    if at is None:
        return plain
    notes = []
    if witness != "log":
        text = signed.compact({"SignedRFC3161Timestamp": stamp(signature, at, by)}).decode()
        notes.append((STAMP_ANNOTATION, text))
    if witness != "stamp":
        notes.append((LOG_ANNOTATION, annotated(by.entry(signature, PAYLOAD, PUBLIC, time=at))))
    return replace(plain, annotations=(*plain.annotations, *notes))


def bundle(at: datetime | None, witness: str = "stamp", by: Instance = OWN) -> Evidence:
    """Return a bundle with a signature over the manifest."""
    signature = signed.sign("ec1", IMAGE.manifest)
    material: dict[str, Any] = {}
    if at is not None and witness != "log":
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp(signature, at, by)}]}
    if at is not None and witness != "stamp":
        material["tlogEntries"] = [in_bundle(by.entry(signature, IMAGE.manifest, PUBLIC, time=at))]
    return signed.bundled(signed.bundle({"messageSignature": {"signature": signed.b64(signature)}}, **material))


def attestation(at: datetime | None, _: str = "stamp", by: Instance = OWN) -> Evidence:
    """Return an attestation in a bundle."""
    envelope = signed.envelope(signed.statement(IMAGE.subject.digest))
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    material: dict[str, Any] = {}
    if at is not None:
        material["timestampVerificationData"] = {"rfc3161Timestamps": [{"signedTimestamp": stamp(signature, at, by)}]}
    return signed.bundled(signed.bundle({"dsseEnvelope": envelope}, **material))


FORMS = {"tag": layer, "bundle": bundle}


def decided(
    *evidence: Evidence,
    witness: str = "stamp",
    rule: dict[str, Any] | None = None,
    now: datetime = NOW,
    **key: datetime,
) -> Verdict:
    """Return the verdict under a signer whose key has these times."""
    window = {name: moment.isoformat().replace("+00:00", "Z") for name, moment in key.items()}
    release = {
        "key": {"file": "keys/ec1.pub", **window},
        "tlog": "none" if witness == "stamp" else "required",
        "timestamps": "none" if witness == "log" else "accepted",
        "trust": "own",
    }
    return verdict(OWN, evidence, rule or SIGNED, signers={"release": release}, now=now)


def judged(*evidence: Evidence, **how: Any) -> tuple[str, str]:
    found = decided(*evidence, **how)
    return found.outcome.value, found.rules[0].reason.value


def expected(reason: str) -> tuple[str, str]:
    return ("passed" if reason == "ok" else "failed", reason)


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (FIRST - SECOND, "key-expired"),
        (FIRST, "ok"),
        (FIRST + SECOND, "ok"),
        (LAST - SECOND, "ok"),
        (LAST, "ok"),
        (LAST + SECOND, "key-expired"),
    ],
)
def test_the_trusted_time_lies_in_the_keys_window(form: str, witness: str, at: datetime, reason: str) -> None:
    """Also long after the key's end: old signatures count on."""
    found = judged(FORMS[form](at, witness), witness=witness, validFrom=FIRST, validUntil=LAST)
    assert found == expected(reason)


@pytest.mark.parametrize("witness", WITNESSES)
@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    ("at", "reason"), [(REVOKED - SECOND, "ok"), (REVOKED, "key-revoked"), (REVOKED + SECOND, "key-revoked")]
)
def test_what_was_signed_before_the_revocation_counts_on(form: str, witness: str, at: datetime, reason: str) -> None:
    evidence = FORMS[form](at, witness)
    assert judged(evidence, witness=witness, revokedAt=REVOKED) == expected(reason)
    assert judged(evidence, witness=witness, validUntil=LAST, revokedAt=REVOKED) == expected(reason)


@pytest.mark.parametrize(
    ("at", "window", "reason"),
    [
        (LAST, {"validFrom": FIRST, "validUntil": LAST}, "ok"),
        (LAST + SECOND, {"validFrom": FIRST, "validUntil": LAST}, "key-expired"),
        (FIRST - SECOND, {"validFrom": FIRST, "validUntil": LAST}, "key-expired"),
        (REVOKED - SECOND, {"revokedAt": REVOKED}, "ok"),
        (REVOKED, {"revokedAt": REVOKED}, "key-revoked"),
        (None, {"validUntil": LAST}, "key-expired"),
    ],
)
def test_the_same_for_attestations(at: datetime | None, window: dict[str, datetime], reason: str) -> None:
    assert judged(attestation(at), rule=ATTESTED, **window) == expected(reason)


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    ("now", "window", "reason"),
    [
        (FIRST - SECOND, {"validFrom": FIRST, "validUntil": LAST}, "key-expired"),
        (FIRST, {"validFrom": FIRST, "validUntil": LAST}, "ok"),
        (LAST, {"validFrom": FIRST, "validUntil": LAST}, "ok"),
        (LAST + SECOND, {"validFrom": FIRST, "validUntil": LAST}, "key-expired"),
        (REVOKED - SECOND, {"revokedAt": REVOKED}, "ok"),
        (REVOKED, {"revokedAt": REVOKED}, "key-revoked"),
        (NOW, {"revokedAt": REVOKED}, "key-revoked"),
    ],
)
def test_a_signature_of_which_nobody_says_when_counts_while_the_key_does(
    form: str, now: datetime, window: dict[str, datetime], reason: str
) -> None:
    assert judged(FORMS[form](None), now=now, **window) == expected(reason)


def test_and_the_verdict_ends_with_the_key() -> None:
    found = decided(layer(None), now=LAST - timedelta(hours=1), validUntil=LAST)
    assert (found.outcome, found.valid_until) == (Outcome.PASSED, LAST)
    stamped = decided(layer(AT), now=LAST - timedelta(hours=1), validUntil=LAST)
    assert stamped.valid_until is not None
    assert stamped.valid_until > LAST


@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize("witness", ["stamp", "log"])
def test_only_a_trusted_witness_makes_a_signature_old(form: str, witness: str) -> None:
    """Whoever stole a revoked key can have anything dated back by an authority of their own."""
    dated_back = FORMS[form](AT - 2 * DAY, witness, STRANGER)
    for window, reason in (({"validUntil": FIRST}, "key-expired"), ({"revokedAt": FIRST}, "key-revoked")):
        wanted = reason if witness == "stamp" else "log-untrusted"
        assert judged(dated_back, witness=witness, **window) == expected(wanted)
        assert judged(FORMS[form](AT - 2 * DAY, witness), witness=witness, **window) == expected("ok")


@pytest.mark.parametrize(("stamped", "logged"), [(-SECOND, SECOND), (SECOND, -SECOND), (-SECOND, -SECOND)])
def test_every_trusted_time_counts(stamped: timedelta, logged: timedelta) -> None:
    """A stamp from before the revocation does not outweigh a log entry from after it, nor the reverse."""
    evidence = layer(REVOKED + stamped)
    signature = base64.b64decode(evidence.annotation(SIGNATURE_ANNOTATION) or "")
    entry = OWN.entry(signature, PAYLOAD, PUBLIC, time=REVOKED + logged)
    both = replace(evidence, annotations=(*evidence.annotations, (LOG_ANNOTATION, annotated(entry))))
    reason = "ok" if max(stamped, logged) < timedelta() else "key-revoked"
    assert judged(both, witness="both", revokedAt=REVOKED) == expected(reason)


def test_times_that_are_not_looked_at_do_not_help() -> None:
    """With neither log nor stamps in the policy, a stamped signature is one of which nobody says when."""
    evidence = layer(REVOKED - SECOND, "both")
    release = {"key": {"file": "keys/ec1.pub", "revokedAt": REVOKED.isoformat().replace("+00:00", "Z")}, "tlog": "none"}
    found = verdict(OWN, [evidence], SIGNED, signers={"release": release}, now=NOW)
    assert (found.outcome, found.rules[0].reason.value) == (Outcome.FAILED, "key-revoked")


def test_one_signature_in_time_suffices_beside_late_ones() -> None:
    good, late = layer(LAST), layer(LAST + SECOND)
    for order in ((good, late), (late, good)):
        assert judged(*order, validUntil=LAST) == expected("ok")
    assert judged(late, layer(None), bundle(LAST + DAY), validUntil=LAST) == expected("key-expired")
