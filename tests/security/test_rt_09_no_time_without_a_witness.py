"""RT-09: a log entry's time counts only where the log signed it (CVE-2024-55655), and then to the second.

The certificate is valid for ten minutes. Every time that anybody trusted signs has to lie in them, ends included.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from preverify.model.anchors import KeylessAnchor, Log, Stamps
from preverify.model.evidence import Evidence
from preverify.model.findings import Finding
from preverify.model.reasons import Reason
from preverify.model.trust import Trust
from preverify.model.verdicts import Outcome
from preverify.verify import verify
from preverify.verify.formats.cosign_legacy import LOG_ANNOTATION
from support import pki, signed
from support.recorded import IMAGE, KEYLESS, Instance, in_bundle, verdict

OWN = Instance()
LEAF = OWN.leaf()
FIRST, LAST = LEAF.x509.not_valid_before_utc, LEAF.x509.not_valid_after_utc
INSIDE = pki.SIGNED_AT
SECOND, LATER = timedelta(seconds=1), timedelta(days=400)
VERSIONS = (1, 2, 3)
ENDS = [
    (FIRST - SECOND, False),
    (FIRST, True),
    (FIRST + SECOND, True),
    (LAST - SECOND, True),
    (LAST, True),
    (LAST + SECOND, False),
]
RULE = {"signature": {"by": {"any": ["ci"]}}}


def look(evidence: Evidence, *, now: datetime = INSIDE, **demands: Any) -> Finding:
    anchor = KeylessAnchor(root=OWN.root.id, **demands)
    (found,) = verify(IMAGE, [evidence], [anchor], trust=Trust(roots=(OWN.root,)), now=now)
    return found


def bundled(version: int, *, stripped: bool = False, **how: Any) -> Evidence:
    """Return a bundle by certificate; `stripped` of the promise that signs the entry's time."""
    document = OWN.bundle(LEAF, version=version, **how)
    if stripped:
        for entry in document["verificationMaterial"]["tlogEntries"]:
            del entry["inclusionPromise"]
    return signed.bundled(document)


def judged(evidence: Evidence, now: datetime) -> tuple[str, str]:
    found = verdict(OWN, [evidence], RULE, signers={"ci": {"keyless": KEYLESS}}, now=now)
    return found.outcome.value, found.rules[0].reason.value


# --- with the promise ---


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("at", "holds"), ENDS)
@pytest.mark.parametrize("now", [INSIDE, INSIDE + LATER], ids=["in time", "long after"])
def test_the_signed_time_lies_in_the_certificates_window(
    version: int, at: datetime, now: datetime, *, holds: bool
) -> None:
    """Whatever the clock says: inside the window it does not mend a time outside of it."""
    found = look(bundled(version, time=at), now=now)
    assert (found.established, found.reason) == (holds, Reason.OK if holds else Reason.CERTIFICATE_EXPIRED)
    if holds:
        assert found.signing is not None
        assert [(time.at, time.by) for time in found.signing.times] == [(at, f"log:{OWN.old.id.hex()}")]


@pytest.mark.parametrize(("at", "holds"), ENDS)
def test_the_same_in_the_tag_format(at: datetime, *, holds: bool) -> None:
    found = look(OWN.layer(LEAF, time=at), now=INSIDE + LATER)
    assert (found.established, found.reason) == (holds, Reason.OK if holds else Reason.CERTIFICATE_EXPIRED)


@pytest.mark.parametrize(("at", "holds"), ENDS)
def test_the_same_for_time_stamps_and_every_time_counts(at: datetime, *, holds: bool) -> None:
    """A good time of one witness does not outweigh a bad one of another."""
    expected = Reason.OK if holds else Reason.CERTIFICATE_EXPIRED
    for version in VERSIONS:
        assert look(bundled(version, time=INSIDE, stamped=at), now=INSIDE + LATER).reason is expected
        assert look(bundled(version, time=at, stamped=INSIDE), now=INSIDE + LATER).reason is expected
    assert look(OWN.layer(LEAF, stamped=at), now=INSIDE + LATER).reason is expected
    assert look(bundled(3, new=True, stamped=at), now=INSIDE + LATER).reason is expected


# --- without it ---


@pytest.mark.parametrize(
    ("version", "reason"), [(1, Reason.NOT_IN_LOG), (2, Reason.NO_TRUSTED_TIME), (3, Reason.NO_TRUSTED_TIME)]
)
@pytest.mark.parametrize("now", [INSIDE, INSIDE + LATER], ids=["in time", "long after"])
def test_stripped_of_the_promise_there_is_no_time(version: int, reason: Reason, now: datetime) -> None:
    """The entry is in the log, and nobody says since when: not even a certificate that is valid now is enough."""
    whole, stripped = bundled(version), bundled(version, stripped=True)
    assert look(whole, now=now).established
    assert look(stripped, now=now).reason is reason
    assert judged(whole, now) == ("passed", "ok")
    assert judged(stripped, now) == ("failed", reason.value)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("at", [FIRST, INSIDE, LAST, LAST + SECOND])
