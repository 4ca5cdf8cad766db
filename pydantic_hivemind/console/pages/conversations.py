"""Conversations and checkpoints as threads that people can read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from pydantic_ai.messages import ModelMessage

from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.limits import CONSOLE_ROWS, MAX_SHOWN_CHARS

_LONGEST = MAX_SHOWN_CHARS // 20
Role = Literal["user", "agent", "thought", "tool", "system"]

_SPEAKERS: dict[str, tuple[Role, str]] = {
    "user-prompt": ("user", "user"),
    "system-prompt": ("system", "instructions"),
    "text": ("agent", "agent"),
    "thinking": ("thought", "thinking"),
}
"""Who says a part, by its kind, and its title."""


@dataclass(frozen=True)
class Bubble:
    """One part of a message.

    Attributes:
        role: Who says it.
        title: What it is, such as the name of a tool.
        text: What is said.
        is_cut: Whether more was said than is shown.
        at: Time, in seconds since the epoch; `None` if it is not known.
    """

    role: Role
    title: str
    text: str
    is_cut: bool
    at: float | None


def listing(asked: Asked) -> Answer:
    """Show the conversations of a workspace, those that changed last first."""
    scope = asked.workspace()
    _check(asked)
    name, archived = asked.query.text("name"), asked.query.flag("archived")
    found = [
        info
        for info in scope.conversations()
        if info.archived == archived and name.lower() in f"{info.title or ''} {info.id}".lower()
    ]
    found.sort(key=lambda info: info.modified_at, reverse=True)
    at = asked.query.number("from", 0, 10**9)
    shown = found[at : at + CONSOLE_ROWS]
    more = at + CONSOLE_ROWS if len(found) > at + CONSOLE_ROWS else None
    values = {"scope": scope, "rows": shown, "more": more, "name": name, "archived": archived, "count": len(found)}
    return Page("conversations", values)


def thread(asked: Asked) -> Answer:
    """Show the messages of a conversation, the last ones first to be read."""
    scope = asked.workspace()
    _check(asked)
    id = asked.query.exact("id")
    talk = scope.conversation(id)
    everything = asked.query.flag("everything")
    messages = talk.load(last=None if everything else CONSOLE_ROWS, skip_unreadable=True)
    return Page(
        "conversation",
        {
            "scope": scope,
            "id": id,
            "title": talk.title,
            "bubbles": bubbles(messages),
            "has_earlier": not everything and len(messages) == CONSOLE_ROWS,
            "checkpoints": scope.checkpoints(id).count(),
            "may_write": asked.viewer.may("write"),
            "archived": next((info.archived for info in scope.conversations() if info.id == id), False),
        },
    )


def archive(asked: Asked) -> Answer:
    """Put a conversation aside, or bring it back."""
    scope = asked.workspace()
    _check(asked)
    asked.viewer.require("write")
    id, back = asked.query.exact("id"), asked.form.flag("back")
    scope.conversation(id).archive(not back)
    return See(address("conversation", workspace=scope.name, id=id, done="unarchived" if back else "archived"))


def checkpoints(asked: Asked) -> Answer:
    """Show the checkpoints of a conversation, newest first."""
    scope = asked.workspace()
    _check(asked)
    id = asked.query.text("conversation") or None
    found = sorted(scope.checkpoints(id).list_all(), key=lambda each: each.created_at.timestamp(), reverse=True)
    at = asked.query.number("from", 0, 10**9)
    more = at + CONSOLE_ROWS if len(found) > at + CONSOLE_ROWS else None
    rows = [(each, each.created_at.timestamp()) for each in found[at : at + CONSOLE_ROWS]]
    return Page("checkpoints", {"scope": scope, "conversation": id, "rows": rows, "more": more})


def checkpoint(asked: Asked) -> Answer:
    """Show what a conversation was at a checkpoint: where rewinding to it leads."""
    scope = asked.workspace()
    _check(asked)
    id = asked.query.text("conversation") or None
    found = scope.checkpoints(id).get(asked.query.exact("id"))
    values: dict[str, object] = {"scope": scope, "conversation": id, "checkpoint": found, "bubbles": [], "after": []}
    if found is not None:
        values["bubbles"] = bubbles(found.messages[-CONSOLE_ROWS:])
        if id is not None:
            now = scope.conversation(id).load(skip_unreadable=True)
            values["after"] = bubbles(now[len(found.messages) :][:CONSOLE_ROWS])
    return Page("checkpoint", values, 200 if found is not None else 404)


def bubbles(messages: Sequence[ModelMessage]) -> list[Bubble]:
    """Return messages as what a page shows of them."""
    return [bubble for message in messages for bubble in _of_message(message)]


def _check(asked: Asked) -> None:
    """Check that the viewer may see what was said in a workspace: that is not of one of its directories."""
    asked.viewer.require("read")
    asked.viewer.check(asked.workspace(), "diff")


def _of_message(message: ModelMessage) -> Iterable[Bubble]:
    """Return the parts of a message; fields that only some kinds of parts have are looked for by name."""
    parts: Sequence[Any] = message.parts
    for part in parts:
        stamp: datetime | None = getattr(part, "timestamp", None) or getattr(message, "timestamp", None)
        at = stamp.timestamp() if stamp is not None else None
        kind: str = part.part_kind
        content: object = getattr(part, "content", None)
        name = str(getattr(part, "tool_name", None) or "")
        if kind in _SPEAKERS:
            role, title = _SPEAKERS[kind]
            yield _bubble(role, title, _text(content), at)
        elif kind.endswith("return") or kind == "retry-prompt":
            yield _bubble("tool", f"result of {name}" if name else "asked to try again", _text(content), at)
        elif hasattr(part, "args"):
            yield _bubble("tool", f"calls {name}", _text(part.args), at)
        else:
            yield _bubble("agent", kind, _text(content), at)


def _bubble(role: Role, title: str, text: str, at: float | None) -> Bubble:
    return Bubble(role, title, text[:_LONGEST], len(text) > _LONGEST, at)


def _text(content: object) -> str:
    """Return what a part holds as text; bytes and the like are only mentioned."""
    if content is None or isinstance(content, str):
        return content or ""
    # Its type is known to nobody: pyright would say so at each use.
    anything = cast("Any", content)
    if isinstance(content, list | tuple) and any(not isinstance(item, dict | str | int) for item in anything):
        return "\n".join(item if isinstance(item, str) else _mentioned(item) for item in anything)
    try:
        return json.dumps(anything, ensure_ascii=False, indent=2, default=_mentioned)
    except (ValueError, TypeError, RecursionError):
        return _mentioned(anything)


def _mentioned(value: object) -> str:
    return f"[{type(value).__name__}]"
