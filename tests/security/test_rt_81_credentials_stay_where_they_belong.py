"""RT-81: redirects to other hosts carry no Authorization, https is never left, foreign layer URLs are not read."""

import json
from pathlib import Path

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import NotFound, Unavailable
from preverify.model.reasons import Reason
from support.hostile import OCI_CONFIG, OCI_MANIFEST, SIMPLE_SIGNING, Hostile, if_ok, redirect
from support.registry_clients import client, eavesdropper, gather, remote
from support.tls import authority


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "user").write_text("robot")
    (tmp_path / "password").write_text("correct horse")
    return {"usernameFile": tmp_path / "user", "passwordFile": tmp_path / "password"}


def test_blob_from_elsewhere_comes_without_credentials(credentials: dict[str, Path]) -> None:
    with Hostile(basic=("robot", "correct horse")) as registry, Hostile() as store:
        digest = Digest.parse(str(registry.blob("a/b", b"layer")["digest"]))
        store.blob("elsewhere", b"layer")
        registry.fault("GET", "/blobs/", if_ok(redirect(f"{store.url}/v2/elsewhere/blobs/{digest}?sig=1")))
        ours = client(registry.host, credentials=credentials, extraHosts=[store.host])
        assert ours.get_blob("a/b", digest, size=5, max_bytes=5) == b"layer"
        assert "authorization" in registry.seen[-1].headers
        assert [seen.headers.get("authorization") for seen in store.seen] == [None]


def test_content_from_elsewhere_is_hashed_too() -> None:
    with Hostile() as registry, Hostile() as store:
        digest = Digest.parse(str(registry.blob("a/b", b"layer")["digest"]))
        store.blob("elsewhere", b"wrong")
        target = f"{store.url}/v2/elsewhere/blobs/{Digest.of(b'wrong')}"
        registry.fault("GET", "/blobs/", redirect(target))
        with pytest.raises(Exception, match="served") as caught:
            client(registry.host, extraHosts=[store.host]).get_blob("a/b", digest, size=5, max_bytes=5)
        assert caught.value.reason is Reason.DIGEST_MISMATCH


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("what", ["manifests", "referrers", "tags"])
def test_only_blobs_may_come_from_elsewhere(what: str, code: int, credentials: dict[str, Path]) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        subject = Digest.parse(registry.image("a/b", "t"))
        registry.fault("*", f"/{what}/", redirect(f"http://{elsewhere}/x", code))
        ours = client(registry.host, credentials=credentials, extraHosts=[elsewhere])
        reads = {
            "manifests": lambda: ours.get_manifest("a/b", "t"),
            "referrers": lambda: ours.referrers("a/b", subject),
            "tags": lambda: ours.tags("a/b"),
        }
        with pytest.raises(Unavailable, match="redirected") as caught:
            reads[what]()
        assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert heard == []


def test_nothing_is_written_elsewhere(credentials: dict[str, Path]) -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        ours = client(registry.host, credentials=credentials, extraHosts=[elsewhere])
        registry.fault(
            "POST",
            "/uploads/",
            lambda _seen, reply: type(reply)(status=202, headers={"Location": f"http://{elsewhere}/upload"}),
        )
        with pytest.raises(Unavailable, match="nothing of ours goes"):
            ours.put_blob("a/b", b"data")
        registry.heal()
        registry.fault("PUT", "/manifests/", redirect(f"http://{elsewhere}/x"))
        with pytest.raises(Unavailable):
            ours.put_manifest("a/b", "t", b"{}", OCI_MANIFEST)
        registry.fault("DELETE", "/manifests/", redirect(f"http://{elsewhere}/x"))
        with pytest.raises(Unavailable):
            ours.delete_manifest("a/b", Digest.of(b""))
        assert heard == []


def test_https_is_never_left(tmp_path: Path) -> None:
    ca_file, context = authority(tmp_path)
    with Hostile(tls=context) as registry, eavesdropper() as (elsewhere, heard):
        digest = Digest.parse(str(registry.blob("a/b", b"layer")["digest"]))
        ours = client(registry.host, tls={"caFile": ca_file}, extraHosts=[elsewhere])
        for target in (f"http://{elsewhere}/x", f"http://{registry.host}/v2/a/b/blobs/{digest}"):
            registry.heal()
            registry.fault("GET", "/blobs/", redirect(target))
            with pytest.raises(Unavailable, match="http") as caught:
                ours.get_blob("a/b", digest, size=5, max_bytes=5)
            assert caught.value.reason is Reason.REGISTRY_REFUSED
        assert heard == []


def test_redirects_end_after_three() -> None:
    with Hostile() as registry:
        digest = Digest.parse(str(registry.blob("a/b", b"layer")["digest"]))
        registry.fault("GET", "/blobs/", redirect(f"/v2/a/b/blobs/{digest}?again"))
        with pytest.raises(Unavailable, match="more than 3"):
            client(registry.host).get_blob("a/b", digest, size=5, max_bytes=5)
        assert len(registry.seen) == 4


@pytest.mark.parametrize("location", ["", "http://", "javascript:alert(1)", "file:///etc/passwd", "\\\\evil\\x"])
def test_unusable_locations_are_refused(location: str) -> None:
    with Hostile() as registry:
        digest = Digest.parse(str(registry.blob("a/b", b"layer")["digest"]))
        registry.fault("GET", "/blobs/", redirect(location))
        with pytest.raises((Unavailable, NotFound)):
            client(registry.host).get_blob("a/b", digest, size=5, max_bytes=5)


def test_foreign_layer_urls_are_never_fetched() -> None:
    with Hostile() as registry, eavesdropper() as (elsewhere, heard):
        subject = registry.image("a/b", "t")
        layer = {
            "mediaType": SIMPLE_SIGNING,
            "digest": str(Digest.of(b"x")),
            "size": 1,
            "urls": [f"http://{elsewhere}/x"],
        }
        config = {"mediaType": OCI_CONFIG, **registry.blob("a/b", b"{}")}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]}
        registry.put("a/b", json.dumps(document).encode(), subject.replace(":", "-") + ".sig")
        found = gather(remote(registry.host, extraHosts=[elsewhere]), "a/b", subject)
        assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.CONTENT_MISMATCH]
        assert heard == []


def test_location_of_an_upload_may_be_relative_and_carry_a_query() -> None:
    with Hostile() as registry:
        ours = client(registry.host)
        digest = ours.put_blob("a/b", b"data")
        assert registry.blobs["a/b"][str(digest)] == b"data"
        put = registry.sent("PUT")[0]
        assert put.query == {"state": "opaque", "digest": str(digest)}
        ours.put_blob("a/b", b"data")
        assert len(registry.sent("POST")) == 1, "what is there already is not sent again"