def test_a_time_that_nobody_signed_is_not_believed(version: int, at: datetime) -> None:
    """The number in the entry is there for anybody to write: with the promise gone, or with the promise of another."""
    document = OWN.bundle(LEAF, version=version, time=LAST + SECOND)
    (entry,) = document["verificationMaterial"]["tlogEntries"]
    entry["integratedTime"] = str(int(at.timestamp()))
    if at != LAST + SECOND:
        assert look(signed.bundled(document)).reason is Reason.LOG_PROOF_INVALID
    entry["inclusionPromise"] = {"signedEntryTimestamp": signed.b64(OWN.old.sign(b"something else"))}
    assert look(signed.bundled(document)).reason is Reason.LOG_PROOF_INVALID
    for gone in ({}, {"signedEntryTimestamp": ""}):
        entry["inclusionPromise"] = gone
        expected = Reason.NOT_IN_LOG if version == 1 else Reason.NO_TRUSTED_TIME
        assert look(signed.bundled(document)).reason is expected


@pytest.mark.parametrize("version", [2, 3])
def test_stripped_of_the_promise_a_stamp_is_a_time(version: int) -> None:
    evidence = bundled(version, stripped=True, stamped=INSIDE)
    found = look(evidence, now=INSIDE + LATER)
    assert found.established
    assert found.signing is not None
    assert [time.by.partition(":")[0] for time in found.signing.times] == ["tsa"]
    assert look(evidence, now=INSIDE + LATER, stamps=Stamps.NONE).reason is Reason.NO_TRUSTED_TIME


@pytest.mark.parametrize("version", [2, 3])
def test_new_logs_sign_no_times_and_give_none(version: int) -> None:
    assert look(bundled(version, new=True)).reason is Reason.NO_TRUSTED_TIME
    assert look(bundled(version, new=True, stamped=INSIDE), now=INSIDE + LATER).established
    document = OWN.bundle(LEAF, version=version, new=True, stamped=INSIDE)
    (entry,) = document["verificationMaterial"]["tlogEntries"]
    entry["integratedTime"] = str(int(INSIDE.timestamp()))
    assert look(signed.bundled(document)).reason is Reason.LOG_PROOF_INVALID


def test_annotations_of_the_tag_format_without_a_promise() -> None:
    layer = OWN.layer(LEAF)
    note = layer.annotation(LOG_ANNOTATION)
    assert note is not None
    document = json.loads(note)
    for changed, reason in (
        ({**document, "SignedEntryTimestamp": ""}, Reason.LOG_PROOF_INVALID),
        ({"Payload": document["Payload"]}, Reason.PAYLOAD_MALFORMED),
        (
            {**document, "Payload": {**document["Payload"], "integratedTime": int(LAST.timestamp())}},
            Reason.LOG_PROOF_INVALID,
        ),
    ):
        kept = tuple(each for each in layer.annotations if each[0] != LOG_ANNOTATION)
        bent = replace(layer, annotations=(*kept, (LOG_ANNOTATION, signed.compact(changed).decode())))
        assert look(bent).reason is reason
    gone = replace(layer, annotations=tuple(each for each in layer.annotations if each[0] != LOG_ANNOTATION))
    assert look(gone).reason is Reason.NOT_IN_LOG


def test_where_no_log_is_demanded_the_clock_decides_and_ends_the_verdict() -> None:
    """Then an entry that nobody looks at gives no time either, signed or not."""
    for evidence in (bundled(3), bundled(3, stripped=True)):
        found = look(evidence, log=Log.NONE, stamps=Stamps.NONE)
        assert found.established
        assert found.signing is not None
        assert (found.signing.times, found.signing.until) == ((), LAST)
        late = look(evidence, log=Log.NONE, stamps=Stamps.NONE, now=LAST + SECOND)
        assert late.reason is Reason.CERTIFICATE_EXPIRED


def test_the_entry_of_the_right_time_and_one_without_are_one_witness() -> None:
    """Twice in one log, once with a time: the time counts. Nothing is taken from a log that is not trusted."""
    signature = LEAF.signs(IMAGE.manifest)
    dated = in_bundle(OWN.entry(signature, IMAGE.manifest, LEAF.der, time=INSIDE))
    undated = {name: value for name, value in dated.items() if name not in ("inclusionPromise", "integratedTime")}
    stranger = Instance(name="stranger")
    foreign = in_bundle(stranger.entry(signature, IMAGE.manifest, LEAF.der, time=INSIDE))

    def entered(*entries: dict[str, Any]) -> Finding:
        return look(signed.bundled(OWN.bundle(LEAF, signature=signature, entries=entries)), now=INSIDE + LATER)

    assert entered(dated, undated).established
    assert entered(foreign, dated).established
    assert entered(foreign, undated).reason is Reason.NO_TRUSTED_TIME
    assert entered(foreign).reason is Reason.LOG_UNTRUSTED
    assert judged(bundled(3), INSIDE)[0] == Outcome.PASSED.value
