"""What a trust is made of, piece by piece: who, from when, until when. For people, and for alerts before it ends."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from cryptography import x509

from preverify.model.trust import Authority, Log, SigstoreRoot, Store, Trust
from preverify.policy.trust_documents import RootRequest
from preverify.settings import Trust as TrustSettings
from preverify.trust.roots import Roots

Figure = tuple[str, tuple[str, ...], float]
"""Name of a metric, values of its labels, the figure."""


class Kind(StrEnum):
    """What a piece of trust is."""

    AUTHORITY = "authority"
    LOG = "log"
    CT_LOG = "ct-log"
    TIMESTAMP_AUTHORITY = "timestamp-authority"
    CERTIFICATE = "certificate"  # of a Notation store


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One piece of trust.

    Attributes:
        of: Name of its root, or `kind:name` of its store.
        trust_id: Id of that root or store.
        id: As findings name it: `ca:`, `tsa:` (SHA-256 of the root certificate), `log:`, `ct:` (the log's id).
        name: For people: subject or origin.
        start: From when it counts; None: from ever.
        end: Until when it counts, by its period and by its certificates; None: for ever.
    """

    of: str
    trust_id: str
    kind: Kind
    id: str
    name: str
    start: datetime | None
    end: datetime | None


def parts(trust: Trust) -> tuple[Part, ...]:
    """Return every piece of a trust, roots first, in the order of their documents."""
    return (
        *(part for root in trust.roots for part in _of_root(root)),
        *(part for store in trust.stores for part in _of_store(store)),
    )


def trust_expiry(trust: Trust, now: datetime) -> tuple[tuple[str, str, datetime], ...]:
    """Return when trust ends: name of the root or store, kind of its parts, moment. What has no end is left out.

    Parts of a root succeed one another, so the last one counts. Certificates of a store stand side by side, so the
    first one that is still to end does (where all have ended: the last).
    """
    ends: dict[tuple[str, str], list[datetime | None]] = {}
    for part in parts(trust):
        ends.setdefault((part.of, part.kind.value), []).append(part.end)
    found = []
    for (name, kind), moments in ends.items():
        known = [each for each in moments if each is not None]
        if kind == Kind.CERTIFICATE:
            found.append((name, kind, min((each for each in known if each > now), default=max(known))))
        elif len(known) == len(moments):
            found.append((name, kind, max(known)))
    return tuple(found)


def figures(
    trust: Trust, requests: Iterable[RootRequest], roots: Roots, settings: TrustSettings, now: datetime
) -> Iterator[Figure]:
    """Yield what metrics say of the trust in force. A root that was never fetched has the figure 0."""
    for name, kind, until in trust_expiry(trust, now):
        yield "trust_expiry_timestamp_seconds", (name, kind), until.timestamp()
    for request in requests:
        kept = roots.kept_or_none(request)
        yield "trust_refreshed_timestamp_seconds", (request.name,), 0.0 if kept is None else kept.fetched_at.timestamp()
        if kept is not None:
            yield "trust_metadata_expiry_timestamp_seconds", (request.name,), kept.expires.timestamp()
        if not settings.offline:
            yield "trust_refresh_interval_seconds", (request.name,), settings.refresh.total_seconds()


def _of_root(root: SigstoreRoot) -> Iterator[Part]:
    for authority in root.authorities:
        yield _authority(root, Kind.AUTHORITY, "ca", authority)
    for log in root.logs:
        yield _log(root, Kind.LOG, "log", log)
    for log in root.ct_logs:
        yield _log(root, Kind.CT_LOG, "ct", log)
    for authority in root.timestamp_authorities:
        yield _authority(root, Kind.TIMESTAMP_AUTHORITY, "tsa", authority)


def _authority(root: SigstoreRoot, kind: Kind, prefix: str, authority: Authority) -> Part:
    chain = [x509.load_der_x509_certificate(each) for each in authority.certificates]
    ends = [each.not_valid_after_utc for each in chain]
    if authority.valid.end is not None:
        ends.append(authority.valid.end)
    return Part(
        of=root.name,
        trust_id=root.id,
        kind=kind,
        id=f"{prefix}:{sha256(authority.certificates[-1]).hexdigest()}",
        name=_subject(chain[0]),
        start=authority.valid.start or chain[0].not_valid_before_utc,
        end=min(ends),
    )


def _log(root: SigstoreRoot, kind: Kind, prefix: str, log: Log) -> Part:
    return Part(
        of=root.name,
        trust_id=root.id,
        kind=kind,
        id=f"{prefix}:{log.id.hex()}",
        name=log.origin,
        start=log.valid.start,
        end=log.valid.end,
    )


def _of_store(store: Store) -> Iterator[Part]:
    for der in store.certificates:
        certificate = x509.load_der_x509_certificate(der)
        yield Part(
            of=f"{store.kind}:{store.name}",
            trust_id=store.id,
            kind=Kind.CERTIFICATE,
            id=f"{'tsa' if store.kind == 'tsa' else 'ca'}:{sha256(der).hexdigest()}",
            name=_subject(certificate),
            start=certificate.not_valid_before_utc,
            end=certificate.not_valid_after_utc,
        )


def _subject(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:120]
