"""What one batch of looks led to, in one transaction: all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Delete, Table, bindparam, delete, exists, insert, select, update

from preverify.model.digest import Digest
from preverify.model.errors import BadInput
from preverify.model.evidence import Gathered
from preverify.model.verdicts import Verdict
from preverify.ports import Clock, Job, JobKind, Recording
from preverify.store import contents
from preverify.store import tables as t
from preverify.store.bodies import Bodies
from preverify.store.changes import note_subjects
from preverify.store.codecs import Packed, finding_rows, findings_id, gathering_id, pack, subject_key
from preverify.store.columns import encode
from preverify.store.jobs import make_due
from preverify.store.live import Live, live_policies
from preverify.store.outbox import want_statements, withdraw_statements
from preverify.store.sql import chunks, insert_new, matches, upsert
from preverify.store.tags import Observation, observe

_TIME_PRIORITY = 50
_Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Prepared:
    """One recording with what can be computed and put on disk before the transaction begins."""

    recording: Recording
    key: dict[str, str]
    packed: Packed | None
    bodies: dict[str, tuple[int, bytes | None]] = field(default_factory=dict)
    findings: str | None = None

    @property
    def names(self) -> _Key:
        return self.key["tenant"], self.key["registry"], self.key["repository"], self.key["digest"]


def prepare(recordings: Sequence[Recording], bodies: Bodies) -> list[_Prepared]:
    """Check and pack recordings, and write large evidence to its files, before any lock is held.

    Raises:
        BadInput: evidence without its digest, verdicts about another subject or without an id.
    """
    prepared = []
    for recording in recordings:
        _check(recording)
        gathered = recording.gathered
        packed = None if gathered is None else pack(gathered)
        kept = (
            {} if packed is None else {str(d): (len(body), bodies.keep(body, d)) for d, body in packed.bodies.items()}
        )
        named = None if recording.findings is None else findings_id(recording.subject, recording.findings)
        prepared.append(_Prepared(recording, subject_key(recording.tenant, recording.subject), packed, kept, named))
    return prepared


def _check(recording: Recording) -> None:
    subject = recording.subject
    if recording.gathered is not None and recording.gathered.image.subject != subject:
        raise BadInput(f"evidence of {recording.gathered.image.subject} in a recording about {subject}")
    for verdict in recording.verdicts:
        if verdict.subject != subject or not verdict.id:
            raise BadInput(f"verdict {verdict.id or 'without an id'} about {verdict.subject} recorded about {subject}")


def store(connection: Connection, batch: Sequence[_Prepared], *, clock: Clock, now: datetime) -> None:
    """Write a prepared batch. The order of the tables is fixed, so that two writers never wait in a circle."""
    batch = _still_held(connection, batch)
    if not batch:
        return
    before = _present(connection, batch)
    batch = _not_overtaken(batch, before)
    if not batch:
        return
    _store_subjects(connection, batch, before, now)
    _store_evidence(connection, batch, before, now)
    observe(connection, [seen for p in batch for seen in _sightings(p.recording, now)])
    live = live_policies(connection, sorted({p.recording.tenant for p in batch}))
    _store_verdicts(connection, batch, before, live, now)
    _drop_unused(connection, batch, before)
    # Two looks at one subject may end in one batch. Only the later one speaks: were both verdict sets wanted, each
    # would drop the other as older, and neither would ever be signed.
    speaks = {p.names: p.recording for p in batch if p.recording.publish or p.recording.withdraw}.values()
    want_statements(connection, [r for r in speaks if r.publish], clock=clock, now=now)
    withdraw_statements(connection, [r for r in speaks if r.withdraw], now=now)
    note_subjects(connection, [p.names for p in batch if p.recording.verdicts or p.recording.renewals], now=now)
    make_due(connection, [job for p in batch for job in _jobs(p.recording, live, now)], now=now)


def _sightings(recording: Recording, now: datetime) -> list[Observation]:
    """Return what tags were seen to name: the subject itself, and the evidence beside it.

    They were seen when the subject was decided: decided again as of then, the verdict sees the same tags.
    """
    at = min((verdict.decided_at for verdict in recording.verdicts), default=now)
    named = [(tag, recording.subject.digest) for tag in recording.tags]
    if recording.gathered is not None:
        named += recording.gathered.tags
    repository = recording.subject.repository
    return [(recording.tenant, recording.source, repository, tag, digest, at) for tag, digest in named]


def _still_held(connection: Connection, batch: Sequence[_Prepared]) -> Sequence[_Prepared]:
    """Leave out what a worker brings whose lease somebody else has by now: an old look must not undo a newer one."""
    ids = {p.recording.lease[0] for p in batch if p.recording.lease is not None}
    if not ids:
        return batch
    c = t.job.c
    held = {(row.id, row.fence) for row in connection.execute(select(c.id, c.fence).where(c.id.in_(sorted(ids))))}
    return [p for p in batch if p.recording.lease is None or p.recording.lease in held]


def _not_overtaken(batch: Sequence[_Prepared], before: Mapping[_Key, "_Present"]) -> Sequence[_Prepared]:
    """Leave out what was concluded from a gathering that is not the subject's any more."""
    return [
        p
        for p in batch
        if p.recording.based_on is None
        or (p.names in before and before[p.names].gathering == gathering_id(p.recording.based_on))
    ]


