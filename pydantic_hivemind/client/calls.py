"""The operations on files as requests to a server, without the transport: `HivemindClient` sends them.

Each operation is a generator that yields requests, receives their responses, and returns what the operation of
`Scope` returns.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlencode

from pydantic_hivemind.base.json_values import to_base64
from pydantic_hivemind.base.values import (
    Change,
    Changes,
    Edited,
    File,
    Hit,
    Hits,
    Match,
    Stat,
    Version,
)
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.client.exchange import (
    Ask,
    Steps,
    address,
    change,
    every,
    every_and_rest,
    headers_of,
    many,
    nothing,
    one,
    parse,
    strings,
)
from pydantic_hivemind.errors import SearchDegraded, StoreBusy
from pydantic_hivemind.hive.utf8 import decoded, encoded

MAX_TAGS_CHARS = 2048
"""Maximum length of tags in a URL, in characters: many servers and proxies accept URLs of 8 KB at most. Longer tags are
sent in the body."""

MAX_JSON_DATA = 11 << 20
"""Maximum size of a file that is sent as JSON, in bytes: a server accepts bodies of 16 MiB."""

MAX_ATTEMPTS = 20
"""Maximum number of attempts to read a file and its stat at one version."""

# -- reading -----------------------------------------------------------------------------------


def read(path: str) -> Steps[File]:
    """Return a file's content together with its stat.

    Raises:
        InvalidPath: The path is not valid.
        PathNotFound: No such file exists.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        StoreBusy: The file changed each time its stat was read, which does not fit into the response.
    """
    for _ in range(MAX_ATTEMPTS):
        answer = yield Ask("GET", address(path))
        told = answer.headers.get("hivemind-stat")
        if told is not None:
            return File(parse(Stat, told), answer.content)
        # Too long for a header. It may be of another version by now.
        found = yield from stat(path)
        if answer.headers.get("etag", "").removeprefix("W/") == f'"{found.version}"':
            return File(found, answer.content)
    raise StoreBusy(f"{path!r} changed each time it was read; try again")


def read_bytes(path: str) -> Steps[bytes]:
    """Return a file's content, exactly as it was written.

    Raises:
        InvalidPath: The path is not valid.
        PathNotFound: No such file exists.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
    """
    file = yield from read(path)
    return file.data


def read_text(path: str) -> Steps[str]:
    """Return a file's content as text, with its line ends unchanged.

    Raises:
        NotText: The content is not UTF-8.
        InvalidPath: The path is not valid.
        PathNotFound: No such file exists.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
    """
    file = yield from read(path)
    return decoded(file.stat.path, file.data)


def exists(path: str) -> Steps[bool]:
    """Return whether a file or directory exists at the path.

    Raises:
        InvalidPath: The path is not valid.
    """
    return one(bool, (yield Ask("GET", "exists", {"path": path})))


def stat(path: str) -> Steps[Stat]:
    """Return the metadata of a file or directory without reading it.

    Raises:
        InvalidPath: The path is not valid.
        PathNotFound: No such file or directory exists.
        NotADirectory: A parent of the path is a file.
    """
    return one(Stat, (yield Ask("GET", "stat", {"path": path})))


def list_dir(path: str = "/") -> Steps[list[Stat]]:
    """Return the entries of a directory, sorted by name.

    Raises:
        InvalidPath: The path is not valid.
        PathNotFound: No such directory exists.
        NotADirectory: The path, or a parent of it, is a file.
    """
    return (yield from every(Stat, "list_dir", path=path))


def glob(pattern: str, under: str = "/", *, hidden: bool = True) -> Steps[list[Stat]]:
    """Return the files whose path matches a glob relative to `under`, sorted by path; as `Scope.glob`.

    Raises:
        InvalidPath: `under` is not a valid path.
        InvalidPattern: The glob is too long, has too many alternatives, or takes too long to match.
    """
    return (yield from every(Stat, "glob", pattern=pattern, under=under, hidden=hidden))


def grep(pattern: str, under: str = "/", *, glob: str | None = None, hidden: bool = True) -> Steps[list[Match]]:
    """Return the lines that match a regular expression, in the text files under a path; as `Scope.grep`.

    Raises:
        InvalidPath: `under` is not a valid path.
        InvalidPattern: `pattern` is not a regular expression, `glob` is not a glob, or matching takes too long.
    """
    return (yield from every(Match, "grep", pattern=pattern, under=under, glob=glob, hidden=hidden))


def search(
    query: str | None = None,
    *,
    limit: int = 10,
    under: str = "/",
    tags: str | Sequence[str] | None = None,
    where: Mapping[str, Any] | None = None,
    since: float | datetime | None = None,
    chain: bool = True,
) -> Steps[Hits]:
    """Return the passages most relevant to a query, by meaning and by words, best first; as `Scope.search`.

    Raises:
        InvalidOption: `query`, `limit`, `tags`, `where` or `since` is not valid.
        InvalidPath: `under` is not a valid path.

    Warns:
        SearchDegraded: The server's embedder failed and only the lexical ranking was used; `Hits.degraded` says why.
    """
    moment = since.timestamp() if isinstance(since, datetime) else since
    # What is empty is the default to the API, and finds nothing here.
    wanted = strings(tags)
    asked = {
        "query": query,
        "limit": limit,
        "under": under,
        "tags": [""] if wanted == [] else wanted,
        "where": where,
        "since": moment,
    }
    answer = yield Ask("POST", "search", json={**asked, "chain": chain})
    degraded = answer.headers.get("hivemind-degraded")
    partial: list[str] = json.loads(unquote(answer.headers.get("hivemind-partial", "[]")))
    hits = Hits(many(Hit, answer), None if degraded is None else unquote(degraded), tuple(partial))
    if hits.degraded is not None:
        warnings.warn(f"the search used the lexical ranking only: {hits.degraded}", SearchDegraded, stacklevel=2)
    return hits


def history(path: str) -> Steps[list[Version]]:
    """Return the kept versions of a path in the workspace and its ancestors, newest first.

    Raises:
        InvalidPath: The path is not valid.
    """
    return (yield from every(Version, "history", path=path))


def diff(to: str | None = None) -> Steps[Changes]:
    """Return the changes that promoting the workspace would make in its parent or another ancestor, by path.

    Raises:
        ScopeNotFound: The workspace has no parent, or `to` is not one of its ancestors.
    """
    changes, left_behind = yield from every_and_rest(Change, "diff", to=to)
    return Changes(changes, left_behind)


# -- changing ----------------------------------------------------------------------------------


def write_bytes(
    path: str,
    data: bytes | bytearray | memoryview,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: Expected | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Write a file, creating parent directories as needed; without `tags` it keeps its tags. As `Scope.write_bytes`.

    Raises:
        InvalidPath: The path is not valid.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        FileTooLarge: The content exceeds `MAX_FILE_BYTES`.
        InvalidTag: A tag is not valid, or there are too many.
        InvalidOption: A tag or the operation id cannot be sent.
        VersionConflict: The file is not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    content, wanted = bytes(data), strings(tags)
    in_address = urlencode({"tags": wanted or []}, doseq=True, errors="replace")
    if len(in_address) > MAX_TAGS_CHARS and len(content) <= MAX_JSON_DATA:
        asked = {"path": path, "data": to_base64(content), "tags": wanted}
        return one(Stat, (yield change("write", asked, expected_version, operation_id)))
    params = {} if wanted is None else {"tags": wanted or [""]}
    headers = {"Content-Type": "application/octet-stream", **headers_of(expected_version, operation_id)}
    return one(Stat, (yield Ask("PUT", address(path), params, headers, content=content)))


def write_text(
    path: str,
    text: str,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: Expected | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Write a file of UTF-8 text, with line ends unchanged. Otherwise as `write_bytes`.

    Raises:
        NotText: The text contains a lone surrogate, or is not a `str`.
        InvalidPath: The path is not valid.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        FileTooLarge: The text exceeds `MAX_FILE_BYTES`.
        InvalidTag: A tag is not valid, or there are too many.
        InvalidOption: A tag or the operation id cannot be sent.
        VersionConflict: The file is not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    data = encoded(text)
    return (yield from write_bytes(path, data, tags=tags, expected_version=expected_version, operation_id=operation_id))


def edit(
    path: str,
    old: str,
    new: str,
    *,
    replace_all: bool = False,
    expected_version: Expected | None = None,
    operation_id: str | None = None,
) -> Steps[Edited]:
    """Replace text in a file, so that two concurrent edits both take effect; as `Scope.edit`.

    Raises:
        EditError: `old` does not occur in the file, or occurs more than once and `replace_all` is false.
        NotText: The file is not UTF-8 text.
        FileTooLarge: The result would exceed `MAX_FILE_BYTES`.
        InvalidOption: A text or the operation id cannot be sent.
        InvalidPath: The path is not valid.
        PathNotFound: No such file exists.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        VersionConflict: The file is not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    asked = {"path": path, "old": old, "new": new, "replace_all": replace_all}
    return one(Edited, (yield change("edit", asked, expected_version, operation_id)))


