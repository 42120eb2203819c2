"""RT-22: a signature manifest whose `subject` is not the requested digest is ignored, wherever it is listed."""

import pytest

from preverify.model.reasons import Reason
from support.hostile import Hostile
from support.registry_clients import gather, remote


@pytest.mark.parametrize("listed_in", ["api", "fallback"])
def test_bundle_of_another_image_establishes_nothing(listed_in: str) -> None:
    with Hostile(referrers=listed_in == "api") as registry:
        ours, theirs = registry.image("a/b", "ours"), registry.image("a/b", "theirs", content="2")
        bundle = registry.referrer("a/b", theirs, b'{"bundle": "of theirs"}')
        registry.fallback("a/b", ours, [registry.entry("a/b", bundle)])
        found = gather(remote(registry.host), "a/b", ours)
        assert [e.flaw.reason for e in found.evidence if e.flaw] == [Reason.SUBJECT_MISMATCH]
        assert not any(e.body for e in found.evidence), "its bytes are not even handed on"
        if listed_in == "api":
            assert [e.body for e in gather(remote(registry.host), "a/b", theirs).evidence] == [
                b'{"bundle": "of theirs"}'
            ]


def test_good_bundle_beside_a_stray_one_still_counts() -> None:
    with Hostile() as registry:
        subject = registry.image("a/b", "t")
        stray = registry.referrer("a/b", "sha256:" + "5" * 64, b"stray")
        registry.fallback("a/b", subject, [registry.entry("a/b", stray)])
        registry.referrer("a/b", subject, b"good")
        found = gather(remote(registry.host), "a/b", subject)
        assert [e.body for e in found.evidence if not e.flaw] == [b"good"]
