"""The operations on files as requests to a server, without the sending: `HivemindClient` does that.

Each is a generator that yields requests, is sent their answers, and returns what the operation of `Scope` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Change, Edited, File, Hit, Match, PromotionReport, Stat, Strategy, Version
from pydantic_hivemind.client.exchange import Ask, Steps, every, in_base64, many, nothing, one, parse, sendable
from pydantic_hivemind.hive.reader import decoded, encoded

MAX_TAGS_CHARS = 2048
"""Longest tags in an address, which many servers and proxies take of 8 KB at most; longer ones go with the file."""

MAX_JSON_DATA = 11 << 20
"""Largest file, in bytes, that fits into JSON: a server takes 16 MiB of it."""

# -- reading -----------------------------------------------------------------------------------


def read(path: str) -> Steps[File]:
    """A file's bytes and the stat they belong to."""
    while True:
        answer = yield Ask("GET", _address(path))
        told = answer.headers.get("hivemind-stat")
        if told is not None:
            return File(parse(Stat, told), answer.content)
        # Too long for a header. It may be of another version by now.
        found = yield from stat(path)
        if found.version == parse(int, answer.headers.get("etag", "").removeprefix("W/").strip('"')):
            return File(found, answer.content)


def read_bytes(path: str) -> Steps[bytes]:
    """A file's bytes, exactly as they were written."""
    file = yield from read(path)
    return file.data


def read_text(path: str) -> Steps[str]:
    """A file's text. Raises `NotText` for bytes that are not UTF-8."""
    file = yield from read(path)
    return decoded(file.stat.path, file.data)


def exists(path: str) -> Steps[bool]:
    """Whether there is a file or directory."""
    return one(bool, (yield Ask("GET", "exists", {"path": path})))


def stat(path: str) -> Steps[Stat]:
    """What is known of a file or directory."""
    return one(Stat, (yield Ask("GET", "stat", {"path": path})))


def list_dir(path: str = "/") -> Steps[list[Stat]]:
    """What is directly in a directory, by name."""
    return (yield from every(Stat, "list_dir", path=path))


def glob(pattern: str, under: str = "/", *, hidden: bool = True) -> Steps[list[Stat]]:
    """The files whose path matches a glob that starts at `under`, by path."""
    return (yield from every(Stat, "glob", pattern=pattern, under=under, hidden=hidden))


def grep(pattern: str, under: str = "/", *, glob: str | None = None, hidden: bool = True) -> Steps[list[Match]]:
    """The lines that match a regular expression, in the text files under a directory or in one file."""
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
) -> Steps[list[Hit]]:
    """The passages that say most about something, by meaning and by words, best first; as `Scope.search`."""
    moment = since.timestamp() if isinstance(since, datetime) else since
    asked = {"query": query, "limit": limit, "under": under, "tags": _strings(tags), "where": where, "since": moment}
    return many(Hit, (yield Ask("POST", "search", json={**asked, "chain": chain})))


def history(path: str) -> Steps[list[Version]]:
    """The kept versions of a path in the workspace and what it inherits, newest first."""
    return (yield from every(Version, "history", path=path))


def diff(to: str | None = None) -> Steps[list[Change]]:
    """What promoting the workspace would change in its parent, or in another ancestor, by path."""
    return (yield from every(Change, "diff", to=to))


# -- changing ----------------------------------------------------------------------------------


