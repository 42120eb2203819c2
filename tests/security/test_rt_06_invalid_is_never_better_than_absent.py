"""RT-6: the four flaws of CVE-2022-36056, and what they have in common: invalid evidence is never better than none.

(1) an entry of the log that is about something else, (2) a demanded identity that is not compared, (3) evidence that is
only checked where somebody asks for it, (4) a broken entry that ends the verification too soon, in a success.
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from preverify.model.errors import BadConfiguration
from preverify.model.evidence import Evidence
from preverify.model.verdicts import Outcome
from preverify.verify.formats.cosign_legacy import (
    CERTIFICATE_ANNOTATION,
    LOG_ANNOTATION,
    STAMP_ANNOTATION,
)
from support import pki, signed
from support.recorded import IMAGE, ISSUER, KEYLESS, WORKFLOW, Instance, annotated, in_bundle, verdict

OWN, STRANGER = Instance(), Instance(name="stranger")
LEAF, OTHER = OWN.leaf(), OWN.leaf(WORKFLOW.replace("x.yml", "y.yml"), secret=pki.key(name="other"))
AT = pki.SIGNED_AT
LATER = AT + timedelta(days=30)
SIGNED: dict[str, Any] = {"signature": {"by": {"any": ["ci"]}}}
PAYLOAD = signed.compact(signed.payload(IMAGE.subject.digest))
Document = dict[str, Any]


def judged(
    *evidence: Evidence, rule: Mapping[str, Any] = SIGNED, ci: Mapping[str, Any] | None = None
) -> tuple[str, str]:
    """Return outcome and reason under a signer with every default, long after the certificate's ten minutes."""
    signers = {"ci": ci or {"keyless": KEYLESS}, "release": {"key": {"file": "keys/ec1.pub"}, "tlog": "none"}}
    found = verdict(OWN, evidence, rule, signers=signers, now=LATER)
    return found.outcome.value, found.rules[0].reason.value


def bundled(change: Callable[[Document], None] = lambda _: None, **how: Any) -> Evidence:
    document = OWN.bundle(LEAF, **how)
    change(document)
    return signed.bundled(document)


def material(change: Callable[[Document], None]) -> Callable[[Document], None]:
    return lambda document: change(document["verificationMaterial"])


def first(change: Callable[[Document], None]) -> Callable[[Document], None]:
    return material(lambda found: change(found["tlogEntries"][0]))


@pytest.mark.parametrize("version", [1, 2, 3])
def test_what_is_right_passes(version: int) -> None:
    assert judged(bundled(version=version)) == ("passed", "ok")
    assert judged(OWN.layer(LEAF)) == ("passed", "ok")
    assert judged(bundled(new=True, stamped=AT)) == ("passed", "ok")


# --- (1) an entry that is about something else ------------------------------------------------------------------------

ABOUT: dict[str, tuple[bytes, bytes, bytes]] = {
    "another signature of the same": (LEAF.signs(IMAGE.manifest), IMAGE.manifest, LEAF.der),
    "another artifact": (LEAF.signs(b"evil"), b"evil", LEAF.der),
    "another certificate": (OTHER.signs(IMAGE.manifest), IMAGE.manifest, OTHER.der),
    "a key in place of the certificate": (
        LEAF.signs(IMAGE.manifest),
        IMAGE.manifest,
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ),
}


@pytest.mark.parametrize("about", sorted(ABOUT))
@pytest.mark.parametrize("version", [1, 2, 3])
def test_an_entry_about_something_else_in_a_bundle(version: int, about: str) -> None:
    """The log holds each of these entries, and signed the time of each."""
    signature, content, verifier = ABOUT[about]
    entry = in_bundle(OWN.entry(signature, content, verifier, time=AT))
    assert judged(bundled(version=version, entries=[entry])) == ("failed", "log-entry-mismatch")


@pytest.mark.parametrize("about", sorted(ABOUT))
def test_an_entry_about_something_else_in_the_tag_format(about: str) -> None:
    signature, content, verifier = ABOUT[about]
    layer = OWN.layer(LEAF, entry=OWN.entry(signature, content, verifier, time=AT))
    assert judged(layer) == ("failed", "log-entry-mismatch")


