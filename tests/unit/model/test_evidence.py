"""Evidence and its name."""

import json
from dataclasses import replace

from preverify.model.digest import Digest
from preverify.model.evidence import Format, Place
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
