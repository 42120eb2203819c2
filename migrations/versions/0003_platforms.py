"""For which platform a child stands in an index, and whether its own evidence was read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("edge", sa.Column("platform", sa.Text(), nullable=True))
    op.add_column("edge", sa.Column("gathered", sa.Integer(), nullable=False, server_default="0"))
