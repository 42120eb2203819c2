"""What a finding says of its signer, its predicate, and of which manifest of an index it is about."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in ("signing", "predicate", "about"):
        op.add_column("finding", sa.Column(column, sa.Text(), nullable=True))
