"""What programs print of a scope's files: those of `StateBackend.files`, and what was uploaded to it."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import islice
from mimetypes import guess_type
from typing import TYPE_CHECKING, Any, cast

from pydantic_hivemind.base.json_values import to_base64
from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.errors import HivemindError, ScopeNotFound
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_LISTED_UPLOADS, MAX_SHOWN_BYTES, MAX_SHOWN_FILES

if TYPE_CHECKING:
    from pydantic_ai_backends.types import FileData

UPLOADS = "/uploads"
"""Directory in which pydantic-deep keeps uploads, on both lines."""


def shown_files(scope: Scope) -> dict[str, FileData]:
    """Return the first files of a scope by path, with their text, as `StateBackend.files` has them.

    There are `MAX_SHOWN_FILES` at most, and `MAX_SHOWN_BYTES` of content; it is a copy.

    Raises:
        StoreError: The store failed.
    """
    shown: dict[str, FileData] = {}
    room = MAX_SHOWN_BYTES
    try:
        for stat in islice(scope.glob("**"), MAX_SHOWN_FILES):
            if stat.size <= room:
                room -= stat.size
                shown[stat.path] = _data(stat, scope.read_bytes(stat.path))
    except ScopeNotFound:
        return {}
    return shown


def earlier_uploads(scope: Scope, directory: str) -> dict[str, dict[str, Any]]:
    """Return what pydantic-deep knows of uploads, for the latest files in the directory of uploads.

    Args:
        scope: The scope.
        directory: The directory as pydantic-deep names it.
    """
    try:
        found = sorted(scope.glob("**", UPLOADS), key=lambda stat: stat.modified_at, reverse=True)
    except HivemindError:
        return {}
    return {
        path: {
            "name": stat.name,
            "path": path,
            "size": stat.size,
            "line_count": None,
            "mime_type": guess_type(stat.name)[0],
            "encoding": "binary",
        }
        for stat in found[:MAX_LISTED_UPLOADS]
        for path in [directory + stat.path.removeprefix(UPLOADS)]
    }


def _data(stat: Stat, content: bytes) -> FileData:
    moments = [
        datetime.fromtimestamp(moment, timezone.utc).isoformat() for moment in (stat.created_at, stat.modified_at)
    ]
    data: dict[str, Any] = {"created_at": moments[0], "modified_at": moments[1]}
    try:
        data["content"] = content.decode().split("\n")
    except UnicodeDecodeError:
        data |= {"content": [to_base64(content)], "encoding": "base64"}
    return cast("FileData", data)
