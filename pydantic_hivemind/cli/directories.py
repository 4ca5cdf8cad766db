"""Import and export of workspaces as directories: files of a `LocalBackend`, checkpoints of a `FileCheckpointStore`.

A checkpoint is a file `ID.json` with seven fields. pydantic-ai, which parses messages, is imported on first use.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic_hivemind.cli.exits import ExitCode, Refused
from pydantic_hivemind.errors import CheckpointError, FileTooLarge, PathError
from pydantic_hivemind.limits import MAX_FILE_BYTES, MAX_IMPORT_LINKS

if TYPE_CHECKING:
    from pydantic_hivemind.hive.scope import Scope
    from pydantic_hivemind.messages.checkpoints import Snapshot

CHECKPOINTS = ".deep/checkpoints"
"""Directory to which `export` writes checkpoints: beside pydantic-deep's memory."""

_FIELDS = {"id", "label", "turn", "messages", "message_count", "created_at", "metadata"}


@dataclass
class Outcome:
    """Result of an import or export.

    Attributes:
        files: Number of copied files.
        checkpoints: Number of copied checkpoints.
        unchanged: Number of files and checkpoints that were identical already.
        skipped: By path, why it was not copied.
    """

    files: int = 0
    checkpoints: int = 0
    unchanged: int = 0
    skipped: dict[str, str] = field(default_factory=dict[str, str])


def bring_in(directory: Path, scope: Scope, progress: Callable[[int, int], object]) -> Outcome:
    """Copy the files below a directory to a scope, and its checkpoints; other files of the scope are kept."""
    outcome = Outcome()

    found = sorted(_below(directory, outcome.skipped), key=lambda entry: entry.name)
    checkpoints = scope.checkpoints()
    for done, (name, path) in enumerate(found, start=1):
        try:
            # A link that came as far as this leads to a place in the directory.
            status = path.stat()
            if stat.S_ISDIR(status.st_mode):
                scope.make_dir(name)
            elif not stat.S_ISREG(status.st_mode):
                outcome.skipped[name] = "it is not a regular file"
            elif status.st_size > MAX_FILE_BYTES:
                outcome.skipped[name] = f"it is larger than {MAX_FILE_BYTES} bytes"
            elif (snapshot := _snapshot(path)) is not None:
                if checkpoints.get(snapshot.id) == snapshot:
                    outcome.unchanged += 1
                else:
                    checkpoints.save(snapshot)
                    outcome.checkpoints += 1
            elif _is_same(scope, name, data := path.read_bytes()):
                outcome.unchanged += 1
            else:
                scope.write_bytes(name, data)
                outcome.files += 1
        except (PathError, CheckpointError, FileTooLarge) as error:
            outcome.skipped[name] = str(error)
        except OSError as error:
            outcome.skipped[name] = error.strerror or "it cannot be read"
        progress(done, len(found))
    return outcome


def take_out(scope: Scope, directory: Path, progress: Callable[[int, int], object]) -> Outcome:
    """Copy the files that a scope sees, and its checkpoints, to a directory.

    Raises:
        Refused: The directory is not empty, or cannot be written.
    """
    outcome = Outcome()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(directory.iterdir()):
            raise Refused(f"{directory} is not empty; use a new or empty directory", ExitCode.CONFLICT)
        entries = list(_within(scope, "/"))
        snapshots = scope.checkpoints().list_all()
        for done, (path, is_dir) in enumerate(entries, start=1):
            target = directory / path[1:]
            if is_dir:
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.write_bytes(scope.read_bytes(path))
                outcome.files += 1
            progress(done, len(entries) + len(snapshots))
        for done, snapshot in enumerate(snapshots, start=1):
            target = directory / CHECKPOINTS / f"{snapshot.id}.json"
            if target.name != f"{snapshot.id}.json" or "/" in snapshot.id or target.exists():
                outcome.skipped[f"checkpoint {snapshot.id}"] = "its id is not a valid file name"
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(_document(snapshot))
                outcome.checkpoints += 1
            progress(len(entries) + done, len(entries) + len(snapshots))
    except OSError as error:
        if isinstance(error, PathError):
            raise
        raise Refused(f"{directory} cannot be written: {error.strerror}", ExitCode.STORE) from None
    return outcome


