"""The pages of the console, by the last part of their address: what shows one, and what its form does."""

from __future__ import annotations

from collections.abc import Callable

from pydantic_hivemind.console.answers import Answer, Asked
from pydantic_hivemind.console.pages import (
    changes,
    conversations,
    file_page,
    files,
    finding,
    proposals,
    tokens,
    upkeep,
    workspaces,
)

Work = Callable[[Asked], Answer]

PAGES: dict[str, tuple[Work, Work | None]] = {
    "workspaces": (workspaces.tree, None),
    "level": (workspaces.level, None),
    "sessions": (workspaces.sessions, workspaces.end_session),
    "files": (files.listing, files.new_file),
    "file": (file_page.file, file_page.change),
    "versions": (file_page.versions, file_page.restore),
    "download": (file_page.download, None),
    "search": (finding.search, None),
    "activity": (changes.activity, changes.undo),
    "changes": (changes.changes, changes.promote),
    "proposals": (proposals.listing, None),
    "proposal": (proposals.proposal, proposals.decide),
    "conversations": (conversations.listing, None),
    "conversation": (conversations.thread, conversations.archive),
    "checkpoints": (conversations.checkpoints, None),
    "checkpoint": (conversations.checkpoint, None),
    "tokens": (tokens.listing, tokens.change),
    "upkeep": (upkeep.overview, upkeep.work),
}
