"""Registry and OCI content that must be refused or establish nothing. Numbered as in the list of negative cases."""

import gzip
import json
from datetime import timedelta

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence
from preverify.model.evidence import Place
from preverify.model.reasons import Reason
from preverify.model.reference import Reference, Repository
from preverify.registry.client import Limits
from preverify.registry.engine import Timeouts
from support.hostile import (
    BUNDLE,
    DSSE,
    OCI_INDEX,
    OCI_MANIFEST,
    SIMPLE_SIGNING,
    Hostile,
    body,
    digest_of,
    header,
    status,
    with_reply,
)
from support.registry_clients import client, gather, image, remote

IMAGE = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}
INDEX = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


def _reason(hostile: Hostile, tag: str = "t") -> Reason:
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_manifest("a/b", tag)
    return caught.value.reason


@pytest.mark.parametrize("change", [lambda d: d + b"\n", lambda d: d[:-1], lambda d: d.replace(b"2", b"3", 1)])
def test_01_manifest_with_another_hash(hostile: Hostile, change) -> None:
    digest = hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", body(change(hostile.manifests["a/b"][digest][1])))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_manifest("a/b", Digest.parse(digest))
    assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("claim", ["sha256:" + "0" * 64, "sha512:" + "0" * 128, "sha256:ABC", "sha256:"])
def test_02_tag_answer_that_claims_another_digest(hostile: Hostile, claim: str) -> None:
    hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", header("Docker-Content-Digest", claim))
    assert _reason(hostile) is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("claim", [None, "blake3:" + "0" * 64, ""])
def test_02_claims_that_say_nothing_are_passed_over(hostile: Hostile, claim: str | None) -> None:
    digest = hostile.image("a/b", "t")
    hostile.fault("GET", "/manifests/", header("Docker-Content-Digest", claim))
    assert str(client(hostile.host).get_manifest("a/b", "t").digest) == digest