class _Entry(NamedTuple):
    """What there is to import.

    Attributes:
        name: Its path in the scope.
        path: Its path on the host.
    """

    name: str
    path: Path


def _below(directory: Path, skipped: dict[str, str]) -> Iterator[_Entry]:
    """Yield the files below a directory, and the directories that are empty; links are followed inside it.

    Args:
        directory: The directory.
        skipped: By path, why something is left out.
    """
    root = directory.resolve()

    def look(here: Path, name: str, above: tuple[Path, ...], links: int) -> Iterator[_Entry]:
        try:
            with os.scandir(here) as entries:
                children = sorted(Path(entry.path) for entry in entries)
        except OSError as error:
            skipped[name or "/"] = error.strerror or "it cannot be read"
            return
        if not children and name:
            yield _Entry(name, here)
        for child in children:
            inner = f"{name}/{child.name}"
            is_link = child.is_symlink()
            if is_link and (reason := _refusal(child, root, above, links)) is not None:
                skipped[inner] = reason
            elif child.is_dir():
                yield from look(child, inner, (*above, child.resolve()), links + is_link)
            else:
                yield _Entry(inner, child)

    yield from look(directory, "", (root,), 0)


def _refusal(link: Path, root: Path, above: tuple[Path, ...], links: int) -> str | None:
    """Return why a link is not followed; `None` if it is."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):
        return "it is a link that leads nowhere"
    if not target.is_relative_to(root):
        return "it is a link that leads out of the directory; links are followed inside it only"
    if target in above:
        return "it is a link to a directory that it is in"
    return "it is a link in too many others" if links >= MAX_IMPORT_LINKS else None


def _within(scope: Scope, directory: str) -> Iterator[tuple[str, bool]]:
    """Yield everything below a directory of a scope, directories before their content."""
    for entry in scope.list_dir(directory):
        yield entry.path, entry.is_dir
        if entry.is_dir:
            yield from _within(scope, entry.path)


def _is_same(scope: Scope, path: str, data: bytes) -> bool:
    return scope.exists(path) and not scope.stat(path).is_dir and scope.read_bytes(path) == data


def _snapshot(path: Path) -> Snapshot | None:
    """Return the checkpoint in a file; `None` for any other file."""
    if path.suffix != ".json":
        return None
    try:
        parsed = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    document = cast("dict[str, Any]", parsed)
    # Older ones may have no metadata.
    if document.keys() | {"metadata"} != _FIELDS or document["id"] != path.stem:
        return None
    from pydantic import ValidationError
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    from pydantic_hivemind.messages.checkpoints import Snapshot

    try:
        messages = ModelMessagesTypeAdapter.validate_json(json.dumps(document["messages"]))
        created_at = datetime.fromisoformat(document["created_at"])
    except (ValidationError, ValueError, TypeError) as error:
        raise CheckpointError(f"it has the fields of a checkpoint but is not valid ({type(error).__name__})") from None
    return Snapshot(
        id=document["id"],
        label=document["label"],
        turn=document["turn"],
        messages=messages,
        message_count=document["message_count"],
        created_at=created_at,
        metadata=document.get("metadata", {}),
    )


def _document(snapshot: Snapshot) -> bytes:
    """Return a checkpoint as the file that `FileCheckpointStore` reads."""
    from pydantic_ai.messages import ModelMessagesTypeAdapter

    messages = json.loads(ModelMessagesTypeAdapter.dump_json(snapshot.messages))
    fields = {name: getattr(snapshot, name) for name in sorted(_FIELDS)}
    fields |= {"messages": messages, "created_at": snapshot.created_at.isoformat()}
    return json.dumps(fields, ensure_ascii=False).encode()
