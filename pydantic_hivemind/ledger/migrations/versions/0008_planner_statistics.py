"""PostgreSQL plans every statement for a scope of a hundred rows, whatever its statistics say of those it knows."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("heads", "versions", "merge_bases", "checkpoints", "messages", "turns", "conversations", "vectors")
"""Those with many rows of each scope."""


def upgrade() -> None:
    """Set what `ANALYZE` keeps of `scope_id`.

    Where it lists the most common values and there are fewer scopes than the list is long, PostgreSQL takes a scope
    that is not in it, such as a run's, for one without rows: it then reads all rows of the scope for each path of a
    promotion.
    """
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN scope_id SET (n_distinct = -0.01)")
            op.execute(f"ALTER TABLE {table} ALTER COLUMN scope_id SET STATISTICS 1")
