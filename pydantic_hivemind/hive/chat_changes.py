"""What becomes of messages and files of a chat together: each change is one transaction, so a crash leaves no half.

The messages and checkpoints of a chat are those of a conversation of the user's scope, and its files are in a session
of it. Messages are not read: a checkpoint, a rewind and a fork name the end of a history, whatever is in it.
"""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

from pydantic_hivemind.errors import CheckpointError, ScopeExists
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.ledger import (
    checkpoint_records,
    conversation_records,
    layer_states,
    message_chain,
    overlay,
    scopes,
)
from pydantic_hivemind.ledger.checkpoint_records import CheckpointRow, Place
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.messages import turn_fence
from pydantic_hivemind.messages.checkpoints import microseconds
from pydantic_hivemind.messages.encoding import check_text, is_storable
from pydantic_hivemind.promotion import rewind

MOMENT = "hivemind_files"
"""Key of a checkpoint's metadata: the state of the chat's files."""


@dataclass(frozen=True)
class ChatPlace:
    """Where a chat is.

    Attributes:
        user: The scope with its messages and checkpoints.
        id: Id of its conversation.
        files: The session with its files.
    """

    user: Scope
    id: str
    files: Scope


def checkpoint(chat: ChatPlace, label: str | None) -> str:
    """Save messages and files as they are now, and return the id of the checkpoint.

    Args:
        chat: The chat.
        label: Name for people; if omitted, the number of messages.

    Raises:
        CheckpointError: The label contains NUL or a lone surrogate.
        ScopeGone: One of the scopes was destroyed, or its ttl has passed.
    """
    if label is not None:
        check_text(label, "a checkpoint's label")
    with chat.files._database.write(chat.files._row.chain) as tx:
        overlay.check_alive(tx, chat.files._row.chain)
        return _save(tx, Place(chat.user._row.id, chat.id), chat.files._row.id, label)


def rewind_to(chat: ChatPlace, checkpoint_id: str, label: str) -> str:
    """Take messages and files back to a checkpoint, and return the id of one of what was before.

    Args:
        chat: The chat.
        checkpoint_id: The checkpoint. If it has no state of the files, they stay.
        label: Label of the one of what was before.

    Raises:
        CheckpointError: The chat has no such checkpoint.
        TurnLost: Another turn has begun since the one that this is called in.
        VersionNotFound: What a file was is not kept any more. Nothing was changed.
        VersionConflict: Something is in the way of a file. Nothing was changed.
        ScopeGone: One of the scopes was destroyed, or its ttl has passed.
    """
    place = Place(chat.user._row.id, chat.id)
    with chat.files._database.write(chat.files._row.chain) as tx:
        overlay.check_alive(tx, chat.files._row.chain)
        turn_fence.check(tx, turn_fence.Place(chat.user._database, chat.user._row.id, chat.id))
        found = _found(tx, place, checkpoint_id)
        before = _save(tx, place, chat.files._row.id, label)
        moment = json.loads(found.metadata).get(MOMENT)
        if moment is not None:
            rewind.rewind(tx, chat.files._row.chain, moment)
        # What the conversation had is in the checkpoint: there is nothing to forget.
        conversation_records.set_head(tx, place.scope_id, chat.id, found.head)
    chat.files._search_service.touched(chat.files._row.chain)
    return before


def fork(chat: ChatPlace, id: str, name: str, at: str | None) -> None:
    """Make a chat of the same user with messages and files of this one, and a checkpoint of them.

    Args:
        chat: The chat.
        id: Id of the conversation of the new one.
        name: Name of the session with its files.
        at: Id of a checkpoint to begin at; if omitted, as the chat is now.

    Raises:
        CheckpointError: The chat has no such checkpoint.
        ScopeExists: The user has a chat of that id.
        VersionNotFound: What a file was is not kept any more. No chat was made.
        ScopeGone: One of the scopes was destroyed, or its ttl has passed.
    """
    scopes.check_name(name)
    user, files = chat.user._row, chat.files._row
    with chat.files._database.write(files.chain) as tx:
        overlay.check_alive(tx, files.chain)
        if conversation_records.end(tx, user.id, id)[1]:
            raise ScopeExists(f"the user has a chat {id!r} already; use another id")
        head, moment = conversation_records.head(tx, user.id, chat.id), None
        if at is not None:
            found = _found(tx, Place(user.id, chat.id), at)
            head, moment = found.head, json.loads(found.metadata).get(MOMENT)
        made, purged = scopes.make(tx, name, user.chain, session=True, ttl=None)
        rewind.copy(tx, files.chain, layer_states.newest(tx, files.id) if moment is None else moment, made.chain)
        conversation_records.set_head(tx, user.id, id, head)
        _save(tx, Place(user.id, id), made.id, "fork")
    chat.files._search_service.forget(purged)
    chat.files._search_service.touched(made.chain)


def delete(chat: ChatPlace) -> None:
    """Remove messages, checkpoints, title and files of a chat.

    Raises:
        ScopeGone: One of the scopes was destroyed, or its ttl has passed.
    """
    user = chat.user._row
    with chat.user._database.write(user.chain) as tx:
        overlay.check_alive(tx, user.chain)
        checkpoint_records.clear(tx, Place(user.id, chat.id))
        head = conversation_records.head(tx, user.id, chat.id)
        conversation_records.set_title(tx, user.id, chat.id, None)
        conversation_records.set_head(tx, user.id, chat.id, None)
        message_chain.forget(tx, user.id, [head])
        destroyed = scopes.destroy(tx, chat.files._row, cascade=True)
    chat.files._search_service.forget(destroyed)


def _found(tx: Transaction, place: Place, id: str) -> CheckpointRow:
    found = checkpoint_records.get(tx, place, id) if is_storable(id) else None
    if found is None:
        raise CheckpointError("the chat has no such checkpoint; see its checkpoints()")
    return found


def _save(tx: Transaction, place: Place, files: int, label: str | None) -> str:
    head, count = conversation_records.end(tx, place.scope_id, place.conversation)
    now = datetime.now(timezone.utc)
    row = CheckpointRow(
        id=uuid.uuid4().hex,
        label=f"{count} messages" if label is None else label,
        turn=count,
        head=head,
        message_count=count,
        created_at=now.isoformat(),
        created_us=microseconds(now),
        metadata=json.dumps({MOMENT: layer_states.newest(tx, files)}),
    )
    checkpoint_records.save(tx, place, row, [])
    return row.id