# --- subjects and evidence --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Present:
    gathering: str | None
    findings: str | None


def _present(connection: Connection, batch: Sequence[_Prepared]) -> dict[_Key, _Present]:
    """Return what the subjects of the batch rest on so far."""
    found: dict[_Key, _Present] = {}
    c = t.subject.c
    columns = [c.tenant, c.registry, c.repository, c.digest]
    for part in chunks({p.names for p in batch}):
        for row in connection.execute(select(*columns, c.gathering, c.findings).where(matches(columns, part))):
            found[row.tenant, row.registry, row.repository, row.digest] = _Present(row.gathering, row.findings)
    return found


def _store_subjects(
    connection: Connection, batch: Sequence[_Prepared], before: dict[_Key, _Present], now: datetime
) -> None:
    repositories = {
        p.names[:3]: {
            "tenant": p.key["tenant"],
            "registry": p.key["registry"],
            "repository": p.key["repository"],
            "source": p.recording.source,
            "first_seen_at": now,
        }
        for p in batch
        if p.names not in before
    }
    insert_new(connection, t.repository, list(repositories.values()))
    new = [
        {
            **p.key,
            "source": p.recording.source,
            "media_type": "",
            "fingerprint": "",
            "gathering": None,
            "findings": None,
            "first_seen_at": now,
            "looked_at": now,
        }
        for p in batch
        if p.names not in before
    ]
    insert_new(connection, t.subject, new)


def _store_evidence(
    connection: Connection, batch: Sequence[_Prepared], before: dict[_Key, _Present], now: datetime
) -> None:
    bodies: dict[tuple[str, str], dict[str, Any]] = {}
    gatherings: dict[tuple[str, str], dict[str, Any]] = {}
    edges: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    looked: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for p in batch:
        gathered, stood = p.recording.gathered, before.get(p.names)
        tenant = p.key["tenant"]
        bind = {f"s_{name}": value for name, value in p.key.items()}
        if p.packed is not None and gathered is not None:
            looked.append(
                {
                    **bind,
                    "new_source": p.recording.source,
                    "new_media_type": gathered.image.media_type,
                    "new_fingerprint": gathered.fingerprint,
                    "new_gathering": p.packed.id,
                    "new_looked_at": now,
                }
            )
            gatherings[tenant, p.packed.id] = {
                **p.key,
                "id": p.packed.id,
                "document": p.packed.document,
                "requests": gathered.requests,
                "gathered_at": now,
            }
            if stood is None or stood.gathering != p.packed.id:
                for digest, (size, body) in p.bodies.items():
                    bodies[tenant, digest] = {
                        "tenant": tenant,
                        "digest": digest,
                        "size": size,
                        "body": body,
                        "stored_at": now,
                    }
                edges += _edge_rows(p.key, gathered)
        if p.findings is not None and p.recording.findings is not None:
            found.append({**bind, "new_findings": p.findings})
            if stood is None or stood.findings != p.findings:
                findings += finding_rows(p.key, p.findings, p.recording.findings)
    _store_readings(connection, batch)
    insert_new(connection, t.evidence, list(bodies.values()))
    upsert(connection, t.gathering, list(gatherings.values()), "requests", "gathered_at")
    insert_new(connection, t.finding, findings)
    upsert(connection, t.edge, edges, "child", "platform", "gathered")
    if looked:
        connection.execute(_LOOKED, looked)
    if found:
        connection.execute(_FOUND, found)


