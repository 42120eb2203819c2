"""Tags that hold evidence, not images: `sha256-<hex>.sig`, `.att`, `.sbom`, and the referrers fallback tag."""

import re

from preverify.model.digest import Digest

_FORM = re.compile(r"(?:sha256-([0-9a-f]{64})|sha512-([0-9a-f]{128}))(?:\.(?:sig|att|sbom))?")
_CUT = re.compile(r"sha512-[0-9a-f]{64}")


def is_evidence_tag(tag: str) -> bool:
    """Say whether `tag` follows the naming of evidence, cut sha512 fallback tags included.

    Spec:
        OCI distribution-spec, "Referrers Tag Schema": the encoded part is cut to 64 characters.
    """
    return _FORM.fullmatch(tag) is not None or _CUT.fullmatch(tag) is not None


def subject_of_evidence_tag(tag: str) -> Digest | None:
    """Return the digest that an evidence tag names, or None for image tags and tags that name only a part of one.

    >>> str(subject_of_evidence_tag("sha256-" + "a" * 64 + ".sig"))[:11]
    'sha256:aaaa'
    """
    match = _FORM.fullmatch(tag)
    if match is None:
        return None
    return Digest("sha256", match[1]) if match[1] else Digest("sha512", match[2])
