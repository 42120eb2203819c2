"""DSSE: what a signature covers. Used by those who verify and by those who sign."""

IN_TOTO_PAYLOAD = "application/vnd.in-toto+json"
DSSE_ENVELOPE = "application/vnd.dsse.envelope.v1+json"
VSA_PREDICATE = "https://slsa.dev/verification_summary/v1"


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes a DSSE signature covers.

    Args:
        payload_type: Media type from the envelope, as sent; ASCII (the caller refuses others).
        payload: Decoded payload, as sent. Never JSON serialised again.

    Returns:
        The pre-authentication encoding. Both lengths count bytes, not characters.

    Spec:
        DSSE v1, protocol document, "Signature Definition".

    >>> pre_authentication_encoding("text/plain", b"hi")
    b'DSSEv1 10 text/plain 2 hi'
    """
    kind = payload_type.encode("ascii")
    return b" ".join((b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload))
