"""What is allowed to be written and still looks like a mistake."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from preverify.model.anchors import Action, KeyAnchor, NotationAnchor
from preverify.model.reference import is_repository_path
from preverify.model.verdicts import Mode
from preverify.policy.lint.glob_relations import covers, meet
from preverify.policy.lint.of_exceptions import about_exceptions
from preverify.policy.lint.of_rules import about_identity, about_rules
from preverify.policy.lint.remarks import Level, Lint
from preverify.policy.lint.remarks import remark as _remark_on
from preverify.policy.policies import Policy, PolicySet, canonical_json
from preverify.policy.signers import Signer

__all__ = ["Level", "Lint", "lint"]

_SHORT = timedelta(minutes=10)


def lint(policy_set: PolicySet, *, now: datetime) -> tuple[Lint, ...]:
    """Return all remarks about a set, policies first. Exceptions are compared with the time."""
    remarks = [each for policy in policy_set.policies for each in (*_about_policy(policy), *about_rules(policy))]
    remarks += _about_set(policy_set)
    remarks += _about_signers(policy_set)
    remarks += about_exceptions(policy_set, now)
    return tuple(remarks)


def _about_policy(policy: Policy) -> Iterator[Lint]:
    for pattern in policy.images:
        host, _, path = pattern.partition("/")
        if "*" in host:
            detail = f"{pattern!r} matches images of any registry, also of those that you do not know"
            yield _remark("catch-all-images", Level.WARNING, policy, detail)
        elif not pattern.startswith("oci:/") and not _can_match(host, path):
            yield _remark("matches-nothing", Level.WARNING, policy, f"no repository name can match {pattern!r}")
    hidden = [p for p in policy.images if any(covers(out, p) for out in policy.exclude)]
    if hidden:
        detail = f"{', '.join(map(repr, hidden))} is excluded by the policy itself"
        yield _remark("matches-nothing", Level.WARNING, policy, detail)
    covered = [p for p in policy.images if p != "**" and "**" in policy.images]
    if covered:
        yield _remark("glob-without-effect", Level.NOTE, policy, f"'**' covers {', '.join(map(repr, covered))} already")
    if policy.valid_for < _SHORT:
        detail = f"validFor of {int(policy.valid_for.total_seconds())} s makes every image be looked at that often"
        yield _remark("short-validity", Level.NOTE, policy, detail)
    for rule in policy.rules:
        named = {
            (s.name, s.anchor.key.id) for by in rule.quorums for s in by.signers if isinstance(s.anchor, KeyAnchor)
        }
        if len({key for _, key in named}) < len(named):
            detail = f"rule {rule.name!r} names one key under several names; it counts once"
            yield _remark("same-key-in-rule", Level.WARNING, policy, detail)


def _can_match(host: str, path: str) -> bool:
    sample = path.replace("**", "a").replace("*", "a")
    if host == "docker.io" and "/" not in path and "**" not in path:
        return False  # names there have at least two components: library/nginx
    return is_repository_path(sample)


def _about_set(policy_set: PolicySet) -> Iterator[Lint]:
    if not policy_set.policies:
        yield Lint(
            code="no-policies", level=Level.WARNING, about="", detail="there is no policy, every image is denied"
        )
    elif all(p.mode is not Mode.ENFORCE for p in policy_set.policies):
        detail = "no policy has mode enforce: every image that one matches is admitted"
        yield Lint(code="nothing-enforced", level=Level.WARNING, about="", detail=detail)
    yield from _unmatched(policy_set)
    first: dict[bytes, str] = {}
    for policy in policy_set.policies:
        twin = first.setdefault(_demands(policy), policy.name)
        if twin != policy.name:
            detail = f"demands exactly what {twin!r} demands, of the same images"
            yield _remark("duplicate-policy", Level.NOTE, policy, detail)


def _unmatched(policy_set: PolicySet) -> Iterator[Lint]:
    """Remark on what a policy excludes to no effect, or so that no policy is about it: then it is denied."""
    for policy in policy_set.policies:
        others = [glob for other in policy_set.policies if other is not policy for glob in other.images]
        for out in policy.exclude:
            if not any(meet(out, glob) for glob in policy.images):
                yield _remark(
                    "exclude-without-effect", Level.NOTE, policy, f"no image that it is about matches {out!r}"
                )
            elif not any(meet(out, glob) for glob in others):
                detail = (
                    f"no other policy is about {out!r}: what is excluded there is denied, as what no policy matches"
                )
                yield _remark("excluded-and-denied", Level.NOTE, policy, detail)


def _demands(policy: Policy) -> bytes:
    return canonical_json({key: value for key, value in policy.canonical().items() if key != "name"})


def _about_signers(policy_set: PolicySet) -> Iterator[Lint]:
    used = {s.name for p in policy_set.policies for s in p.signers}
    by_key: dict[str, list[str]] = {}
    for signer in policy_set.signers:
        if isinstance(signer.anchor, KeyAnchor):
            by_key.setdefault(signer.anchor.key.id, []).append(signer.name)
        yield from _about_notation(signer)
        yield from about_identity(signer)
        if signer.name not in used:
            yield Lint(code="unused-signer", level=Level.NOTE, about=signer.name, detail="no rule names this signer")
    for names in by_key.values():
        if len(names) > 1:
            detail = f"{', '.join(names[1:])} hold the same key; together they count as one signer"
            yield Lint(code="same-key", level=Level.WARNING, about=names[0], detail=detail)


def _about_notation(signer: Signer) -> Iterator[Lint]:
    """Remark on trust policies that verify less than they could."""
    for statement in signer.anchor.statements if isinstance(signer.anchor, NotationAnchor) else ():
        scope = ", ".join(statement.scopes)[:120]
        if statement.skip:
            detail = (
                f"its trust policy skips verification for {scope}: unsigned images pass there, and nothing is published"
            )
            yield Lint(code="skips-verification", level=Level.WARNING, about=signer.name, detail=detail)
        elif Action.LOG in (statement.authenticity, statement.authentic_timestamp, statement.expiry):
            detail = f"its trust policy only logs failed checks for {scope}; nothing is published where one failed"
            yield Lint(code="only-logged", level=Level.NOTE, about=signer.name, detail=detail)


def _remark(code: str, level: Level, policy: Policy, detail: str) -> Lint:
    return _remark_on(code, level, policy.name, detail)
