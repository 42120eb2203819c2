"""in-toto Statements."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason
from preverify.verify.statements.statement import MAX_PAYLOAD_BYTES, MAX_SUBJECTS, parse_statement, text_members
from support import signed

DIGEST = Digest.of(b"image")
OTHER = Digest.of(b"other")


def document(**changes: Any) -> dict[str, Any]:
    return signed.statement(DIGEST, **changes)


@pytest.mark.parametrize("kind", ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"])
def test_reads_both_versions(kind: str) -> None:
    read = parse_statement(signed.compact(document(_type=kind)))
    assert read.predicate_type == signed.VULN
    assert read.about(DIGEST) is not None
    assert read.about(OTHER) is None


def test_any_subject_may_be_the_image() -> None:
    subjects = [
        {"digest": {"sha256": OTHER.hex}},
        {"digest": {"sha512": "00", "sha256": DIGEST.hex}, "annotations": {"a": "b", "n": 1}},
    ]
    found = parse_statement(signed.compact(document(subject=subjects))).about(DIGEST)
    assert found is not None
    assert found.annotations == (("a", "b"),)


def test_a_digest_counts_only_under_its_algorithm() -> None:
    """The hex of one algorithm under the name of another would let a weak hash stand for a strong one."""
    for name in ("sha512", "SHA256", "sha-256", "gitCommit"):
        assert parse_statement(signed.compact(document(subject=[{"digest": {name: DIGEST.hex}}]))).about(DIGEST) is None
    upper = parse_statement(signed.compact(document(subject=[{"digest": {"sha256": DIGEST.hex.upper()}}])))
    assert upper.about(DIGEST) is None


def test_sha512_subjects_match_sha512_images() -> None:
    digest = Digest.of(b"image", "sha512")
    assert parse_statement(signed.compact(signed.statement(digest))).about(digest) is not None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b'{"_type":"https://in-toto.io/Statement/v1","_type":"https://in-toto.io/Statement/v1"}',
        document(_type="https://in-toto.io/Statement/v2"),
        document(_type=None),
        document(_type=["https://in-toto.io/Statement/v1"]),
        document(predicateType=""),
        document(predicateType=None),
        document(predicateType=7),
        document(predicateType="https://" + "x" * 1024),
        document(PredicateType="x"),
        document(Subject=[]),
        document(subject=None),
        document(subject={}),
        document(subject=[]),
        document(subject=[None]),
        document(subject=["x"]),
        document(subject=[{"digest": {"sha256": DIGEST.hex}}, None]),
        document(subject=[{"name": "app"}]),
        document(subject=[{"digest": {}}]),
        document(subject=[{"digest": None}]),
        document(subject=[{"digest": {"sha256": None}}]),
        document(subject=[{"digest": {"sha256": ""}}]),
        document(subject=[{"digest": {"sha256": DIGEST.hex}, "annotations": []}]),
        document(subject=[{"digest": {"sha256": DIGEST.hex}}] * (MAX_SUBJECTS + 1)),
    ],
)
def test_refuses_other_shapes(payload: bytes | dict[str, Any]) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_statement(payload if isinstance(payload, bytes) else signed.compact(payload))
    assert caught.value.reason is Reason.STATEMENT_MALFORMED


def test_as_many_subjects_as_allowed_are_read() -> None:
    subjects = [{"digest": {"sha256": OTHER.hex}}] * (MAX_SUBJECTS - 1) + [{"digest": {"sha256": DIGEST.hex}}]
    assert parse_statement(signed.compact(document(subject=subjects))).about(DIGEST) is not None


def test_only_text_can_equal_what_a_policy_asks_for() -> None:
    assert text_members({"b": "2", "a": "1", "n": 1, "t": True, "x": None}) == (("a", "1"), ("b", "2"))
    assert text_members(None) == ()


@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    with pytest.raises(MalformedEvidence):
        parse_statement(data)


def large(subject: object, *, components: int = 9_000) -> bytes:
    """Return a statement with an SBOM of more than a megabyte."""
    parts = [
        {"name": f"part-{i}", "hashes": [{"alg": "SHA-256", "content": f"{i:064x}"}], "digest": {"sha256": f"{i:064x}"}}
        for i in range(components)
    ]
    return signed.compact(document(subject=subject, predicate={"components": parts, "subject": [{"digest": None}]}))


def test_a_large_statement_means_the_same() -> None:
    """Only its predicate is not kept; what it is about is read as ever."""
    subjects = [
        {"name": "a", "digest": {"sha256": OTHER.hex}},
        {"name": "b", "digest": {"x": "y", "sha256": DIGEST.hex}},
    ]
    payload = large(subjects)
    assert len(payload) > 1024 * 1024
    read = parse_statement(payload)
    assert read.predicate_type == signed.VULN
    assert len(read.subjects) == 2
    assert read.about(DIGEST) is not None
    assert read.about(Digest(DIGEST.algorithm, f"{7:064x}")) is None  # a part of the predicate, not a subject
    assert read.sha256 == Digest.of(payload).hex


@pytest.mark.parametrize(
    "subject", [[], [None], [{"name": "a"}], [{"digest": {}}], [{"digest": {"sha256": "x"}}], None]
)
def test_a_large_statement_is_refused_for_the_same_faults(subject: object) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_statement(large(subject))
    assert caught.value.reason is Reason.STATEMENT_MALFORMED


def test_a_predicate_that_repeats_a_key_voids_a_large_statement() -> None:
    payload = large([{"digest": {"sha256": DIGEST.hex}}]).replace(b'"name":"part-7"', b'"name":"part-7","name":"x"')
    with pytest.raises(MalformedEvidence, match="stands twice"):
        parse_statement(payload)


def test_beyond_the_largest_sbom_is_too_large() -> None:
    with pytest.raises(MalformedEvidence) as caught:
        parse_statement(bytes(MAX_PAYLOAD_BYTES + 1))
    assert caught.value.reason is Reason.TOO_LARGE
