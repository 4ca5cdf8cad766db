"""What was said of a version when it was written."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "annotations",
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("operation_id", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("version"),
    )
