"""What long documents say, which components they name, and which anchors a set of findings was asked about."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "content",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_content")),
        sa.CheckConstraint("kind IN ('inventory', 'scan', 'vex')", name=op.f("ck_content_kind")),
    )
    op.create_table(
        "component",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "content"], ["content.tenant", "content.id"], name=op.f("fk_component_tenant_content")
        ),
        sa.PrimaryKeyConstraint("tenant", "package", "content", name=op.f("pk_component")),
    )
    op.create_table(
        "anchor_set",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("anchors", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_anchor_set")),
    )
    op.create_table(
        "finding_set",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("anchor_set", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant", "anchor_set"],
            ["anchor_set.tenant", "anchor_set.id"],
            name=op.f("fk_finding_set_tenant_anchor_set"),
        ),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_finding_set")),
    )
    op.create_table(
        "mark",
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "name", name=op.f("pk_mark")),
    )
    op.create_index("ix_finding_statement", "finding", ["tenant", "statement"])
