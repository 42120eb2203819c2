"""RT-61: sizes that a registry or a descriptor declares are never allocated; memory follows what is really read."""

import json
import tracemalloc

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import MalformedEvidence, Unavailable
from preverify.model.reasons import Reason
from support.hostile import OCI_CONFIG, OCI_MANIFEST, SIMPLE_SIGNING, Hostile, with_reply
from support.registry_clients import client, gather, remote

HUGE = 1 << 40


def test_content_length_of_a_terabyte() -> None:
    with Hostile() as registry:
        registry.image("a/b", "t")
        registry.fault("GET", "/manifests/", with_reply(length=HUGE))
        tracemalloc.start()
        with pytest.raises((Unavailable, MalformedEvidence)):
            client(registry.host).get_manifest("a/b", "t")
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
        tracemalloc.stop()


def test_descriptor_of_a_terabyte_is_refused_unread() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        layer = {"mediaType": SIMPLE_SIGNING, "digest": str(Digest.of(b"x")), "size": HUGE}
        config = {"mediaType": OCI_CONFIG, **registry.blob("a/b", b"{}")}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer] * 100}
        registry.put("a/b", json.dumps(document).encode(), subject.replace(":", "-") + ".sig")
        found = gather(remote(registry.host), "a/b", subject)
        assert {e.flaw.reason for e in found.evidence if e.flaw} == {Reason.TOO_LARGE}
        assert registry.sent("GET", "/blobs/") == []


def test_memory_follows_the_cap_and_not_the_stream() -> None:
    with Hostile() as registry:
        digest = Digest.parse(str(registry.blob("a/b", b"small")["digest"]))
        registry.fault("GET", "/blobs/", with_reply(endless=True, body=b"x" * 65536))
        tracemalloc.start()
        with pytest.raises(MalformedEvidence) as caught:
            client(registry.host).get_blob("a/b", digest, size=None, max_bytes=4 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert caught.value.reason is Reason.TOO_LARGE
        assert peak < 16 << 20


@pytest.mark.parametrize("size", [-1, 1.5, "7", True, None, 2**60])
def test_sizes_that_are_no_sizes(size: object) -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        layer = {"mediaType": SIMPLE_SIGNING, "digest": str(Digest.of(b"x")), "size": size}
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": [layer]}
        registry.put("a/b", json.dumps(document).encode(), subject.replace(":", "-") + ".sig")
        found = gather(remote(registry.host), "a/b", subject)
        assert len(found.evidence) == 1
        assert found.evidence[0].flaw is not None


def test_bodies_of_one_image_are_bounded_together() -> None:
    from preverify.registry.gather import GatherLimits

    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        bodies = [bytes([i]) * 1000 for i in range(10)]
        registry.layers("a/b", subject.replace(":", "-") + ".sig", SIMPLE_SIGNING, bodies)
        limits = GatherLimits(total_bytes=3500)
        found = gather(remote(registry.host, gather_limits=limits), "a/b", subject)
        assert [len(e.body) for e in found.evidence] == [1000, 1000, 1000]
        assert found.truncated
