"""Certificate revocation lists: what one says about one certificate, or why it says nothing.

Whatever a list does not say clearly leaves the certificate's standing unknown; unknown is never good.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509 import ReasonFlags

from preverify.model.reasons import Reason
from preverify.verify.certificates.certificate import UNREADABLE, Certificate
from preverify.verify.keys.algorithms import is_sha2
from preverify.verify.refusal import Refused

MAX_CRL_BYTES = 10 << 20
MAX_URL = 1024
SKEW = timedelta(minutes=5)
"""How far ahead of ours the clocks of those may be who publish revocations."""

_UNDERSTOOD = (x509.IssuingDistributionPoint, x509.DeltaCRLIndicator, x509.CRLNumber, x509.AuthorityKeyIdentifier)
_ENTRY_UNDERSTOOD = (x509.CRLReason, x509.InvalidityDate)
_TEMPORARY = frozenset({ReasonFlags.certificate_hold, ReasonFlags.remove_from_crl})

Point = tuple[str, ...]
"""Addresses of one list, any of which will do. Empty: a list that cannot be had by plain HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crl:
    """A list that its issuer signed. `number` orders lists; `base` is the least number that a delta list amends."""

    crl: x509.CertificateRevocationList
    next_update: datetime
    last_update: datetime
    number: int | None
    base: int | None
    scope: x509.IssuingDistributionPoint | None
    freshest: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    revoked_at: datetime
    reason: ReasonFlags
    invalid_since: datetime | None


def points_of(certificate: Certificate) -> tuple[Point, ...]:
    """Return where a certificate says that its revocation would be listed: all of these lists are needed."""
    return _points(certificate.value(x509.CRLDistributionPoints))


def freshest_of(certificate: Certificate) -> tuple[Point, ...]:
    """Return where a certificate says that lists of recent changes are."""
    return _points(certificate.value(x509.FreshestCRL))