def _store_readings(connection: Connection, batch: Sequence[_Prepared]) -> None:
    """Keep what documents say and which anchors each set of findings was asked about, for decisions without bytes."""
    anchor_sets: dict[tuple[str, str], dict[str, Any]] = {}
    finding_sets: dict[tuple[str, str], dict[str, Any]] = {}
    for p in batch:
        tenant, recording = p.key["tenant"], p.recording
        contents.store(connection, tenant, recording.contents, recording.packages)
        if p.findings is not None:
            anchors = encode(sorted(recording.anchors))
            name = "a_" + Digest.of(anchors.encode()).hex
            anchor_sets[tenant, name] = {"tenant": tenant, "id": name, "anchors": anchors}
            finding_sets[tenant, p.findings] = {"tenant": tenant, "id": p.findings, "anchor_set": name}
    insert_new(connection, t.anchor_set, list(anchor_sets.values()))
    upsert(connection, t.finding_set, list(finding_sets.values()), "anchor_set")


def _edge_rows(key: dict[str, str], gathered: Gathered) -> list[dict[str, Any]]:
    image = gathered.image
    held = {child.image.subject.digest for child in gathered.children if child.held}
    entries = zip_longest(image.children, image.platforms)
    return [
        {**key, "position": n, "child": str(child), "platform": platform, "gathered": int(child in held)}
        for n, (child, platform) in enumerate(entries)
    ]


_THE_SUBJECT = tuple(
    t.subject.c[name] == bindparam(f"s_{name}") for name in ("tenant", "registry", "repository", "digest")
)
_LOOKED = (
    update(t.subject)
    .where(*_THE_SUBJECT)
    .values(
        {name: bindparam(f"new_{name}") for name in ("source", "media_type", "fingerprint", "gathering", "looked_at")}
    )
)
_FOUND = update(t.subject).where(*_THE_SUBJECT).values(findings=bindparam("new_findings"))


def _drop_unused(connection: Connection, batch: Sequence[_Prepared], before: dict[_Key, _Present]) -> None:
    """Forget what a subject rested on before, unless a verdict rests on it: past verdicts stay re-computable."""
    for what, statements in _DROP.items():
        replaced = _replaced(batch, before, what)
        for statement in statements if replaced else ():
            connection.execute(statement, replaced)


def _dropping(table: Table, column: str) -> Delete:
    return delete(table).where(
        table.c.tenant == bindparam("s_tenant"),
        table.c.id == bindparam("old"),
        *(
            ~exists().where(
                *(user.c[name] == bindparam(f"s_{name}") for name in t.SUBJECT), user.c[column] == bindparam("old")
            )
            for user in (t.verdict, t.subject)
        ),
    )


_DROP = {
    "gathering": (_dropping(t.gathering, "gathering"),),
    "findings": (_dropping(t.finding, "findings"), _dropping(t.finding_set, "findings")),
}