def write_bytes(
    path: str,
    data: bytes | bytearray | memoryview,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: int | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Write a file, making the directories above it. Without `tags` it keeps those it has."""
    content, wanted = bytes(data), _strings(tags)
    in_address = urlencode({"tags": wanted or []}, doseq=True, errors="replace")
    if len(in_address) > MAX_TAGS_CHARS and len(content) <= MAX_JSON_DATA:
        asked = {"path": path, "data": in_base64(content), "tags": wanted}
        return one(Stat, (yield _change("write", asked, expected_version, operation_id)))
    params = {} if wanted is None else {"tags": wanted or [""]}
    headers = {"Content-Type": "application/octet-stream", **_headers(expected_version, operation_id)}
    return one(Stat, (yield Ask("PUT", _address(path), params, headers, content=content)))


def write_text(
    path: str,
    text: str,
    *,
    tags: str | Sequence[str] | None = None,
    expected_version: int | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Write a file of UTF-8 text; line ends stay as they are."""
    data = encoded(text)
    return (yield from write_bytes(path, data, tags=tags, expected_version=expected_version, operation_id=operation_id))


def edit(
    path: str,
    old: str,
    new: str,
    *,
    replace_all: bool = False,
    expected_version: int | None = None,
    operation_id: str | None = None,
) -> Steps[Edited]:
    """Replace text in a file: of two edits at once both land. Raises `EditError`."""
    asked = {"path": path, "old": old, "new": new, "replace_all": replace_all}
    return one(Edited, (yield _change("edit", asked, expected_version, operation_id)))


def merge(path: str, data: bytes, *, base: File | None, operation_id: str | None = None) -> Steps[Stat]:
    """Write what was made from `base`, keeping what others wrote since then. Raises `MergeConflict`."""
    made_from = None if base is None else {"version": base.stat.version, "data": in_base64(base.data)}
    asked = {"path": path, "data": in_base64(data), "base": made_from}
    return one(Stat, (yield _change("merge", asked, None, operation_id)))


def make_dir(path: str, *, expected_version: int | None = None, operation_id: str | None = None) -> Steps[None]:
    """Make a directory and those above it; fine if it is there."""
    nothing((yield _change("make_dir", {"path": path}, expected_version, operation_id)))


def remove(path: str, *, expected_version: int | None = None, operation_id: str | None = None) -> Steps[None]:
    """Remove a file, or a directory and everything in it; what is inherited there is hidden."""
    nothing((yield Ask("DELETE", _address(path), headers=_headers(expected_version, operation_id))))


def tag(
    path: str,
    tags: str | Sequence[str],
    *,
    expected_version: int | None = None,
    operation_id: str | None = None,
) -> Steps[Stat]:
    """Give a file these tags in place of those it has; a new version with the same bytes."""
    return one(Stat, (yield _change("tag", {"path": path, "tags": _strings(tags)}, expected_version, operation_id)))


def restore(
    path: str,
    version: int | None = None,
    *,
    expected_version: int | None = None,
    operation_id: str | None = None,
) -> Steps[Stat | None]:
    """Bring back a version of a file, or without one what was there before the last change; as `Scope.restore`."""
    answer = yield _change("restore", {"path": path, "version": version}, expected_version, operation_id)
    return None if answer.content == b"null" else one(Stat, answer)


def promote(
    to: str | None = None,
    *,
    tags: str | Sequence[str] | None = None,
    paths: str | Sequence[str] | None = None,
    strategy: Strategy = "merge",
    dry_run: bool = False,
    operation_id: str | None = None,
) -> Steps[PromotionReport]:
    """Merge the workspace's own changes into its parent, or another ancestor. Raises `PromotionConflict`."""
    asked = {"to": to, "tags": _strings(tags), "paths": _strings(paths), "strategy": strategy, "dry_run": dry_run}
    return one(PromotionReport, (yield _change("promote", asked, None, operation_id)))


def revert(promotion_id: str, *, operation_id: str | None = None) -> Steps[list[str]]:
    """Undo what a promotion did to the workspace, all or nothing; the paths."""
    return many(str, (yield _change("revert", {"promotion_id": promotion_id}, None, operation_id)))


# -- helpers -----------------------------------------------------------------------------------


def _change(what: str, asked: Mapping[str, Any], expected_version: int | None, operation_id: str | None) -> Ask:
    return Ask("POST", what, headers=_headers(expected_version, operation_id), json=asked)


def _headers(expected_version: int | None, operation_id: str | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if expected_version is not None:
        headers["If-Match"] = f'"{expected_version}"'
    if operation_id is not None:
        # Headers are ASCII, and spaces at their ends are lost.
        with sendable():
            headers["Idempotency-Key"] = quote(operation_id, safe="!\"#$&'()*+,/:;<=>?@[\\]^`{|}")
    return headers


def _address(path: str) -> str:
    return f"files/{quote(normalize(path)[1:], safe='/')}"


def _strings(given: str | Sequence[str] | None) -> list[str] | None:
    """One, several, or nothing said."""
    return [given] if isinstance(given, str) else None if given is None else list(given)
