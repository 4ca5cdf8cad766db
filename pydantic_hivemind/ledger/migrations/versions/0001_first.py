"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "scopes",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("parent_id", NUMBER, nullable=True),
        sa.Column("ancestors", sa.Text(), nullable=False),
        sa.Column("session", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_scopes_expires_at", "scopes", ["expires_at"])
    op.create_index("ix_scopes_parent_id", "scopes", ["parent_id"])
    op.create_table(
        "checkpoints",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", KEY, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(length=16), nullable=True),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_checkpoints_head", "checkpoints", ["scope_id", "head"])
    op.create_table(
        "conversations",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("head", sa.LargeBinary(length=16), nullable=True),
        sa.Column("updated_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_conversations_head", "conversations", ["scope_id", "head"])
    op.create_table(
        "heads",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("parent", KEY, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("opaque", sa.Boolean(), nullable=False),
        sa.Column("version", NUMBER, nullable=True),
        sa.Column("origin", NUMBER, nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "path"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_heads_origin", "heads", ["origin"])
    op.create_index("ix_heads_parent", "heads", ["scope_id", "parent"])
    op.create_table(
        "messages",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=16), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "hash"),
    )
    op.create_table(
        "receipts",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("operation_id", KEY, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "operation_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_receipts_age", "receipts", ["scope_id", "created_at"])
    op.create_table(
        "turns",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=16), nullable=True),
        sa.Column("message", sa.LargeBinary(length=16), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_turns_message", "turns", ["scope_id", "message"])
    op.create_index("ix_turns_previous", "turns", ["scope_id", "previous"])
    op.create_table(
        "versions",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("kind", sa.Integer(), nullable=True),
        sa.Column("opaque", sa.Boolean(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("origin", NUMBER, nullable=True),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("promotion", sa.Text(), nullable=True),
        sa.Column("promoted", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_versions_path", "versions", ["scope_id", "path", "id"])
