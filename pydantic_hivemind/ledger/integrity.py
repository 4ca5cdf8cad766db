"""Consistency checks of the ledger's rows beyond the database's own."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, Table, and_, case, func, literal, or_, select
from sqlalchemy.sql.expression import cast
from sqlalchemy.types import Text
from typing_extensions import Unpack

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement
from pydantic_hivemind.ledger.schema import Kind, checkpoints, conversations, heads, messages, scopes, turns, versions

Count = Select[Unpack[tuple[int]]]


def _without(table: Table, other: Table, link: ColumnElement[bool], *where: ColumnElement[bool]) -> Count:
    """Return a query that counts rows without a counterpart in another table."""
    linked = table.outerjoin(other, link)
    return select(func.count()).select_from(linked).where(other.c.scope_id.is_(None), *where)


def _files() -> Count:
    kept = and_(
        versions.c.id == heads.c.version,
        versions.c.scope_id == heads.c.scope_id,
        versions.c.path == heads.c.path,
        versions.c.data.is_not(None),
        func.length(versions.c.data) == versions.c.size,
    )
    return _without(heads, versions, kept, heads.c.kind == Kind.FILE.value)


def _chains() -> Count:
    parents = scopes.alias("parents")
    above = case((parents.c.ancestors == "", literal("")), else_=literal(",") + parents.c.ancestors)
    expected = cast(parents.c.id, Text) + above
    linked = scopes.outerjoin(parents, parents.c.id == scopes.c.parent_id)
    root = and_(scopes.c.parent_id.is_(None), scopes.c.ancestors != "")
    return select(func.count()).select_from(linked).where(or_(root, scopes.c.ancestors != expected))


def _ends(table: Table) -> Count:
    end = and_(turns.c.scope_id == table.c.scope_id, turns.c.id == table.c.head)
    return _without(table, turns, end, table.c.head.is_not(None))


def _beginnings() -> Count:
    before = turns.alias("before")
    link = and_(before.c.scope_id == turns.c.scope_id, before.c.id == turns.c.previous)
    linked = turns.outerjoin(before, link)
    missing = and_(turns.c.previous.is_not(None), before.c.id.is_(None))
    return select(func.count()).select_from(linked).where(missing)


def _messages() -> Count:
    link = and_(messages.c.scope_id == turns.c.scope_id, messages.c.hash == turns.c.message)
    return _without(turns, messages, link)


def _instructions() -> Count:
    texts = messages.alias("texts")
    link = and_(texts.c.scope_id == messages.c.scope_id, texts.c.hash == messages.c.instructions)
    missing = and_(messages.c.instructions.is_not(None), texts.c.scope_id.is_(None))
    return select(func.count()).select_from(messages.outerjoin(texts, link)).where(missing)


def _uses() -> Count:
    needed = (
        select(messages.c.scope_id, messages.c.instructions, func.count().label("uses"))
        .where(messages.c.instructions.is_not(None))
        .group_by(messages.c.scope_id, messages.c.instructions)
        .subquery()
    )
    link = and_(needed.c.scope_id == messages.c.scope_id, needed.c.instructions == messages.c.hash)
    counted = messages.c.uses != func.coalesce(needed.c.uses, 0)
    return select(func.count()).select_from(messages.outerjoin(needed, link)).where(counted)


_CHECKS = {
    "file(s) whose content is missing or has another size": Statement(_files),
    "scope(s) whose chain differs from that of their parent": Statement(_chains),
    "checkpoint(s) without their messages": Statement(lambda: _ends(checkpoints)),
    "conversation(s) without their messages": Statement(lambda: _ends(conversations)),
    "message(s) whose previous message is missing": Statement(_beginnings),
    "message(s) whose text is missing": Statement(_messages),
    "message(s) whose instructions are missing": Statement(_instructions),
    "instructions that another number of messages need": Statement(_uses),
}


def problems(tx: Transaction) -> list[str]:
    """Return the inconsistencies that were found."""
    counted = {what: tx.rows(count, {})[0][0] for what, count in _CHECKS.items()}
    return [f"{count} {what}" for what, count in counted.items() if count]
