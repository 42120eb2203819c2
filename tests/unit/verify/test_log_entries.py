"""Log entries are read with one meaning or none."""

import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.errors import MalformedEvidence
from preverify.verify.logs.entries import MAX_HASHES, entry_from_annotation, entry_from_bundle
from support import logged

BUNDLE = logged.record("happy-path-v0.3")["entry"]
ANNOTATION = logged.record("keyless/email")["entry"]
HASH = logged.b64(bytes(32))


def changed(**members: Any) -> dict[str, Any]:
    return {**BUNDLE, **members}


def proof(**members: Any) -> dict[str, Any]:
    return changed(inclusionProof={**BUNDLE["inclusionProof"], **members})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in BUNDLE.items() if key != name}


def annotation(**payload: Any) -> str:
    document = json.loads(ANNOTATION)
    document["Payload"] |= payload
    return json.dumps(document)


def test_an_entry_of_a_bundle() -> None:
    entry = entry_from_bundle(BUNDLE)
    assert (entry.kind, entry.version, entry.log_index) == ("hashedrekord", "0.0.1", 79571823)
    assert entry.integrated_time == 1710869186
    assert entry.promise == logged.un64(BUNDLE["inclusionPromise"]["signedEntryTimestamp"])
    assert entry.proof is not None
    assert (entry.proof.log_index, entry.proof.tree_size, len(entry.proof.hashes)) == (75408392, 75408393, 11)
    assert entry.proof.checkpoint.startswith("rekor.sigstore.dev - ")
    assert json.loads(entry.body)["kind"] == "hashedrekord"


def test_what_was_read_of_a_body_is_never_taken_for_another() -> None:
    entry = entry_from_annotation(ANNOTATION)
    assert entry.document()["kind"] == "hashedrekord"
    with pytest.raises(MalformedEvidence):
        replace(entry, body=b"{}garbage").document()
    assert entry_from_bundle(BUNDLE).document()["kind"] == "hashedrekord"


def test_an_entry_of_an_annotation() -> None:
    entry = entry_from_annotation(ANNOTATION)
    payload = json.loads(ANNOTATION)["Payload"]
    assert (entry.kind, entry.version, entry.proof) == ("hashedrekord", "0.0.1", None)
    assert (entry.log_id.hex(), entry.log_index, entry.integrated_time) == (
        payload["logID"],
        payload["logIndex"],
        payload["integratedTime"],
    )
    assert entry.promise


@pytest.mark.parametrize("each", logged.records(), ids=lambda r: r["id"])
def test_every_real_entry_is_read(each: logged.Record) -> None:
    if each["expected"] != "bundle-malformed":
        assert logged.entry_of(each).body


@pytest.mark.parametrize("zero", ["0", 0, None])
def test_absent_and_null_stand_for_zero(zero: object) -> None:
    """Serialisers leave zeros out: the first entry of a tree has no place in its JSON."""
    entry = entry_from_bundle(changed(integratedTime=zero, inclusionPromise=None, logIndex=zero))
    assert (entry.integrated_time, entry.log_index, entry.promise) == (0, 0, None)
    assert entry_from_bundle(without("integratedTime")).integrated_time == 0
    assert entry_from_bundle(changed(inclusionPromise={})).promise is None
    assert entry_from_bundle(changed(inclusionPromise={"signedEntryTimestamp": ""})).promise is None
    assert entry_from_bundle(changed(inclusionProof=None)).proof is None
    empty = entry_from_bundle(changed(inclusionProof={})).proof
    assert empty is not None
    assert (empty.log_index, empty.tree_size, empty.hashes, empty.root_hash, empty.checkpoint) == (0, 0, (), b"", "")
    no_note = entry_from_bundle(proof(checkpoint=None)).proof
    assert no_note is not None
    assert no_note.checkpoint == ""


def test_integers_are_text_or_numbers() -> None:
    assert entry_from_bundle(changed(logIndex=7)).log_index == 7
    assert entry_from_bundle(changed(logIndex=str(2**63 - 1))).log_index == 2**63 - 1


WRONG_INTEGERS = ["-1", "01", "1.0", "1e3", "+1", " 1", "", "٣", str(2**63), -1, 2**63, 1.0, True, [], {}]


