"""Certificate chains as Notation wants them: complete, in order, and made for signing.

Chains come whole with the evidence, so nothing is searched for: each certificate was issued by the next. Whether they
are trusted is not asked here.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from hashlib import sha256
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509.oid import ExtendedKeyUsageOID

from preverify.model.distinguished_names import TYPES, Name, checked
from preverify.model.errors import BadInput
from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import Certificate, authority_certificate, parse_certificate
from preverify.verify.certificates.issued import is_issued
from preverify.verify.refusal import Refused

Chain = tuple[Certificate, ...]

_MAX_SUBJECT_BYTES = 4096
_HASHES: dict[str, hashes.HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
_RSA = {2048: "PS256", 3072: "PS384", 4096: "PS512"}
_EC = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_FOREIGN_PURPOSES = {
    ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE: "any purpose",
    ExtendedKeyUsageOID.SERVER_AUTH: "servers",
    ExtendedKeyUsageOID.CLIENT_AUTH: "clients",
    ExtendedKeyUsageOID.EMAIL_PROTECTION: "mail",
    ExtendedKeyUsageOID.TIME_STAMPING: "time stamps",
    ExtendedKeyUsageOID.OCSP_SIGNING: "OCSP",
}
# What a signing key must not be for. Enciphering or deciphering only stands beside key agreement, or is unreadable.
_FOREIGN_USES = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")


def signing_chain(ders: Sequence[bytes]) -> Chain:
    """Read the chain of an envelope and check its form, leaf to root.

    Raises:
        Refused: `certificate-invalid` (or `too-large`), with the certificate's subject.

    Spec:
        Notary Project, signature specification, "Certificate Requirements". Times are not looked at here.
    """
    chain = (parse_certificate(ders[0]), *map(authority_certificate, ders[1:]))
    _check_order(chain)
    _check_leaf(chain[0], critical_usage=True)
    purposes = chain[0].value(x509.ExtendedKeyUsage)
    for each in purposes or ():
        if each in _FOREIGN_PURPOSES:
            raise _invalid(chain[0], f"is also for {_FOREIGN_PURPOSES[each]} (extended key usage)")
    _check_authorities(chain[1:])
    return chain


def check_stamping_chain(chain: Chain) -> None:
    """Check the chain of a time stamp, leaf to root, as far as its token has not been checked already.

    Raises:
        Refused: `certificate-invalid`.
    """
    _check_order(chain)
    _check_leaf(chain[0], critical_usage=False)
    extension = chain[0].extension(x509.ExtendedKeyUsage)
    purposes = [] if extension is None else list(extension.value)
    if extension is None or not extension.critical or purposes != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise _invalid(chain[0], "is not, critically, for time stamps alone (extended key usage)")
    _check_authorities(chain[1:])


def algorithm_of(leaf: Certificate) -> str:
    """Return the one algorithm that a leaf's key signs with.

    Raises:
        Refused: `algorithm-not-allowed`: a key that Notation does not sign with.
    """
    key = leaf.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        found, seen = _RSA.get(key.key_size), f"RSA of {key.key_size} bits"
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found, seen = _EC.get(key.curve.name), f"EC on {key.curve.name}"
    else:
        found, seen = None, type(key).__name__
    if found is None:
        raise Refused(
            Reason.ALGORITHM_NOT_ALLOWED,
            f"the leaf's key is {seen}, expected RSA of 2048, 3072 or 4096 bits or EC on P-256, P-384 or P-521",
        )
    return found


def check_signature(leaf: Certificate, algorithm: str, signature: bytes, signed: bytes) -> None:
    """Check a raw signature by the leaf's key.

    Args:
        leaf: The signer.
        algorithm: What the envelope claims; it has to be what the key dictates.
        signature: PSS with a salt of the hash's length, or r and s of the curve's length each.
        signed: What is signed.

    Raises:
        Refused: `algorithm-not-allowed` or `signature-invalid`.
    """
    expected = algorithm_of(leaf)
    if algorithm != expected:
        raise Refused(
            Reason.ALGORITHM_NOT_ALLOWED, f"signed with {algorithm[:40]!r}, the leaf's key signs with {expected}"
        )
    used = _HASHES[expected[2:]]
    try:
        _verifier(leaf, used, signature)(signed)
    except (InvalidSignature, ValueError) as error:  # ValueError: a length that no signature has
        raise Refused(Reason.SIGNATURE_INVALID, f"the signature does not hold under {leaf.name!r}") from error


def signer_of(chain: Chain) -> str:
    """Return who signs: the subject's name below this root.

    Two certificates of one subject, renewed or in parallel, are one signer; the same name below another root is not.
    """
    return "x509:" + sha256(bytes.fromhex(chain[-1].fingerprint) + chain[0].subject).hexdigest()


def subject_of(leaf: Certificate) -> Name:
    """Return the leaf's subject as trusted identities are compared with it.

    Raises:
        Refused: `identity-mismatch`: a subject that no identity can be compared with.

    Spec:
        Notary Project, trust store and trust policy, "Trusted Identities Constraints": they hold for the subject too.
    """
    found: dict[str, str] = {}
    for part in leaf.x509.subject.rdns:
        attributes = list(part)
        kind = TYPES.get(attributes[0].oid.dotted_string, "")
        value = attributes[0].value
        if len(attributes) > 1 or not kind or kind in found or not isinstance(value, str):
            raise Refused(
                Reason.IDENTITY_MISMATCH,
                f"the subject {leaf.name!r} has an attribute of another type, twice, or several in one part",
            )
        found[kind] = value
    try:
        return checked(found)
    except BadInput as error:
        raise Refused(Reason.IDENTITY_MISMATCH, f"the subject {leaf.name!r}: {error}") from error


_is_issued_known = lru_cache(maxsize=1024)(is_issued)
"""`is_issued` for authorities, which come again and again."""


def _verifier(leaf: Certificate, used: hashes.HashAlgorithm, signature: bytes) -> Callable[[bytes], None]:
    key = leaf.x509.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        pss = padding.PSS(mgf=padding.MGF1(used), salt_length=used.digest_size)
        return partial(key.verify, signature, padding=pss, algorithm=used)
    assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101  `algorithm_of` let no other key through
    half = (key.key_size + 7) // 8
    if len(signature) != 2 * half:
        raise ValueError(f"{len(signature)} bytes, expected {2 * half}")
    pair = encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))
    return partial(key.verify, pair, signature_algorithm=ec.ECDSA(used))


def _check_order(chain: Chain) -> None:
    for each, parent in pairwise(chain):
        issued = is_issued if each is chain[0] else _is_issued_known
        if issued(each, each):
            raise _invalid(each, "is self-signed, but not the last of the chain")
        if not issued(each, parent):
            raise _invalid(each, f"is not issued by the next of the chain, {parent.name!r}")
    if not _is_issued_known(chain[-1], chain[-1]):
        raise _invalid(chain[-1], "is the last of the chain, but not self-signed")


def _check_leaf(leaf: Certificate, *, critical_usage: bool) -> None:
    if len(leaf.subject) > _MAX_SUBJECT_BYTES:
        raise _invalid(leaf, f"has a subject of {len(leaf.subject)} bytes, at most {_MAX_SUBJECT_BYTES} are read")
    constraints = leaf.value(x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        raise _invalid(leaf, "is an authority, expected a certificate that signs itself")
    usage = _usage(leaf, critical=critical_usage)
    others = [name for name in _FOREIGN_USES if getattr(usage, name)]
    if not usage.digital_signature or others:
        named = f" but for {', '.join(others)}" if others else ""
        raise _invalid(leaf, f"is not for digital signatures alone{named} (key usage)".replace("_", " "))
    algorithm_of(leaf)


def _check_authorities(authorities: Chain) -> None:
    for below, each in enumerate(authorities):  # so many authorities stand between `each` and the leaf
        found = each.extension(x509.BasicConstraints)
        if found is None or not found.critical or not found.value.ca:
            raise _invalid(each, "is not, critically, an authority (basic constraints)")
        limit = found.value.path_length
        if limit is not None and limit < below:
            raise _invalid(each, f"allows {limit} authorities below it, {below} are there (path length)")
        if not _usage(each, critical=True).key_cert_sign:
            raise _invalid(each, "is not for signing certificates (key usage)")
        if not isinstance(each.x509.public_key(), rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise _invalid(each, "has neither an RSA nor an EC key")


def _usage(each: Certificate, *, critical: bool) -> x509.KeyUsage:
    found = each.extension(x509.KeyUsage)
    if found is None or (critical and not found.critical):
        raise _invalid(each, "has no key usage" if found is None else "has a key usage that is not critical")
    usage: x509.KeyUsage = found.value
    return usage


def _invalid(each: Certificate, detail: str) -> Refused:
    return Refused(Reason.CERTIFICATE_INVALID, f"the certificate of {each.name!r} {detail}")
