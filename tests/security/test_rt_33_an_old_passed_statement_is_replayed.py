"""RT-33: the registry plays back an old PASSED statement after the image was judged anew (case 49 of the formats)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from preverify.attest.att import tag
from preverify.attest.check import Wanted, check
from preverify.clock import SystemClock
from preverify.model.digest import Digest
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from preverify.ports import Layout, PublishState
from preverify.registry import open_source
from preverify.settings import Source
from support.hostile import DSSE, Hostile
from support.statements import PROFILE, new_key, sealed


def test_a_replayed_statement_ends_by_itself_and_is_taken_away_again(tmp_path: Path) -> None:
    key = new_key(tmp_path)
    now = datetime.now(UTC)
    with Hostile() as registry:
        subject = Subject(Repository(registry.host, "shop/api"), Digest.parse(registry.image("shop/api", "v1")))
        source = Source(registry=registry.host, network="private", tls={"plainHttp": True})
        adapter = open_source("s", source, clock=SystemClock(), own_keys=(key.public,))
        old = sealed(subject, key, at=now - timedelta(days=3))
        published = adapter.publish(subject, old, Layout.AUTO, supersedes=())
        assert adapter.withdraw(subject, published.manifests).state is PublishState.WITHDRAWN
        registry.layers("shop/api", tag(subject.digest), DSSE, [b"theirs", old])
        # Nobody noted it this time; the next withdrawal or renewal finds it by its signature.
        renewed = sealed(subject, key, name="v_2", at=now)
        adapter.publish(subject, renewed, Layout.AUTO, supersedes=())
        registry.layers("shop/api", tag(subject.digest), DSSE, [b"theirs", old])
        assert adapter.withdraw(subject, ()).state is PublishState.WITHDRAWN
        manifest = registry.manifests["shop/api"][registry.tags["shop/api"][tag(subject.digest)]][1]
        assert str(Digest.of(old)).encode() not in manifest
        assert str(Digest.of(b"theirs")).encode() in manifest
    wanted = Wanted(subject=subject, keys=[key.public])
    assert check(old, wanted, now=now).holds, "until its end it does: that is why it is taken away"
    assert check(old, wanted, now=now + timedelta(days=4)).reason is Reason.SIGNATURE_EXPIRED
    strict = Wanted(subject=subject, keys=[key.public], max_age=timedelta(days=1), policy_digest=PROFILE)
    assert check(old, strict, now=now).reason is Reason.SIGNATURE_EXPIRED
    newer = Wanted(subject=subject, keys=[key.public], policy_digest=Digest("sha256", "00" * 32))
    assert check(old, newer, now=now).reason is Reason.CONTENT_MISMATCH
