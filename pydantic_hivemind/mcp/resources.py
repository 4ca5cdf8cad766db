"""A workspace's files as resources: `hivemind:///path`."""

from __future__ import annotations

from mimetypes import guess_type
from urllib.parse import quote, unquote, urlsplit

import mcp_types as types

from pydantic_hivemind.base.json_values import to_base64
from pydantic_hivemind.errors import InvalidPath
from pydantic_hivemind.hive.scope import Scope

SCHEME = "hivemind"

PAGE = 200
"""Most resources that are listed at once."""

TEMPLATE = types.ResourceTemplate(
    uri_template=f"{SCHEME}:///{{+path}}",
    name="file",
    description="A file of the workspace or of those it inherits from, by its path.",
)


def uri_of(path: str) -> str:
    """The URI of a file."""
    return f"{SCHEME}://{quote(path)}"


def page(scope: Scope, cursor: str | None) -> types.ListResourcesResult:
    """Some of the files, by path; a cursor is the URI of the last one before them."""
    files = scope.glob("**")
    if cursor is not None:
        after = path_in(cursor)
        files = [stat for stat in files if stat.path > after]
    resources = [
        types.Resource(
            uri=uri_of(stat.path), name=stat.path, mime_type=guess_type(stat.path, strict=False)[0], size=stat.size
        )
        for stat in files[:PAGE]
    ]
    more = len(files) > PAGE
    return types.ListResourcesResult(resources=resources, next_cursor=resources[-1].uri if more else None)


def content(scope: Scope, uri: str) -> types.ReadResourceResult:
    """A file's content, exactly: as text if it is, or else as bytes."""
    file = scope.read(path_in(uri))
    mime_type = guess_type(file.stat.path, strict=False)[0]
    try:
        contents = types.TextResourceContents(uri=uri, mime_type=mime_type or "text/plain", text=file.text)
    except UnicodeDecodeError:
        contents = types.BlobResourceContents(
            uri=uri, mime_type=mime_type or "application/octet-stream", blob=to_base64(file.data)
        )
    return types.ReadResourceResult(contents=[contents])


def path_in(uri: str) -> str:
    """The path in a URI. Raises `InvalidPath` for what is no URI of a file here; a host would be another workspace."""
    try:
        parts = urlsplit(uri)
        if parts.scheme == SCHEME and not (parts.netloc or parts.query or parts.fragment) and parts.path[:1] == "/":
            return unquote(parts.path, errors="strict")
    except ValueError:
        pass
    raise InvalidPath(f"{uri!r} is not the URI of a file; use {SCHEME}:///path")
