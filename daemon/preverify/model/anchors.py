"""Anchors: how evidence has to be vouched for, without whom it has to name. Policies make them, `verify` applies them.

A finding is established under one anchor. Whether the identity that it then names is the wanted one is for the policy
to say, from the finding alone: so a change of identities needs no evidence, and one log check serves many signers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from hashlib import sha256
from typing import Any

import rfc8785

from preverify.model.keys import TrustedKey


class Log(StrEnum):
    """What is demanded of a transparency log."""

    NONE = "none"  # entries are not looked at: they neither help nor harm
    REQUIRED = "required"  # at least one entry of a trusted log that describes exactly this signature


class Stamps(StrEnum):
    """What RFC 3161 time stamps are to an anchor."""

    NONE = "none"  # not looked at
    ACCEPTED = "accepted"  # a source of trusted time where they are there; one that is there has to hold
    REQUIRED = "required"  # at least one, by a trusted authority


@dataclass(frozen=True, kw_only=True)
class KeyAnchor:
    """A key that signs. `root` is the id of a `SigstoreRoot`, empty where neither log nor time stamps are looked at."""

    key: TrustedKey
    log: Log = Log.NONE
    stamps: Stamps = Stamps.NONE
    root: str = ""

    @cached_property
    def id(self) -> str:
        """Return the key's id; with demands on log and stamps, those are part of it."""
        if self.log is Log.NONE and self.stamps is Stamps.NONE:
            return self.key.id
        return f"{self.key.id}+{_digest([self.log.value, self.stamps.value, self.root])}"

    @property
    def trusts(self) -> tuple[str, ...]:
        """Return the ids of roots and stores that this rests on."""
        return (self.root,) if self.root else ()


@dataclass(frozen=True, kw_only=True)
class KeylessAnchor:
    """Short-lived (or own) certificates of the authorities of one root. `root` is the id of a `SigstoreRoot`."""

    root: str
    log: Log = Log.REQUIRED
    stamps: Stamps = Stamps.ACCEPTED
    sct: bool = True
    """Whether the certificate must carry a signed certificate timestamp of a trusted log."""

    @cached_property
    def id(self) -> str:
        """Return `keyless:` and a digest over everything that is demanded."""
        return "keyless:" + _digest([self.root, self.log.value, self.stamps.value, self.sct])

    @property
    def trusts(self) -> tuple[str, ...]:
        """Return the ids of roots and stores that this rests on."""
        return (self.root,)


class Action(StrEnum):
    """What a failed Notation check does."""

    ENFORCE = "enforce"
    LOG = "log"  # the finding holds, and says that it is degraded
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class NotationStatement:
    """One statement of a trust policy.

    Attributes:
        scopes: `registry/repository` names, or `*` alone.
        skip: The level `skip`: nothing is verified in this scope.
        stores: Ids of `Store` values of kinds `ca`, `signingAuthority` and `tsa`.
        identities: `*` alone, or distinguished names, each as pairs of (attribute type, value) that the leaf's subject
            must contain.
        after_expiry_only: `verifyTimestamp: afterCertExpiry`.

    Spec:
        Notary Project, trust store and trust policy, "Trust Policy".
    """

    name: str
    scopes: tuple[str, ...] = ("*",)
    skip: bool = False
    authenticity: Action = Action.ENFORCE
    authentic_timestamp: Action = Action.ENFORCE
    expiry: Action = Action.ENFORCE
    revocation: Action = Action.ENFORCE
    after_expiry_only: bool = False
    stores: tuple[str, ...] = ()
    identities: tuple[tuple[tuple[str, str], ...], ...] | None = None
    """None: any (`*`)."""

    def canonical(self) -> list[Any]:
        """Return the statement as digests see it."""
        return [
            self.name,
            list(self.scopes),
            self.skip,
            [each.value for each in (self.authenticity, self.authentic_timestamp, self.expiry, self.revocation)],
            self.after_expiry_only,
            list(self.stores),
            None if self.identities is None else [[list(pair) for pair in each] for each in self.identities],
        ]

    @classmethod
    def from_canonical(cls, form: list[Any]) -> "NotationStatement":
        """Rebuild a statement. Raises TypeError or ValueError for anything else than such a form."""
        name, scopes, skip, actions, after, stores, identities = form
        authenticity, stamp, expiry, revocation = map(Action, actions)
        return cls(
            name=name,
            scopes=tuple(scopes),
            skip=bool(skip),
            authenticity=authenticity,
            authentic_timestamp=stamp,
            expiry=expiry,
            revocation=revocation,
            after_expiry_only=bool(after),
            stores=tuple(stores),
            identities=None if identities is None else tuple(tuple((k, v) for k, v in each) for each in identities),
        )


@dataclass(frozen=True, kw_only=True)
class NotationAnchor:
    """A Notation trust policy: the statement for a repository says what is demanded there."""

    statements: tuple[NotationStatement, ...]

    @cached_property
    def id(self) -> str:
        """Return `notation:` and a digest over everything that is demanded."""
        return "notation:" + _digest([each.canonical() for each in self.statements])

    @property
    def trusts(self) -> tuple[str, ...]:
        """Return the ids of roots and stores that this rests on."""
        return tuple(dict.fromkeys(store for each in self.statements for store in each.stores))

    def statement_for(self, repository: str) -> NotationStatement | None:
        """Return the statement whose scope names `registry/repository`, else the one for `*`, else None."""
        exact = next((each for each in self.statements if repository in each.scopes), None)
        return exact or next((each for each in self.statements if each.scopes == ("*",)), None)


Anchor = KeyAnchor | KeylessAnchor | NotationAnchor
AnchorsById = Mapping[str, Anchor]


def _digest(value: Any) -> str:
    return sha256(rfc8785.dumps(value)).hexdigest()
