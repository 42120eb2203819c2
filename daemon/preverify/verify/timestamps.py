"""RFC 3161 time stamps: that a trusted authority saw these bytes at that time."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import chain

from cryptography import x509
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from preverify.model.reasons import Reason
from preverify.model.trust import Authority
from preverify.verify.certificate_der import UNREADABLE, Certificate, parse_certificate
from preverify.verify.certificates import Purpose, anchored, check_leaf
from preverify.verify.refusal import Refused
from preverify.verify.timestamp_tokens import Token, invalid, read_token, token_of

_TOLD = re.compile(r'data: "Verify error: ([^"]+)"')  # the one part of the library's message that is for people
_STAMPING = Purpose.TIME_STAMPING
_BASIC_CONSTRAINTS = x509.BasicConstraints.oid.dotted_string


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
        check_leaf(leaf, _STAMPING)
        path, until = _anchored(leaf, authorities, token.at)
    except Refused as error:
        raise Refused(Reason.TIMESTAMP_UNTRUSTED, f"the time stamp: {error.detail}"[:300]) from error
    _check_signature(token, leaf, path)
    return Stamp(
        at=token.at,
        accuracy=token.accuracy,
        by=f"tsa:{path[-1].fingerprint}",
        chain=tuple(each.der for each in path),
        until=until,
    )


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
        if each.issuer == token.issuer and _serial(each) == token.serial:
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


def _check_signature(token: Token, leaf: Certificate, path: Sequence[Certificate]) -> None:
    """Let the library check content and signature, with the certificate that was found above and no other.

    It checks the chain too, and takes the last second of a certificate for past it: a stamp made right then is refused.
    """
    verifier = VerifierBuilder(
        tsa_certificate=leaf.x509,
        intermediates=[each.x509 for each in path[1:-1]],
        roots=[path[-1].x509],
    ).build()
    try:
        response = decode_timestamp_response(token.response_with(leaf.der))
        verifier.verify(response, token.imprint[1])
    except (VerificationError, *UNREADABLE) as error:
        told = _TOLD.search(str(error))
        raise invalid(f"its signature does not hold: {told[1] if told else error}") from error


def _may_be_of(leaf: Certificate, authority: Authority) -> bool:
    """Say whether `leaf` may belong to `authority`: one that lists its own certificate means this one alone."""
    own = _own(authority)
    return not own or leaf in own


@lru_cache(maxsize=256)
def _own(authority: Authority) -> tuple[Certificate, ...]:
    """Return the certificates of an authority that issue no others: what it stamps with."""
    return tuple(each for each in _readable(authority.certificates) if not _issues(each))


def _issues(each: Certificate) -> bool:
    found = each.extensions.get(_BASIC_CONSTRAINTS)
    return found is not None and bool(found.value.ca)


def _readable(certificates: Iterable[bytes]) -> Iterator[Certificate]:
    """Read certificates, one after the other; those that cannot be read take no part."""
    for each in certificates:
        try:
            yield parse_certificate(each)
        except Refused:
            continue


def _serial(each: Certificate) -> bytes:
    return each.x509.serial_number.to_bytes(each.x509.serial_number.bit_length() // 8 + 1, "big")
