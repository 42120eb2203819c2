"""What was concluded, many subjects at a time: what simulations and new generations are decided over."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, func, select

from preverify.model.digest import Digest
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reference import Subject
from preverify.ports import Past, Stored
from preverify.store import tables as t
from preverify.store.bodies import Bodies
from preverify.store.codecs import (
    configs_of,
    digests_of,
    filled,
    finding_of,
    keys_of,
    subject_of,
    unpack,
    verdict_of,
    with_configs,
)
from preverify.store.columns import decode
from preverify.store.engine import reading
from preverify.store.sql import chunks, matches


def stored(
    engine: Engine, bodies: Bodies, tenant: str, subjects: Sequence[Subject], *, configs: bool
) -> Mapping[Subject, Stored]:
    """Return what was last concluded of subjects; those without findings are left out.

    Args:
        engine: The database.
        bodies: Where configurations lie.
        tenant: Whose.
        subjects: Any number; they are asked for in pages.
        configs: With the configurations of images, checked against their digests; a lost one is `unobtained`.
    """
    found: dict[Subject, Stored] = {}
    s, g = t.subject.c, t.gathering.c
    columns = [s[name] for name in t.SUBJECT]
    with reading(engine) as connection:
        for part in chunks(subjects):
            rows = connection.execute(
                select(s.registry, s.repository, s.digest, s.source, s.findings, g.document)
                .select_from(t.subject.join(t.gathering, (s.tenant == g.tenant) & (s.gathering == g.id)))
                .where(matches(columns, keys_of(tenant, part)), s.findings.is_not(None))
            ).all()
            sets = _finding_sets(connection, tenant, [row.findings for row in rows])
            gatherings = _with_configs(connection, bodies, tenant, [unpack(row.document) for row in rows], configs)
            for row, gathered in zip(rows, gatherings, strict=True):
                findings, anchors = sets.get(row.findings, ((), None))
                found[subject_of(row)] = Stored(
                    source=row.source, gathered=gathered, findings=findings, anchors=anchors
                )
    return found


def past(engine: Engine, bodies: Bodies, tenant: str, verdict_ids: Sequence[str]) -> Mapping[str, Past]:
    """Return verdicts with the evidence and findings that they rest on; those that rest on none are left out."""
    found: dict[str, Past] = {}
    v, g = t.verdict.c, t.gathering.c
    with reading(engine) as connection:
        for part in chunks(verdict_ids):
            rows = connection.execute(
                select(t.verdict, g.document)
                .select_from(t.verdict.join(t.gathering, (v.tenant == g.tenant) & (v.gathering == g.id)))
                .where(v.tenant == tenant, v.id.in_(part), v.findings.is_not(None))
            ).all()
            sets = _finding_sets(connection, tenant, [row.findings for row in rows])
            for row in rows:
                bare = unpack(row.document)
                loaded = bodies.load(connection, tenant, digests_of(bare))
                findings, anchors = sets.get(row.findings, ((), None))
                stands = Stored(source=row.source, gathered=filled(bare, loaded), findings=findings, anchors=anchors)
                found[row.id] = Past(verdict=verdict_of(row), generation=row.generation, stored=stands)
    return found


def decided_before(engine: Engine, tenant: str, subjects: Sequence[Subject], at: datetime) -> Mapping[Subject, str]:
    """Return for each subject the id of its last verdict at a moment, whatever the policy."""
    found: dict[Subject, str] = {}
    v = t.verdict.c
    columns = [v[name] for name in t.SUBJECT]
    with reading(engine) as connection:
        for part in chunks(subjects):
            here = (matches(columns, keys_of(tenant, part)), v.decided_at <= at)
            last = select(*columns, func.max(v.decided_at).label("at")).where(*here).group_by(*columns).subquery()
            rows = connection.execute(
                select(v.registry, v.repository, v.digest, func.max(v.id).label("id"))
                .join(last, and_(v.decided_at == last.c.at, *(v[name] == last.c[name] for name in t.SUBJECT)))
                .group_by(v.registry, v.repository, v.digest)
            )
            found.update((subject_of(row), row.id) for row in rows)
    return found


def _finding_sets(
    connection: Connection, tenant: str, names: Sequence[str]
) -> dict[str, tuple[tuple[Finding, ...], frozenset[str] | None]]:
    """Return the findings of sets, each in order, and the anchors that each set was asked about."""
    f, s, a = t.finding.c, t.finding_set.c, t.anchor_set.c
    wanted = sorted(set(names))
    listed: dict[str, list[Finding]] = {}
    anchors: dict[str, frozenset[str]] = {}
    known: dict[str, frozenset[str]] = {}
    for part in chunks(wanted):
        for row in connection.execute(
            select(t.finding).where(f.tenant == tenant, f.id.in_(part)).order_by(f.id, f.position)
        ):
            listed.setdefault(row.id, []).append(finding_of(row))
        for row in connection.execute(
            select(s.id, s.anchor_set, a.anchors)
            .select_from(t.finding_set.join(t.anchor_set, (s.tenant == a.tenant) & (s.anchor_set == a.id)))
            .where(s.tenant == tenant, s.id.in_(part))
        ):
            if row.anchor_set not in known:
                known[row.anchor_set] = frozenset(decode(row.anchors, list[str]))
            anchors[row.id] = known[row.anchor_set]
    return {name: (tuple(listed.get(name, ())), anchors.get(name)) for name in wanted}


def _with_configs(
    connection: Connection, bodies: Bodies, tenant: str, gatherings: list[Gathered], wanted: bool
) -> list[Gathered]:
    if not wanted:
        return gatherings
    digests: list[Digest] = [digest for each in gatherings for digest in configs_of(each)]
    loaded = bodies.load(connection, tenant, digests)
    return [with_configs(each, loaded) for each in gatherings]
