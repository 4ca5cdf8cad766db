"""Vectors of chunks, and finding what changed in a scope since a moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table of vectors, and the index that an indexer follows."""
    op.create_table(
        "vectors",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("embedder", KEY, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "embedder", "hash"),
    )
    op.create_index("ix_versions_feed", "versions", ["scope_id", "id"])
