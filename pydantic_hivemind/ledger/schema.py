"""The ledger's tables, as the newest migration leaves them.

Deleting a row of `scopes` deletes everything of that scope: each table points there with
`ON DELETE CASCADE`, so that destroying a scope leaves nothing by construction.
"""

from __future__ import annotations

import enum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISION = "0006"
"""The alembic revision that this code reads and writes."""


class Kind(enum.IntEnum):
    """What a head is."""

    FILE = 1
    DIRECTORY = 2
    WHITEOUT = 3


metadata = MetaData()

# SQLite numbers rows by itself only in an INTEGER column.
Number = BigInteger().with_variant(Integer(), "sqlite")

# Names, paths and ids compare byte by byte everywhere: a database's own collation would make a
# range of paths hold the wrong ones.
Key = Text().with_variant(Text(collation="C"), "postgresql")


def _scope_id(*, primary_key: bool = False) -> Column[int]:
    return Column(
        "scope_id", Number, ForeignKey("scopes.id", ondelete="CASCADE"), nullable=False, primary_key=primary_key
    )


scopes = Table(
    "scopes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("parent_id", Number, ForeignKey("scopes.id", ondelete="CASCADE"), index=True),
    # The ids of its ancestors, nearest first, joined by commas: parents never change.
    Column("ancestors", Text, nullable=False),
    Column("session", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
    # Ids are never used again: a handle of a destroyed scope must not reach its successor.
    sqlite_autoincrement=True,
)

heads = Table(
    "heads",
    metadata,
    _scope_id(primary_key=True),
    Column("path", Key, primary_key=True),
    Column("parent", Key, nullable=False),
    Column("kind", Integer, nullable=False),
    # A directory that hides what lower scopes have in it.
    Column("opaque", Boolean, nullable=False),
    # The version of a file, or of the deletion that a whiteout stands for; NULL for a directory.
    Column("version", Number),
    # What the scope saw here when it first changed the path. For a file the inherited version, for a
    # hidden directory the newest version number of that moment.
    Column("origin", Number),
    Column("created_at", Float, nullable=False),
    Index("ix_heads_parent", "scope_id", "parent"),
    Index("ix_heads_origin", "origin"),
    sqlite_with_rowid=False,
)

versions = Table(
    "versions",
    metadata,
    # Numbers grow with every write of the hive and are never used again.
    Column("id", Number, primary_key=True),
    _scope_id(),
    Column("path", Key, nullable=False),
    # What the scope itself has here from then on, as in `heads`; NULL for nothing.
    Column("kind", Integer),
    Column("opaque", Boolean, nullable=False),
    Column("action", String(16), nullable=False),
    Column("origin", Number),
    Column("size", Number, nullable=False),
    # JSON array of text, sorted.
    Column("tags", Text, nullable=False),
    Column("source", Text),
    Column("promotion", Text),
    # For a promotion, how many rows it made, which tells whether all are still kept.
    Column("promoted", Integer),
    Column("created_at", Float, nullable=False),
    # NULL unless it is a file. Last, so that reading the columns before it does not touch it.
    Column("data", LargeBinary),
    Index("ix_versions_path", "scope_id", "path", "id"),
    # What changed in a scope since a moment.
    Index("ix_versions_feed", "scope_id", "id"),
    sqlite_autoincrement=True,
)

# What was said of a version when it was written; most versions have none.
annotations = Table(
    "annotations",
    metadata,
    Column("version", Number, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    Column("operation_id", Text),
    Column("metadata", Text),
)

receipts = Table(
    "receipts",
    metadata,
    _scope_id(primary_key=True),
    Column("operation_id", Key, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_receipts_age", "scope_id", "created_at"),
    sqlite_with_rowid=False,
)

# A message is stored once in a scope, under the hash of its JSON.
messages = Table(
    "messages",
    metadata,
    _scope_id(primary_key=True),
    Column("hash", LargeBinary(16), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# A history is the last of a row of turns, each pointing to the one before: histories that begin alike
# share their beginning, and to add to one costs what is added.
turns = Table(
    "turns",
    metadata,
    _scope_id(primary_key=True),
    # The hash of the previous turn's id and the message.
    Column("id", LargeBinary(16), primary_key=True),
    Column("previous", LargeBinary(16)),
    Column("message", LargeBinary(16), nullable=False),
    Column("position", Integer, nullable=False),
    Index("ix_turns_previous", "scope_id", "previous"),
    Index("ix_turns_message", "scope_id", "message"),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    _scope_id(primary_key=True),
    Column("id", Key, primary_key=True),
    # Order of first saving, as a dict keeps it.
    Column("position", Integer, nullable=False),
    Column("label", Key, nullable=False),
    Column("turn", Integer, nullable=False),
    Column("head", LargeBinary(16)),
    Column("message_count", Integer, nullable=False),
    # ISO 8601 as given, and microseconds since the epoch for ordering.
    Column("created_at", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
    Index("ix_checkpoints_head", "scope_id", "head"),
    sqlite_with_rowid=False,
)

conversations = Table(
    "conversations",
    metadata,
    _scope_id(primary_key=True),
    Column("id", Key, primary_key=True),
    Column("head", LargeBinary(16)),
    Column("updated_at", Float, nullable=False),
    Index("ix_conversations_head", "scope_id", "head"),
    sqlite_with_rowid=False,
)

# What an embedder made of a chunk of text, under the hash of that text: float32, little-endian.
vectors = Table(
    "vectors",
    metadata,
    _scope_id(primary_key=True),
    # The embedder's fingerprint: vectors of different ones cannot be compared.
    Column("embedder", Key, primary_key=True),
    Column("hash", LargeBinary(16), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

# What tokens are signed with, where the store has no directory for it.
secrets = Table(
    "secrets",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

# Tokens that were given out for a scope and not revoked.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Key, primary_key=True),
    Column("scope_id", Number, ForeignKey("scopes.id", ondelete="CASCADE"), nullable=False, index=True),
    # What it allows, joined by commas.
    Column("can", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False, index=True),
    # The token that it was made with; NULL for one that was made by who runs the store.
    Column("made_by", Key, ForeignKey("tokens.id", ondelete="CASCADE"), index=True),
)
