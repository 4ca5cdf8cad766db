"""The ledger's tables, as the newest migration leaves them.

Deleting a row of `scopes` deletes everything of that scope: each table points there with
`ON DELETE CASCADE`, so that destroying a scope leaves nothing by construction.
"""

from __future__ import annotations

import enum

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from pydantic_hivemind.ledger.columns import Key, Number, metadata, partial, scope_id
from pydantic_hivemind.ledger.index_tables import collections, index_parts, vectors
from pydantic_hivemind.ledger.message_tables import checkpoints, conversations, messages, turns

__all__ = [
    "REVISION",
    "Kind",
    "actors",
    "annotations",
    "audit",
    "checkpoints",
    "collections",
    "conversations",
    "heads",
    "horizons",
    "index_parts",
    "merge_bases",
    "messages",
    "metadata",
    "promotions",
    "receipts",
    "records",
    "scopes",
    "secrets",
    "settings",
    "tokens",
    "turns",
    "usage",
    "vectors",
    "versions",
]

REVISION = "0009"
"""The alembic revision that this code reads and writes."""


class Kind(enum.IntEnum):
    """What a head is."""

    FILE = 1
    DIRECTORY = 2
    WHITEOUT = 3


scopes = Table(
    "scopes",
    metadata,
    Column("id", Number, primary_key=True),
    Column("name", Key, nullable=False, unique=True),
    Column("parent_id", Number, ForeignKey("scopes.id", ondelete="CASCADE"), index=True),
    # The ids of its ancestors, nearest first, joined by commas: `move` alone changes them.
    Column("ancestors", Text, nullable=False),
    Column("session", Boolean, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, index=True),
    # A random number, made with the scope. An older ledger that is put back gives ids out once more; what is kept
    # outside the ledger (collections, pickled handles) carries this too, and so never meets a successor of its scope.
    Column("incarnation", Number, nullable=False, server_default=text("0")),
    # Quotas and rate limits, of the scope and of the tree under it: JSON. While there are none, nothing is counted.
    Column("limits", Text),
    # The names and ancestors it had before it was moved, each with the newest version number of that moment: JSON. The
    # past is read through the chain of its time.
    Column("moves", Text),
    # Ids are never used again: a handle of a destroyed scope must not reach its successor.
    sqlite_autoincrement=True,
)

heads = Table(
    "heads",
    metadata,
    scope_id(primary_key=True),
    Column("path", Key, primary_key=True),
    Column("parent", Key, nullable=False),
    Column("kind", Integer, nullable=False),
    # A directory that hides what lower scopes have in it.
    Column("opaque", Boolean, nullable=False),
    # The version of a file, or of the deletion that a whiteout stands for; NULL for a directory.
    Column("version", Number),
    # The merge base: the inherited version that the scope saw here when it first changed the file, if it saw one.
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
    scope_id(),
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
    # NULL unless it is a file. SQLite reads through it to what comes after, so that what is listed often comes before.
    Column("data", LargeBinary),
    # CRC-32 of the data, which shows damage; NULL for what was written before there were any.
    Column("checksum", Number),
    # Who wrote it: a row of `actors`. Of a promoted version, who wrote it in the source; `promotions` has who promoted.
    Column("actor", Number),
    # Of a promoted version, when it was written in the source, which may be gone.
    Column("written_at", Float),
    Index("ix_versions_path", "scope_id", "path", "id"),
    # What changed in a scope since a moment.
    Index("ix_versions_feed", "scope_id", "id"),
    # What a promotion made, and what somebody wrote; most versions are in neither.
    Index("ix_versions_promotion", "scope_id", "promotion", **partial("promotion IS NOT NULL")),
    Index("ix_versions_actor", "actor", "id", **partial("actor IS NOT NULL")),
    sqlite_autoincrement=True,
)

# Versions of lower scopes that a head is made of, or hides, besides its `origin`: where an inherited file was itself a
# change of something farther up, where a promotion past the parent gave the head a new origin, and, of a removed or
# remade directory, what the scope had seen of each file in it. They are kept from being pruned.
merge_bases = Table(
    "merge_bases",
    metadata,
    Column("scope_id", Number, primary_key=True),
    # Of the file.
    Column("path", Key, primary_key=True),
    # Of the head it belongs to: the file's own, or that of the directory.
    Column("head", Key, primary_key=True),
    Column("version", Number, ForeignKey("versions.id", ondelete="CASCADE"), primary_key=True),
    ForeignKeyConstraint(["scope_id", "head"], ["heads.scope_id", "heads.path"], ondelete="CASCADE"),
    Index("ix_merge_bases_head", "scope_id", "head"),
    Index("ix_merge_bases_version", "version"),
    sqlite_with_rowid=False,
)

