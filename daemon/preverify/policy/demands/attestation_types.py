"""Attestation types as policies write them."""

import re
from collections.abc import Iterable, Mapping

from preverify.model.validation import nearest

_ANY_VERSION = "/v*"
_VERSION = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-)+-~]{1,500}")  # no blanks, no star

PROVENANCE = "slsa-provenance"
SUMMARY = "vsa"

TYPES: Mapping[str, tuple[str, ...]] = {
    PROVENANCE: (
        "https://slsa.dev/provenance/v0.1",
        "https://slsa.dev/provenance/v0.2",
        "https://slsa.dev/provenance/v1",
    ),
    "spdx": ("https://spdx.dev/Document", "https://spdx.dev/Document/v*"),
    "cyclonedx": ("https://cyclonedx.org/bom", "https://cyclonedx.org/bom/v*"),
    "vuln": (
        "https://cosign.sigstore.dev/attestation/vuln/v1",
        "https://in-toto.io/attestation/vulns/v0.1",
        "https://in-toto.io/attestation/vulns/v0.2",
    ),
    "openvex": ("https://openvex.dev/ns", "https://openvex.dev/ns/v*"),
    SUMMARY: ("https://slsa.dev/verification_summary/v1",),
    "svr": ("https://in-toto.io/attestation/svr/v0.1", "https://in-toto.io/attestation/svr/v0.2"),
    "scai": ("https://in-toto.io/attestation/scai/v0.3",),
    "test-result": ("https://in-toto.io/attestation/test-result/v0.1",),
    "release": ("https://in-toto.io/attestation/release/v0.1",),
    "link": ("https://in-toto.io/Link/v1", "https://in-toto.io/attestation/link/v0.3"),
    "custom": ("https://cosign.sigstore.dev/attestation/v1",),
    "apko": ("https://apko.dev/image-configuration",),
    "end-of-life": ("https://chainguard.dev/end-of-life",),
}
"""Short names, each with every predicate type that it covers; a last `v*` stands for any version number."""


def known_type(text: str) -> str:
    """Return `text` where it is a short name or a predicate type URI.

    Raises:
        ValueError: with the nearest short name.
    """
    if text in TYPES or _URI.fullmatch(text) is not None:
        return text
    near = nearest(text, TYPES)
    hint = f"did you mean {near!r}?" if near else f"expected a predicate type URI or one of: {', '.join(sorted(TYPES))}"
    raise ValueError(f"{text[:80]!r} is not an attestation type, {hint}")


def covers(known: str, predicate_type: str) -> bool:
    """Say whether a predicate type is `known`, or a version of it where that ends in `v*`."""
    if known.endswith(_ANY_VERSION):
        head = known.removesuffix("*")
        return predicate_type.startswith(head) and _VERSION.fullmatch(predicate_type.removeprefix(head)) is not None
    return known == predicate_type


def is_one_of(types: Iterable[str], predicate_type: str) -> bool:
    """Say whether a predicate type is one of some known ones."""
    return any(covers(known, predicate_type) for known in types)


def kind_of(text: str) -> str:
    """Return the short name of a type, however it is written; empty where predicates of it are not read."""
    if text in TYPES:
        return text
    return next((name for name, types in TYPES.items() if is_one_of(types, text)), "")
