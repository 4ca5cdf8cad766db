"""The rows of messages: each message once in a scope, and instructions that many of them repeat once for all.

pydantic-ai puts the instructions of an agent into every request. They are cut out of the JSON of a message, and stored
as a row of their own, which counts the messages that need it. Hashes are those of the whole JSON.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar, cast

from sqlalchemy import and_, delete, literal, select, tuple_, update

from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.engine.statements import Statement, Value, fill, insert_row, param, slots
from pydantic_hivemind.ledger.schema import messages, turns

HASH_BYTES = 16
"""Length of the hashes of messages and turns, in bytes: the chance of a collision among 2**60 is negligible."""

INSTRUCTIONS_BYTES = 200
"""Bytes of instructions from which on they are stored apart: a row of their own takes about a hundred."""

MESSAGES_PER_QUERY = 500
"""Number of messages read in one query when all are read."""

_BATCHES = (1, 8, 64, 500)
"""Numbers of hashes in one query: few lengths, since each is compiled once; SQLite allows 32,766 parameters."""

_KEY = b'"instructions":'
_CUT = _KEY + b"null"
_JSON_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_REQUEST = b'"kind":"request"'

Item = TypeVar("Item")


class DataMissing(LookupError):
    """A message whose data is not at hand is not stored in the scope."""


def hashed(data: bytes) -> bytes:
    """Return the hash that something is stored under."""
    return blake2b(data, digest_size=HASH_BYTES).digest()


def batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Yield all items in batches that grow; the last repeats its last item to have one of a few lengths."""
    start = step = 0
    while start < len(items):
        left = len(items) - start
        size = min(next((size for size in _BATCHES if size >= left), _BATCHES[-1]), _BATCHES[step])
        batch = items[start : start + size]
        yield [*batch, *[batch[-1]] * (size - len(batch))]
        start, step = start + size, min(step + 1, len(_BATCHES) - 1)


def cut(data: bytes) -> tuple[bytes, bytes | None]:
    """Return the JSON of a message without its instructions, and these as JSON; `None` if they stay in it."""
    # A quote inside of a text is escaped, so what looks like a key is one. Of several, it would be unclear which one
    # to put back.
    if data.count(_KEY) != 1 or _REQUEST not in data:
        return data, None
    start = data.index(_KEY) + len(_KEY)
    found = _JSON_TEXT.match(data, start)
    if found is None or len(found[0]) < INSTRUCTIONS_BYTES:
        return data, None
    return data[:start] + b"null" + data[found.end() :], found[0]


def joined(data: bytes, instructions: bytes | None) -> bytes:
    """Return the whole JSON of a message again."""
    return data if instructions is None else data.replace(_CUT, _KEY + instructions, 1)


_SCOPE = param("scope_id")
_OF_SCOPE = messages.c.scope_id == param("of_scope")
_IS = (_OF_SCOPE, messages.c.hash == param("of_hash"))

_KNOWN: Statement[[int]] = Statement(
    lambda count: select(messages.c.hash).where(
        messages.c.scope_id == _SCOPE, messages.c.hash.in_(slots("hash", count))
    )
)
_TEXTS: Statement[[int]] = Statement(
    lambda count: select(messages.c.hash, messages.c.data).where(
        messages.c.scope_id == _SCOPE, messages.c.hash.in_(slots("hash", count))
    )
)
_INSERT = Statement(lambda: insert_row(messages))
_COUNT = Statement(lambda: update(messages).where(*_IS).values(uses=messages.c.uses + param("more")))
_DELETE_UNUSED_TEXT = Statement(lambda: delete(messages).where(*_IS, messages.c.uses <= 0))
_DELETE: Statement[[int]] = Statement(
    lambda count: (
        delete(messages)
        .where(
            messages.c.scope_id == _SCOPE,
            messages.c.hash.in_(slots("hash", count)),
            messages.c.uses.is_(None),
            ~select(literal(1)).where(turns.c.scope_id == _SCOPE, turns.c.message == messages.c.hash).exists(),
        )
        .returning(messages.c.instructions)
    )
)

_texts = messages.alias("texts")
_PAGE = Statement(
    lambda: (
        select(messages.c.scope_id, messages.c.hash, messages.c.data, _texts.c.data)
        .select_from(
            messages.outerjoin(
                _texts, and_(_texts.c.scope_id == messages.c.scope_id, _texts.c.hash == messages.c.instructions)
            )
        )
        .where(
            messages.c.uses.is_(None),
            tuple_(messages.c.scope_id, messages.c.hash) > tuple_(param("after_scope"), param("after_hash")),
        )
        .order_by(messages.c.scope_id, messages.c.hash)
        .limit(param("limit"))
    )
)


def store(tx: Transaction, scope_id: int, found: Mapping[bytes, bytes | None]) -> None:
    """Store messages, by their hashes; those that the scope has already are left as they are.

    Raises:
        DataMissing: The scope has not got one whose data is `None`.
    """
    missing = dict(found)
    for batch in batches([*found]):
        for (known,) in tx.rows(_KNOWN, {"scope_id": scope_id, **fill("hash", batch)}, len(batch)):
            missing.pop(known, None)
    rows: list[dict[str, Value]] = []
    texts: dict[bytes, bytes] = {}
    needed: Counter[bytes] = Counter()
    for hash, whole in missing.items():
        if whole is None:
            raise DataMissing
        data, text = cut(whole)
        of_text = None if text is None else hashed(text)
        if text is not None and of_text is not None:
            texts[of_text] = text
            needed[of_text] += 1
        rows.append({"scope_id": scope_id, "hash": hash, "data": data, "instructions": of_text, "uses": None})
    for hash, uses in needed.items():
        if not tx.run(_COUNT, {"of_scope": scope_id, "of_hash": hash, "more": uses}):
            whose = {"scope_id": scope_id, "hash": hash, "uses": uses}
            rows.append({**whose, "data": texts[hash], "instructions": None})
    tx.run_all(_INSERT, rows)


def instructions(tx: Transaction, scope_id: int, hashes: Collection[bytes]) -> dict[bytes, bytes]:
    """Return instructions that are stored apart, as JSON, by their hashes."""
    found: dict[bytes, bytes] = {}
    for batch in batches([*hashes]):
        found.update(tx.rows(_TEXTS, {"scope_id": scope_id, **fill("hash", batch)}, len(batch)))
    return found


def forget(tx: Transaction, scope_id: int, hashes: Collection[bytes]) -> None:
    """Delete those of some messages that no turn contains any more, and instructions that no message needs."""
    freed: Counter[bytes] = Counter()
    for batch in batches([*hashes]):
        deleted = tx.rows(_DELETE, {"scope_id": scope_id, **fill("hash", batch)}, len(batch))
        freed.update(cast(bytes, text) for (text,) in deleted if text is not None)
    for hash, uses in freed.items():
        place: dict[str, Value] = {"of_scope": scope_id, "of_hash": hash}
        tx.run(_COUNT, {**place, "more": -uses})
        tx.run(_DELETE_UNUSED_TEXT, place)


def every_message(tx: Transaction) -> Iterator[bytes]:
    """Yield the messages of all scopes."""
    after: tuple[Value, Value] = (-1, b"")
    while rows := tx.rows(_PAGE, {"after_scope": after[0], "after_hash": after[1], "limit": MESSAGES_PER_QUERY}):
        yield from (joined(cast(bytes, data), cast("bytes | None", text)) for _, _, data, text in rows)
        after = rows[-1][0], rows[-1][1]
