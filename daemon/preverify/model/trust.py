"""Trust as values: roots, logs, authorities and certificate stores, each with one canonical form and an id over it."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

import rfc8785

KEYS_ONLY = "keys-only"
"""The trust epoch of verdicts that rest on nothing but the keys that their policy names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A span of time, inclusive at both ends; None is open."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Say whether `moment` lies in the span."""
        return (self.start is None or self.start <= moment) and (self.end is None or moment <= self.end)

    def canonical(self) -> list[str | None]:
        """Return the span as digests see it."""
        return [None if each is None else each.isoformat() for each in (self.start, self.end)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A transparency log or certificate transparency log that is trusted.

    Attributes:
        key: SubjectPublicKeyInfo (DER).
        id: The log's id as entries and SCTs name it: SHA-256 of `key`, or for Rekor v2 the signed note's full key hash.
        origin: First line of its checkpoints as far as it is known (host name of its address); empty: not compared.
        valid: When entries may have been made.
    """

    key: bytes
    id: bytes
    origin: str = ""
    valid: Period = Period()

    def canonical(self) -> list[Any]:
        """Return the log as digests see it."""
        return [_text(self.key), _text(self.id), self.origin, self.valid.canonical()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority or time stamp authority.

    Attributes:
        certificates: DER, from the issuing certificate (for a TSA: its leaf, where listed) to the root. Never empty.
        valid: When certificates or time stamps may have been issued.
        name: For people; it is not stored and takes no part in equality.
    """

    certificates: tuple[bytes, ...]
    valid: Period = Period()
    name: str = field(default="", compare=False)

    def canonical(self) -> list[Any]:
        """Return the authority as digests see it."""
        return [[_text(each) for each in self.certificates], self.valid.canonical()]


@dataclass(frozen=True, kw_only=True)
class SigstoreRoot:
    """One Sigstore instance: everything that may vouch for a keyless signature. Two roots are never pooled."""

    name: str
    authorities: tuple[Authority, ...] = ()
    logs: tuple[Log, ...] = ()
    ct_logs: tuple[Log, ...] = ()
    timestamp_authorities: tuple[Authority, ...] = ()

    @cached_property
    def id(self) -> str:
        """Return `root:` and the digest of what this root trusts; its name takes no part."""
        return "root:" + _digest(self._content())

    def _content(self) -> dict[str, Any]:
        return {
            "authorities": [each.canonical() for each in self.authorities],
            "logs": [each.canonical() for each in self.logs],
            "ctLogs": [each.canonical() for each in self.ct_logs],
            "timestampAuthorities": [each.canonical() for each in self.timestamp_authorities],
        }

    def canonical(self) -> dict[str, Any]:
        """Return the root as it is stored."""
        return {"name": self.name, **self._content()}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild a root. Raises KeyError, TypeError or ValueError for anything else than such a form."""
        return cls(
            name=form["name"],
            authorities=tuple(map(_authority, form["authorities"])),
            logs=tuple(map(_log, form["logs"])),
            ct_logs=tuple(map(_log, form["ctLogs"])),
            timestamp_authorities=tuple(map(_authority, form["timestampAuthorities"])),
        )


@dataclass(frozen=True, kw_only=True)
class Store:
    """A Notation trust store: `kind` is `ca`, `signingAuthority` or `tsa`.

    Spec:
        Notary Project, trust store and trust policy, "Trust Store".
    """

    kind: str
    name: str
    certificates: tuple[bytes, ...]

    @cached_property
    def id(self) -> str:
        """Return `store:` and the digest of kind and certificates."""
        return "store:" + _digest({"kind": self.kind, "certificates": sorted(map(_text, self.certificates))})

    def canonical(self) -> dict[str, Any]:
        """Return the store as it is kept."""
        return {"kind": self.kind, "name": self.name, "certificates": [_text(each) for each in self.certificates]}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild a store. Raises KeyError, TypeError or ValueError for anything else than such a form."""
        return cls(kind=form["kind"], name=form["name"], certificates=tuple(map(_bytes, form["certificates"])))


@dataclass(frozen=True, kw_only=True)
class Trust:
    """All roots and stores that a set of policies may name; anchors refer to them by `id`, so that sets never mix."""

    roots: tuple[SigstoreRoot, ...] = ()
    stores: tuple[Store, ...] = ()
    _roots: Mapping[str, SigstoreRoot] = field(init=False, repr=False, compare=False)
    _stores: Mapping[str, Store] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_roots", {each.id: each for each in self.roots})
        object.__setattr__(self, "_stores", {each.id: each for each in self.stores})

    def root(self, root_id: str) -> SigstoreRoot:
        """Return a root by its id; KeyError where it is not part of this trust."""
        return self._roots[root_id]

    def store(self, store_id: str) -> Store:
        """Return a store by its id; KeyError where it is not part of this trust."""
        return self._stores[store_id]

    def root_named(self, name: str) -> SigstoreRoot | None:
        """Return the root that documents call `name`."""
        return next((each for each in self.roots if each.name == name), None)

    def store_named(self, kind: str, name: str) -> Store | None:
        """Return the store that documents call `kind:name`."""
        return next((each for each in self.stores if (each.kind, each.name) == (kind, name)), None)

    def names(self) -> Mapping[str, str]:
        """Return how documents call each root and store, by id; of two names of one content, the first in order."""
        named = [(r.name, r.id) for r in self.roots] + [(f"{s.kind}:{s.name}", s.id) for s in self.stores]
        return {each: name for name, each in sorted(named, reverse=True)}

    def only(self, ids: Iterable[str]) -> "Trust":
        """Return the part with these ids, in a fixed order."""
        wanted = frozenset(ids)
        return Trust(
            roots=tuple(sorted((r for r in self.roots if r.id in wanted), key=lambda r: (r.name, r.id))),
            stores=tuple(sorted((s for s in self.stores if s.id in wanted), key=lambda s: (s.kind, s.name, s.id))),
        )

    def __or__(self, other: "Trust") -> "Trust":
        """Return both together, each root and store once."""
        return Trust(
            roots=tuple({r.id: r for r in (*self.roots, *other.roots)}.values()),
            stores=tuple({s.id: s for s in (*self.stores, *other.stores)}.values()),
        )

    def canonical(self) -> dict[str, Any]:
        """Return the trust as it is stored."""
        return {"roots": [r.canonical() for r in self.roots], "stores": [s.canonical() for s in self.stores]}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> Self:
        """Rebuild a trust. Raises KeyError, TypeError or ValueError for anything else than such a form."""
        return cls(
            roots=tuple(map(SigstoreRoot.from_canonical, form["roots"])),
            stores=tuple(map(Store.from_canonical, form["stores"])),
        )


def epoch_of(ids: Iterable[str]) -> str:
    """Return the trust epoch of what rests on these roots and stores: their ids are digests of what they trust."""
    used = sorted(set(ids))
    return "trust:" + _digest(used) if used else KEYS_ONLY


def _log(form: list[Any]) -> Log:
    key, log_id, origin, valid = form
    return Log(key=_bytes(key), id=_bytes(log_id), origin=str(origin), valid=_period(valid))


def _authority(form: list[Any]) -> Authority:
    certificates, valid = form
    return Authority(certificates=tuple(map(_bytes, certificates)), valid=_period(valid))


def _period(form: list[str | None]) -> Period:
    start, end = (None if each is None else datetime.fromisoformat(each) for each in form)
    return Period(start=start, end=end)


def _digest(value: Any) -> str:
    return sha256(rfc8785.dumps(value)).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
