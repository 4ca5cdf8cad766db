"""Column definitions that the ledger's tables share."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, Text, text

metadata = MetaData()

# SQLite numbers rows by itself only in an INTEGER column.
Number = BigInteger().with_variant(Integer(), "sqlite")

# Names, paths and ids compare byte by byte everywhere: a database's own collation would make a
# range of paths hold the wrong ones.
Key = Text().with_variant(Text(collation="C"), "postgresql")


def scope_id(*, primary_key: bool = False) -> Column[int]:
    """Return the column that ties a row to its scope, with which it is deleted."""
    return Column(
        "scope_id", Number, ForeignKey("scopes.id", ondelete="CASCADE"), nullable=False, primary_key=primary_key
    )


def partial(condition: str) -> dict[str, Any]:
    """Return what makes an index one of the rows that fulfil a condition, on either database."""
    return {f"{dialect}_where": text(condition) for dialect in ("sqlite", "postgresql")}