def test_an_entry_about_something_else_beside_a_key() -> None:
    public = (signed.FIXTURES / "keys" / "ec1.pub").read_bytes()
    ci = {"key": {"file": "keys/ec1.pub"}, "tlog": "required", "trust": "own"}
    signature = signed.sign("ec1", PAYLOAD)
    layer = signed.legacy(PAYLOAD, signature=signed.b64(signature))
    for logged, content, expected in (
        (signature, PAYLOAD, ("passed", "ok")),
        (signed.sign("ec1", b"evil"), b"evil", ("failed", "log-entry-mismatch")),
        (signed.sign("ec1", PAYLOAD), PAYLOAD, ("failed", "log-entry-mismatch")),  # another signature of the same
    ):
        note = annotated(OWN.entry(logged, content, public, time=AT))
        evidence = replace(layer, annotations=(*layer.annotations, (LOG_ANNOTATION, note)))
        assert judged(evidence, ci=ci) == expected


# --- (2) an identity that is demanded is compared ---------------------------------------------------------------------


def attested(leaf: pki.Party) -> Evidence:
    """Return an attestation of the tag format by certificate, stamped; the certificate is all that differs."""
    statement = signed.compact(signed.statement(IMAGE.subject.digest))
    message = signed.pre_authentication_encoding(signed.IN_TOTO_PAYLOAD, statement)
    envelope = {
        "payloadType": signed.IN_TOTO_PAYLOAD,
        "payload": signed.b64(statement),
        "signatures": [{"sig": signed.b64(leaf.signs(message))}],
    }
    layer = signed.attestation(envelope)
    stamp = signed.compact({"SignedRFC3161Timestamp": signed.b64(OWN.tsa.response(layer.body, at=AT))}).decode()
    notes = ((CERTIFICATE_ANNOTATION, leaf.pem.decode()), (STAMP_ANNOTATION, stamp))
    return replace(layer, annotations=(*layer.annotations, *notes))


WHO: dict[str, tuple[pki.Party, dict[str, Any], str]] = {
    "another subject": (OTHER, {}, "identity-mismatch"),
    "a subject that begins so": (OWN.leaf(WORKFLOW + "-evil"), {}, "identity-mismatch"),
    "a subject that holds it": (OWN.leaf(f"https://evil.test/?{WORKFLOW}"), {}, "identity-mismatch"),
    "another issuer": (OWN.leaf(WORKFLOW, *pki.fulcio("https://issuer.test.evil")), {}, "issuer-mismatch"),
    "no issuer": (OWN.leaf(WORKFLOW, *pki.fulcio("", _20="push")), {}, "issuer-mismatch"),
    "another fact": (
        OWN.leaf(WORKFLOW, *pki.fulcio(_20="pull_request")),
        {"extensions": {"buildTrigger": "push"}},
        "extension-mismatch",
    ),
    "no such fact": (LEAF, {"extensions": {"buildTrigger": "push"}}, "extension-mismatch"),
}


@pytest.mark.parametrize("who", sorted(WHO))
def test_a_demanded_identity_is_compared_in_every_format(who: str) -> None:
    leaf, more, reason = WHO[who]
    ci = {"keyless": {**KEYLESS, **more}}
    for version in (1, 2, 3):
        assert judged(signed.bundled(OWN.bundle(leaf, version=version)), ci=ci) == ("failed", reason)
    assert judged(OWN.layer(leaf), ci=ci) == ("failed", reason)
    rule = {"attestation": {"type": "vuln", "by": {"any": ["ci"]}}}
    stamped = {"keyless": {**KEYLESS, **more, "tlog": "none", "timestamps": "required"}}
    assert judged(attested(leaf), rule=rule, ci=stamped) == ("failed", reason)
    right = OWN.leaf(WORKFLOW, *pki.fulcio(_20="push"))
    assert judged(attested(right), rule=rule, ci=stamped) == ("passed", "ok")


def test_a_key_has_no_identity() -> None:
    """Where an identity is demanded, a signature by a key that is trusted elsewhere is by nobody."""
    by_key = signed.legacy(PAYLOAD)
    assert judged(by_key) == ("failed", "wrong-key")
    envelope = signed.envelope(signed.statement(IMAGE.subject.digest, signed.COSIGN_SIGN))
    assert judged(signed.bundled(signed.bundle({"dsseEnvelope": envelope}))) == ("failed", "wrong-key")
    dressed = replace(by_key, annotations=(*by_key.annotations, (CERTIFICATE_ANNOTATION, LEAF.pem.decode())))
    assert judged(dressed) == ("failed", "signature-invalid")
    assert judged(by_key, rule={"signature": {"by": {"any": ["release"]}}}) == ("passed", "ok")


