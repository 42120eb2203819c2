"""RFC 3161 time stamps: that a trusted authority saw these bytes at that time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain

from cryptography import x509

from preverify.model.reasons import Reason
from preverify.model.trust import Authority
from preverify.verify.certificates.certificate import Certificate, parse_certificate
from preverify.verify.certificates.paths import Purpose, anchored, check_leaf
from preverify.verify.refusal import Refused
from preverify.verify.stamps.tokens import Token, invalid, read_token, token_of

_STAMPING = Purpose.TIME_STAMPING


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a time stamp establishes.

    Attributes:
        at: When the authority saw the bytes.
        accuracy: How far `at` may be off; None where the token does not say.
        by: `tsa:` and the digest of the root certificate. Two stamps of one authority are one witness.
        chain: Certificates (DER) from the authority's own to the root.
        until: Last moment at which the chain and the trust in it are valid.
    """

    at: datetime
    accuracy: timedelta | None
    by: str
    chain: tuple[bytes, ...]
    until: datetime


def check_response(response: bytes, signed: bytes, authorities: Sequence[Authority]) -> Stamp:
    """Check a TimeStampResp, as Sigstore stores them.

    Args:
        response: As it stands in the evidence.
        signed: What has to be stamped: the bytes of a signature.
        authorities: That are trusted. Where one lists its own certificate (and not only those above), no other counts.

    Raises:
        Refused: `timestamp-invalid`: the bytes or the signature; `timestamp-mismatch`: a stamp of something else;
            `timestamp-untrusted`: no trusted authority made it, or none that was trusted and valid at its time;
            `too-large`.

    Spec:
        RFC 3161, section 2.4.2; RFC 5816.
    """
    token = _of(read_token(token_of(response)), signed)
    own = [each for authority in authorities for each in _own(authority)]
    leaf = _signer(token, own)
    return _check(token, leaf, [each for each in authorities if _may_be_of(leaf, each)])


def check_token(token: bytes, signed: bytes, roots: Sequence[bytes]) -> Stamp:
    """Check a bare TimeStampToken, as Notation stores them: certificates below the root come in the token.

    Args:
        token: As it stands in the evidence.
        signed: What has to be stamped: the bytes of a signature.
        roots: Certificates (DER) that are trusted; one that is itself the authority's own (signed by itself) counts.

    Raises:
        Refused: As `check_response`.

    Spec:
        Notary Project, signature specification, "Timestamp Countersignature"; RFC 3161; RFC 5816.
    """
    read = _of(read_token(token), signed)
    between = tuple(each.der for each in _readable(read.certificates) if each.issuer != each.subject)
    authorities = [Authority(certificates=(*(each for each in between if each != root), root)) for root in roots]
    return _check(read, _signer(read, _readable(roots)), authorities)


def distinct(stamps: Iterable[Stamp]) -> tuple[Stamp, ...]:
    """Return one stamp of each authority, the first: how many witnesses there are."""
    first: dict[str, Stamp] = {}
    for each in stamps:
        first.setdefault(each.by, each)
    return tuple(first.values())


def _check(token: Token, leaf: Certificate, authorities: Sequence[Authority]) -> Stamp:
    """Check a token over the right bytes, made with `leaf`, if anybody's."""
    try:
        _check_stamper(leaf)
        path, until = _anchored(leaf, authorities, token.info.at)
    except Refused as error:
        raise Refused(Reason.TIMESTAMP_UNTRUSTED, f"the time stamp: {error.detail}"[:300]) from error
    _check_form(path, token.info.at)
    token.check_signature(leaf)
    return Stamp(
        at=token.info.at,
        accuracy=token.info.accuracy,
        by=f"tsa:{path[-1].fingerprint}",
        chain=tuple(each.der for each in path),
        until=until,
    )


@lru_cache(maxsize=64)
def _check_stamper(leaf: Certificate) -> None:
    check_leaf(leaf, _STAMPING)


def _of(token: Token, signed: bytes) -> Token:
    if not token.stamps(signed):
        raise Refused(Reason.TIMESTAMP_MISMATCH, "the time stamp is of other bytes than this signature")
    return token


