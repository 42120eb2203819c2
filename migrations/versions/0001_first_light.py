"""The tables of the first issue."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


_REFUSE_SQLITE = """CREATE TRIGGER {name} BEFORE {operation} ON {table} {when} BEGIN
    SELECT RAISE(ABORT, '{message}');
END"""

_REFUSE_POSTGRES = """CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER {name} BEFORE {operation} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION {name}()"""


def refuse(name: str, operation: str, table: str, message: str, *, when: str = "") -> None:
    """Make the database itself refuse an operation, whoever asks."""
    postgres = op.get_bind().dialect.name == "postgresql"
    form = _REFUSE_POSTGRES if postgres else _REFUSE_SQLITE
    op.execute(
        form.format(name=name, operation=operation, table=table, message=message, when=f"WHEN ({when})" if when else "")
    )


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("writer", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "writer", "number", name=op.f("pk_audit")),
    )
    op.create_table(
        "change",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=True),
        sa.Column("repository", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "(kind = 'subject' AND digest IS NOT NULL AND repository IS NOT NULL) OR "
            "(kind = 'tag' AND tag IS NOT NULL AND repository IS NOT NULL) OR "
            "(kind = 'generation' AND generation IS NOT NULL)",
            name=op.f("ck_change_kind"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_change")),
        sa.UniqueConstraint("tenant", "number", name=op.f("uq_change_tenant_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_change_waiting",
        "change",
        ["tenant", "id"],
        unique=False,
        sqlite_where=sa.text("number IS NULL"),
        postgresql_where=sa.text("number IS NULL"),
    )

    op.create_table(
        "due",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "kind", "repository", "key", name=op.f("pk_due")),
    )
    op.create_index("ix_due_run_at", "due", ["tenant", "source", "priority", "run_at"], unique=False)

    op.create_table(
        "evidence",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("body IS NULL OR length(body) = size", name=op.f("ck_evidence_size")),
        sa.PrimaryKeyConstraint("tenant", "digest", name=op.f("pk_evidence")),
    )
    op.create_table(
        "hint",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("deleted", sa.Boolean(create_constraint=True, name="deleted_bool"), nullable=False),
        sa.Column("delivery", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_hint")),
    )
    op.create_index("ix_hint_received_at", "hint", ["tenant", "received_at"], unique=False)

    op.create_table(
        "job",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.CheckConstraint("(worker IS NULL) = (lease_until IS NULL)", name=op.f("ck_job_lease")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint(
            "tenant", "source", "kind", "repository", "key", name=op.f("uq_job_tenant_source_kind_repository_key")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_priority", "job", ["priority", "id"], unique=False)

    op.create_table(
        "lease",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_lease")),
    )
    op.create_table(
        "policy_generation",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('staged', 'active', 'retired')", name=op.f("ck_policy_generation_state")),
        sa.CheckConstraint("number > 0", name=op.f("ck_policy_generation_number")),
        sa.PrimaryKeyConstraint("tenant", "number", name=op.f("pk_policy_generation")),
    )
    op.create_index(
        "uq_policy_generation_active",
        "policy_generation",
        ["tenant"],
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(
        "uq_policy_generation_staged",
        "policy_generation",
        ["tenant"],
        unique=True,
        sqlite_where=sa.text("state = 'staged'"),
        postgresql_where=sa.text("state = 'staged'"),
    )

    op.create_table(
        "repository",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "registry", "repository", name=op.f("pk_repository")),
    )
    op.create_table(
        "sequencer",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.CheckConstraint("last >= 0", name=op.f("ck_sequencer_last")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_sequencer")),
    )
    op.create_table(
        "subject",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("gathering", sa.Text(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.Column("looked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "registry", "repository", "digest", name=op.f("pk_subject")),
    )
    op.create_index("ix_subject_digest", "subject", ["tenant", "digest"], unique=False)

    op.create_table(
        "sweep_mark",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "source", "kind", name=op.f("pk_sweep_mark")),
    )
    op.create_table(
        "tag",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("moved_at", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "registry", "repository", "tag", name=op.f("pk_tag")),
    )
    op.create_index("ix_tag_digest", "tag", ["tenant", "registry", "repository", "digest"], unique=False)

    op.create_table(
        "tag_move",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("from_digest", sa.Text(), nullable=True),
        sa.Column("to_digest", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("coalesce(from_digest, '') <> coalesce(to_digest, '')", name=op.f("ck_tag_move_moves")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tag_move")),
        sa.UniqueConstraint(
            "tenant", "registry", "repository", "tag", "id", name=op.f("uq_tag_move_tenant_registry_repository_tag_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "trust_epoch",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_trust_epoch")),
    )
    op.create_table(
        "edge",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("child", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "registry", "repository", "digest"],
            ["subject.tenant", "subject.registry", "subject.repository", "subject.digest"],
            name=op.f("fk_edge_tenant_registry_repository_digest"),
        ),
        sa.PrimaryKeyConstraint("tenant", "registry", "repository", "digest", "position", name=op.f("pk_edge")),
    )
    op.create_index("ix_edge_child", "edge", ["tenant", "registry", "repository", "child"], unique=False)

    op.create_table(
        "finding",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("signer", sa.Text(), nullable=False),
        sa.Column("predicate_type", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.CheckConstraint("(step = 5) = (reason = 'ok')", name=op.f("ck_finding_established")),
        sa.ForeignKeyConstraint(
            ["tenant", "registry", "repository", "digest"],
            ["subject.tenant", "subject.registry", "subject.repository", "subject.digest"],
            name=op.f("fk_finding_tenant_registry_repository_digest"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", "position", name=op.f("pk_finding")),
    )
    op.create_index("ix_finding_signer", "finding", ["tenant", "signer"], unique=False)
    op.create_index("ix_finding_subject", "finding", ["tenant", "registry", "repository", "digest"], unique=False)

    op.create_table(
        "gathering",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.Column("gathered_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "registry", "repository", "digest"],
            ["subject.tenant", "subject.registry", "subject.repository", "subject.digest"],
            name=op.f("fk_gathering_tenant_registry_repository_digest"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_gathering")),
    )
    op.create_index("ix_gathering_subject", "gathering", ["tenant", "registry", "repository", "digest"], unique=False)

    op.create_table(
        "generation_policy",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "number"],
            ["policy_generation.tenant", "policy_generation.number"],
            name=op.f("fk_generation_policy_tenant_number"),
        ),
        sa.PrimaryKeyConstraint("tenant", "number", "policy", name=op.f("pk_generation_policy")),
    )
    op.create_table(
        "statement",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("profile", sa.Text(), nullable=False),
        sa.Column("set_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=True),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("layouts", sa.Text(), nullable=False),
        sa.Column("manifests", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "state IN ('wanted', 'signed', 'published', 'superseded', 'withdrawing', 'withdrawn', 'not-withdrawn', "
            "'would-shadow', 'unpublished')",
            name=op.f("ck_statement_state"),
        ),
        sa.CheckConstraint(
            "state NOT IN ('signed', 'published', 'withdrawing') OR length(envelope) > 0",
            name=op.f("ck_statement_envelope"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "registry", "repository", "digest"],
            ["subject.tenant", "subject.registry", "subject.repository", "subject.digest"],
            name=op.f("fk_statement_tenant_registry_repository_digest"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_statement")),
        sa.UniqueConstraint(
            "tenant",
            "registry",
            "repository",
            "digest",
            "profile",
            "set_id",
            name=op.f("uq_statement_tenant_registry_repository_digest_profile_set_id"),
        ),
    )
    op.create_index("ix_statement_state", "statement", ["tenant", "state"], unique=False)

    op.create_table(
        "verdict",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("trust_epoch", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("gathering", sa.Text(), nullable=True),
        sa.Column("findings", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.CheckConstraint("(outcome = 'passed') = (valid_until IS NOT NULL)", name=op.f("ck_verdict_validity")),
        sa.CheckConstraint(
            "outcome <> 'passed' OR (gathering IS NOT NULL AND findings IS NOT NULL)",
            name=op.f("ck_verdict_rests_on_evidence"),
        ),
        sa.CheckConstraint("outcome IN ('passed', 'failed', 'undecided')", name=op.f("ck_verdict_outcome")),
        sa.ForeignKeyConstraint(
            ["tenant", "registry", "repository", "digest"],
            ["subject.tenant", "subject.registry", "subject.repository", "subject.digest"],
            name=op.f("fk_verdict_tenant_registry_repository_digest"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "trust_epoch"],
            ["trust_epoch.tenant", "trust_epoch.id"],
            name=op.f("fk_verdict_tenant_trust_epoch"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_verdict")),
    )
    op.create_index(
        "ix_verdict_subject",
        "verdict",
        ["tenant", "registry", "repository", "digest", "policy", "decided_at"],
        unique=False,
    )

    op.create_table(
        "current_verdict",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("verdict_id", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant", "verdict_id"],
            ["verdict.tenant", "verdict.id"],
            name=op.f("fk_current_verdict_tenant_verdict_id"),
        ),
        sa.PrimaryKeyConstraint(
            "tenant", "registry", "repository", "digest", "policy", "policy_digest", name=op.f("pk_current_verdict")
        ),
    )
    op.create_index("ix_current_verdict_policy_digest", "current_verdict", ["tenant", "policy_digest"], unique=False)

    op.create_table(
        "statement_verdict",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "statement"],
            ["statement.tenant", "statement.id"],
            name=op.f("fk_statement_verdict_tenant_statement"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "verdict"], ["verdict.tenant", "verdict.id"], name=op.f("fk_statement_verdict_tenant_verdict")
        ),
        sa.PrimaryKeyConstraint("tenant", "statement", "verdict", name=op.f("pk_statement_verdict")),
    )

    for table in ("verdict", "audit"):
        for operation in ("UPDATE", "DELETE"):
            name = f"{table}_never_{operation.lower()}"
            refuse(name, operation, table, f"{table} rows are append-only")
    refuse(
        "statement_one_envelope",
        "UPDATE",
        "statement",
        "a statement keeps the envelope that was signed for it",
        when="OLD.envelope IS NOT NULL AND (NEW.envelope IS NULL OR NEW.envelope <> OLD.envelope)",
    )
    refuse(
        "statement_never_delete",
        "DELETE",
        "statement",
        "signed statements are kept",
        when="OLD.envelope IS NOT NULL",
    )