def merge(path: str, data: bytes, *, base: File | None, operation_id: str | None = None) -> Steps[Stat]:
    """Write content that was derived from `base`, merging it with concurrent changes; as `Scope.merge`.

    Raises:
        MergeConflict: Both sides changed the same lines, or too many lines.
        InvalidPath: The path is not valid.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        FileTooLarge: The request exceeds 16 MiB, or the result `MAX_FILE_BYTES`.
        OperationConflict: The operation id was used for something else.
    """
    made_from = None if base is None else {"version": base.stat.version, "data": to_base64(base.data)}
    asked = {"path": path, "data": to_base64(data), "base": made_from}
    return one(Stat, (yield change("merge", asked, None, operation_id)))


def make_dir(path: str, *, expected_version: Expected | None = None, operation_id: str | None = None) -> Steps[None]:
    """Create a directory and its parents; an existing directory is left unchanged.

    Raises:
        InvalidPath: The path is not valid.
        PathExists: The path is a file.
        NotADirectory: A parent of the path is a file.
        VersionConflict: `expected_version` is not 0.
        OperationConflict: The operation id was used for something else.
    """
    nothing((yield change("make_dir", {"path": path}, expected_version, operation_id)))


def remove(path: str, *, expected_version: Expected | None = None, operation_id: str | None = None) -> Steps[None]:
    """Remove a file, or a directory and everything in it. What ancestors have at the path is hidden.

    Raises:
        InvalidPath: The path is not valid, or is the root.
        PathNotFound: No such file or directory exists.
        NotADirectory: A parent of the path is a file.
        VersionConflict: The file is not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    nothing((yield Ask("DELETE", address(path), headers=headers_of(expected_version, operation_id))))


def tag(
    path: str,
    tags: str | Sequence[str],
    *,
    expected_version: Expected | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Replace the tags of a file. This makes a new version with the same content.

    Raises:
        InvalidTag: A tag is not valid, or there are too many.
        InvalidPath: The path is not valid.
        PathNotFound: No such file exists.
        IsADirectory: The path is a directory.
        NotADirectory: A parent of the path is a file.
        VersionConflict: The file is not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    return one(Stat, (yield change("tag", {"path": path, "tags": strings(tags)}, expected_version, operation_id)))


def restore(
    path: str,
    version: Expected | None = None,
    *,
    expected_version: Expected | None = None,
    operation_id: str | None = None,
) -> Steps[Stat | None]:
    """Restore an earlier version of a file, or undo the workspace's last change of it; as `Scope.restore`.

    Returns:
        The stat of the file, or `None` if there is no file afterwards.

    Raises:
        InvalidPath: The path is not valid.
        VersionNotFound: No such version is kept, or the workspace has not changed the path.
        IsADirectory: The last change made or removed a directory, or the path is a directory now.
        NotADirectory: A parent of the path is a file.
        VersionConflict: The path is a directory now, or not at the expected version.
        OperationConflict: The operation id was used for something else.
    """
    answer = yield change("restore", {"path": path, "version": version}, expected_version, operation_id)
    return None if answer.content == b"null" else one(Stat, answer)
