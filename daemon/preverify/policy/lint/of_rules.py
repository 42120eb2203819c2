"""Remarks on what rules demand: what can never hold, what has no effect, what somebody could get around."""

import re
from collections.abc import Iterator

from preverify.model.verdicts import Mode
from preverify.policy.lint.glob_relations import covers, meet
from preverify.policy.lint.implications import contradicts, implies, needs_signed
from preverify.policy.lint.remarks import Level, Lint, remark
from preverify.policy.policies import Policy
from preverify.policy.rules import Rule
from preverify.policy.rules.attestation import AttestedBy
from preverify.policy.rules.combined import Not, Several
from preverify.policy.rules.repositories import ComesFrom
from preverify.policy.rules.signature import SignedBy
from preverify.policy.rules.tags import Tagged
from preverify.policy.signers import KeylessIdentity, Signer

_ANYTHING = r"(?:\.|\\S|\[\^[^\]]{1,8}\])[*+]"
_LEADING = re.compile(rf"\(*(?:\?:)?{_ANYTHING}")
_TRAILING = re.compile(rf"{_ANYTHING}\)*")
_OPEN_HOST = re.compile(r"https?://[^/(\[]*?(?<!\\)\.[A-Za-z0-9]")


def about_rules(policy: Policy) -> Iterator[Lint]:
    """Yield the remarks on a policy's rules."""
    counted = [rule for rule in policy.rules if rule.mode is Mode.ENFORCE]
    if policy.mode is Mode.ENFORCE and not any(needs_signed(rule) for rule in counted):
        detail = "no rule demands anything that somebody signed: whoever can push an image can satisfy it"
        yield remark("nothing-signed", Level.WARNING, policy.name, detail)
    for rule in policy.rules:
        yield from _about_rule(policy, rule, f"rule {rule.name!r}")
    for i, rule in enumerate(counted):
        for other in counted[i + 1 :]:
            if policy.platforms_of(rule.name) == policy.platforms_of(other.name):
                yield from _about_both(policy, rule, other)


def _about_both(policy: Policy, rule: Rule, other: Rule) -> Iterator[Lint]:
    if contradicts(rule, other):
        detail = f"rules {rule.name!r} and {other.name!r} can never hold together"
        yield remark("can-never-pass", Level.WARNING, policy.name, detail)
    for narrow, wide in ((rule, other), (other, rule)):
        if implies(narrow, wide):
            detail = f"rule {wide.name!r} holds wherever {narrow.name!r} does, which is demanded as well"
            yield remark("rule-without-effect", Level.NOTE, policy.name, detail)
            return


def _about_rule(policy: Policy, rule: Rule, place: str) -> Iterator[Lint]:
    if isinstance(rule, Several):
        for each in rule.of:
            yield from _about_rule(policy, each, f"{place}, {each.name!r}")
        yield from _about_parts(policy, rule, place)
    elif isinstance(rule, Not):
        yield from _about_rule(policy, rule.of, f"{place}, {rule.of.name!r}")
        if _only_who(rule.of):
            detail = f"{place} can never hold: that somebody did not sign cannot be shown"
            yield remark("can-never-pass", Level.WARNING, policy.name, detail)
        elif rule.of.quorums:
            detail = f"{place} is about what is not signed: whoever can take evidence away makes it less likely to fail"
            yield remark("not-over-signatures", Level.WARNING, policy.name, detail)
    elif isinstance(rule, Tagged | ComesFrom) and (reason := _never(policy, rule)):
        yield remark("can-never-pass", Level.WARNING, policy.name, f"{place} can never hold: {reason}")


def _only_who(rule: Rule) -> bool:
    """Say whether a rule demands nothing of evidence but whose it is and of what type."""
    if isinstance(rule, SignedBy):
        return not rule.annotations
    return isinstance(rule, AttestedBy) and not (rule.provenance or rule.summary or rule.predicate)


def _about_parts(policy: Policy, rule: Several, place: str) -> Iterator[Lint]:
    pairs = [(one, other) for i, one in enumerate(rule.of) for other in rule.of[i + 1 :]]
    if rule.needed == len(rule.of):
        for one, other in pairs:
            if contradicts(one, other):
                detail = f"{place}: {one.name!r} and {other.name!r} can never hold together"
                yield remark("can-never-pass", Level.WARNING, policy.name, detail)
    for one, other in pairs:
        narrow, wide = (one, other) if implies(one, other) else (other, one)
        if not implies(narrow, wide):
            continue
        if rule.needed == 1:
            detail = f"{place}: {narrow.name!r} changes nothing, {wide.name!r} holds wherever it does"
            yield remark("alternative-without-effect", Level.NOTE, policy.name, detail)
        else:
            detail = f"{place} counts both {narrow.name!r} and {wide.name!r}, which holds wherever the other one does"
            yield remark("counted-twice", Level.WARNING, policy.name, detail)


def _never(policy: Policy, rule: Tagged | ComesFrom) -> str:
    """Say why a rule about names can never hold; empty where it can."""
    if rule.allow and all(any(covers(deny, allow) for deny in rule.deny) for allow in rule.allow):
        return "everything that is allowed is denied"
    if not isinstance(rule, ComesFrom):
        return ""
    if all(any(covers(deny, image) for deny in rule.deny) for image in policy.images):
        return "every image of the policy is denied"
    if rule.allow and not any(meet(allow, image) for allow in rule.allow for image in policy.images):
        return "no image of the policy is allowed"
    return ""


def about_identity(signer: Signer) -> Iterator[Lint]:
    """Yield the remarks on a signer's patterns. They match whole values, so that open ends are meant, or a mistake."""
    identity = signer.identity
    if not isinstance(identity, KeylessIdentity):
        return
    for what, text in (("issuerPattern", identity.issuer_pattern), ("subjectPattern", identity.subject_pattern)):
        if not text:
            continue
        if _LEADING.match(text):
            detail = f"{what} {text[:80]!r} begins with anything: say whose"
            yield remark("open-pattern", Level.WARNING, signer.name, detail)
        elif what == "issuerPattern" and _ends_open(text):
            detail = f"{what} {text[:80]!r} ends with anything: an issuer is named whole"
            yield remark("open-pattern", Level.WARNING, signer.name, detail)
        elif _ends_open(text) and "@" not in text:
            detail = f"{what} {text[:80]!r} ends with anything: any workflow or account below it may sign"
            yield remark("open-pattern", Level.NOTE, signer.name, detail)
        if _OPEN_HOST.match(text):
            detail = rf"{what} {text[:80]!r} has a '.' in the host that stands for any character; write \."
            yield remark("unescaped-dot", Level.NOTE, signer.name, detail)


def _ends_open(text: str) -> bool:
    ends = [match.end() for match in _TRAILING.finditer(text)]
    return bool(ends) and ends[-1] == len(text)
