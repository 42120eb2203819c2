"""The tables. Every key carries the tenant; UNIQUE, CHECK and triggers carry the invariants, not isolation levels."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from preverify.store.columns import Instant

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows itself only in a plain INTEGER


def _tenant(*, key: bool = True) -> Column[str]:
    return Column("tenant", Text, primary_key=key, nullable=False)


def _repository(*, key: bool = False, nullable: bool = False) -> tuple[Column[str], Column[str]]:
    return (
        Column("registry", Text, primary_key=key, nullable=nullable),
        Column("repository", Text, primary_key=key, nullable=nullable),
    )


def _subject(*, key: bool = False) -> tuple[Column[str], Column[str], Column[str]]:
    return (*_repository(key=key), Column("digest", Text, primary_key=key, nullable=False))


SUBJECT = ("tenant", "registry", "repository", "digest")
"""The columns by which every table names a subject."""

# --- what was seen ----------------------------------------------------------------------------------------------------

hint = Table(
    "hint",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("tag", Text),
    Column("digest", Text),
    Column("deleted", Boolean(create_constraint=True, name="deleted_bool"), nullable=False),
    Column("delivery", Text, nullable=False),
    Column("registry", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
    Index("ix_hint_received_at", "tenant", "received_at"),
)

repository = Table(
    "repository",
    metadata,
    _tenant(),
    *_repository(key=True),
    Column("source", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
)

tag = Table(
    "tag",
    metadata,
    _tenant(),
    *_repository(key=True),
    Column("tag", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("digest", Text),  # null: gone
    Column("moved_at", Instant, nullable=False),
    Column("observed_at", Instant, nullable=False),
    Index("ix_tag_digest", "tenant", "registry", "repository", "digest"),
)

tag_move = Table(
    "tag_move",
    metadata,
    Column("id", _Id, primary_key=True),
    _tenant(key=False),
    *_repository(),
    Column("tag", Text, nullable=False),
    Column("from_digest", Text),
    Column("to_digest", Text),
    Column("at", Instant, nullable=False),
    UniqueConstraint("tenant", "registry", "repository", "tag", "id"),
    CheckConstraint("coalesce(from_digest, '') <> coalesce(to_digest, '')", name="moves"),
    sqlite_autoincrement=True,
)

subject = Table(
    "subject",
    metadata,
    _tenant(),
    *_subject(key=True),
    Column("source", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("gathering", Text),  # the current one; null until gathered
    Column("findings", Text),  # the current set; null until verified
    Column("first_seen_at", Instant, nullable=False),
    Column("looked_at", Instant, nullable=False),
    Index("ix_subject_digest", "tenant", "digest"),
)

edge = Table(
    "edge",
    metadata,
    _tenant(),
    *_subject(key=True),
    Column("position", Integer, primary_key=True),
    Column("child", Text, nullable=False),
    Column("platform", Text),  # NULL: written before platforms were kept
    Column("gathered", Integer, nullable=False, server_default="0"),  # 1: its own evidence was read with the index's
    ForeignKeyConstraint(SUBJECT, [f"subject.{c}" for c in SUBJECT]),
    Index("ix_edge_child", "tenant", "registry", "repository", "child"),
)

evidence = Table(
    "evidence",
    metadata,
    _tenant(),
    Column("digest", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary),  # null: in a file named by the digest
    Column("stored_at", Instant, nullable=False),
    CheckConstraint("body IS NULL OR length(body) = size", name="size"),
)

gathering = Table(
    "gathering",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),  # digest of the document: the same evidence again is the same row
    *_subject(),
    Column("document", Text, nullable=False),
    Column("requests", Integer, nullable=False),
    Column("gathered_at", Instant, nullable=False),
    ForeignKeyConstraint(SUBJECT, [f"subject.{c}" for c in SUBJECT]),
    Index("ix_gathering_subject", *SUBJECT),
)

finding = Table(
    "finding",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),  # digest of the set that this finding belongs to
    Column("position", Integer, primary_key=True),
    *_subject(),
    Column("evidence", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("claim", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("predicate_type", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("statement", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("signing", Text),  # NULL: a bare key says it all
    Column("predicate", Text),  # NULL: no facts
    Column("about", Text),  # NULL: the subject itself
    ForeignKeyConstraint(SUBJECT, [f"subject.{c}" for c in SUBJECT]),
    CheckConstraint("(step = 5) = (reason = 'ok')", name="established"),
    Index("ix_finding_subject", *SUBJECT),
    Index("ix_finding_signer", "tenant", "signer"),
    Index("ix_finding_statement", "tenant", "statement"),
)

anchor_set = Table(
    "anchor_set",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),  # digest of the list
    Column("anchors", Text, nullable=False),
)

finding_set = Table(
    "finding_set",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),  # that of its findings; an empty set has one too
    Column("anchor_set", Text, nullable=False),  # whom its evidence was compared with
    ForeignKeyConstraint(["tenant", "anchor_set"], ["anchor_set.tenant", "anchor_set.id"]),
)

content = Table(
    "content",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),  # digest of the statement or report that says it
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),  # compressed
    CheckConstraint("kind IN ('inventory', 'scan', 'vex')", name="kind"),
)

component = Table(
    "component",
    metadata,
    _tenant(),
    Column("package", Text, primary_key=True),  # purl without version and qualifiers
    Column("content", Text, primary_key=True),
    ForeignKeyConstraint(["tenant", "content"], ["content.tenant", "content.id"]),
)

mark = Table(
    "mark",
    metadata,
    _tenant(),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("set_at", Instant, nullable=False),
)

# --- what was decided -------------------------------------------------------------------------------------------------

trust_epoch = Table(
    "trust_epoch",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),
    Column("first_seen_at", Instant, nullable=False),
)

verdict = Table(
    "verdict",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),
    *_subject(),
    Column("policy", Text, nullable=False),
    Column("policy_digest", Text, nullable=False),
    Column("trust_epoch", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("rules", Text, nullable=False),
    Column("decided_at", Instant, nullable=False),
    Column("valid_until", Instant),
    Column("due_at", Instant),
    Column("gathering", Text),
    Column("findings", Text),
    Column("generation", Integer, nullable=False),
    Column("cause", Text, nullable=False),
    Column("source", Text, nullable=False),
    ForeignKeyConstraint(SUBJECT, [f"subject.{c}" for c in SUBJECT]),
    ForeignKeyConstraint(["tenant", "trust_epoch"], ["trust_epoch.tenant", "trust_epoch.id"]),
    CheckConstraint("outcome IN ('passed', 'failed', 'undecided')", name="outcome"),
    CheckConstraint("(outcome = 'passed') = (valid_until IS NOT NULL)", name="validity"),
    CheckConstraint(
        "outcome <> 'passed' OR (gathering IS NOT NULL AND findings IS NOT NULL)", name="rests_on_evidence"
    ),
    Index("ix_verdict_subject", *SUBJECT, "policy", "decided_at"),
)

current_verdict = Table(
    "current_verdict",
    metadata,
    _tenant(),
    *_subject(key=True),
    Column("policy", Text, primary_key=True),
    Column("policy_digest", Text, primary_key=True),
    Column("verdict_id", Text, nullable=False),
    Column("valid_until", Instant),
    Column("due_at", Instant),
    ForeignKeyConstraint(["tenant", "verdict_id"], ["verdict.tenant", "verdict.id"]),
    Index("ix_current_verdict_policy_digest", "tenant", "policy_digest"),
)

policy_generation = Table(
    "policy_generation",
    metadata,
    _tenant(),
    Column("number", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("activated_at", Instant),
    CheckConstraint("state IN ('staged', 'active', 'retired')", name="state"),
    CheckConstraint("number > 0", name="number"),
)
for _state in ("active", "staged"):  # at most one of each
    Index(
        f"uq_policy_generation_{_state}",
        policy_generation.c.tenant,
        unique=True,
        sqlite_where=text(f"state = '{_state}'"),
        postgresql_where=text(f"state = '{_state}'"),
    )

generation_policy = Table(
    "generation_policy",
    metadata,
    _tenant(),
    Column("number", Integer, primary_key=True),
    Column("policy", Text, primary_key=True),
    Column("policy_digest", Text, nullable=False),
    Column("mode", Text, nullable=False),
    ForeignKeyConstraint(["tenant", "number"], ["policy_generation.tenant", "policy_generation.number"]),
)

# --- what is published ------------------------------------------------------------------------------------------------

statement = Table(
    "statement",
    metadata,
    _tenant(),
    Column("id", Text, primary_key=True),
    *_subject(),
    Column("source", Text, nullable=False),
    Column("profile", Text, nullable=False),
    Column("set_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("envelope", LargeBinary),  # null until signed, then never another
    Column("key_id", Text, nullable=False),
    Column("layouts", Text, nullable=False),
    Column("manifests", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("valid_until", Instant),
    Column("detail", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint(*SUBJECT, "profile", "set_id"),
    ForeignKeyConstraint(SUBJECT, [f"subject.{c}" for c in SUBJECT]),
    CheckConstraint(
        "state IN ('wanted', 'signed', 'published', 'superseded', 'withdrawing', 'withdrawn', 'not-withdrawn', "
        "'would-shadow', 'unpublished')",
        name="state",
    ),
    CheckConstraint("state NOT IN ('signed', 'published', 'withdrawing') OR length(envelope) > 0", name="envelope"),
    Index("ix_statement_state", "tenant", "state"),
)

statement_verdict = Table(
    "statement_verdict",
    metadata,
    _tenant(),
    Column("statement", Text, primary_key=True),
    Column("verdict", Text, primary_key=True),
    ForeignKeyConstraint(["tenant", "statement"], ["statement.tenant", "statement.id"]),
    ForeignKeyConstraint(["tenant", "verdict"], ["verdict.tenant", "verdict.id"]),
)

# --- work and feed ----------------------------------------------------------------------------------------------------

_JOB = ["tenant", "source", "kind", "repository", "key"]

due = Table(
    "due",
    metadata,
    _tenant(),
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("repository", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("run_at", Instant),  # null: parked
    Column("attempts", Integer, nullable=False),
    Column("error", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index("ix_due_run_at", "tenant", "source", "priority", "run_at"),
)

job = Table(
    "job",
    metadata,
    Column("id", _Id, primary_key=True),
    _tenant(key=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("repository", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("worker", Text),
    Column("lease_until", Instant),  # null: free
    Column("fence", Integer, nullable=False),
    UniqueConstraint(*_JOB),
    CheckConstraint("(worker IS NULL) = (lease_until IS NULL)", name="lease"),
    Index("ix_job_priority", "priority", "id"),
    sqlite_autoincrement=True,  # an id is never used again: a zombie's fence must not fit somebody else's job
)

sweep_mark = Table(
    "sweep_mark",
    metadata,
    _tenant(),
    Column("source", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("finished_at", Instant, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    _tenant(),
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Instant, nullable=False),
    Column("fence", Integer, nullable=False),
)

change = Table(
    "change",
    metadata,
    Column("id", _Id, primary_key=True),
    _tenant(key=False),
    Column("number", BigInteger),  # null until sequenced
    Column("kind", Text, nullable=False),
    *_repository(nullable=True),
    Column("digest", Text),
    Column("tag", Text),
    Column("generation", Integer),
    Column("at", Instant, nullable=False),
    UniqueConstraint("tenant", "number"),
    CheckConstraint(
        "(kind = 'subject' AND digest IS NOT NULL AND repository IS NOT NULL) OR "
        "(kind = 'tag' AND tag IS NOT NULL AND repository IS NOT NULL) OR "
        "(kind = 'generation' AND generation IS NOT NULL)",
        name="kind",
    ),
    sqlite_autoincrement=True,
)
Index(
    "ix_change_waiting",
    change.c.tenant,
    change.c.id,
    sqlite_where=text("number IS NULL"),
    postgresql_where=text("number IS NULL"),
)

sequencer = Table(
    "sequencer",
    metadata,
    _tenant(),
    Column("last", BigInteger, nullable=False),
    Column("fence", Integer, nullable=False),
    CheckConstraint("last >= 0", name="last"),
)

audit = Table(
    "audit",
    metadata,
    _tenant(),
    Column("writer", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("event", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
)
