"""Remarks on exceptions: too wide, over, about nothing."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from preverify.model.needs import Need
from preverify.policy.exceptions import PolicyException, State
from preverify.policy.lint.glob_relations import meet
from preverify.policy.lint.remarks import Level, Lint, remark
from preverify.policy.policies import Policy, PolicySet

SOON = timedelta(days=7)
_OF_SCANS = frozenset({Need.SCAN, Need.MATCHES})


def about_exceptions(policies: PolicySet, now: datetime) -> Iterator[Lint]:
    """Yield the remarks on all exceptions."""
    for exception, names in policies.exceptions:
        about = [policy for policy in policies.policies if policy.name in names]
        yield from _in_time(exception, now)
        yield from _breadth(exception)
        yield from _effect(exception, about)


def _in_time(exception: PolicyException, now: datetime) -> Iterator[Lint]:
    until = exception.expires.isoformat()
    if exception.state(now) is State.ENDED:
        detail = f"ended at {until}: mend what it was for, and remove it"
        yield remark("exception-ended", Level.WARNING, exception.name, detail)
    elif exception.expires <= now + SOON:
        yield remark(
            "exception-ending", Level.NOTE, exception.name, f"ends at {until}; {exception.owner} answers for it"
        )


def _breadth(exception: PolicyException) -> Iterator[Lint]:
    wide = [glob for glob in exception.images if "*" in glob.partition("/")[0]]
    if wide and not exception.digests:
        detail = f"{wide[0]!r} excepts images of any registry; name repositories or digests"
        yield remark("exception-too-broad", Level.WARNING, exception.name, detail)
    elif not exception.digests and not exception.rules and not exception.vulnerabilities:
        detail = "excepts every rule of its policies; name the rules that do not hold"
        yield remark("exception-of-all-rules", Level.NOTE, exception.name, detail)


def _effect(exception: PolicyException, policies: Sequence[Policy]) -> Iterator[Lint]:
    for policy in policies:
        rules = [rule for rule in policy.rules if not exception.rules or rule.name in exception.rules]
        if exception.images and not any(meet(one, other) for one in exception.images for other in policy.images):
            yield _none(exception, f"no image of policy {policy.name!r} matches it")
        elif not rules:
            yield _none(exception, f"policy {policy.name!r} has none of its rules")
        elif exception.vulnerabilities and not any(rule.needs & _OF_SCANS for rule in rules):
            yield _none(exception, f"no rule of policy {policy.name!r} that it names is about vulnerabilities")


def _none(exception: PolicyException, detail: str) -> Lint:
    return remark("exception-without-effect", Level.WARNING, exception.name, detail)