def _replaced(batch: Sequence[_Prepared], before: dict[_Key, _Present], what: str) -> list[dict[str, Any]]:
    rows = []
    for p in batch:
        stood = before.get(p.names)
        old = None if stood is None else (stood.gathering if what == "gathering" else stood.findings)
        new = (p.packed and p.packed.id) if what == "gathering" else p.findings
        if old is not None and new is not None and old != new:
            rows.append({**{f"s_{name}": value for name, value in p.key.items()}, "old": old})
    return rows


# --- verdicts ---------------------------------------------------------------------------------------------------------


def _store_verdicts(
    connection: Connection,
    batch: Sequence[_Prepared],
    before: dict[_Key, _Present],
    live: Live,
    now: datetime,
) -> None:
    epochs = {(p.key["tenant"], v.trust_epoch) for p in batch for v in p.recording.verdicts}
    insert_new(connection, t.trust_epoch, [{"tenant": a, "id": b, "first_seen_at": now} for a, b in epochs])
    rows = [_verdict_row(p, verdict, before.get(p.names)) for p in batch for verdict in p.recording.verdicts]
    if rows:
        connection.execute(insert(t.verdict), rows)
    current = {
        (*p.names, v.policy, v.policy_digest): {
            **p.key,
            "policy": v.policy,
            "policy_digest": v.policy_digest,
            "verdict_id": v.id,
            "valid_until": v.valid_until,
            "due_at": v.due_at,
        }
        for p in batch
        for v in p.recording.verdicts
        if live.counts(p.key["tenant"], v.policy_digest)
    }
    upsert(connection, t.current_verdict, list(current.values()), "verdict_id", "valid_until", "due_at")
    renewals = [
        {
            **{f"s_{name}": value for name, value in p.key.items()},
            "id": r.verdict_id,
            "until": r.valid_until,
            "due": r.due_at,
        }
        for p in batch
        for r in p.recording.renewals
    ]
    if renewals:
        connection.execute(_RENEWED, renewals)


_RENEWED = (
    update(t.current_verdict)
    .where(
        *(t.current_verdict.c[name] == bindparam(f"s_{name}") for name in t.SUBJECT),
        t.current_verdict.c.verdict_id == bindparam("id"),
    )
    .values(
        valid_until=bindparam("until", type_=t.current_verdict.c.valid_until.type),
        due_at=bindparam("due", type_=t.current_verdict.c.due_at.type),
    )
)


def _verdict_row(p: _Prepared, verdict: Verdict, stood: _Present | None) -> dict[str, Any]:
    return {
        **p.key,
        "id": verdict.id,
        "policy": verdict.policy,
        "policy_digest": verdict.policy_digest,
        "trust_epoch": verdict.trust_epoch,
        "outcome": verdict.outcome.value,
        "rules": encode(verdict.rules),
        "decided_at": verdict.decided_at,
        "valid_until": verdict.valid_until,
        "due_at": verdict.due_at,
        "gathering": p.packed.id if p.packed is not None else stood and stood.gathering,
        "findings": p.findings if p.findings is not None else stood and stood.findings,
        "generation": p.recording.generation,
        "cause": p.recording.cause,
        "source": p.recording.source,
    }


def _jobs(recording: Recording, live: Live, now: datetime) -> list[tuple[Job, datetime]]:
    """Return when the subject is to be looked at again: when time can change a verdict, or at once.

    At once: a generation came while the look was under way, so that its policies may not have been decided.
    """
    decided = [v.decided_at for v in recording.verdicts]
    moments = [at for at in (*(v.due_at for v in recording.verdicts), *(r.due_at for r in recording.renewals)) if at]
    overtaken = recording.cause != "policy" and live.overtook(
        recording.tenant, recording.considered, min(decided, default=None)
    )
    if not moments and not overtaken:
        return []
    run_at, cause = (now, "policy") if overtaken else (min(moments), "time")
    job = Job(
        tenant=recording.tenant,
        source=recording.source,
        kind=JobKind.SUBJECT,
        repository=recording.subject.repository.path,
        key=str(recording.subject.digest),
        cause=cause,
        priority=_TIME_PRIORITY,
    )
    return [(job, run_at)]
