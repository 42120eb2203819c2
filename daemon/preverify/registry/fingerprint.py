"""A cheap sign that the evidence of a subject changed: what is listed beside it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from preverify.attest.att import tag as attestation_tag
from preverify.attest.referrer import fallback_tag
from preverify.model.digest import Digest


@dataclass(slots=True)
class Listing:
    """What lists say: referrers by digest (None without the API), and which of the subject's evidence tags exist.

    What these tags name is not part of it: the tag sweep sees them move like any other tag.
    """

    referrers: tuple[Digest, ...] | None = None
    tags: set[str] = field(default_factory=set)


def signature_tag(digest: Digest) -> str:
    """Return the tag of a subject's cosign signatures: `sha256-<hex>.sig`."""
    return f"{digest.algorithm}-{digest.hex}.sig"


def evidence_tags(digest: Digest) -> tuple[str, ...]:
    """Return the tags beside a subject that hold evidence."""
    return fallback_tag(digest), signature_tag(digest), attestation_tag(digest)


def fingerprint(listing: Listing, children: Mapping[Digest, Listing] | None = None) -> str:
    """Return the digest of a listing, and of those of the children that were looked at; order does not count."""
    document: dict[str, object] = _lists(listing)
    if children:
        document["children"] = {str(digest): _lists(children[digest]) for digest in children}
    return str(Digest.of(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()))


def _lists(listing: Listing) -> dict[str, object]:
    return {"referrers": _texts(listing.referrers or ()), "tags": _texts(listing.tags)}


def _texts(items: Iterable[object]) -> list[str]:
    return sorted({str(item) for item in items})
