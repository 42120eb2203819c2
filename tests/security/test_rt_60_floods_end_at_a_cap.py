"""RT-60: a million referrers and looping pages stop at a cap; what is valid within it counts; others feel nothing."""

import itertools
import json
import time

from support.hostile import OCI_INDEX, OCI_MANIFEST, SIMPLE_SIGNING, Hostile, header
from support.registry_clients import gather, remote


def _flood(registry: Hostile, *, first: list[dict[str, object]], pages: int | None) -> None:
    """Make the referrers API answer page after page of descriptors that lead nowhere."""
    numbers = itertools.count()

    def answer(seen, reply):
        number = next(numbers)
        made = [
            {"mediaType": OCI_MANIFEST, "digest": f"sha256:{number:032x}{i:032x}", "size": 10, "artifactType": "x/y"}
            for i in range(1000)
        ]
        entries = first + made if number == 0 else made
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        changed = type(reply)(headers=reply.headers, body=json.dumps(document).encode())
        more = pages is None or number + 1 < pages
        return header("Link", f'<{seen.path}?page={number}>; rel="next"')(seen, changed) if more else changed

    registry.fault("GET", "/referrers/", answer)


def test_million_referrers_stop_at_the_cap() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        _flood(registry, first=[], pages=None)
        start = time.monotonic()
        found = gather(remote(registry.host), "a/b", subject)
        assert found.truncated
        assert len(registry.sent("GET", "/referrers/")) <= 20
        assert len(registry.sent("GET", "/manifests/sha256:")) <= 102
        assert len(found.evidence) <= 50
        assert time.monotonic() - start < 20


def test_valid_evidence_within_the_cap_counts() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        good = registry.referrer("a/b", subject, b"good")
        _flood(registry, first=[registry.entry("a/b", good)], pages=1)
        found = gather(remote(registry.host), "a/b", subject)
        assert b"good" in [e.body for e in found.evidence]
        assert found.truncated


def test_one_bundle_among_many_other_referrers_is_found_by_its_mark() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        for i in range(150):
            registry.referrer("a/b", subject, b"sbom %d" % i, kind="text/spdx", artifact_type="text/spdx")
        registry.referrer("a/b", subject, b"good")
        found = gather(remote(registry.host), "a/b", subject)
        assert [e.body for e in found.evidence] == [b"good"]
        assert found.truncated, "fifty of the others were not looked at"


def test_flood_beside_one_image_leaves_another_alone() -> None:
    with Hostile() as registry:
        flooded, quiet = registry.image("a/b", "t"), registry.image("a/c", "t", content="2")
        registry.referrer("a/c", quiet, b"good")
        registry.layers("a/b", flooded.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"%d" % i for i in range(300)])
        ours = remote(registry.host)
        assert gather(ours, "a/b", flooded).truncated
        found = gather(ours, "a/c", quiet)
        assert [e.body for e in found.evidence] == [b"good"]
        assert not found.truncated


def test_fifty_layers_of_a_kind_are_considered() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        tag = subject.replace(":", "-") + ".sig"
        registry.layers("a/b", tag, SIMPLE_SIGNING, [b"%d" % i for i in range(50)])
        found = gather(remote(registry.host), "a/b", subject)
        assert len(found.evidence) == 50
        assert not found.truncated
        registry.layers("a/b", tag, SIMPLE_SIGNING, [b"%d" % i for i in range(51)])
        found = gather(remote(registry.host), "a/b", subject)
        assert [e.index for e in found.evidence] == list(range(50))
        assert found.truncated


def test_flood_of_one_kind_does_not_starve_another() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        for i in range(60):
            registry.referrer("a/b", subject, b"bundle %d" % i)
        registry.layers("a/b", subject.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"legacy"])
        found = gather(remote(registry.host), "a/b", subject)
        assert [e.body for e in found.evidence][-1] == b"legacy"
        assert found.truncated
