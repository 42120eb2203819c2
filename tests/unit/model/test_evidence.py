"""Evidence and its name."""

import json
from dataclasses import replace

from preverify.model.digest import Digest
from preverify.model.evidence import Flaw, Format, Gathered, Image, Place
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reasons import Reason
from preverify.model.reference import Repository, Subject
from support import signed

(LAYER,) = signed.evidence("legacy-key-ec1")


def test_the_name_is_the_digest_of_what_it_is() -> None:
    """Stored findings are found again by it: it must never change."""
    parts = [LAYER.format.value, str(LAYER.manifest), LAYER.index, str(LAYER.digest)]
    assert LAYER.id == str(Digest.of(json.dumps(parts, separators=(",", ":")).encode()))


def test_other_content_has_another_name_and_another_place_has_not() -> None:
    assert replace(LAYER, place=Place.FALLBACK_TAG).id == LAYER.id
    others = [
        replace(LAYER, format=Format.SIGSTORE_BUNDLE),
        replace(LAYER, manifest=Digest.of(b"x")),
        replace(LAYER, index=1),
        replace(LAYER, digest=Digest.of(b"x")),
    ]
    assert len({LAYER.id, *(other.id for other in others)}) == 5


def test_annotations_are_found_by_key() -> None:
    assert LAYER.annotation("dev.cosignproject.cosign/signature")
    assert LAYER.annotation("absent") is None


# --- gatherings of an index -------------------------------------------------------------------------------------------

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
AMD, ARM = Digest.of(b"amd64"), Digest.of(b"arm64")
REPOSITORY = Repository("registry.example", "shop/api")


def gathered(
    media_type: str, *children: Digest, platforms: tuple[str, ...] = (), looked_at: tuple[Digest, ...] = ()
) -> Gathered:
    image = Image(
        subject=Subject(REPOSITORY, Digest.of(b"x")),
        manifest=b"x",
        media_type=media_type,
        children=children,
        platforms=platforms,
    )
    nested = tuple(
        Gathered(image=Image(subject=Subject(REPOSITORY, d), manifest=b"", media_type=MANIFEST), evidence=(LAYER,))
        for d in looked_at
    )
    return Gathered(image=image, children=nested)


def test_what_was_not_looked_at_is_known() -> None:
    """A policy must not conclude from evidence that nobody has read yet."""
    both, each, amd = ("linux/amd64", "linux/arm64"), Platforms.of("each"), Platforms.of(["linux/amd64"])
    bare = gathered(INDEX, AMD, ARM, platforms=both)
    half = gathered(INDEX, AMD, ARM, platforms=both, looked_at=(AMD,))
    whole = gathered(INDEX, AMD, ARM, platforms=both, looked_at=(AMD, ARM))
    assert [bare.lacks(p) for p in (THE_INDEX, each, amd)] == [False, True, True]
    assert [half.lacks(p) for p in (THE_INDEX, each, amd)] == [False, True, False]
    assert [whole.lacks(p) for p in (THE_INDEX, each, amd)] == [False, False, False]
    assert gathered(INDEX, AMD, looked_at=(AMD,)).lacks(each), "written before platforms were kept"
    alone = gathered(MANIFEST)
    assert [alone.lacks(p) for p in (THE_INDEX, each, amd, each | amd)] == [False, False, True, True]
    assert not replace(alone, platform="").lacks(amd)


def test_a_child_is_held_where_its_manifest_was_obtained() -> None:
    (child,) = gathered(INDEX, AMD, looked_at=(AMD,)).children
    assert child.held
    assert not replace(child, flaw=Flaw(reason=Reason.CONTENT_MISMATCH, detail="")).held
    assert not replace(child, image=replace(child.image, media_type="")).held


def test_everything_is_the_evidence_of_all() -> None:
    found = replace(gathered(INDEX, AMD, looked_at=(AMD,)), evidence=(replace(LAYER, index=7),))
    assert [e.index for e in found.everything] == [7, LAYER.index]
    assert found.image.is_index
    assert not found.children[0].image.is_index
