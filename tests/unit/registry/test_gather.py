"""What is read beside a subject, what is left out, and what is said about it."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from preverify.attest.bundle import build
from preverify.attest.envelope import seal, signed_bytes
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.evidence import Format, Place
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.registry import open_source
from preverify.registry.gather import GatherLimits
from preverify.registry.gather import gather as gather_from
from support import registries
from support.clock import Stopped
from support.hostile import BUNDLE, DSSE, OCI_MANIFEST, SIMPLE_SIGNING, Hostile, status
from support.registry_clients import gather, image, remote, source

VSA = "https://slsa.dev/verification_summary/v1"
KEY = ec.generate_private_key(ec.SECP256R1())
OURS = TrustedKey(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def envelope(predicate_type: str = VSA, *, key: ec.EllipticCurvePrivateKey = KEY, note: str = "") -> bytes:
    payload = json.dumps({"predicateType": predicate_type, "predicate": {"resourceUri": "x", "note": note}}).encode()
    return seal(payload, key.sign(signed_bytes(payload), ec.ECDSA(hashes.SHA256())))


def test_own_statements_are_neither_evidence_nor_counted(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    own = [envelope(note=f"{i}") for i in range(60)]
    hostile.layers("a/b", subject.replace(":", "-") + ".att", DSSE, [*own, b"theirs"])
    for body in own[:3]:
        hostile.referrer("a/b", subject, build(body, OURS))
    found = gather(remote(hostile.host, own_keys=(OURS,)), "a/b", subject)
    assert [e.body for e in found.evidence] == [b"theirs"]
    assert not found.truncated
    assert not found.foreign_bundle
    assert found.foreign_legacy
    assert "ours: 3" in found.looked_at


def test_only_own_statements_means_nothing_foreign(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.layers("a/b", subject.replace(":", "-") + ".att", DSSE, [envelope()])
    hostile.referrer("a/b", subject, build(envelope(), OURS))
    found = gather(remote(hostile.host, own_keys=(OURS,)), "a/b", subject)
    assert (found.evidence, found.foreign_bundle, found.foreign_legacy) == ((), False, False)


@pytest.mark.parametrize(
    "body",
    [
        envelope("https://example/other"),
        envelope(key=ec.generate_private_key(ec.SECP256R1())),
        envelope()[:-10],
    ],
    ids=["other-predicate", "other-key", "cut"],
)
def test_what_is_not_a_summary_by_our_key_is_evidence(hostile: Hostile, body: bytes) -> None:
    subject = hostile.image("a/b", "t")
    hostile.layers("a/b", subject.replace(":", "-") + ".att", DSSE, [body])
    found = gather(remote(hostile.host, own_keys=(OURS,)), "a/b", subject)
    assert [e.body for e in found.evidence] == [body]
    assert found.foreign_legacy


def test_foreign_bundle_is_noticed(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.referrer("a/b", subject, b'{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}')
    found = gather(remote(hostile.host), "a/b", subject)
    assert found.foreign_bundle
    assert not found.foreign_legacy


def test_layer_facts_come_from_the_hashed_manifest(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    manifest = hostile.layers("a/b", subject.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"one"], extra="x")
    found = gather(remote(hostile.host), "a/b", subject).evidence[0]
    assert (found.format, found.place, found.index) == (Format.COSIGN_SIGNATURE, Place.SIGNATURE_TAG, 0)
    assert (str(found.manifest), found.media_type) == (manifest, SIMPLE_SIGNING)
    assert found.annotation("extra") == "x"
    assert found.digest == Digest.of(b"one")


def test_listed_type_is_never_believed(hostile: Hostile) -> None:
    """A list may call a bundle anything, and anything a bundle: only the fetched manifest says what it is."""
    hostile.referrers_api = False
    subject = hostile.image("a/b", "t")
    bundle = hostile.referrer("a/b", subject, b"bundle", artifact_type="text/x")
    other = hostile.referrer("a/b", subject, b"sbom", kind="text/spdx", artifact_type="text/spdx")
    entries = [
        hostile.entry("a/b", bundle, artifactType="text/plain"),
        hostile.entry("a/b", other, artifactType=BUNDLE),
    ]
    hostile.fallback("a/b", subject, entries)
    assert [e.body for e in gather(remote(hostile.host), "a/b", subject).evidence] == [b"bundle"]


NOTATION = "application/vnd.cncf.notary.signature"
EMPTY = "application/vnd.oci.empty.v1+json"


def notation(hostile: Hostile, subject: str, *layers: tuple[str, bytes], config: str = NOTATION, kind: str = "") -> str:
    """Put a Notation signature manifest: by its config as notation writes it, or by its artifactType."""
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        **({"artifactType": kind} if kind else {}),
        "config": {"mediaType": config, **hostile.blob("a/b", b"{}")},
        "layers": [{"mediaType": media_type, **hostile.blob("a/b", body)} for media_type, body in layers],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
    }
    return hostile.put("a/b", document)


@pytest.mark.parametrize(("config", "kind"), [(NOTATION, ""), (EMPTY, NOTATION)])
def test_notation_signatures_are_evidence(hostile: Hostile, config: str, kind: str) -> None:
    subject = hostile.image("a/b", "t")
    notation(hostile, subject, ("application/jose+json", b"jws"), config=config, kind=kind)
    notation(hostile, subject, ("application/cose", b"cose"), config=config, kind=kind)
    found = gather(remote(hostile.host), "a/b", subject)
    assert {(e.format, e.media_type, e.body) for e in found.evidence} == {
        (Format.NOTATION_JWS, "application/jose+json", b"jws"),
        (Format.NOTATION_COSE, "application/cose", b"cose"),
    }
    assert not found.foreign_bundle


@pytest.mark.parametrize(("config", "kind"), [(NOTATION, NOTATION), (NOTATION, "text/x"), (EMPTY, ""), (EMPTY, "x/y")])
def test_what_is_not_marked_as_a_notation_signature_is_none(hostile: Hostile, config: str, kind: str) -> None:
    subject = hostile.image("a/b", "t")
    notation(hostile, subject, ("application/jose+json", b"jws"), config=config, kind=kind)
    found = gather(remote(hostile.host), "a/b", subject)
    assert found.evidence == ()
    assert "other referrers: 1" in found.looked_at


@pytest.mark.parametrize(
    ("layers", "reason"),
    [
        ((), Reason.ENVELOPE_MALFORMED),
        ((("application/jose+json", b"1"), ("application/jose+json", b"2")), Reason.ENVELOPE_MALFORMED),
        ((("application/x", b"1"),), Reason.PAYLOAD_TYPE_MISMATCH),
    ],
    ids=["none", "two", "unknown-type"],
)
def test_notation_manifest_without_exactly_one_envelope_is_void(
    hostile: Hostile, layers: tuple[tuple[str, bytes], ...], reason: Reason
) -> None:
    subject = hostile.image("a/b", "t")
    notation(hostile, subject, *layers)
    found = gather(remote(hostile.host), "a/b", subject)
    assert [(e.format, e.flaw.reason) for e in found.evidence if e.flaw] == [(Format.NOTATION_JWS, reason)]


def test_notation_envelope_beyond_the_limit_is_void(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    notation(hostile, subject, ("application/jose+json", b"x" * ((1 << 20) + 1)))
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.TOO_LARGE]


def test_signatures_that_a_list_calls_something_else_count_towards_their_kind(hostile: Hostile) -> None:
    hostile.referrers_api = False
    subject = hostile.image("a/b", "t")
    entries = [
        {
            **hostile.entry("a/b", notation(hostile, subject, ("application/jose+json", b"%d" % i))),
            "artifactType": "text/plain",
        }
        for i in range(3)
    ]
    hostile.fallback("a/b", subject, entries)
    registry = remote(hostile.host, gather_limits=GatherLimits(considered=2))
    found = gather(registry, "a/b", subject)
    assert [e.body for e in found.evidence] == [b"0", b"1"]
    assert found.truncated


@pytest.mark.parametrize("layers", [0, 2])
def test_bundle_manifest_without_exactly_one_layer_is_void(hostile: Hostile, layers: int) -> None:
    subject = hostile.image("a/b", "t")
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": {},
        "layers": [{"mediaType": BUNDLE, **hostile.blob("a/b", b"x")}] * layers,
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
    }
    hostile.put("a/b", document)
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.BUNDLE_MALFORMED]


def test_listed_referrer_that_is_gone_establishes_nothing(hostile: Hostile) -> None:
    hostile.referrers_api = False
    subject = hostile.image("a/b", "t")
    gone = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "e" * 64, "size": 7}
    hostile.fallback("a/b", subject, [gone, {"not": "a descriptor"}])
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.CONTENT_MISMATCH]
    assert found.unobtained == ()


def test_referrer_of_another_size_than_listed_is_void(hostile: Hostile) -> None:
    hostile.referrers_api = False
    subject = hostile.image("a/b", "t")
    bundle = hostile.referrer("a/b", subject, b"bundle")
    hostile.fallback("a/b", subject, [{**hostile.entry("a/b", bundle), "size": 7}])
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.DIGEST_MISMATCH]


@pytest.mark.parametrize("what", ["/manifests/sha256:", "/blobs/"])
@pytest.mark.parametrize("code", [401, 403, 429, 500])
def test_refused_or_failing_reads_are_unobtained(hostile: Hostile, what: str, code: int) -> None:
    subject = hostile.image("a/b", "t")
    registry = remote(hostile.host)
    read = image(registry, "a/b", subject)
    hostile.referrer("a/b", subject, b"bundle")
    hostile.fault("GET", what, status(code))
    found = registry.gather(read)
    assert found.evidence == ()
    assert len(found.unobtained) == 1


def test_index_at_a_signature_tag_is_void(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.index("a/b", [], subject.replace(":", "-") + ".sig")
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.CONTENT_MISMATCH]


def test_same_blob_in_many_layers_is_fetched_once(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.layers("a/b", subject.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"one"] * 40)
    found = gather(remote(hostile.host), "a/b", subject)
    assert len({e.id for e in found.evidence}) == 40
    assert len(hostile.sent("GET", "/blobs/")) == 1


def test_same_blob_with_another_size_is_void(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    good = {"mediaType": SIMPLE_SIGNING, **hostile.blob("a/b", b"one")}
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [good, {**good, "size": 4}, 7]}
    hostile.put("a/b", document, subject.replace(":", "-") + ".sig")
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason if e.flaw else None for e in found.evidence] == [
        None,
        Reason.DIGEST_MISMATCH,
        Reason.PAYLOAD_MALFORMED,
    ]
    assert [e.index for e in found.evidence] == [0, 1, 2]


def test_deadline_of_the_whole_image(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.layers("a/b", subject.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"one", b"two", b"three"])
    registry, clock = remote(hostile.host), Stopped()
    read = image(registry, "a/b", subject)
    hostile.fault("GET", "/blobs/", lambda _seen, reply: (clock.forward(200), reply)[1])
    found = gather_from(registry.client, read, clock=clock, limits=GatherLimits())
    assert [e.body for e in found.evidence] == [b"one", b"two"]
    assert {u.reason for u in found.unobtained} == {Reason.DEADLINE}


def test_sha512_subjects_have_no_tags_of_cosign(hostile: Hostile) -> None:
    hostile.image("a/b", "t")
    kind, data = next(iter(hostile.manifests["a/b"].values()))
    digest = Digest.of(data, "sha512")
    hostile.manifests["a/b"][str(digest)] = (kind, data)
    bundle = hostile.referrer("a/b", str(digest), b"bundle")
    hostile.tags["a/b"][f"sha512-{digest.hex[:64]}"] = hostile.index("a/b", [hostile.entry("a/b", bundle)])
    registry = remote(hostile.host)
    found = registry.gather(registry.fetch(Subject(Repository(hostile.host, "a/b"), digest)))
    assert [e.body for e in found.evidence] == [b"bundle"]
    assert "sig-tag: not possible" in found.looked_at


def test_malformed_answer_of_the_api_establishes_nothing(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    content_type = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
    hostile.fault("GET", "/referrers/", status(200, content_type, b"{"))
    found = gather(remote(hostile.host), "a/b", subject)
    assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.PAYLOAD_MALFORMED]
    assert found.unobtained == ()


@pytest.mark.parametrize("code", [400, 404, 405, 406, 501])
def test_registry_that_does_not_know_the_api(hostile: Hostile, code: int) -> None:
    subject = hostile.image("a/b", "t")
    hostile.fault("GET", "/referrers/", status(code))
    found = gather(remote(hostile.host), "a/b", subject)
    assert (found.unobtained, found.evidence) == ((), ())


def test_page_of_a_front_end_is_no_referrers_api(hostile: Hostile) -> None:
    subject = hostile.image("a/b", "t")
    hostile.fault("GET", "/referrers/", status(200, {"Content-Type": "text/html"}, b"<html>"))
    assert "referrers-api: not offered" in gather(remote(hostile.host), "a/b", subject).looked_at


def test_signed_fixture_images_take_eight_requests_at_most() -> None:
    """Real images, signed by cosign 2 and 3 with one key: the budget of one look, the manifest included."""
    store = registries.fixtures()
    wanted = ("legacy-key-ec1", "bundle-key-ec1", "bundle-fb-key-ec1", "legacy-key-rsa2048")
    cases = {case["id"]: case for case in registries.cases() if case["id"] in wanted}
    assert set(cases) == set(wanted)
    for case in cases.values():
        with Hostile(referrers=case["api"] == "referrers") as registry:
            registry.manifests, registry.tags = store.manifests, store.tags
            registry.blobs = {case["repo"]: store.blobs}
            ours = remote(registry.host)
            ours.head(Repository(registry.host, case["repo"]), case["tag"])
            found = gather(ours, case["repo"], case["digest"])
            assert found.evidence
            assert not any(e.flaw for e in found.evidence)
            assert len(registry.seen) <= 8, case["id"]


def test_layout_directory_gives_the_same_evidence(hostile: Hostile) -> None:
    root = registries.FIXTURES / "layouts"
    layouts = open_source("layouts", source(f"oci:{root}", tls={}), clock=SystemClock())
    checked = 0
    for case in registries.cases():
        if case["api"] != "referrers" or case.get("served_by") or case["by"] != "digest":
            continue
        checked += 1
        if checked % 5:
            continue
        store = registries.fixtures()
        hostile.manifests, hostile.tags, hostile.blobs = store.manifests, store.tags, {case["repo"]: store.blobs}
        over_network = gather(remote(hostile.host), case["repo"], case["digest"])
        subject = Subject(Repository("localhost", case["repo"]), Digest.parse(case["digest"]))
        from_files = layouts.gather(layouts.fetch(subject))
        assert {e.id for e in from_files.evidence} == {e.id for e in over_network.evidence}
    assert checked > 40


def test_root_of_layouts_has_to_be_absolute(tmp_path: Path) -> None:
    from preverify.model.errors import BadInput
    from preverify.registry.layout import LayoutRegistry
    from preverify.settings import Source

    with pytest.raises(BadInput, match="absolute"):
        LayoutRegistry(Source.model_construct(registry="oci:relative", aliases=()), clock=SystemClock())
