"""Signers: identities that a policy trusts. Each is an anchor for `verify` and the identities that it accepts."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from preverify.model.anchors import (
    Anchor,
    KeyAnchor,
    KeylessAnchor,
    Log,
    NotationAnchor,
    NotationStatement,
    Stamps,
)
from preverify.model.findings import Finding, Step
from preverify.model.keys import TrustedKey
from preverify.model.reasons import Reason
from preverify.model.trust import Trust
from preverify.policy.patterns import pattern
from preverify.policy.shortfall import Shortfall

_Names = Mapping[str, str]  # ids of roots and stores -> the names that documents use


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIdentity:
    """A key, and when its signatures count."""

    valid_from: datetime | None = None
    valid_until: datetime | None = None
    revoked_at: datetime | None = None

    def shortfall(self, finding: Finding, now: datetime) -> Shortfall | None:
        """Return why a signature by the key does not count; None where it does.

        Trusted times of the signature are what counts. Without any, a signature may be of any age: then the key has to
        hold now, and a revoked key holds for nothing.
        """
        if self.revoked_at is None and self.valid_from is None and self.valid_until is None:
            return None
        times = tuple(time.at for time in finding.signing.times) if finding.signing is not None else ()
        when = "now" if not times else "when this was signed"
        for moment in times or (now,):
            at = f"{when} ({moment.isoformat()})"
            if self.revoked_at is not None and moment >= self.revoked_at:
                detail = f"the key is revoked as of {self.revoked_at.isoformat()}, which is not after {at}"
                return Shortfall(Reason.KEY_REVOKED, detail, Step.SIGNED)
            if self.valid_from is not None and moment < self.valid_from:
                detail = f"the key was not valid {at}, it is from {self.valid_from.isoformat()}"
                return Shortfall(Reason.KEY_EXPIRED, detail, Step.SIGNED)
            if self.valid_until is not None and moment > self.valid_until:
                detail = f"the key was not valid {at}, it was until {self.valid_until.isoformat()}"
                return Shortfall(Reason.KEY_EXPIRED, detail, Step.SIGNED)
        return None

    def until(self, finding: Finding) -> datetime | None:
        """Return until when a signature that counts goes on to count; None for always."""
        if finding.signing is not None and finding.signing.times:
            return None
        return self.end

    @property
    def end(self) -> datetime | None:
        """Return when the key stops to count; None for never."""
        return min((each for each in (self.valid_until, self.revoked_at) if each is not None), default=None)

    def canonical(self) -> dict[str, Any]:
        """Return the identity as the policy's digest sees it: what is not set does not stand."""
        named = {"validFrom": self.valid_from, "validUntil": self.valid_until, "revokedAt": self.revoked_at}
        return {name: each.isoformat() for name, each in named.items() if each is not None}

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> "KeyIdentity":
        """Rebuild an identity."""

        def moment(name: str) -> datetime | None:
            return datetime.fromisoformat(form[name]) if name in form else None

        return cls(valid_from=moment("validFrom"), valid_until=moment("validUntil"), revoked_at=moment("revokedAt"))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessIdentity:
    """An issuer and a subject, each exact or as a pattern over the whole value, and facts of the certificate."""

    issuer: str = ""
    issuer_pattern: str = ""
    subject: str = ""
    subject_pattern: str = ""
    extensions: tuple[tuple[str, str], ...] = ()

    def shortfall(self, finding: Finding, now: datetime) -> Shortfall | None:
        """Return why the identity of a finding is not this one; None where it is."""
        del now
        signing = finding.signing
        if signing is None:
            return Shortfall(Reason.IDENTITY_MISMATCH, "the evidence names no identity", Step.SIGNED)
        seen = f"signed by {signing.identity[:200]!r} (issuer {signing.issuer[:120]!r})"
        if not _is(signing.identity, self.subject, self.subject_pattern):
            detail = f"{seen}, expected {(self.subject or self.subject_pattern)[:200]!r}"
            return Shortfall(Reason.IDENTITY_MISMATCH, detail, Step.SIGNED)
        if not _is(signing.issuer, self.issuer, self.issuer_pattern):
            detail = f"{seen}, expected the issuer {(self.issuer or self.issuer_pattern)[:120]!r}"
            return Shortfall(Reason.ISSUER_MISMATCH, detail, Step.SIGNED)
        facts = dict(signing.extensions)
        for name, value in self.extensions:
            if facts.get(name) != value:
                detail = f"{seen} with {name} {facts.get(name, 'not set')[:120]!r}, expected {value[:120]!r}"
                return Shortfall(Reason.EXTENSION_MISMATCH, detail, Step.SIGNED)
        return None

    def until(self, finding: Finding) -> datetime | None:
        """Return None: what ends a certificate's signature is part of the finding."""
        del finding
        return None

    def canonical(self) -> dict[str, Any]:
        """Return the identity as the policy's digest sees it: what is not set does not stand."""
        named = {
            "issuer": self.issuer,
            "issuerPattern": self.issuer_pattern,
            "subject": self.subject,
            "subjectPattern": self.subject_pattern,
        }
        form: dict[str, Any] = {name: value for name, value in named.items() if value}
        return {**form, "extensions": dict(self.extensions)} if self.extensions else form

    @classmethod
    def from_canonical(cls, form: Mapping[str, Any]) -> "KeylessIdentity":
        """Rebuild an identity."""
        return cls(
            issuer=form.get("issuer", ""),
            issuer_pattern=form.get("issuerPattern", ""),
            subject=form.get("subject", ""),
            subject_pattern=form.get("subjectPattern", ""),
            extensions=tuple(sorted(form.get("extensions", {}).items())),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationIdentity:
    """Whoever the trust policy's statement accepts: its trusted identities are part of the anchor."""

    def shortfall(self, finding: Finding, now: datetime) -> Shortfall | None:
        """Return None: the anchor has said it all."""
        del finding, now
        return None

    def until(self, finding: Finding) -> datetime | None:
        """Return None: what ends a certificate's signature is part of the finding."""
        del finding
        return None


def _is(seen: str, exact: str, expression: str) -> bool:
    """Say whether a value is the wanted one. Neither form matches nothing at all."""
    if exact:
        return seen == exact
    return bool(expression) and bool(seen) and pattern(expression).matches(seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A named identity that a policy trusts."""

    name: str
    anchor: Anchor
    identity: KeyIdentity | KeylessIdentity | NotationIdentity = field(default_factory=KeyIdentity)

    def shortfall(self, finding: Finding, now: datetime) -> Shortfall | None:
        """Return why an established finding is not by this signer; None where it is."""
        if finding.anchor != self.anchor.id:
            return Shortfall(Reason.WRONG_KEY, f"not established under {self.name}", Step.PARSED)
        return self.identity.shortfall(finding, now)

    def skips(self, repository: str) -> bool:
        """Say whether the signer is a trust policy that verifies nothing for images of `registry/repository`."""
        if not isinstance(self.anchor, NotationAnchor):
            return False
        statement = self.anchor.statement_for(repository)
        return statement is not None and statement.skip

    def canonical(self, names: _Names) -> dict[str, Any]:
        """Return the signer as the policy's digest sees it: roots and stores by name, what is not set left out."""
        anchor = self.anchor
        if isinstance(anchor, KeyAnchor):
            form: dict[str, Any] = {
                "key": base64.b64encode(anchor.key.spki).decode(),
                "tlog": anchor.log.value,
                **({} if isinstance(self.identity, NotationIdentity) else self.identity.canonical()),
            }
            if anchor.stamps is not Stamps.NONE:
                form["timestamps"] = anchor.stamps.value
            return {**form, "trust": names[anchor.root]} if anchor.root else form
        if isinstance(anchor, KeylessAnchor):
            return {
                "keyless": {} if isinstance(self.identity, NotationIdentity) else self.identity.canonical(),
                "trust": names[anchor.root],
                "tlog": anchor.log.value,
                "timestamps": anchor.stamps.value,
                "sct": anchor.sct,
            }
        return {"notation": [_statement_form(each, names) for each in anchor.statements]}


def rebuilt(name: str, form: Mapping[str, Any], trust: Trust) -> Signer:
    """Rebuild a signer from its canonical form.

    Raises:
        KeyError, TypeError, ValueError: not such a form, or a root or store that `trust` does not have.
    """
    if "notation" in form:
        statements = tuple(_statement(each, trust) for each in form["notation"])
        return Signer(name=name, anchor=NotationAnchor(statements=statements), identity=NotationIdentity())
    root = _root_id(form["trust"], trust) if "trust" in form else ""
    log = Log(form["tlog"])
    if "keyless" in form:
        return Signer(
            name=name,
            anchor=KeylessAnchor(root=root, log=log, stamps=Stamps(form["timestamps"]), sct=bool(form["sct"])),
            identity=KeylessIdentity.from_canonical(form["keyless"]),
        )
    key = TrustedKey(base64.b64decode(form["key"], validate=True))
    stamps = Stamps(form.get("timestamps", "none"))
    return Signer(
        name=name,
        anchor=KeyAnchor(key=key, log=log, stamps=stamps, root=root),
        identity=KeyIdentity.from_canonical(form),
    )


def _statement_form(statement: NotationStatement, names: _Names) -> list[Any]:
    form = statement.canonical()
    return [*form[:5], [names[store] for store in statement.stores], form[6]]


def _statement(form: list[Any], trust: Trust) -> NotationStatement:
    stores = []
    for name in form[5]:
        kind, _, rest = name.partition(":")
        store = trust.store_named(kind, rest)
        if store is None:
            raise KeyError(name)
        stores.append(store.id)
    return NotationStatement.from_canonical([*form[:5], stores, form[6]])


def _root_id(name: str, trust: Trust) -> str:
    root = trust.root_named(name)
    if root is None:
        raise KeyError(name)
    return root.id
