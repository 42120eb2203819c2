"""Paths: from a certificate of evidence to an authority that is trusted, and the times at which that holds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from preverify.model.reasons import Reason
from preverify.model.trust import Authority, Period
from preverify.verify.certificates.certificate import (
    MAX_CHAIN,
    Certificate,
    authority_certificate,
    shown_name,
)
from preverify.verify.certificates.issued import is_issued
from preverify.verify.refusal import Refused

_MAX_DEPTH = 5
_MAX_CHAINS = 64
_ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
_NAME_CONSTRAINTS = "2.5.29.30"
_UNDERSTOOD = frozenset(
    {
        "2.5.29.14",  # subject key identifier
        "2.5.29.15",  # key usage
        "2.5.29.17",  # subject alternative name
        "2.5.29.19",  # basic constraints
        "2.5.29.31",  # where revocation lists are
        "2.5.29.32",  # certificate policies: nobody demands one here
        "2.5.29.35",  # authority key identifier
        "2.5.29.37",  # extended key usage
    }
)

Chain = tuple[Certificate, ...]


class Purpose(Enum):
    """What a leaf is for."""

    CODE_SIGNING = ExtendedKeyUsageOID.CODE_SIGNING
    TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """How a leaf is anchored.

    Attributes:
        chain: Authorities from the leaf's issuer to the root.
        until: Last moment at which leaf, every authority and the trust in them are valid: what counts where no trusted
            time fixes the moment of signing.
    """

    chain: Chain
    until: datetime

    @property
    def issuer(self) -> Certificate:
        """Return the authority that issued the leaf."""
        return self.chain[0]

    @property
    def authority_id(self) -> str:
        """Return `ca:` and the digest of the root certificate."""
        return f"ca:{self.chain[-1].fingerprint}"


def check_path(leaf: Certificate, authorities: Sequence[Authority], times: Sequence[datetime]) -> Path:
    """Anchor a code signing certificate in one of `authorities`.

    Only their certificates count: none that comes with the evidence takes part. The chain above the leaf is verified
    once for each authority and kept; a leaf costs one public-key operation.

    Args:
        leaf: Certificate of the evidence.
        authorities: Any one suffices. Several with one name (after a change of key) are all tried.
        times: When the signature was made, as trusted parties say. Leaf, every authority of the chain and the trust in
            the authority have to be valid at every one of them, ends included.

    Raises:
        Refused: `certificate-invalid`: the leaf is not made for signing code; `certificate-untrusted`: no authority
            issued it; `certificate-expired`: one did, but not all are valid at all times; `no-trusted-time`: no times.

    Spec:
        RFC 5280, section 6.1; Fulcio, docs/certificate-specification.md.
    """
    check_leaf(leaf, Purpose.CODE_SIGNING)
    if leaf.issuer == leaf.subject:
        raise _untrusted(f"the certificate of {leaf.name!r} is signed by itself, expected a trusted authority")
    return anchored(leaf, authorities, times, Purpose.CODE_SIGNING)


def anchored(leaf: Certificate, authorities: Iterable[Authority], times: Sequence[datetime], purpose: Purpose) -> Path:
    """Find the chain above `leaf`, whose own form was checked, valid at all `times`. Refuses as `check_path`."""
    if not times:
        raise Refused(Reason.NO_TRUSTED_TIME, "no moment is known at which the certificate has to be valid")
    problems: list[str] = []
    late: list[str] = []
    signed: dict[bytes, bool] = {}  # by the issuer's key: renewed authorities often keep theirs
    for authority in authorities:
        chains, problem = _chains_or_problem(authority, purpose)
        problems += [problem] if problem else []
        for chain in chains:
            above = chain[0]
            if above.subject != leaf.issuer:
                continue
            if above.spki not in signed:
                # Those who stamp are few, and do so again and again; those who sign code are new each time.
                issued = _issued_stamper if purpose is Purpose.TIME_STAMPING else is_issued
                signed[above.spki] = issued(leaf, above)
            if not signed[above.spki]:
                continue
            wrong = _out_of_time((leaf, *chain), authority.valid, times)
            if not wrong:
                return Path(chain=chain, until=_until((leaf, *chain), authority.valid))
            late.append(wrong)
    if late:
        raise Refused(Reason.CERTIFICATE_EXPIRED, late[0])
    issuer = shown_name(leaf.issuer)
    told = f"{issuer!r} is trusted, but did not sign it" if signed else f"{issuer!r} is no trusted authority"
    raise _untrusted("; ".join((f"the issuer of the certificate: {told}", *problems))[:300])


def chains_of(authority: Authority, purpose: Purpose) -> tuple[Chain, ...]:
    """Return every chain of `authority` below which leaves may be: from an issuing certificate to the root.

    The root is the certificate that is issued by itself, else the last one. Certificates that are no authorities (a
    time stamp authority's own) are left out.

    Raises:
        Refused: `certificate-untrusted`: the authority cannot be used; says why.
    """
    known = _read(authority)
    roots = [each for each in known if each.subject == each.issuer and _why_no_authority(each, purpose) == ""]
    if len(roots) > 1:
        raise _untrusted(f"an authority with {len(roots)} roots, expected one")
    root = roots[0] if roots else known[-1]
    if wrong := _why_no_authority(root, purpose):
        raise _untrusted(f"the root {root.name!r} {wrong}")
    if root.subject == root.issuer and not is_issued(root, root):
        raise _untrusted(f"the root {root.name!r} is not signed by itself")
    found: list[Chain] = [(root,)]
    for chain in found:  # grows while it is walked
        found += [(each, *chain) for each in known if _fits(each, chain, purpose)]
        if len(found) > _MAX_CHAINS:
            raise _untrusted(f"an authority of more than {_MAX_CHAINS} chains")
    return tuple(found)


def check_leaf(leaf: Certificate, purpose: Purpose) -> None:
    """Check that a certificate is made for `purpose` and is no authority.

    A time stamp authority's purpose has to be critical and the only one (RFC 3161, section 2.3).

    Raises:
        Refused: `certificate-invalid`.
    """
    wrong = _not_understood(leaf)
    constraints = leaf.value(x509.BasicConstraints)
    usage = leaf.value(x509.KeyUsage)
    purposes = leaf.extension(x509.ExtendedKeyUsage)
    if constraints is not None and constraints.ca:
        wrong = "is an authority, expected a certificate that signs itself"
    elif not _may_sign(usage, purpose):
        wrong = "is not for digital signatures (key usage)"
    elif purposes is None or purpose.value not in purposes.value:
        wrong = f"is not for {_called(purpose)} (extended key usage)"
    elif purpose is Purpose.TIME_STAMPING and (not purposes.critical or len(purposes.value) != 1):
        wrong = f"is not, critically, for {_called(purpose)} alone (extended key usage)"
    if wrong:
        raise Refused(Reason.CERTIFICATE_INVALID, f"the certificate of {leaf.name!r} {wrong}")


def _called(purpose: Purpose) -> str:
    return purpose.name.lower().replace("_", " ")


def _may_sign(usage: x509.KeyUsage | None, purpose: Purpose) -> bool:
    if purpose is Purpose.TIME_STAMPING:
        return usage is None or usage.digital_signature or usage.content_commitment
    return usage is not None and usage.digital_signature and not usage.key_cert_sign


@lru_cache(maxsize=256)
def _chains_or_problem(authority: Authority, purpose: Purpose) -> tuple[tuple[Chain, ...], str]:
    try:
        return chains_of(authority, purpose), ""
    except Refused as error:
        return (), error.detail


def _read(authority: Authority) -> Chain:
    given = tuple(dict.fromkeys(authority.certificates))
    if not 1 <= len(given) <= MAX_CHAIN:
        raise _untrusted(f"an authority of {len(given)} certificates, expected 1 to {MAX_CHAIN}")
    try:
        return tuple(map(authority_certificate, given))
    except Refused as error:
        raise _untrusted(f"a certificate of an authority: {error.detail}") from error


def _fits(candidate: Certificate, chain: Chain, purpose: Purpose) -> bool:
    """Say whether `candidate` is an authority that `chain[0]` issued and that the chain's limits leave room for."""
    if candidate in chain or len(chain) >= _MAX_DEPTH or _why_no_authority(candidate, purpose):
        return False
    for below, each in enumerate(chain, start=1):  # so many authorities stand below `each` with this one
        limit = each.value(x509.BasicConstraints)
        if limit is None or (limit.path_length is not None and limit.path_length < below):
            return False
    return is_issued(candidate, chain[0])


def _why_no_authority(each: Certificate, purpose: Purpose) -> str:
    """Return why a certificate may not issue others for `purpose`; empty where it may."""
    constraints = each.value(x509.BasicConstraints)
    usage = each.value(x509.KeyUsage)
    purposes = each.value(x509.ExtendedKeyUsage)
    if constraints is None or not constraints.ca:
        return "is no authority (basic constraints)"
    if usage is not None and not usage.key_cert_sign:
        return "is not for signing certificates (key usage)"
    # An authority with purposes issues for these only: what Go's library demands, and so the tools.
    if purposes is not None and purpose.value not in purposes and _ANY_PURPOSE not in purposes:
        return f"is not for {_called(purpose)} (extended key usage)"
    if _NAME_CONSTRAINTS in each.extensions:
        return "limits the names below it (name constraints), which is not supported"
    return _not_understood(each)


def _not_understood(each: Certificate) -> str:
    for oid, extension in each.extensions.items():
        if extension.critical and oid not in _UNDERSTOOD:
            return f"has a critical extension {oid[:60]} that is not understood"
    return ""


_issued_stamper = lru_cache(maxsize=64)(is_issued)


def _out_of_time(chain: Chain, valid: Period, times: Sequence[datetime]) -> str:
    """Return which certificate is not valid at which time; empty where all are at all."""
    for moment in times:
        for each in chain:
            if not each.not_before <= moment <= each.not_after:
                window = f"{each.not_before.isoformat()} to {each.not_after.isoformat()}"
                return f"the certificate of {each.name!r} is valid {window}, signed at {moment.isoformat()}"
        if not valid.holds(moment):
            start, end = (each.isoformat() if each else "ever" for each in (valid.start, valid.end))
            return f"the authority {chain[-1].name!r} is trusted {start} to {end}, signed at {moment.isoformat()}"
    return ""


def _until(chain: Chain, valid: Period) -> datetime:
    ends = [each.not_after for each in chain]
    return min((*ends, valid.end) if valid.end else ends)


def _untrusted(detail: str) -> Refused:
    return Refused(Reason.CERTIFICATE_UNTRUSTED, detail)
