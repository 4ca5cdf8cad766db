"""The tokens that tokens were made with."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the column. Nobody knows it of the tokens that are there."""
    # SQLite cannot add a constraint to a table; the table is made anew there.
    with op.batch_alter_table("tokens") as table:
        table.add_column(sa.Column("made_by", KEY, nullable=True))
        table.create_foreign_key("fk_tokens_made_by", "tokens", ["made_by"], ["id"], ondelete="CASCADE")
        table.create_index("ix_tokens_made_by", ["made_by"])
