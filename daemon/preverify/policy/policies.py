"""Compiled policies: what decides. Every value here has one canonical form, and digests are over that form."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Self, TypeVar

import rfc8785

from preverify.model import globs, strict_json
from preverify.model.anchors import Anchor
from preverify.model.errors import BadConfiguration, BadInput, MalformedEvidence
from preverify.model.needs import Need
from preverify.model.platforms import THE_INDEX, Platforms
from preverify.model.reference import Repository
from preverify.model.trust import Trust, epoch_of
from preverify.model.verdicts import Mode
from preverify.policy.exceptions import PolicyException
from preverify.policy.quorum import Signer
from preverify.policy.rules import RULES, Rule
from preverify.policy.signers import rebuilt as rebuilt_signer

API_VERSION = "preverify/v1"
_MAX_DOCUMENT = 64 << 20
_MEMO = 4096
_NO_TRUST = Trust()
_K = TypeVar("_K")
_V = TypeVar("_V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A named set of demands on the images that its globs match.

    Attributes:
        digest: `policyDigest`, over the canonical form with the signers' key bytes and identities. Roots and stores
            take part by name: what they hold is the trust epoch's matter.
        images: Globs over `registry/path`; tags do not take part.
        exclude: Globs over the same: what one of them matches is not what the policy is about.
        namespaces: Globs over namespaces; empty: the policy holds everywhere and belongs to the default profile.
        platforms: Whose evidence counts for rules that do not say otherwise: the index's or that of its children.
        valid_for: How long a passed verdict holds for lookups.
        own_platforms: What rules say otherwise, by their names, in the order of the rules.
        exceptions: By name: what passes for a while though it does not hold.
        trust: The roots and stores that the signers' anchors refer to.
    """

    name: str
    digest: str
    images: tuple[str, ...]
    namespaces: tuple[str, ...]
    mode: Mode
    platforms: Platforms
    valid_for: timedelta
    rules: tuple[Rule, ...]
    exclude: tuple[str, ...] = ()
    own_platforms: tuple[tuple[str, Platforms], ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    trust: Trust = field(default_factory=Trust, compare=False, repr=False)

    def matches(self, repository: Repository) -> bool:
        """Say whether the policy is about images of `repository`, named as its source names it."""
        name = str(repository)
        return globs.matches_any(self.images, name) and not globs.matches_any(self.exclude, name)

    def holds_in(self, namespace: str | None) -> bool:
        """Say whether the policy applies in a namespace (None: asked outside of any)."""
        if not self.namespaces:
            return True
        return namespace is not None and globs.matches_any(self.namespaces, namespace)

    @property
    def signers(self) -> tuple[Signer, ...]:
        """Return the signers that the rules name, by name."""
        named = {s.name: s for rule in self.rules for by in rule.quorums for s in by.signers}
        return tuple(named[name] for name in sorted(named))

    @property
    def anchors(self) -> tuple[Anchor, ...]:
        """Return the anchors of the signers, each once."""
        return tuple({signer.anchor.id: signer.anchor for signer in self.signers}.values())

    def platforms_of(self, rule: str) -> Platforms:
        """Return whose evidence counts for a rule."""
        return dict(self.own_platforms).get(rule, self.platforms) if self.own_platforms else self.platforms

    @property
    def needs(self) -> frozenset[Need]:
        """Return what the rules have to see beside signatures and the facts of attestations."""
        return frozenset(need for rule in self.rules for need in rule.needs)

    @property
    def gathers(self) -> Platforms:
        """Return which children have to be looked at beside the deployed digest itself."""
        return _together(self.platforms_of(rule.name) for rule in self.rules)

    def vouches_for(self, platforms: Sequence[str]) -> bool:
        """Say whether a passed verdict on an index speaks for its child that stands there for `platforms`.

        Where rules name platforms, the verdict has not looked at the others.
        """
        counted = [self.platforms_of(rule.name) for rule in self.rules if rule.mode is Mode.ENFORCE]
        return all(any(demanded.covers(each) for each in platforms) for demanded in counted)

    def exceptions_ending(self, names: Collection[str]) -> tuple[datetime, ...]:
        """Return when the exceptions of these names end."""
        return tuple(each.expires for each in self.exceptions if each.name in names)

    @property
    def trust_epoch(self) -> str:
        """Return the id of the trust that verdicts of this policy rest on beyond the keys that it names."""
        return epoch_of(each for anchor in self.anchors for each in anchor.trusts)

    def canonical(self) -> dict[str, Any]:
        """Return the form that `digest` is over."""
        form: dict[str, Any] = {
            "name": self.name,
            "images": list(self.images),
            "namespaces": list(self.namespaces),
            "mode": self.mode.value,
            "platforms": self.platforms.canonical(),
            "validForSeconds": int(self.valid_for.total_seconds()),
            "signers": {s.name: s.canonical(self.trust.names()) for s in self.signers},
            "require": [self._canonical_rule(rule) for rule in self.rules],
        }
        if self.exclude:
            form["exclude"] = list(self.exclude)
        if self.exceptions:
            form["exceptions"] = [each.canonical() for each in self.exceptions]
        return form

    def _canonical_rule(self, rule: Rule) -> dict[str, Any]:
        form: dict[str, Any] = {"name": rule.name, "mode": rule.mode.value, rule.KIND: rule.canonical()}
        own = self.platforms_of(rule.name)
        return form if own == self.platforms else form | {"platforms": own.canonical()}


def compiled(
    *,
    name: str,
    images: tuple[str, ...],
    namespaces: tuple[str, ...],
    mode: Mode,
    platforms: Platforms,
    valid_for: timedelta,
    rules: tuple[Rule, ...],
    trust: Trust,
    own_platforms: Mapping[str, Platforms],
    exclude: tuple[str, ...] = (),
    exceptions: Iterable[PolicyException] = (),
) -> Policy:
    """Build a policy with its digest. The order of globs means nothing; that of rules only orders reasons."""
    named = tuple((r.name, own) for r in rules if (own := own_platforms.get(r.name, platforms)) != platforms)
    parts: dict[str, Any] = {
        "name": name,
        "images": tuple(sorted(set(images))),
        "exclude": tuple(sorted(set(exclude))),
        "namespaces": tuple(sorted(set(namespaces))),
        "mode": mode,
        "platforms": platforms,
        "valid_for": valid_for,
        "rules": rules,
        "own_platforms": named,
        "exceptions": _by_name(exceptions),
        "trust": trust,
    }
    return _named_by_content(Policy(digest="", **parts))


def excepting(policy: Policy, exceptions: Iterable[PolicyException]) -> Policy:
    """Return a policy with exceptions: another policy, with a digest of its own."""
    return _named_by_content(replace(policy, exceptions=_by_name(exceptions)))


def _by_name(exceptions: Iterable[PolicyException]) -> tuple[PolicyException, ...]:
    return tuple(sorted(exceptions, key=lambda each: each.name))


def _named_by_content(draft: Policy) -> Policy:
    return replace(draft, digest=_digest(canonical_json(draft.canonical())))


def canonical_json(value: Any) -> bytes:
    """Write a value in its one canonical form (RFC 8785)."""
    return rfc8785.dumps(value)


def _together(platforms: Iterable[Platforms]) -> Platforms:
    whole = THE_INDEX
    for each in platforms:
        whole |= each
    return whole


def _digest(data: bytes) -> str:
    return "sha256:" + sha256(data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySet:
    """All loaded policies: what a generation holds.

    Attributes:
        policies: By name.
        signers: Every signer of the documents, used or not; a set rebuilt from its canonical document knows only those
            that are used. They take no part in equality.
        document: Canonical JSON of all policies and of the trust that they use.
        digest: Of `document`.
        profile_digest: Of the default profile: the names and digests of all policies without namespaces.
        anchors: Of all policies, each once.
        trust: The roots and stores that the anchors refer to.
    """

    policies: tuple[Policy, ...]
    signers: tuple[Signer, ...] = field(compare=False)
    document: bytes
    digest: str
    profile_digest: str
    anchors: tuple[Anchor, ...]
    trust: Trust
    _applying: dict[tuple[Repository, str | None], tuple[Policy, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _matching: dict[Repository, tuple[Policy, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, policies: Mapping[str, Policy], signers: Mapping[str, Signer], trust: Trust = _NO_TRUST) -> Self:
        """Build a set from policies and signers by name, and the trust that their anchors refer to."""
        ordered = tuple(policies[name] for name in sorted(policies))
        anchors = {anchor.id: anchor for p in ordered for anchor in p.anchors}
        used = trust.only(each for anchor in anchors.values() for each in anchor.trusts)
        form: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": "PolicySet",
            "policies": [p.canonical() for p in ordered],
        }
        if used.roots or used.stores:
            form["trust"] = used.canonical()
        document = canonical_json(form)
        profile = {"profile": "default", "policies": {p.name: p.digest for p in ordered if not p.namespaces}}
        return cls(
            policies=ordered,
            signers=tuple(signers[name] for name in sorted(signers)),
            document=document,
            digest=_digest(document),
            profile_digest=_digest(canonical_json(profile)),
            anchors=tuple(anchors[name] for name in sorted(anchors)),
            trust=used,
        )

    @classmethod
    def from_document(cls, document: bytes) -> Self:
        """Rebuild a set from its canonical document.

        Raises:
            BadConfiguration: not a document of this form, or not in canonical form.
        """
        try:
            value: Any = strict_json.parse(document, max_bytes=_MAX_DOCUMENT)
            trust = Trust.from_canonical(value["trust"]) if "trust" in value else Trust()
            rebuilt = [_rebuilt(policy, trust) for policy in value["policies"]]
        except (MalformedEvidence, BadInput, KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadConfiguration(f"not a policy set of this version: {error}", where="stored policy set") from error
        signers = {s.name: s for p in rebuilt for s in p.signers}
        whole = cls.of({p.name: p for p in rebuilt}, signers, trust)
        if whole.document != document:  # also another apiVersion or kind, or a key that this version does not know
            raise BadConfiguration("is not in this version's canonical form", where="stored policy set")
        return whole

    def named(self, name: str) -> Policy | None:
        """Return the policy called `name`."""
        return next((p for p in self.policies if p.name == name), None)

    @property
    def exceptions(self) -> tuple[tuple[PolicyException, tuple[str, ...]], ...]:
        """Return every exception once, by name, with the names of the policies that it is about."""
        found: dict[str, PolicyException] = {}
        about: dict[str, list[str]] = {}
        for policy in self.policies:
            for each in policy.exceptions:
                found[each.name] = each
                about.setdefault(each.name, []).append(policy.name)
        return tuple((found[name], tuple(about[name])) for name in sorted(found))

    def matching(self, repository: Repository) -> tuple[Policy, ...]:
        """Return the policies about images of `repository`, whatever the namespace."""
        found = self._matching.get(repository)
        if found is None:
            found = tuple(p for p in self.policies if p.matches(repository))
            _remember(self._matching, repository, found)
        return found

    def applying(self, repository: Repository, namespace: str | None) -> tuple[Policy, ...]:
        """Return the policies that apply to `repository` in `namespace` (None: only those without namespaces)."""
        found = self._applying.get((repository, namespace))
        if found is None:
            found = tuple(p for p in self.matching(repository) if p.holds_in(namespace))
            _remember(self._applying, (repository, namespace), found)
        return found

    def gathers(self, repository: Repository) -> Platforms:
        """Return which children of an index in `repository` some policy has to know about."""
        return _together(policy.gathers for policy in self.matching(repository))

    def needs(self, repository: Repository) -> frozenset[Need]:
        """Return what some policy about `repository` has to see beside signatures and facts."""
        return frozenset(need for policy in self.matching(repository) for need in policy.needs)

    def profile(self, repository: Repository) -> tuple[Policy, ...]:
        """Return the default profile's enforcing policies about `repository`: all must pass before we publish."""
        return tuple(p for p in self.applying(repository, None) if p.mode is Mode.ENFORCE)


def _remember(memo: dict[_K, _V], key: _K, value: _V) -> None:
    if len(memo) >= _MEMO:  # names come from callers: what is remembered of them is bounded
        memo.clear()
    memo[key] = value


def _rebuilt(form: Mapping[str, Any], trust: Trust) -> Policy:
    signers = {name: rebuilt_signer(name, s, trust) for name, s in form["signers"].items()}
    return compiled(
        name=form["name"],
        images=tuple(globs.check(pattern) for pattern in form["images"]),
        exclude=tuple(globs.check(pattern) for pattern in form.get("exclude", ())),
        namespaces=tuple(globs.check(pattern) for pattern in form["namespaces"]),
        mode=Mode(form["mode"]),
        platforms=Platforms.of(form["platforms"]),
        valid_for=timedelta(seconds=form["validForSeconds"]),
        rules=tuple(_rebuilt_rule(rule, signers) for rule in form["require"]),
        own_platforms={r["name"]: Platforms.of(r["platforms"]) for r in form["require"] if "platforms" in r},
        exceptions=[PolicyException.from_canonical(each) for each in form.get("exceptions", ())],
        trust=trust,
    )


def _rebuilt_rule(form: Mapping[str, Any], signers: Mapping[str, Signer]) -> Rule:
    (kind,) = form.keys() - {"name", "mode", "platforms"}
    return RULES[kind].from_canonical(form["name"], Mode(form["mode"]), form[kind], signers)