def test_patterns_are_demands_too() -> None:
    wanted = {"issuer": ISSUER, "subjectPattern": r"https://github\.test/o/r/.*@refs/heads/main", "trust": "own"}
    evil = OWN.leaf(f"https://evil.test/?{WORKFLOW}")
    assert judged(bundled(), ci={"keyless": wanted}) == ("passed", "ok")
    assert judged(signed.bundled(OWN.bundle(evil)), ci={"keyless": wanted}) == ("failed", "identity-mismatch")


# --- (3) nothing has to be asked for ----------------------------------------------------------------------------------

BENT: dict[str, tuple[Callable[[Document], None], str]] = {
    "no entry": (material(lambda m: m.update(tlogEntries=[])), "not-in-log"),
    "no entries at all": (material(lambda m: m.pop("tlogEntries")), "not-in-log"),
    "body": (first(lambda e: e.update(canonicalizedBody=signed.b64(b"{}"))), "log-entry-mismatch"),
    "time": (first(lambda e: e.update(integratedTime=str(int(AT.timestamp()) + 1))), "log-proof-invalid"),
    "place": (first(lambda e: e.update(logIndex="3")), "log-proof-invalid"),
    "log": (first(lambda e: e.update(logId={"keyId": signed.b64(STRANGER.old.id)})), "log-untrusted"),
    "other trusted log": (first(lambda e: e.update(logId={"keyId": signed.b64(OWN.new.id)})), "log-proof-invalid"),
    "promise": (
        first(lambda e: e.update(inclusionPromise={"signedEntryTimestamp": signed.b64(bytes(70))})),
        "log-proof-invalid",
    ),
    "path": (
        first(lambda e: e["inclusionProof"]["hashes"].__setitem__(0, signed.b64(bytes(32)))),
        "log-proof-invalid",
    ),
    "root": (first(lambda e: e["inclusionProof"].update(rootHash=signed.b64(bytes(32)))), "log-proof-invalid"),
    "checkpoint": (
        first(lambda e: e["inclusionProof"].update(checkpoint={"envelope": "note"})),
        "log-proof-invalid",
    ),
    "kind": (first(lambda e: e.update(kindVersion={"kind": "dsse", "version": "0.0.1"})), "log-entry-mismatch"),
    "stamp": (
        material(lambda m: m.update(timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]})),
        "timestamp-invalid",
    ),
    "certificate": (material(lambda m: m.update(certificate={"rawBytes": signed.b64(OTHER.der)})), "signature-invalid"),
    "certificate of the same key": (
        material(lambda m: m.update(certificate={"rawBytes": signed.b64(OWN.leaf().der)})),
        "log-entry-mismatch",
    ),
    "signature": (
        lambda d: d.update(messageSignature={"signature": signed.b64(LEAF.signs(b"evil"))}),
        "signature-invalid",
    ),
    "digest": (
        lambda d: d["messageSignature"].update(
            messageDigest={"algorithm": "SHA2_256", "digest": signed.b64(bytes(32))}
        ),
        "content-mismatch",
    ),
}


@pytest.mark.parametrize("part", sorted(BENT))
def test_an_invalid_bundle_is_refused_without_any_option(part: str) -> None:
    change, reason = BENT[part]
    assert judged(bundled(change)) == ("failed", reason)


def test_what_is_not_looked_at_has_to_be_said() -> None:
    """There is no way to leave the log out by saying nothing."""
    for spec in (
        {"key": {"file": "keys/ec1.pub"}},
        {"key": {"file": "keys/ec1.pub"}, "tlog": None},
        {"key": {"file": "keys/ec1.pub"}, "tlog": "required"},
        {"keyless": {**KEYLESS, "tlog": None}},
        {"keyless": {**KEYLESS, "sct": None}},
    ):
        with pytest.raises(BadConfiguration):
            judged(bundled(), ci=spec)


@pytest.mark.parametrize("part", sorted(BENT))
def test_where_the_log_is_not_looked_at_a_broken_entry_helps_nobody(part: str) -> None:
    """The certificate is long over, and no entry that nobody looks at says that it was used in time."""
    change, _ = BENT[part]
    ci = {"keyless": {**KEYLESS, "tlog": "none"}}
    assert judged(bundled(), ci=ci) == ("failed", "certificate-expired")
    assert judged(bundled(change), ci=ci)[0] == "failed"


# --- (4) no early success ---------------------------------------------------------------------------------------------