def usable_url(url: str) -> bool:
    """Say whether revocation data may be asked for at `url`: plain HTTP, short, no credentials, no odd characters."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "http" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that is not closed
        return False


@lru_cache(maxsize=8)
def read_crl(body: bytes, issuer: Certificate) -> Crl:
    """Read a list and check that `issuer` signed it.

    Raises:
        Refused: `revocation-unknown`, whatever the bytes are.

    Spec:
        RFC 5280, sections 5.1, 5.2 and 6.3.3. Lists about the certificates of others (indirect ones) are refused.
    """
    try:
        return _read(x509.load_der_x509_crl(body), issuer)
    except UNREADABLE as error:  # the library reads lazily: any use of a part may find that it is none
        raise unknown(f"not a revocation list that can be read: {error}") from error


def check_current(crl: Crl, now: datetime) -> None:
    """Refuse a list that is past its time, or before it."""
    if now > crl.next_update:
        raise unknown(f"the revocation list was good until {crl.next_update.isoformat()}")
    if crl.last_update > now + SKEW:
        raise unknown(f"the revocation list is of {crl.last_update.isoformat()}, which has not come yet")


def check_base(crl: Crl, certificate: Certificate, url: str) -> None:
    """Refuse a list that does not say all about `certificate`: a delta, or one of narrower scope.

    Raises:
        Refused: `revocation-unknown`.

    Spec:
        RFC 5280, section 5.2.5.
    """
    if crl.base is not None:
        raise unknown(f"{url[:120]} is a list of changes, expected a whole one")
    _check_scope(crl, certificate, (url,))


def check_delta(delta: Crl, base: Crl, certificate: Certificate, url: str) -> None:
    """Refuse a list of changes that does not fit its base.

    Raises:
        Refused: `revocation-unknown`.

    Spec:
        RFC 5280, section 5.2.4.
    """
    if delta.base is None or delta.number is None or base.number is None:
        raise unknown(f"{url[:120]} is no list of changes to a numbered list")
    if not delta.base <= base.number or delta.number < base.number:
        raise unknown(f"changes number {delta.number} to list {delta.base} or later do not fit list {base.number}")
    _check_scope(delta, certificate, None)


def check_listed(lists: Iterable[Crl], certificate: Certificate, signed_at: datetime | None) -> None:
    """Look a certificate up in a list and, after it, its changes.

    Args:
        lists: A checked base list, and where needed the checked list of changes.
        certificate: Whose number is looked for.
        signed_at: A trusted time of signing: what became invalid later only was good then.

    Raises:
        Refused: `certificate-revoked`; `revocation-unknown` where an entry cannot be read.

    Spec:
        RFC 5280, section 5.3: `removeFromCRL` takes back a hold, nothing else.
    """
    latest: _Entry | None = None
    for each in lists:
        entry = _entry(each.crl, certificate)
        if entry is None:
            continue
        if signed_at is not None and entry.invalid_since is not None and signed_at < entry.invalid_since:
            return
        if entry.reason not in _TEMPORARY:
            raise _revoked(certificate, entry)
        if latest is None or latest.revoked_at <= entry.revoked_at:
            latest = entry
    if latest is not None and latest.reason is ReasonFlags.certificate_hold:
        raise _revoked(certificate, latest)


def unknown(detail: str) -> Refused:
    """Return the refusal for data that does not say whether a certificate is revoked."""
    return Refused(Reason.REVOCATION_UNKNOWN, detail[:250])


def _read(crl: x509.CertificateRevocationList, issuer: Certificate) -> Crl:
    if not is_sha2(crl.signature_hash_algorithm):
        raise unknown("the revocation list is not signed with SHA-256, SHA-384 or SHA-512")
    usage = issuer.value(x509.KeyUsage)
    if crl.issuer != issuer.x509.subject or (usage is not None and not usage.crl_sign):
        raise unknown(f"the revocation list is not by {issuer.name!r}, or that may sign none")
    if not crl.is_signature_valid(issuer.x509.public_key()):  # type: ignore[arg-type]  # no other kinds of key get here
        raise unknown(f"the signature of the revocation list does not hold under {issuer.name!r}")
    for each in crl.extensions:
        if each.critical and not isinstance(each.value, _UNDERSTOOD):
            raise unknown(f"the revocation list has a critical extension {each.oid.dotted_string[:60]}")
    next_update = crl.next_update_utc
    if next_update is None:
        raise unknown("the revocation list does not say until when it holds")
    found: dict[type, Any] = {type(each.value): each.value for each in crl.extensions}
    number, base = found.get(x509.CRLNumber), found.get(x509.DeltaCRLIndicator)
    return Crl(
        crl=crl,
        next_update=next_update,
        last_update=crl.last_update_utc,
        number=None if number is None else number.crl_number,
        base=None if base is None else base.crl_number,
        scope=found.get(x509.IssuingDistributionPoint),
        freshest=_points(found.get(x509.FreshestCRL)),
    )


def _entry(crl: x509.CertificateRevocationList, certificate: Certificate) -> _Entry | None:
    try:
        found = crl.get_revoked_certificate_by_serial_number(certificate.x509.serial_number)
        if found is None:
            return None
        extensions = {type(each.value): each for each in found.extensions}
        revoked_at = found.revocation_date_utc
    except UNREADABLE as error:
        raise unknown(f"the entry of the revocation list cannot be read: {error}") from error
    for kind, each in extensions.items():
        if each.critical and kind not in _ENTRY_UNDERSTOOD:
            raise unknown(f"the entry of the revocation list has a critical extension {each.oid.dotted_string[:60]}")
    reason: Any = extensions.get(x509.CRLReason)
    since: Any = extensions.get(x509.InvalidityDate)
    return _Entry(
        revoked_at,
        ReasonFlags.unspecified if reason is None else reason.value.reason,
        None if since is None else since.value.invalidity_date_utc,
    )


def _check_scope(crl: Crl, certificate: Certificate, urls: Point | None) -> None:
    scope = crl.scope
    if scope is None:
        return
    constraints = certificate.value(x509.BasicConstraints)
    is_ca = constraints is not None and constraints.ca
    wrong = (
        scope.indirect_crl
        or scope.only_some_reasons is not None
        or scope.only_contains_attribute_certs
        or scope.relative_name is not None
        or (scope.only_contains_user_certs and is_ca)
        or (scope.only_contains_ca_certs and not is_ca)
    )
    named = [each.value for each in scope.full_name or () if isinstance(each, x509.UniformResourceIdentifier)]
    if wrong or (scope.full_name is not None and urls is not None and not set(named) & set(urls)):
        raise unknown(f"the revocation list is not about {certificate.name!r}: of other scope or place")


def _points(value: x509.CRLDistributionPoints | x509.FreshestCRL | None) -> tuple[Point, ...]:
    return tuple(map(_point, value or ()))


def _point(each: x509.DistributionPoint) -> Point:
    if each.reasons is not None or each.crl_issuer is not None:  # part of the reasons only, or somebody else's list
        return ()
    names = (name.value for name in each.full_name or () if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(url for url in names if usable_url(url))


def _revoked(certificate: Certificate, entry: _Entry) -> Refused:
    why = entry.reason.value
    return Refused(
        Reason.CERTIFICATE_REVOKED,
        f"the certificate of {certificate.name!r} was revoked at {entry.revoked_at.isoformat()} ({why})",
    )
