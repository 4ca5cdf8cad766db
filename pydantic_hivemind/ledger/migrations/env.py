"""Runs the migrations on the connection and in the transaction of the process that opens the ledger."""

from __future__ import annotations

from alembic import context

from pydantic_hivemind.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=False,
)
context.run_migrations()
