"""What the timer does: keep roots fresh, say what came of it, and say whether policies are to be loaded anew."""

from collections.abc import Iterable

from preverify.policy.trust_documents import RootRequest
from preverify.ports import Observer
from preverify.trust.roots import Result, Roots


def refresh_due(roots: Roots, requests: Iterable[RootRequest], observer: Observer) -> tuple[str, ...]:
    """Refresh the roots that are due; returns the names of those that changed.

    A change becomes effective like an edit of a policy: the caller loads the policies anew, stages and activates them.
    """
    changed = []
    for outcome in roots.refresh_due(requests):
        observer.count("trust_refreshes_total", result=outcome.result.value)
        failed = outcome.result in {Result.REFUSED, Result.UNAVAILABLE}
        observer.event(
            "trust.refreshed",
            level="warning" if failed else "info",
            root=outcome.name,
            result=outcome.result.value,
            why=outcome.detail,
        )
        if outcome.result is Result.CHANGED:
            changed.append(outcome.name)
    return tuple(changed)