def entries(*bent: Callable[[Document], None]) -> list[Document]:
    """Return entries of one signature, each bent by its own function."""
    made = []
    for change in bent:
        entry = in_bundle(OWN.entry(MESSAGE, IMAGE.manifest, LEAF.der, time=AT))
        change(entry)
        made.append(entry)
    return made


MESSAGE = LEAF.signs(IMAGE.manifest)
ENTRY_BENT = {
    "body": lambda e: e.update(canonicalizedBody=signed.b64(b"{}")),
    "time": lambda e: e.update(integratedTime="1"),
    "promise": lambda e: e.update(inclusionPromise={"signedEntryTimestamp": "AAAA"}),
    "path": lambda e: e["inclusionProof"].update(hashes=[]),
    "checkpoint": lambda e: e["inclusionProof"].update(checkpoint={"envelope": ""}),
    "kind": lambda e: e.update(kindVersion={"kind": "", "version": ""}),
}


@pytest.mark.parametrize("name", sorted(ENTRY_BENT))
def test_a_broken_entry_ends_in_a_refusal_wherever_it_stands(name: str) -> None:
    bend, keep = ENTRY_BENT[name], lambda _: None
    for order in ((bend,), (bend, keep), (keep, bend), (bend, bend), (keep, keep, bend)):
        evidence = bundled(entries=entries(*order), signature=MESSAGE)
        assert judged(evidence)[0] == "failed", order
    assert judged(bundled(entries=entries(keep, keep), signature=MESSAGE)) == ("passed", "ok")


@pytest.mark.parametrize("name", sorted(ENTRY_BENT))
def test_a_broken_entry_does_not_hide_a_bad_signature(name: str) -> None:
    """Of an unknown log or broken: the signature itself is verified first, and by its own certificate."""
    evil = LEAF.signs(b"evil")
    for made in (
        entries(ENTRY_BENT[name]),
        [in_bundle(STRANGER.entry(evil, IMAGE.manifest, LEAF.der, time=AT))],
        [in_bundle(OWN.entry(evil, IMAGE.manifest, LEAF.der, time=AT))],
        [in_bundle(OWN.entry(evil, b"evil", LEAF.der, time=AT))],
        [],
    ):
        assert judged(bundled(entries=made, signature=evil)) == ("failed", "signature-invalid")


# --- and of all of them -----------------------------------------------------------------------------------------------


def test_invalid_evidence_is_never_better_than_absent_evidence() -> None:
    """Alone it fails as nothing does; beside good evidence it changes nothing; and it never counts towards a number."""
    assert judged() == ("failed", "no-signature")
    bad = {name: bundled(change) for name, (change, _) in BENT.items()}
    bad |= {f"entry of {about}": OWN.layer(LEAF, entry=OWN.entry(*what, time=AT)) for about, what in ABOUT.items()}
    bad |= {who: signed.bundled(OWN.bundle(leaf)) for who, (leaf, more, _) in WHO.items() if not more}
    good = bundled()
    two = {"signature": {"by": {"all": ["ci", "release"]}}}
    by_key = signed.legacy(PAYLOAD)
    assert judged(good, by_key, rule=two) == ("passed", "ok")
    for name, evidence in bad.items():
        assert judged(evidence)[0] == "failed", name
        assert judged(evidence, good) == judged(good, evidence) == ("passed", "ok"), name
        assert judged(evidence, by_key, rule=two) == ("failed", "threshold-not-met"), name
    for some in itertools.combinations(bad.values(), 2):
        assert judged(*some)[0] == "failed"
    assert judged(*bad.values())[0] == Outcome.FAILED.value


@pytest.mark.parametrize("how", [{"stamped": AT}, {"stamped": AT, "new": True}, {}], ids=["both", "new", "old"])
def test_a_broken_part_is_never_better_than_a_missing_one(how: dict[str, Any]) -> None:
    """Also where the part is not needed: who takes a stamp away may be a tool, who breaks one is not."""
    assert judged(bundled(**how)) == ("passed", "ok")
    broken: dict[str, Callable[[Document], None]] = {
        "tlogEntries": first(lambda entry: entry["inclusionProof"].update(hashes=[])),
        "timestampVerificationData": BENT["stamp"][0],
    }
    for part, breaking in broken.items():
        assert judged(bundled(breaking, **how))[0] == "failed"
        missing = judged(bundled(material(lambda found, name=part: found.pop(name)), **how))
        assert (missing[0] == "passed") is (part == "timestampVerificationData" and "new" not in how)