def _signer(token: Token, own: Iterable[Certificate]) -> Certificate:
    """Return the certificate that the token says it is signed with: by name and number, and by its hash.

    Certificates in a token are not signed. One that only carries the signer's name and number is not what the signed
    hash names.
    """
    known = False
    for each in chain(own, _readable(token.certificates)):  # what came along is read only where it is needed
        if each.issuer == token.signer.issuer and _serial(each) == token.signer.serial:
            known = True
            if token.names(each):
                return each
    if known:
        raise invalid("its signed attributes name another certificate than its signer's")
    raise Refused(Reason.TIMESTAMP_UNTRUSTED, "the time stamp: the certificate of its signer is not known")


def _anchored(
    leaf: Certificate, authorities: Sequence[Authority], at: datetime
) -> tuple[tuple[Certificate, ...], datetime]:
    """Return the chain from `leaf` to a root, and until when it is valid."""
    for each in authorities:
        # Trusted by itself, root and leaf in one: it vouches for its own name, and nobody else has to.
        if each.certificates[-1] == leaf.der and leaf.not_before <= at <= leaf.not_after and each.valid.holds(at):
            return (leaf,), min(leaf.not_after, each.valid.end or leaf.not_after)
    path = anchored(leaf, authorities, (at,), _STAMPING)
    return (leaf, *path.chain), path.until


def _check_form(path: tuple[Certificate, ...], at: datetime) -> None:
    """Check what OpenSSL, and so most who verify time stamps, demands of a chain beyond RFC 5280.

    The last second of a certificate is past it, the key that stamps does nothing but sign, the root has signed itself,
    and identifiers of an issuer's key are those that the issuer says it has.
    """
    if any(at >= each.not_after for each in path):
        raise invalid(f"made in the last second of a certificate, at {at.isoformat()}: it is taken for expired")
    if wrong := _wrong_form(path):
        raise invalid(wrong)


@lru_cache(maxsize=64)
def _wrong_form(path: tuple[Certificate, ...]) -> str:
    """Return what is wrong with a chain at all times; empty where nothing is."""
    leaf, root = path[0], path[-1]
    if not _only_signs(leaf):
        return f"the certificate of {leaf.name!r} is for more than signatures (key usage)"
    if root.issuer != root.subject:
        return f"the chain ends at {root.name!r}, expected a certificate that is signed by itself"
    for child, issuer in zip(path, (*path[1:], root), strict=True):
        if not _identifies(child, issuer):
            return f"the certificate of {child.name!r} identifies another issuer than {issuer.name!r}"
    return ""


def _only_signs(leaf: Certificate) -> bool:
    usage = leaf.value(x509.KeyUsage)
    return usage is None or not (
        usage.key_encipherment
        or usage.data_encipherment
        or usage.key_agreement
        or usage.key_cert_sign
        or usage.crl_sign
    )


def _identifies(child: Certificate, issuer: Certificate) -> bool:
    """Say whether the key identifier of the authority in `child`, where there is one, is that of `issuer`."""
    said = child.value(x509.AuthorityKeyIdentifier)
    if said is None:
        return True
    own = issuer.value(x509.SubjectKeyIdentifier)
    if own is not None and said.key_identifier is not None and said.key_identifier != own.digest:
        return False
    if said.authority_cert_serial_number not in (None, issuer.x509.serial_number):
        return False
    names = said.authority_cert_issuer or ()
    return all(each.value == issuer.x509.issuer for each in names if isinstance(each, x509.DirectoryName))


def _may_be_of(leaf: Certificate, authority: Authority) -> bool:
    """Say whether `leaf` may belong to `authority`: one that lists its own certificate means this one alone."""
    own = _own(authority)
    return not own or leaf in own


@lru_cache(maxsize=256)
def _own(authority: Authority) -> tuple[Certificate, ...]:
    """Return the certificates of an authority that issue no others: what it stamps with."""
    return tuple(each for each in _readable(authority.certificates) if not _issues(each))


def _issues(each: Certificate) -> bool:
    constraints = each.value(x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _readable(certificates: Iterable[bytes]) -> Iterator[Certificate]:
    """Read certificates, one after the other; those that cannot be read take no part."""
    for each in certificates:
        try:
            yield parse_certificate(each)
        except Refused:
            continue


def _serial(each: Certificate) -> bytes:
    return each.x509.serial_number.to_bytes(each.x509.serial_number.bit_length() // 8 + 1, "big")