# Up to which version number the past of a path was pruned: what it was at such a moment is not known any more.
horizons = Table(
    "horizons",
    metadata,
    scope_id(primary_key=True),
    Column("path", Key, primary_key=True),
    Column("version", Number, nullable=False),
    sqlite_with_rowid=False,
)

# Who did something: each combination once. What they are called is up to who calls; NULL for what is not known.
actors = Table(
    "actors",
    metadata,
    Column("id", Number, primary_key=True),
    # A hash of the other columns, to find the row by.
    Column("hash", LargeBinary(16), nullable=False, unique=True),
    # A row of `tokens`, which may be gone; a user of the app; an agent's name; an agent's run.
    Column("token_id", Key, index=True),
    Column("user_id", Key, index=True),
    Column("agent", Key),
    Column("run_id", Key, index=True),
    sqlite_autoincrement=True,
)

# Promotions into a scope: those that were made, and proposals, which wait to be approved or were not.
promotions = Table(
    "promotions",
    metadata,
    # As in `versions.promotion`. A proposal keeps its id when it is carried out.
    Column("id", Key, primary_key=True),
    scope_id(),
    # waiting, rejected, withdrawn, made, or reverted.
    Column("state", String(16), nullable=False),
    # The scope it comes from, which may be gone or have another name by now; a proposal is void then.
    Column("source_id", Number, nullable=False),
    Column("source", Key, nullable=False),
    # Which tags and paths, and what happens to conflicts: JSON, as it was asked for. A proposal is planned again by it.
    Column("selection", Text),
    # Of a proposal, the plan as it was proposed and what explains it: JSON. Shows what changed until it is approved.
    Column("plan", Text),
    Column("note", Text),
    # How many rows of `versions` it made, which tells whether all are still kept, so that it can be reverted.
    Column("changes", Integer),
    # Who promoted or proposed it, who approved, rejected or withdrew it, and who reverted it: rows of `actors`.
    Column("actor", Number),
    Column("created_at", Float, nullable=False),
    Column("decided_by", Number),
    Column("decided_at", Float),
    Column("decision_note", Text),
    Column("reverted_by", Number),
    Column("reverted_at", Float),
    Index("ix_promotions_scope", "scope_id", "state", "created_at"),
    Index("ix_promotions_source", "source_id"),
)

# What is in a scope, or in the tree under it, of which somebody asked to limit it; see `scopes.limits`. The sum of the
# shards counts: for a tree each process has one of its own, so that users of one project do not wait for each other.
usage = Table(
    "usage",
    metadata,
    scope_id(primary_key=True),
    Column("of_tree", Boolean, primary_key=True),
    Column("shard", Integer, primary_key=True),
    # Files of the scopes' own, with their bytes; kept versions, with theirs.
    Column("files", Number, nullable=False),
    Column("bytes", Number, nullable=False),
    Column("versions", Number, nullable=False),
    Column("version_bytes", Number, nullable=False),
    sqlite_with_rowid=False,
)

# Small things that features keep in a scope, by kind and key: leases (one turn at a time, one indexer), what agents
# spent, and what the stores of pydantic-ai-harness hold (runs, steps, plans, media).
records = Table(
    "records",
    metadata,
    scope_id(primary_key=True),
    Column("kind", Key, primary_key=True),
    Column("key", Key, primary_key=True),
    # Order within the kind, for what is appended.
    Column("position", Number),
    # What else it is found by, such as the run that it belongs to.
    Column("owner", Key),
    Column("changed_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("data", LargeBinary, nullable=False),
    Index("ix_records_owner", "scope_id", "kind", "owner", "position"),
)

# What was read and written, for who switched it on. It outlives what it is about, so nothing is deleted with a scope.
audit = Table(
    "audit",
    metadata,
    Column("id", Number, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Number),
    Column("scope_id", Number),
    Column("operation", String(32), nullable=False),
    Column("path", Key),
    Column("version", Number),
    # JSON.
    Column("details", Text),
    Index("ix_audit_scope", "scope_id", "id"),
    Index("ix_audit_actor", "actor", "id"),
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
    scope_id(primary_key=True),
    Column("operation_id", Key, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("result", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_receipts_age", "scope_id", "created_at"),
    sqlite_with_rowid=False,
)

# What is so of the whole store, as JSON: its id, the embedder and mounts it was made with, how long the past is kept.
settings = Table(
    "settings",
    metadata,
    Column("name", Key, primary_key=True),
    Column("value", Text, nullable=False),
)

# What tokens are signed with, where the store has no directory for it; and what versions are told with (decision 26).
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
    # SHA-256 of its secret; NULL for one that is signed instead.
    Column("hash", LargeBinary(32)),
    # What narrows it further: a path, the scopes it may promote to, no deletes. JSON.
    Column("narrowed", Text),
    # What it is for, as people say.
    Column("label", Text),
    # Who made it: a row of `actors`.
    Column("actor", Number),
)