@pytest.mark.parametrize(
    ("document", "kind", "reason"),
    [
        (INDEX, OCI_MANIFEST, Reason.CONTENT_MISMATCH),
        (IMAGE, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({**IMAGE, "mediaType": OCI_INDEX}, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({k: v for k, v in INDEX.items() if k != "mediaType"}, OCI_MANIFEST, Reason.CONTENT_MISMATCH),
        ({**INDEX, "layers": []}, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({**INDEX, "config": {}}, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({**IMAGE, "manifests": []}, OCI_MANIFEST, Reason.CONTENT_MISMATCH),
        ({**INDEX, "fsLayers": []}, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({**INDEX, "manifests": {}}, OCI_INDEX, Reason.CONTENT_MISMATCH),
        ({**IMAGE, "layers": 7}, OCI_MANIFEST, Reason.CONTENT_MISMATCH),
        ({**IMAGE, "mediaType": 7}, OCI_MANIFEST, Reason.CONTENT_MISMATCH),
        ({"schemaVersion": 2}, "application/json", Reason.CONTENT_MISMATCH),
        ({"schemaVersion": 1}, "application/vnd.docker.distribution.manifest.v1+prettyjws", Reason.PAYLOAD_MALFORMED),
        ({"schemaVersion": 1, "fsLayers": []}, OCI_MANIFEST, Reason.PAYLOAD_MALFORMED),
        ([], OCI_MANIFEST, Reason.PAYLOAD_MALFORMED),
    ],
)
def test_03_two_readings_of_one_digest(hostile: Hostile, document: object, kind: str, reason: Reason) -> None:
    hostile.put("a/b", json.dumps(document).encode(), "t", kind)
    assert _reason(hostile) is reason


@pytest.mark.parametrize("data", [b'{"layers":[],"layers":[],"config":{}}', b"\xff", b"", b"{", b"NaN", b"[" * 4000])
def test_03_manifests_without_one_meaning(hostile: Hostile, data: bytes) -> None:
    hostile.put("a/b", data, "t", OCI_MANIFEST)
    assert _reason(hostile) is Reason.PAYLOAD_MALFORMED


def test_04_blob_with_the_right_size_and_a_wrong_digest(hostile: Hostile) -> None:
    digest = Digest.parse(str(hostile.blob("a/b", b"12345")["digest"]))
    hostile.fault("GET", "/blobs/", body(b"54321"))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_blob("a/b", digest, size=5, max_bytes=5)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("size", [4, 6])
def test_04_blob_with_the_right_digest_and_a_wrong_size(hostile: Hostile, size: int) -> None:
    digest = Digest.parse(str(hostile.blob("a/b", b"12345")["digest"]))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_blob("a/b", digest, size=size, max_bytes=10)
    assert caught.value.reason is Reason.DIGEST_MISMATCH


def test_04_endless_blob(hostile: Hostile) -> None:
    digest = Digest.parse(str(hostile.blob("a/b", b"12345")["digest"]))
    hostile.fault("GET", "/blobs/", with_reply(endless=True, body=b"x" * 65536))
    for size in (5, None):
        with pytest.raises(MalformedEvidence) as caught:
            client(hostile.host).get_blob("a/b", digest, size=size, max_bytes=1 << 20)
        assert caught.value.reason is (Reason.DIGEST_MISMATCH if size else Reason.TOO_LARGE)


def test_04_compressed_answer_is_never_inflated(hostile: Hostile) -> None:
    inflated = bytes(64 << 20)
    hostile.blob("a/b", b"")
    packed = gzip.compress(inflated, 1)
    hostile.blobs["a/b"][digest_of(inflated)] = packed
    hostile.fault("GET", "/blobs/", header("Content-Encoding", "gzip"))
    with pytest.raises(MalformedEvidence) as caught:
        client(hostile.host).get_blob("a/b", Digest.of(inflated), size=None, max_bytes=100 << 20)
    assert f"({len(packed)} bytes)" in caught.value.detail, "what came over the wire was hashed as it came"


@pytest.mark.parametrize("named", [None, "sha256:" + "1" * 64, "nonsense"])
def test_05_referrer_that_names_another_subject(named: str | None) -> None:
    with Hostile(referrers=False) as registry:
        subject = registry.image("a/b", "t")
        stray = registry.referrer("a/b", named, b"{}")
        registry.fallback("a/b", subject, [registry.entry("a/b", stray)])
        found = gather(remote(registry.host), "a/b", subject)
        assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.SUBJECT_MISMATCH]
        assert all(e.body == b"" for e in found.evidence)


def test_05_referrers_api_that_lists_a_stray_one(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    stray = hostile.referrer("a/b", "sha256:" + "1" * 64, b"{}")
    lie = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [hostile.entry("a/b", stray)]}
    hostile.fault("GET", "/referrers/", body(json.dumps(lie).encode()))
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.SUBJECT_MISMATCH]


def test_06_fallback_tag_that_holds_an_image(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.image("a/b", subject.replace(":", "-"), content="another image")
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.CONTENT_MISMATCH]
    assert "fallback-tag: not an index" in found.looked_at


def test_06_entry_repeated_ten_thousand_times_is_fetched_once(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    referrer = hostile.referrer("a/b", subject, b"{}")
    hostile.fallback("a/b", subject, [hostile.entry("a/b", referrer)] * 10_000)
    found = gather(remote(hostile.host), "a/b", subject)
    assert len(found.evidence) == 1
    assert not found.truncated
    assert len(hostile.sent("GET", referrer)) == 1


@pytest.mark.parametrize("target", ["", "?n=1", "?n={count}"])
def test_06_link_loop_ends(hostile: Hostile, target: str) -> None:
    subject = hostile.image("a/b", "t")
    count = iter(range(10**9))

    def looping(seen, reply):
        link = f'<{seen.path}{target.format(count=next(count))}>; rel="next"'
        return header("Link", link)(seen, reply)

    hostile.fault("GET", "/(referrers|tags)/", looping)
    ours = client(hostile.host)
    listed = ours.referrers("a/b", Digest.parse(subject))
    assert listed is not None
    assert listed.truncated
    assert len(hostile.sent("GET", "/referrers/")) <= 20
    assert ours.tags("a/b").truncated
    assert len(hostile.sent("GET", "/tags/")) <= 3, "a page that brings nothing new is the end"


@pytest.mark.parametrize("code", [500, 502, 503, 429, 401, 403])
def test_07_error_of_the_referrers_call_is_never_taken_for_clean(hostile: Hostile, code: int) -> None:
    subject = hostile.image("a/b", "t")
    hostile.fault("GET", "/referrers/", status(code))
    found = gather(remote(hostile.host), "a/b", subject)
    expected = Reason.REGISTRY_REFUSED if code in (401, 403) else Reason.REGISTRY_UNAVAILABLE
    assert [(u.what, u.reason) for u in found.unobtained] == [("referrers-api", expected)]
    assert len(hostile.sent("GET", "sha256-")) == 3, "the tags are read all the same"


def test_07_referrers_call_that_never_answers(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.fault("GET", "/referrers/", with_reply(stall=30.0))
    limits = Limits(timeouts=Timeouts(total=timedelta(milliseconds=300)))
    found = gather(remote(hostile.host, limits=limits), "a/b", subject)
    assert [u.reason for u in found.unobtained] == [Reason.REGISTRY_UNAVAILABLE]


@pytest.mark.parametrize("suffix", ["", ".sig", ".att"])
@pytest.mark.parametrize("code", [401, 403, 429, 500])
def test_07_error_of_a_tag_is_never_taken_for_absence(hostile: Hostile, suffix: str, code: int) -> None:
    subject = hostile.image("a/b", "t")
    hostile.fault("GET", f"/manifests/sha256-[0-9a-f]+{suffix}$", status(code))
    found = gather(remote(hostile.host), "a/b", subject)
    assert len(found.unobtained) == 1


def test_07_missing_referrers_api_is_no_error(hostile: Hostile) -> None:
    hostile.referrers_api = False
    subject = hostile.image("a/b", "t")
    found = gather(remote(hostile.host), "a/b", subject)
    assert found.unobtained == ()
    assert found.evidence == ()
    assert "referrers-api: not offered" in found.looked_at


def test_08_signature_of_a_child_is_not_read_for_its_index(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    platform = {"os": "linux", "architecture": "amd64"}
    index = hostile.index("a/b", [hostile.entry("a/b", child, platform=platform)], "t")
    hostile.layers("a/b", child.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"{}"])
    hostile.referrer("a/b", child, b"{}")
    registry = remote(hostile.host)
    assert gather(registry, "a/b", index).evidence == ()
    assert len(gather(registry, "a/b", child).evidence) == 2
    assert image(registry, "a/b", index).children == (Digest.parse(child),)


def test_09_buildkit_attestations_are_neither_children_nor_evidence(hostile: Hostile) -> None:
    child = hostile.image("a/b")
    attestation = hostile.layers("a/b", "x", "application/vnd.in-toto+json", [b'{"_type":"x"}'])
    entries = [
        hostile.entry("a/b", child, platform={"os": "linux", "architecture": "amd64"}),
        hostile.entry(
            "a/b",
            attestation,
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={
                "vnd.docker.reference.type": "attestation-manifest",
                "vnd.docker.reference.digest": "sha256:" + "9" * 64,
            },
        ),
    ]
    index = hostile.index("a/b", entries, "t")
    registry = remote(hostile.host)
    assert image(registry, "a/b", index).children == (Digest.parse(child),)
    assert gather(registry, "a/b", index).evidence == ()


def test_09_unsigned_statement_as_a_referrer_is_not_evidence(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.referrer("a/b", subject, b'{"_type":"x"}', kind="application/vnd.in-toto+json", artifact_type="x/y")
    found = gather(remote(hostile.host), "a/b", subject)
    assert found.evidence == ()
    assert "other referrers: 1" in found.looked_at


def test_10_tag_that_moves_does_not_move_the_subject(hostile: Hostile) -> None:
    first = hostile.image("a/b", "t")
    registry = remote(hostile.host)
    resolved = registry.resolve(Repository(hostile.host, "a/b"), "t")
    second = hostile.image("a/b", "t", content="moved")
    hostile.layers("a/b", second.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"{}"])
    assert str(resolved.subject.digest) == first
    assert registry.gather(resolved).evidence == (), "the other image's signature is not beside this digest"


def test_10_digest_rules_over_the_tag_of_a_reference(hostile: Hostile) -> None:
    good, bad = hostile.image("a/b", "good"), hostile.image("a/b", content="bad")
    reference = Reference.parse(f"{hostile.host}/a/b:good@{bad}")
    assert str(reference.digest) == bad != good


def test_large_bundles_and_signatures_are_void_one_by_one(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    tag = subject.replace(":", "-")
    hostile.layers("a/b", tag + ".sig", SIMPLE_SIGNING, [b"s" * ((1 << 20) + 1), b"good"])
    hostile.layers("a/b", tag + ".att", DSSE, [b"a" * ((1 << 20) + 1)])
    hostile.referrer("a/b", subject, b"b" * ((8 << 20) + 1), kind=BUNDLE)
    found = gather(remote(hostile.host), "a/b", subject)
    flaws = {e.place: e.flaw.reason for e in found.evidence if e.flaw}
    assert flaws == {Place.SIGNATURE_TAG: Reason.TOO_LARGE, Place.REFERRERS_API: Reason.TOO_LARGE}
    assert {e.place for e in found.evidence if not e.flaw} == {Place.SIGNATURE_TAG, Place.ATTESTATION_TAG}
    assert not found.truncated
