"""Stored outcomes of operation ids, which make retries safe."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar, cast

from sqlalchemy import delete, select

from pydantic_hivemind.base.json_values import from_json, to_json_value
from pydantic_hivemind.base.values import Outcome, Stat
from pydantic_hivemind.base.version_names import VersionNames
from pydantic_hivemind.errors import OperationConflict
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, insert_row, param
from pydantic_hivemind.ledger.schema import receipts
from pydantic_hivemind.limits import MAX_OPERATION_ID_CHARS, OPERATION_ID_SECONDS

Result = TypeVar("Result", bound=Outcome)


@dataclass(frozen=True)
class Receipt:
    """The stored outcome of an operation id."""

    outcome: Outcome


_FIND = Statement(
    lambda: select(receipts.c.fingerprint, receipts.c.result).where(
        receipts.c.scope_id == param("scope_id"), receipts.c.operation_id == param("operation_id")
    )
)
_INSERT = Statement(lambda: insert_row(receipts))
_FORGET = Statement(
    lambda: delete(receipts).where(receipts.c.scope_id == param("scope_id"), receipts.c.created_at < param("before"))
)


def fingerprint(*arguments: object) -> str:
    """Return a digest of an operation and its arguments, which distinguishes a retry from another use of its id."""
    digest = hashlib.sha256()
    for argument in arguments:
        part = argument if isinstance(argument, bytes) else repr(argument).encode(errors="surrogatepass")
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def once(
    tx: Transaction,
    scope_id: int,
    operation_id: str | None,
    arguments: Sequence[object],
    work: Callable[[], Result],
    *,
    earlier: Sequence[object] = (),
) -> Result:
    """Run work, or return its stored outcome if its operation id was used before.

    `earlier` are the arguments as an earlier version of this package would have stored them.

    Raises:
        OperationConflict: The id was used with other arguments, or is not valid.
    """
    if operation_id is None:
        return work()
    mark = fingerprint(*arguments)
    done = find(tx, scope_id, operation_id, mark, fingerprint(*earlier) if earlier else mark)
    if done is not None:
        return cast(Result, done.outcome)
    outcome = work()
    store(tx, scope_id, operation_id, mark, outcome)
    return outcome


def find(tx: Transaction, scope_id: int, operation_id: str, *marks: str) -> Receipt | None:
    """Return the stored outcome of an operation id, or `None` if it was not used before.

    Raises:
        OperationConflict: The id was used with other arguments, or is not valid.
    """
    if not 0 < len(operation_id) <= MAX_OPERATION_ID_CHARS or not operation_id.isprintable():
        raise OperationConflict(
            f"an operation id must have 1 to {MAX_OPERATION_ID_CHARS} printable characters; use another"
        )
    rows = tx.rows(_FIND, {"scope_id": scope_id, "operation_id": operation_id})
    if not rows:
        return None
    if rows[0][0] not in marks:
        raise OperationConflict(f"operation id {operation_id!r} was used before with other arguments; use a new one")
    return Receipt(_outcome(cast(str, rows[0][1]), tx.version_names))


def store(tx: Transaction, scope_id: int, operation_id: str, mark: str, outcome: Outcome) -> None:
    """Store the outcome of an operation id, in the transaction of the operation."""
    now = tx.now()
    values: dict[str, Value] = {
        "scope_id": scope_id,
        "operation_id": operation_id,
        "fingerprint": mark,
        "result": json.dumps(to_json_value(outcome)),
        "created_at": now,
    }
    tx.run(_FORGET, {"scope_id": scope_id, "before": now - OPERATION_ID_SECONDS})
    tx.run(_INSERT, values)


def _outcome(text: str, names: VersionNames) -> Outcome:
    """Return a stored outcome."""
    return cast(Outcome, from_json(cast(Any, Outcome), json.dumps(_as_stored_now(json.loads(text), names))))


def _as_stored_now(document: Any, names: VersionNames) -> Any:
    """Return an outcome as it is stored today.

    Before, a stat was a list, bytes were in the alphabet for URLs, and versions were numbers.
    """
    if isinstance(document, list):
        items = cast("list[Any]", document)
        is_stat = len(items) == len(_STAT_FIELDS) and isinstance(items[1], bool)
        return _as_stored_now(dict(zip(_STAT_FIELDS, items, strict=True)), names) if is_stat else items
    if not isinstance(document, dict):
        return document
    outcome = cast("dict[str, Any]", document)
    if "stat" in outcome:
        return outcome | {"stat": _as_stored_now(outcome["stat"], names)}
    if isinstance(number := outcome.get("version"), int):
        return outcome | {"version": names.shown(number)}
    for conflict in outcome.get("conflicts", ()):
        for side in ("base", "ours", "theirs"):
            conflict[side] = conflict[side] and conflict[side].translate(_STANDARD_ALPHABET)
    return outcome


_STAT_FIELDS = tuple(field.name for field in fields(Stat))
_STANDARD_ALPHABET = str.maketrans("-_", "+/")
