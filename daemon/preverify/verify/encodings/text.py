"""Base64 and the names of members as evidence carries them: strictly."""

import binascii

from preverify.model.errors import MalformedEvidence
from preverify.model.reasons import Reason

_URL_SAFE = str.maketrans("-_", "+/")


def from_base64(text: object, what: str, reason: Reason, *, url_safe: bool = False) -> bytes:
    """Decode standard base64 with padding; no white space, no stray characters.

    Args:
        text: The value as sent; anything but a string is refused.
        what: Names the value in the error.
        reason: What a refusal is called.
        url_safe: Accept the URL-safe alphabet too, as DSSE does (never a mixture of both).

    Raises:
        MalformedEvidence: not base64.
    """
    if not isinstance(text, str):
        raise MalformedEvidence(reason, f"{what} is {type(text).__name__}, expected a string of base64")
    if url_safe and ("-" in text or "_" in text) and "+" not in text and "/" not in text:
        text = text.translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:  # binascii.Error is one; others come of non-ASCII text
        raise MalformedEvidence(reason, f"{what} is not base64: {error}") from error


def exact_members(document: object, known: frozenset[str], what: str, reason: Reason) -> dict[str, object]:
    """Return `document` as an object whose known members are spelled exactly.

    Readers that ignore case would take `Payload` for `payload`: such a document has two meanings and is refused.
    Unknown members are left to the caller.

    Raises:
        MalformedEvidence: no object, or a known member in another spelling; called `reason`.
    """
    if not isinstance(document, dict):
        raise MalformedEvidence(reason, f"{what} is {type(document).__name__}, expected an object")
    if document.keys() <= known:
        return document
    for key in document.keys() - known:
        for right in known:
            if key.casefold() == right.casefold():
                raise MalformedEvidence(reason, f"{what} has a member {key[:40]!r}, expected {right!r}")
    return document
