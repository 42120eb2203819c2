"""What the bodies of log entries are made of: digests, keys in PEM form, base64 once or twice."""

from binascii import b2a_base64
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from preverify.model.reasons import Reason
from preverify.verify.encodings.text import exact_members, from_base64
from preverify.verify.refusal import Refused

MALFORMED = Reason.PAYLOAD_MALFORMED

Members = dict[str, object]

_HASH = frozenset({"algorithm", "value"})
_CURVES = {
    "secp256r1": {"PKIX_ECDSA_P256_SHA_256": "SHA2_256"},
    "secp384r1": {"PKIX_ECDSA_P384_SHA_384": "SHA2_384", "PKIX_ECDSA_P384_SHA_256": "SHA2_256"},
    "secp521r1": {"PKIX_ECDSA_P521_SHA_512": "SHA2_512", "PKIX_ECDSA_P521_SHA_256": "SHA2_256"},
}
_PEM_BEGIN, _PEM_END = "-----BEGIN {}-----", "-----END {}-----"


def check_hash(document: object, content: bytes, what: str) -> None:
    """Refuse a digest that is not the one of `content`."""
    check_digest(document, sha256(content).digest(), what)


def check_digest(document: object, digest: bytes, what: str) -> None:
    """Refuse a digest that is not this SHA-256. Older logs know several algorithms; tools write one."""
    named = exact_members(document, _HASH, f"the digest of {what}", MALFORMED)
    if named.get("algorithm") != "sha256":
        raise mismatch(f"logged with a digest {str(named.get('algorithm'))[:40]!r} of {what}, expected 'sha256'")
    if named.get("value") != digest.hex():
        raise mismatch(f"logged with another digest of {what}")


@lru_cache(maxsize=256)
def algorithms(spki: bytes) -> Mapping[str, str]:
    """Return what Rekor v2 may call the key's kind, and the digest that goes with each name."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return {}
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, {})
    if isinstance(key, rsa.RSAPublicKey):
        return {f"PKIX_RSA_PKCS1V15_{key.key_size}_SHA256": "SHA2_256"}
    return {"PKIX_ED25519_PH": "SHA2_512"} if isinstance(key, Ed25519PublicKey) else {}


def inner(document: Members, name: str, *members: str) -> Members:
    """Return an object inside `document` that has to be there; `members` are those that are looked at."""
    return exact_members(document.get(name), frozenset(members), name, MALFORMED)


def single(document: object, *members: str) -> Members:
    """Return the only signature of an entry. Of several, nobody would know which one the log stands for."""
    if not isinstance(document, list) or len(document) != 1:
        count = len(document) if isinstance(document, list) else "no list of"
        raise mismatch(f"logged with {count} signatures, expected one")
    return exact_members(document[0], frozenset(members), "the logged signature", MALFORMED)


def twice(text: object, what: str) -> bytes:
    """Decode base64 of base64."""
    once = from_base64(text, what, MALFORMED)
    return from_base64(once.decode("latin-1"), what, MALFORMED)


def encoded_pem(der: bytes, label: str) -> str:
    """Return a PEM block in base64, as logs have keys and certificates."""
    text = b2a_base64(der, newline=False)
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    block = b"\n".join((_PEM_BEGIN.format(label).encode(), *lines, _PEM_END.format(label).encode(), b""))
    return b2a_base64(block, newline=False).decode()


def pem(data: bytes, label: str) -> bytes:
    """Return the bytes of exactly one PEM block with this label."""
    text = " ".join(data.decode("latin-1").split())
    begin, end = _PEM_BEGIN.format(label), _PEM_END.format(label)
    if not text.startswith(begin) or not text.endswith(end):
        raise mismatch(f"not logged with one {label.lower()} in PEM form")
    return from_base64(text[len(begin) : -len(end)].replace(" ", ""), "the logged key", MALFORMED)


def mismatch(detail: str) -> Refused:
    """Return the refusal of an entry that is about something else."""
    return Refused(Reason.LOG_ENTRY_MISMATCH, detail)
