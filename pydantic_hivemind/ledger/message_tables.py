"""The tables of messages: the histories of conversations and checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, Table, Text

from pydantic_hivemind.ledger.columns import Key, Number, metadata, scope_id

# A message is stored once in a scope, under the hash of its JSON.
messages = Table(
    "messages",
    metadata,
    scope_id(primary_key=True),
    Column("hash", LargeBinary(16), primary_key=True),
    Column("data", LargeBinary, nullable=False),
    # The hash of the instructions that belong into the message, where they are kept apart: they are long, and the same
    # in every request of an agent. They are a row of their own, in which `uses` says how many messages need it.
    Column("instructions", LargeBinary(16)),
    Column("uses", Integer),
)

# A history is the last of a row of turns, each pointing to the one before: histories that begin alike
# share their beginning, and to add to one costs what is added.
turns = Table(
    "turns",
    metadata,
    scope_id(primary_key=True),
    # The hash of the previous turn's id and the message.
    Column("id", LargeBinary(16), primary_key=True),
    Column("previous", LargeBinary(16)),
    Column("message", LargeBinary(16), nullable=False),
    Column("position", Integer, nullable=False),
    # Who added it first, a row of `actors`, and when.
    Column("actor", Number),
    Column("created_at", Float),
    Index("ix_turns_previous", "scope_id", "previous"),
    Index("ix_turns_message", "scope_id", "message"),
    sqlite_with_rowid=False,
)

checkpoints = Table(
    "checkpoints",
    metadata,
    scope_id(primary_key=True),
    # The conversation they are of, whose ids are its own; empty for those of a store without one.
    Column("conversation", Key, primary_key=True),
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
    scope_id(primary_key=True),
    Column("id", Key, primary_key=True),
    Column("head", LargeBinary(16)),
    Column("updated_at", Float, nullable=False),
    Column("title", Text),
    # NULL for one that is not archived, and for one whose beginning is not known.
    Column("archived_at", Float),
    Column("created_at", Float),
    # Grows with every change of a conversation of the scope, so that what is derived from messages can follow.
    Column("change", Number),
    Index("ix_conversations_change", "scope_id", "change"),
    Index("ix_conversations_head", "scope_id", "head"),
    sqlite_with_rowid=False,
)