@pytest.mark.parametrize("value", WRONG_INTEGERS, ids=repr)
@pytest.mark.parametrize("name", ["logIndex", "integratedTime", "proof.logIndex", "proof.treeSize"])
def test_what_is_no_integer_is_refused(name: str, value: object) -> None:
    part, _, inner = name.rpartition(".")
    refused(proof(**{inner: value}) if part else changed(**{name: value}))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "entry",
        {},
        changed(extra=1),
        changed(log_index="1"),
        changed(logId=None),
        changed(logId={}),
        changed(logId={"keyId": BUNDLE["logId"]["keyId"], "keyid": ""}),
        changed(logId={"keyId": logged.b64(bytes(31))}),
        changed(logId={"keyId": logged.b64(bytes(33))}),
        changed(logId={"keyId": "!"}),
        changed(logId={"keyId": BUNDLE["logId"]["keyId"].rstrip("=")}),
        without("kindVersion"),
        changed(kindVersion=["hashedrekord"]),
        changed(kindVersion={"kind": 1, "version": "0.0.1"}),
        without("canonicalizedBody"),
        changed(canonicalizedBody=""),
        changed(canonicalizedBody="e30=\n"),
        changed(canonicalizedBody=3),
        changed(inclusionPromise=[]),
        changed(inclusionPromise={"signedEntryTimestamp": "?"}),
        changed(inclusionPromise={"set": "AAAA"}),
        changed(inclusionProof=[]),
        proof(hashes={}),
        proof(hashes=[HASH] * (MAX_HASHES + 1)),
        proof(hashes=[None]),
        proof(hashes=[logged.b64(bytes(31))]),
        proof(rootHash=7),
        proof(extra=True),
        proof(checkpoint="note"),
        proof(checkpoint={"envelope": 1}),
        proof(checkpoint={"note": ""}),
    ],
)
def test_what_is_no_entry_of_a_bundle_is_refused(document: object) -> None:
    refused(document)


def test_a_body_has_a_size_limit() -> None:
    refused(changed(canonicalizedBody=logged.b64(bytes(3 * 1024 * 1024 + 1))))


def refused(document: object) -> None:
    with pytest.raises(MalformedEvidence) as error:
        entry_from_bundle(document)
    assert error.value.reason.value == "bundle-malformed"
    assert len(error.value.detail) < 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{" * 100,
        '{"Payload":{},"Payload":{}}',
        "\ud800",
        ANNOTATION[:-2],
        ANNOTATION.replace('"SignedEntryTimestamp"', '"signedEntryTimestamp"'),
        ANNOTATION.replace('"Payload"', '"payload"'),
        ANNOTATION.replace('"logID"', '"logId"'),
        annotation(body=None),
        annotation(body="?"),
        annotation(body={"kind": "hashedrekord"}),
        annotation(body=logged.b64(b"no json")),
        annotation(body=logged.b64(b"[]")),
        annotation(body=logged.b64(b"{}")),
        annotation(body=logged.b64(b'{"kind":"dsse","apiVersion":1}')),
        annotation(body=logged.b64(b'{"kind":"dsse","kind":"dsse","apiVersion":"0.0.1"}')),
        annotation(body=logged.b64(b'{"kind":"dsse","Kind":"dsse","apiVersion":"0.0.1"}')),
        annotation(logID=None),
        annotation(logID="00"),
        annotation(logID="A" * 64),
        annotation(logID="é" * 64),
        annotation(logIndex="2"),
        annotation(logIndex=-1),
        annotation(logIndex=None),
        annotation(integratedTime=True),
        annotation(integratedTime=1.5),
        annotation(integratedTime=None),
        json.dumps({**json.loads(ANNOTATION), "SignedEntryTimestamp": None}),
        json.dumps({**json.loads(ANNOTATION), "SignedEntryTimestamp": "!"}),
    ],
)
def test_what_is_no_log_annotation_is_refused(text: str) -> None:
    with pytest.raises(MalformedEvidence) as error:
        entry_from_annotation(text)
    assert error.value.reason.value == "payload-malformed"


def test_an_annotation_has_a_size_limit() -> None:
    with pytest.raises(MalformedEvidence) as error:
        entry_from_annotation(" " * (4 * 1024 * 1024) + ANNOTATION)
    assert error.value.reason.value == "too-large"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*BUNDLE, "keyId", "kind"]), inner),
    max_leaves=8,
)


@given(name=st.sampled_from(list(BUNDLE)), value=JSON, inner=st.sampled_from(list(BUNDLE["inclusionProof"])))
def test_nothing_but_a_refusal_escapes(name: str, value: object, inner: str) -> None:
    for document in (value, changed(**{name: value}), proof(**{inner: value})):
        with contextlib.suppress(MalformedEvidence):
            entry_from_bundle(document)


@given(text=st.text() | JSON.map(json.dumps))
def test_nothing_but_a_refusal_escapes_from_annotations(text: str) -> None:
    with pytest.raises(MalformedEvidence):
        entry_from_annotation(text)
    with contextlib.suppress(MalformedEvidence):
        entry_from_annotation(annotation(body=logged.b64(text.encode("utf-8", "replace"))))
