"""What metrics say of exceptions."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from preverify.observe.collector import Figure
from preverify.policy.exceptions import State
from preverify.policy.policies import PolicySet


def exception_figures(policies: PolicySet, now: datetime) -> Iterator[Figure]:
    """Yield how many exceptions stand where in time, and when each ends. Those that have ended count until removed."""
    states = Counter(exception.state(now) for exception, _ in policies.exceptions)
    for state in State:
        yield "exceptions", (state.value,), float(states[state])
    for exception, _ in policies.exceptions:
        yield "exception_expiry_timestamp_seconds", (exception.name,), exception.expires.timestamp()
