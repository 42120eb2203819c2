"""RT-85: content of one repository is never taken for another, equal digests or not; what we hold is keyed by both."""

import pytest

from preverify.model.digest import Digest
from preverify.model.errors import BadInput, NotFound
from preverify.model.evidence import Image
from preverify.model.reference import Repository, Subject
from support.hostile import SIMPLE_SIGNING, Hostile
from support.registry_clients import client, gather, remote


def test_blob_of_one_repository_is_not_in_another() -> None:
    with Hostile() as registry:
        digest = Digest.parse(str(registry.blob("team/secret", b"layer")["digest"]))
        registry.image("team/open", "t")
        ours = client(registry.host)
        assert ours.get_blob("team/secret", digest, size=5, max_bytes=5) == b"layer"
        with pytest.raises(NotFound):
            ours.get_blob("team/open", digest, size=5, max_bytes=5)


def test_evidence_in_one_repository_says_nothing_in_another() -> None:
    with Hostile() as registry:
        signed = registry.image("team/signed", "t")
        same = registry.image("team/copy", "t")
        assert signed == same
        registry.layers("team/signed", signed.replace(":", "-") + ".sig", SIMPLE_SIGNING, [b"signature"])
        registry.referrer("team/signed", signed, b"bundle")
        ours = remote(registry.host)
        assert len(gather(ours, "team/signed", signed).evidence) == 2
        assert gather(ours, "team/copy", same).evidence == ()


def test_registry_is_never_asked_about_a_repository_of_another() -> None:
    with Hostile() as registry:
        digest = Digest.parse(registry.image("a/b", "t"))
        ours = remote(registry.host)
        elsewhere = Repository("registry.example", "a/b")
        image = Image(subject=Subject(elsewhere, digest), manifest=b"{}", media_type="x")
        for call in (
            lambda: ours.head(elsewhere, "t"),
            lambda: ours.resolve(elsewhere, "t"),
            lambda: ours.fetch(Subject(elsewhere, digest)),
            lambda: ours.gather(image),
            lambda: ours.evidence_fingerprint(image.subject, frozenset()),
            lambda: ours.tags(elsewhere, after=None),
        ):
            with pytest.raises(BadInput, match="not at"):
                call()
        assert registry.seen == []


def test_token_of_one_repository_is_not_sent_for_another() -> None:
    from support.hostile import Tokens

    tokens = Tokens(anonymous=True)
    with Hostile(tokens=tokens) as registry:
        registry.image("a/one", "t")
        registry.image("a/two", "t", content="2")
        ours = client(registry.host)
        ours.get_manifest("a/one", "t")
        ours.get_manifest("a/two", "t")
        sent = [(s.path.split("/")[3], s.headers.get("authorization")) for s in registry.sent("GET", "/v2/")]
        of_one = {header for path, header in sent if path == "one" and header}
        of_two = {header for path, header in sent if path == "two" and header}
        assert of_one
        assert of_two
        assert not of_one & of_two
