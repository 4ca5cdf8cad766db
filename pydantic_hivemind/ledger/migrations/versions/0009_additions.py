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


def _name_versions() -> None:
    """Make the key of the names of versions, and note the largest number that callers may have recorded."""
    connection = op.get_bind()
    largest = connection.execute(sa.text("SELECT coalesce(max(id), 0) FROM versions")).scalar_one()
    stored = sa.table("secrets", sa.column("name"), sa.column("value", sa.LargeBinary()))
    op.bulk_insert(stored, [{"name": "versions", "value": secrets.token_bytes(32) + largest.to_bytes(8, "big")}])
