"""What promotion, actors, the past, limits, proposals and shared indexes need, in one step.

Columns are added, which takes no time however large the tables are, and no row of `versions` or `messages` is written
again. Only `checkpoints`, whose rows are small, is made anew, for its key.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from pydantic_hivemind.ledger.migrations import fill_merge_bases

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

KEPT_VERSIONS = 20
"""Versions that were kept of each path until then."""


def upgrade() -> None:
    """Add the columns, make the tables, and fill in what can be told without reading any content."""
    _add_columns()
    _make_tables()
    _index_versions()
    _give_checkpoints_conversations()
    _fill_incarnations()
    _fill_horizons()
    fill_merge_bases.fill(op.get_bind())


def _add_columns() -> None:
    for table, *columns in (
        (
            "scopes",
            sa.Column("incarnation", NUMBER, nullable=False, server_default=sa.text("0")),
            sa.Column("limits", sa.Text()),
            sa.Column("moves", sa.Text()),
        ),
        (
            "versions",
            sa.Column("checksum", NUMBER),
            sa.Column("actor", NUMBER),
            sa.Column("written_at", sa.Float()),
        ),
        ("messages", sa.Column("instructions", sa.LargeBinary(16)), sa.Column("uses", sa.Integer())),
        ("turns", sa.Column("actor", NUMBER), sa.Column("created_at", sa.Float())),
        (
            "conversations",
            sa.Column("title", sa.Text()),
            sa.Column("archived_at", sa.Float()),
            sa.Column("created_at", sa.Float()),
            sa.Column("change", NUMBER),
        ),
        ("vectors", sa.Column("terms", sa.LargeBinary())),
        (
            "tokens",
            sa.Column("hash", sa.LargeBinary(32)),
            sa.Column("narrowed", sa.Text()),
            sa.Column("label", sa.Text()),
            sa.Column("actor", NUMBER),
        ),
    ):
        for column in columns:
            op.add_column(table, column)
    op.create_index("ix_conversations_change", "conversations", ["scope_id", "change"])


def _of_scope() -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["scope_id"], ["scopes.id"], ondelete="CASCADE")


def _make_tables() -> None:
    op.create_table(
        "merge_bases",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("head", KEY, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.ForeignKeyConstraint(["version"], ["versions.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["scope_id", "head"], ["heads.scope_id", "heads.path"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("scope_id", "path", "head", "version"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_merge_bases_head", "merge_bases", ["scope_id", "head"])
    op.create_index("ix_merge_bases_version", "merge_bases", ["version"])
    op.create_table(
        "horizons",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("path", KEY, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        _of_scope(),
        sa.PrimaryKeyConstraint("scope_id", "path"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "actors",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("hash", sa.LargeBinary(16), nullable=False),
        sa.Column("token_id", KEY),
        sa.Column("user_id", KEY),
        sa.Column("agent", KEY),
        sa.Column("run_id", KEY),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("hash"),
        sqlite_autoincrement=True,
    )
    for name in ("token_id", "user_id", "run_id"):
        op.create_index(f"ix_actors_{name}", "actors", [name])
    op.create_table(
        "promotions",
        sa.Column("id", KEY, nullable=False),
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source_id", NUMBER, nullable=False),
        sa.Column("source", KEY, nullable=False),
        sa.Column("selection", sa.Text()),
        sa.Column("plan", sa.Text()),
        sa.Column("note", sa.Text()),
        sa.Column("changes", sa.Integer()),
        sa.Column("actor", NUMBER),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("decided_by", NUMBER),
        sa.Column("decided_at", sa.Float()),
        sa.Column("decision_note", sa.Text()),
        sa.Column("reverted_by", NUMBER),
        sa.Column("reverted_at", sa.Float()),
        _of_scope(),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_promotions_scope", "promotions", ["scope_id", "state", "created_at"])
    op.create_index("ix_promotions_source", "promotions", ["source_id"])
    op.create_table(
        "usage",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("of_tree", sa.Boolean(), nullable=False),
        sa.Column("shard", sa.Integer(), nullable=False),
        sa.Column("files", NUMBER, nullable=False),
        sa.Column("bytes", NUMBER, nullable=False),
        sa.Column("versions", NUMBER, nullable=False),
        sa.Column("version_bytes", NUMBER, nullable=False),
        _of_scope(),
        sa.PrimaryKeyConstraint("scope_id", "of_tree", "shard"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "records",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("kind", KEY, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("position", NUMBER),
        sa.Column("owner", KEY),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("expires_at", sa.Float()),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _of_scope(),
        sa.PrimaryKeyConstraint("scope_id", "kind", "key"),
    )
    op.create_index("ix_records_owner", "records", ["scope_id", "kind", "owner", "position"])
    op.create_table(
        "audit",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("actor", NUMBER),
        sa.Column("scope_id", NUMBER),
        sa.Column("operation", sa.String(32), nullable=False),
        sa.Column("path", KEY),
        sa.Column("version", NUMBER),
        sa.Column("details", sa.Text()),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_scope", "audit", ["scope_id", "id"])
    op.create_index("ix_audit_actor", "audit", ["actor", "id"])
    op.create_table(
        "index_parts",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("maker", KEY, nullable=False),
        sa.Column("name", KEY, nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        _of_scope(),
        sa.PrimaryKeyConstraint("scope_id", "maker", "name"),
    )
    op.create_table(
        "collections",
        sa.Column("name", KEY, nullable=False),
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("incarnation", NUMBER, nullable=False),
        sa.Column("embedder", KEY, nullable=False),
        sa.Column("watermark", NUMBER, nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_index("ix_collections_scope_id", "collections", ["scope_id"])
    op.create_table(
        "settings",
        sa.Column("name", KEY, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _index_versions() -> None:
    for column, columns in (("promotion", ["scope_id", "promotion"]), ("actor", ["actor", "id"])):
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_versions_{column}", "versions", columns, sqlite_where=condition, postgresql_where=condition
        )


def _give_checkpoints_conversations() -> None:
    """Put the conversation into the key: those of another may have the same ids."""
    if op.get_context().dialect.name == "postgresql":
        op.add_column("checkpoints", sa.Column("conversation", KEY, nullable=False, server_default=""))
        op.alter_column("checkpoints", "conversation", server_default=None)
        op.execute(
            "ALTER TABLE checkpoints DROP CONSTRAINT checkpoints_pkey, ADD PRIMARY KEY (scope_id, conversation, id)"
        )
        return
    op.rename_table("checkpoints", "checkpoints_before")
    op.drop_index("ix_checkpoints_head")
    kept = ["scope_id", "id", "position", "label", "turn", "head", "message_count", "created_at", "created_us"]
    columns = ", ".join([*kept, "metadata"])
    op.create_table(
        "checkpoints",
        sa.Column("scope_id", NUMBER, nullable=False),
        sa.Column("conversation", KEY, nullable=False),
        sa.Column("id", KEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", KEY, nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("head", sa.LargeBinary(16)),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("created_us", sa.BigInteger(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=False),
        _of_scope(),
        sa.PrimaryKeyConstraint("scope_id", "conversation", "id"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO checkpoints (conversation, {columns}) SELECT '', {columns} FROM checkpoints_before")  # noqa: S608
    op.drop_table("checkpoints_before")
    op.create_index("ix_checkpoints_head", "checkpoints", ["scope_id", "head"])


def _fill_incarnations() -> None:
    """Give every scope a random number of up to 60 bits, as new ones get."""
    if op.get_context().dialect.name == "postgresql":
        made = "('x' || right(md5(gen_random_uuid()::text), 15))::bit(60)::bigint"
    else:
        made = "random() & 1152921504606846975"
    op.execute(f"UPDATE scopes SET incarnation = {made}")  # noqa: S608


def _fill_horizons() -> None:
    """Where as many versions are kept as were kept at most, older ones may have been pruned. Reads an index only."""
    op.execute(
        f"""
        INSERT INTO horizons (scope_id, path, version)
        SELECT scope_id, path, oldest - 1
        FROM (
            SELECT scope_id, path, (
                SELECT kept.id FROM versions AS kept
                WHERE kept.scope_id = many.scope_id AND kept.path = many.path
                ORDER BY kept.id DESC LIMIT 1 OFFSET {KEPT_VERSIONS - 1}
            ) AS oldest
            FROM (
                SELECT scope_id, path FROM versions GROUP BY scope_id, path HAVING count(*) >= {KEPT_VERSIONS}
            ) AS many
        ) AS pruned
        """  # noqa: S608
    )
