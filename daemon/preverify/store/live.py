"""Which policies count now: those of the active and of the staged generation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from preverify.store import tables as t


@dataclass(frozen=True, slots=True)
class Live:
    """Digests and modes of live policies by tenant, and when the newest live generation came.

    A tenant without any generation is absent: then nothing is told apart.
    """

    modes: Mapping[str, Mapping[str, str]]  # tenant -> policy digest -> mode
    newest: Mapping[str, datetime]
    numbers: Mapping[str, int]  # of the newest live generation

    def counts(self, tenant: str, policy_digest: str) -> bool:
        """Say whether a verdict under this policy digest is current. A late look under retired policies is history."""
        return tenant not in self.modes or policy_digest in self.modes[tenant]

    def overtook(self, tenant: str, considered: int, decided_at: datetime | None) -> bool:
        """Say whether a generation came that a look did not consider, or (where that is not known) came after it."""
        if considered:
            return self.numbers.get(tenant, 0) > considered
        newest = self.newest.get(tenant)
        return newest is not None and decided_at is not None and newest > decided_at


def live_policies(connection: Connection, tenants: Sequence[str]) -> Live:
    """Read which policies are live."""
    g, p = t.policy_generation.c, t.generation_policy.c
    joined = t.policy_generation.outerjoin(t.generation_policy, (g.tenant == p.tenant) & (g.number == p.number))
    modes: dict[str, dict[str, str]] = {}
    newest: dict[str, datetime] = {}
    numbers: dict[str, int] = {}
    rows = connection.execute(
        select(g.tenant, g.number, g.created_at, p.policy_digest, p.mode)
        .select_from(joined)
        .where(g.tenant.in_(tenants), g.state.in_(("active", "staged")))
    )
    for tenant, number, created_at, policy_digest, mode in rows:
        numbers[tenant] = max(number, numbers.get(tenant, 0))
        mine = modes.setdefault(tenant, {})
        newest[tenant] = max(created_at, newest.get(tenant, created_at))
        if policy_digest is not None:
            mine[policy_digest] = mode
    return Live(modes, newest, numbers)
