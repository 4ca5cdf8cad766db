"""The tables of derived search data, and of its state outside the database."""

from __future__ import annotations

from sqlalchemy import Column, Float, LargeBinary, Table

from pydantic_hivemind.ledger.columns import Key, Number, metadata, scope_id

# What an embedder made of a chunk of text, under the hash of that text: float32, little-endian.
vectors = Table(
    "vectors",
    metadata,
    scope_id(primary_key=True),
    # The embedder's fingerprint: vectors of different ones cannot be compared.
    Column("embedder", Key, primary_key=True),
    Column("hash", LargeBinary(16), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
    # What ranking by words needs of the chunk, so that no process cuts and stems again what another has: its terms, how
    # often each is in it, and what made them. Empty vectors stand beside it where there is no embedder.
    Column("terms", LargeBinary),
)

# What an index of a scope is made of, as one process made it and others load it, such as where the chunks of a file
# begin, and postings. Derived: whatever is missing, or was made by something else, is made again.
index_parts = Table(
    "index_parts",
    metadata,
    scope_id(primary_key=True),
    # The fingerprint of what made it.
    Column("maker", Key, primary_key=True),
    Column("name", Key, primary_key=True),
    # The version, or the watermark, that it was made of.
    Column("version", Number, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# Collections that were made on a Chroma server. They outlive their scope here, until they are removed there.
collections = Table(
    "collections",
    metadata,
    Column("name", Key, primary_key=True),
    Column("scope_id", Number, nullable=False, index=True),
    Column("incarnation", Number, nullable=False),
    # The fingerprint of the embedder, and the version number up to which it holds what the scope has.
    Column("embedder", Key, nullable=False),
    Column("watermark", Number, nullable=False),
    Column("created_at", Float, nullable=False),
)
