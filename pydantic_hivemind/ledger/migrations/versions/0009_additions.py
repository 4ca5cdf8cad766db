"""What the next release adds."""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make what the next release needs."""
    _name_versions()
    # After whatever makes tables.
    _guard_rows()


def _name_versions() -> None:
    """Make the key of the names of versions, and note the largest number that callers may have recorded."""
    connection = op.get_bind()
    largest = connection.execute(sa.text("SELECT coalesce(max(id), 0) FROM versions")).scalar_one()
    stored = sa.table("secrets", sa.column("name"), sa.column("value", sa.LargeBinary()))
    op.bulk_insert(stored, [{"name": "versions", "value": secrets.token_bytes(32) + largest.to_bytes(8, "big")}])


_SEEN = "(SELECT nullif(current_setting('hivemind.chain', true), '')::bigint[])::bigint[]"


def _guard_rows() -> None:
    """On PostgreSQL, let each transaction see only rows of the scopes that it says it is for; 0 is for all.

    Without a word of it nothing is seen. Scopes themselves, and what belongs to none, are not guarded.
    """
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    inspector = sa.inspect(connection)
    for table in sorted(inspector.get_table_names(schema="hivemind")):
        columns = {column["name"] for column in inspector.get_columns(table, schema="hivemind")}
        if "scope_id" in columns:
            condition = f"scope_id = ANY ({_SEEN}) OR 0 = ANY ({_SEEN})"
        elif table == "annotations":
            condition = "EXISTS (SELECT 1 FROM versions WHERE versions.id = annotations.version)"
        else:
            continue
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY chain ON {table} USING ({condition})")
