"""Copying what a scope has itself to another scope, and letting go of it, with few statements for any number of paths.

Promoting what the receiving scope does not have is that and nothing else, and is what most promotions mostly do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, case, false, func, insert, select
from sqlalchemy.types import Float, Integer, Text

from pydantic_hivemind.ledger import actor_records
from pydantic_hivemind.ledger.columns import Number
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.given_rows import given_paths, paths_of
from pydantic_hivemind.ledger.engine.statements import Statement, Value, param
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.layer_batches import DELETE_HEADS, LoggedAs, prune
from pydantic_hivemind.ledger.schema import Kind, heads, versions


def _copy_versions() -> Any:
    paths, copied, content = given_paths(), heads.alias("copied"), versions.alias("content")
    chosen = {
        "scope_id": bindparam("scope_id", type_=Number),
        "path": copied.c.path,
        "kind": copied.c.kind,
        "opaque": copied.c.opaque,
        "action": bindparam("action", type_=Text()),
        "size": func.coalesce(content.c.size, 0),
        "tags": func.coalesce(content.c.tags, "[]"),
        "source": bindparam("source", type_=Text()),
        "promotion": bindparam("promotion", type_=Text()),
        "promoted": bindparam("promoted", type_=Integer()),
        "created_at": bindparam("now", type_=Float()),
        "data": content.c.data,
        "checksum": content.c.checksum,
        "actor": content.c.actor,
        "written_at": func.coalesce(content.c.written_at, content.c.created_at),
    }
    joined = paths.join(copied, (copied.c.path == paths.c.value) & (copied.c.scope_id == param("from_id"))).outerjoin(
        content, content.c.id == copied.c.version
    )
    found = select(*chosen.values()).select_from(joined).order_by(copied.c.path)
    return insert(versions).from_select(list(chosen), found)


def _copy_heads() -> Any:
    paths, copied, made = given_paths(), heads.alias("copied"), versions.alias("made")
    chosen = {
        "scope_id": made.c.scope_id,
        "path": made.c.path,
        "parent": copied.c.parent,
        "kind": made.c.kind,
        "opaque": made.c.opaque,
        "version": case((made.c.kind != Kind.DIRECTORY.value, made.c.id)),
        "created_at": made.c.created_at,
    }
    of_path = (made.c.scope_id == param("scope_id"), made.c.path == paths.c.value, made.c.id > param("after"))
    joined = paths.join(copied, (copied.c.path == paths.c.value) & (copied.c.scope_id == param("from_id")))
    found = select(*chosen.values()).select_from(joined).where(*of_path)
    return insert(heads).from_select(list(chosen), found)


def _bury() -> Any:
    paths, content = given_paths(), versions.alias("content")
    chosen = {
        "scope_id": heads.c.scope_id,
        "path": heads.c.path,
        "opaque": false(),
        "action": bindparam("action", type_=Text()),
        "size": bindparam("nothing", type_=Number),
        "tags": func.coalesce(content.c.tags, "[]"),
        "created_at": bindparam("now", type_=Float()),
        "actor": bindparam("actor", type_=Number),
    }
    joined = paths.join(heads, (heads.c.path == paths.c.value) & (heads.c.scope_id == param("scope_id"))).outerjoin(
        content, content.c.id == heads.c.version
    )
    found = select(*chosen.values()).select_from(joined).order_by(heads.c.path)
    return insert(versions).from_select(list(chosen), found)


_COPY_VERSIONS = Statement(_copy_versions)
_COPY_HEADS = Statement(_copy_heads)
_BURY = Statement(_bury)


def copy(tx: Transaction, scope_id: int, from_id: int, paths: Sequence[str], logged: LoggedAs) -> None:
    """Give a scope what another one has itself at some paths, where it has nothing of its own."""
    if not paths:
        return
    places: dict[str, Value] = {"paths": paths_of(paths), "scope_id": scope_id, "from_id": from_id}
    tx.run(_COPY_VERSIONS, {**places, **logged.values(), "action": logged.cause.action})
    tx.run(_COPY_HEADS, {**places, "after": logged.after})
    prune(tx, scope_id, paths)


def drop(tx: Transaction, scope_id: int, paths: Sequence[str], cause: Cause) -> None:
    """Let the lower scopes show through at some paths where a scope has something of its own."""
    if not paths:
        return
    given = paths_of(paths)
    values: dict[str, Value] = {"nothing": 0, "now": time.time(), "actor": actor_records.current_id(tx)}
    tx.run(_BURY, {"paths": given, "scope_id": scope_id, "action": cause.action, **values})
    tx.run(DELETE_HEADS, {"paths": given, "of_scope": scope_id})
    prune(tx, scope_id, paths)
