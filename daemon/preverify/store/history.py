"""Everything seen and decided, as a port."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, exists, func, select, tuple_

from preverify.model.contents import Content
from preverify.model.digest import Digest
from preverify.model.evidence import Gathered
from preverify.model.findings import Finding
from preverify.model.reference import Repository, Subject
from preverify.model.tags import Tags
from preverify.model.verdicts import Verdict
from preverify.ports import Clock, KnownSubject, Past, Recording, Stored
from preverify.store import contents, readings, record, tags
from preverify.store import tables as t
from preverify.store.bodies import Bodies
from preverify.store.codecs import digests_of, filled, finding_of, keys_of, subject_key, subject_of, unpack, verdict_of
from preverify.store.engine import reading, writing
from preverify.store.sql import AnyRow, chunks, matches

_PAGE = 500
_VERDICT = [
    t.verdict.c[name]
    for name in (
        "id",
        "registry",
        "repository",
        "digest",
        "policy",
        "policy_digest",
        "trust_epoch",
        "outcome",
        "rules",
        "decided_at",
    )
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlHistory:
    """`ports.History` on the database."""

    engine: Engine
    bodies: Bodies
    clock: Clock
    tenant: str

    def record(self, recordings: Sequence[Recording], *, now: datetime) -> None:
        """Store all recordings in one transaction.

        Raises:
            BadInput: what is recorded contradicts itself or a rule of the database; nothing is stored.
            Unavailable: the database did not take it; nothing is stored.
        """
        if not recordings:
            return
        batch = record.prepare(recordings, self.bodies)
        with writing(self.engine) as connection:
            record.store(connection, batch, clock=self.clock, now=now)

    # --- tags ---------------------------------------------------------------------------------------------------------

    def observe_tag(
        self, source: str, repository: Repository, tag: str, digest: Digest | None, *, now: datetime
    ) -> bool:
        """Note what a tag names now (None: the tag is gone); True when that is a move."""
        with writing(self.engine) as connection:
            return tags.observe(connection, [(self.tenant, source, repository, tag, digest, now)]) > 0

    def known_tags(self, source: str, repository: Repository) -> Mapping[str, Digest]:  # noqa: ARG002
        """Return what each live tag named when last observed, under whatever name the source was configured then."""
        c = t.tag.c
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(c.tag, c.digest).where(
                    c.tenant == self.tenant,
                    c.registry == repository.registry,
                    c.repository == repository.path,
                    c.digest.is_not(None),
                )
            )
            return {name: Digest.parse(digest) for name, digest in rows}

    def tags_of(
        self,
        subject: Subject,
        *,
        at: datetime | None = None,
        seen: Sequence[str] = (),
        seen_at: datetime | None = None,
    ) -> Tags:
        """Return what is known of the tags that name a subject now, or named it at a moment."""
        with reading(self.engine) as connection:
            moves = tags.moves_of(connection, self.tenant, subject, seen, at)
        return tags.facts(moves, subject.digest, seen, seen_at or self.clock.now())

    # --- subjects -----------------------------------------------------------------------------------------------------

    def subjects(
        self, *, source: str | None = None, repository: Repository | None = None, tagged: bool = False
    ) -> Iterator[KnownSubject]:
        """Yield subjects in the order of their keys, in pages: no transaction is held while the caller works."""
        c = t.subject.c
        conditions: list[ColumnElement[bool]] = [c.tenant == self.tenant]
        if source is not None:
            conditions.append(c.source == source)
        if repository is not None:
            conditions += [c.registry == repository.registry, c.repository == repository.path]
        if tagged:
            conditions.append(exists().where(*(t.tag.c[name] == c[name] for name in t.SUBJECT)))
        after: tuple[str, str, str] | None = None
        while True:
            where = [*conditions]
            if after is not None:
                where.append(tuple_(c.registry, c.repository, c.digest) > after)
            with reading(self.engine) as connection:
                rows = connection.execute(_known(where).order_by(c.registry, c.repository, c.digest).limit(_PAGE)).all()
                page = self._known_values(connection, rows)
            yield from page
            if len(rows) < _PAGE:
                return
            after = (rows[-1].registry, rows[-1].repository, rows[-1].digest)

    def find(self, digest: Digest) -> tuple[KnownSubject, ...]:
        """Return every subject with this digest."""
        c = t.subject.c
        with reading(self.engine) as connection:
            rows = connection.execute(
                _known([c.tenant == self.tenant, c.digest == str(digest)]).order_by(c.registry, c.repository)
            ).all()
            return self._known_values(connection, rows)

    def _known_values(self, connection: Connection, rows: Sequence[AnyRow]) -> tuple[KnownSubject, ...]:
        named: dict[tuple[str, str, str], list[str]] = {}
        c = t.tag.c
        columns = [c.tenant, c.registry, c.repository, c.digest]
        for part in chunks([(self.tenant, r.registry, r.repository, r.digest) for r in rows]):
            for row in connection.execute(select(*columns, c.tag).where(matches(columns, part))):
                named.setdefault((row.registry, row.repository, row.digest), []).append(row.tag)
        children = self._gathered_children(connection, rows)
        return tuple(
            KnownSubject(
                source=row.source,
                subject=subject_of(row),
                media_type=row.media_type,
                fingerprint=row.fingerprint,
                tags=tuple(sorted(named.get((row.registry, row.repository, row.digest), ()))),
                due_at=row.due_at,
                children=children.get((row.registry, row.repository, row.digest), ()),
            )
            for row in rows
        )

    def _gathered_children(
        self, connection: Connection, rows: Sequence[AnyRow]
    ) -> Mapping[tuple[str, str, str], tuple[Digest, ...]]:
        """Return the children whose evidence was read with that of these subjects, each once."""
        e = t.edge.c
        columns = [e[name] for name in t.SUBJECT]
        found: dict[tuple[str, str, str], dict[Digest, None]] = {}
        for part in chunks([(self.tenant, r.registry, r.repository, r.digest) for r in rows]):
            where = (matches(columns, part), e.gathered == 1)
            for row in connection.execute(select(*columns, e.child).where(*where).order_by(e.position)):
                found.setdefault((row.registry, row.repository, row.digest), {})[Digest.parse(row.child)] = None
        return {key: tuple(children) for key, children in found.items()}

    def parents(self, subject: Subject) -> Mapping[Digest, bool]:
        """Return the indexes of the repository that name this digest as a child, and whether they read its evidence."""
        e = t.edge.c
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(e.digest, func.max(e.gathered))
                .where(
                    e.tenant == self.tenant,
                    e.registry == subject.repository.registry,
                    e.repository == subject.repository.path,
                    e.child == str(subject.digest),
                )
                .group_by(e.digest)
                .order_by(e.digest)
                .limit(_PAGE)
            ).all()
        return {Digest.parse(digest): bool(gathered) for digest, gathered in rows}

    # --- evidence and findings ----------------------------------------------------------------------------------------

    def gathered(self, subject: Subject) -> Gathered | None:
        """Rebuild the last gathering of a subject, every byte checked against its digest.

        Stored evidence that is lost or was tampered with is `unobtained`: undecided, never passed, and gathered again.
        None when never gathered, or when the subject's own manifest is lost.
        """
        key = subject_key(self.tenant, subject)
        s, g = t.subject.c, t.gathering.c
        with reading(self.engine) as connection:
            row = connection.execute(
                select(g.document, g.requests)
                .select_from(t.subject.join(t.gathering, (s.tenant == g.tenant) & (s.gathering == g.id)))
                .where(*(s[name] == value for name, value in key.items()))
            ).one_or_none()
            if row is None:
                return None
            bare = unpack(row.document)
            bodies = self.bodies.load(connection, self.tenant, digests_of(bare))
        if subject.digest not in bodies:
            return None
        return replace(filled(bare, bodies), requests=row.requests)

    def findings(self, subject: Subject) -> tuple[Finding, ...]:
        """Return the stored findings of a subject, in the order of its evidence."""
        s, f = t.subject.c, t.finding.c
        key = subject_key(self.tenant, subject)
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(t.finding)
                .select_from(t.subject.join(t.finding, (s.tenant == f.tenant) & (s.findings == f.id)))
                .where(*(s[name] == value for name, value in key.items()))
                .order_by(f.position)
            )
            return tuple(finding_of(row) for row in rows)

    def stored(self, subjects: Sequence[Subject], *, configs: bool = False) -> Mapping[Subject, Stored]:
        """Return what was last concluded of many subjects, without the bytes that it was concluded from."""
        return readings.stored(self.engine, self.bodies, self.tenant, subjects, configs=configs)

    def contents(self, names: Iterable[str]) -> Mapping[str, Content]:
        """Return what long documents say, by the digest of their statement."""
        with reading(self.engine) as connection:
            return contents.load(connection, self.tenant, names)

    def naming(self, packages: Iterable[str]) -> tuple[tuple[str, Subject], ...]:
        """Return the subjects one of whose documents names something that these keys look up, each with its source."""
        with reading(self.engine) as connection:
            return tuple(contents.naming(connection, self.tenant, packages))

    # --- verdicts -----------------------------------------------------------------------------------------------------

    def current(self, subject: Subject) -> tuple[Verdict, ...]:
        """Return the current verdicts of a subject, with their times as renewed."""
        return self.current_of((subject,)).get(subject, ())

    def current_of(self, subjects: Sequence[Subject]) -> Mapping[Subject, tuple[Verdict, ...]]:
        """Return the current verdicts of many subjects; those without any are left out."""
        v, c = t.verdict.c, t.current_verdict.c
        found: dict[Subject, list[Verdict]] = {}
        with reading(self.engine) as connection:
            for part in chunks(subjects):
                rows = connection.execute(
                    select(*_VERDICT, c.valid_until, c.due_at)
                    .select_from(t.current_verdict.join(t.verdict, (v.tenant == c.tenant) & (v.id == c.verdict_id)))
                    .where(matches([c[name] for name in t.SUBJECT], keys_of(self.tenant, part)))
                    .order_by(c.policy, c.policy_digest)
                )
                for verdict in map(verdict_of, rows):
                    found.setdefault(verdict.subject, []).append(verdict)
        return {subject: tuple(verdicts) for subject, verdicts in found.items()}

    def verdicts(self, ids: Sequence[str]) -> tuple[Verdict, ...]:
        """Return verdict rows as they were decided, in the order asked; unknown ids are left out."""
        v = t.verdict.c
        found: dict[str, Verdict] = {}
        with reading(self.engine) as connection:
            for part in chunks(ids):
                rows = connection.execute(
                    select(*_VERDICT, v.valid_until, v.due_at).where(v.tenant == self.tenant, v.id.in_(part))
                )
                found.update((row.id, verdict_of(row)) for row in rows)
        return tuple(found[i] for i in ids if i in found)

    def past(self, verdict_ids: Sequence[str]) -> Mapping[str, Past]:
        """Return verdicts as they were decided, with what they rest on, bytes included."""
        return readings.past(self.engine, self.bodies, self.tenant, verdict_ids)

    def decided_before(self, subjects: Sequence[Subject], at: datetime) -> Mapping[Subject, str]:
        """Return for each subject the id of the last verdict of that moment."""
        return readings.decided_before(self.engine, self.tenant, subjects, at)


def _known(conditions: Sequence[ColumnElement[bool]]) -> Any:
    s, c = t.subject.c, t.current_verdict.c
    due_at = (
        select(func.min(c.due_at))
        .where(*(c[name] == s[name] for name in t.SUBJECT))
        .correlate(t.subject)
        .scalar_subquery()
        .label("due_at")
    )
    return select(s.registry, s.repository, s.digest, s.source, s.media_type, s.fingerprint, due_at).where(*conditions)
