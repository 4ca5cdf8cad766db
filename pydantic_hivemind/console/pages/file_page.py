"""One file: what it says, where from, and its versions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from pydantic_hivemind.base.paths import name_of, normalize, parent_of
from pydantic_hivemind.base.values import File, Version
from pydantic_hivemind.console import differences
from pydantic_hivemind.console.answers import Answer, Asked, Download, Page, See, address
from pydantic_hivemind.console.markdown import to_html
from pydantic_hivemind.console.pages.files import crumbs
from pydantic_hivemind.errors import InvalidOption, IsADirectory, PathNotFound, VersionConflict, VersionNotFound
from pydantic_hivemind.hive.internals import past_content
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import MAX_SHOWN_CHARS

_MARKDOWN = (".md", ".markdown")


def file(asked: Asked) -> Answer:
    """Show a file, or an editor for it."""
    asked.viewer.require("read")
    scope, path = asked.workspace(), normalize(asked.query.exact("path"))
    asked.viewer.check(scope, "read", path=path)
    try:
        found = scope.read(path)
    except IsADirectory:
        return See(address("files", workspace=scope.name, path=path))
    except PathNotFound:
        if not asked.query.flag("edit"):
            return _removed(asked, scope, path)
        found = None
    return _page(asked, scope, path, found)


def change(asked: Asked) -> Answer:
    """Save, tag or remove a file."""
    scope, path = asked.workspace(), normalize(asked.query.exact("path"))
    action = asked.form.exact("action")
    if action == "save":
        return _save(asked, scope, path)
    asked.viewer.require("write")
    if action == "tag":
        asked.viewer.check(scope, "tag", path=path)
        scope.tag(path, sorted({tag.strip() for tag in asked.form.text("tags").split(",") if tag.strip()}))
        return See(address("file", workspace=scope.name, path=path, done="tagged"))
    if action == "remove":
        asked.viewer.check(scope, "remove", path=path)
        scope.remove(path)
        return See(address("files", workspace=scope.name, path=parent_of(path), done="removed"))
    raise InvalidOption("the form asks for nothing that this page does; open it again")


def versions(asked: Asked) -> Answer:
    """Show the versions of a file, and two of them side by side."""
    asked.viewer.require("read")
    scope, path = asked.workspace(), normalize(asked.query.exact("path"))
    asked.viewer.check(scope, "history", path=path)
    past = asked.viewer.known(scope, scope.history(path))
    if not past:
        raise VersionNotFound(f"{path!r} has no versions that are kept")
    newer = _chosen(past, asked.query.text("newer"), 0)
    older = _chosen(past, asked.query.text("older"), min(past.index(newer) + 1, len(past) - 1))
    texts = [past_content(scope, path, version.version) for version in (older, newer)]
    return Page(
        "versions",
        {
            "scope": scope,
            "path": path,
            "crumbs": crumbs(parent_of(path)),
            "name": name_of(path),
            "versions": past,
            "newer": newer,
            "older": older,
            "difference": differences.between(*texts) if older != newer else None,
            "content": _decoded(texts[1]) if older == newer else None,
            "may_write": asked.viewer.may("write"),
        },
    )


def restore(asked: Asked) -> Answer:
    """Restore a version."""
    asked.viewer.require("read", "write")
    scope, path = asked.workspace(), normalize(asked.query.exact("path"))
    asked.viewer.check(scope, "restore", path=path)
    past = scope.history(path)
    wanted = asked.form.exact("version")
    version = next((each for each in past if str(each.version) == wanted), None)
    if version is None:
        raise VersionNotFound(f"{path!r} has no such version, or it is no longer kept; see its history")
    stat = scope.restore(path, version.version)
    if stat is None:
        return See(address("files", workspace=scope.name, path=parent_of(path), done="restored"))
    return See(address("file", workspace=scope.name, path=path, done="restored"))


def download(asked: Asked) -> Answer:
    """Hand out a file as it is, or as it was."""
    asked.viewer.require("read")
    scope, path = asked.workspace(), normalize(asked.query.exact("path"))
    asked.viewer.check(scope, "read", path=path)
    wanted = asked.query.text("version")
    if not wanted:
        return Download(name_of(path), scope.read_bytes(path))
    asked.viewer.check(scope, "history", path=path)
    version = next((each for each in scope.history(path) if str(each.version) == wanted), None)
    data = None if version is None else past_content(scope, path, version.version)
    if data is None:
        raise VersionNotFound(f"{path!r} has no such version, or it is no longer kept; see its history")
    return Download(name_of(path), data)


def _save(asked: Asked, scope: Scope, path: str) -> Answer:
    """Save what is in the editor, unless somebody else changed the file since it was opened."""
    begun = asked.form.text("version")
    # Forms have CRLF at the ends of lines whatever the file has.
    text = asked.form.exact("text").replace("\r\n", "\n")
    if not begun:
        asked.viewer.require("append")
        asked.viewer.check(scope, "write_bytes", path=path)
        scope.write_text(path, text, expected_version=0)
        return See(address("file", workspace=scope.name, path=path, done="saved"))
    asked.viewer.require("read", "write")
    asked.viewer.check(scope, "edit", path=path)
    now = scope.read(path)
    if str(now.stat.version) != begun:
        return _page(asked, scope, path, now, mine=text)
    if b"\r\n" in now.data and b"\n" not in now.data.replace(b"\r\n", b""):
        text = text.replace("\n", "\r\n")
    try:
        scope.write_text(path, text, expected_version=now.stat.version)
    except VersionConflict:
        return _page(asked, scope, path, scope.read(path), mine=text)
    return See(address("file", workspace=scope.name, path=path, done="saved"))


def _page(asked: Asked, scope: Scope, path: str, found: File | None, *, mine: str | None = None) -> Page:
    text = "" if found is None else _decoded(found.data)
    rendered: Markup | None = None
    source = asked.query.text("view") == "source"
    if text is not None and not source and path.lower().endswith(_MARKDOWN):
        link = partial(_address_of, scope.name)
        rendered = to_html(text, path, link)
    may_write = asked.viewer.may("read", "write") if found is not None else asked.viewer.may("append")
    is_editable = text is not None and may_write
    return Page(
        "file",
        {
            "scope": scope,
            "path": path,
            "name": name_of(path),
            "crumbs": crumbs(parent_of(path)),
            "file": found,
            "text": text,
            "rendered": rendered,
            "is_markdown": path.lower().endswith(_MARKDOWN),
            "is_editable": is_editable,
            "is_edited": is_editable and (asked.query.flag("edit") or mine is not None),
            "mine": mine,
            "may_write": asked.viewer.may("write"),
            "conflict": differences.between(found.data, mine.encode()) if found is not None and mine else None,
        },
        409 if mine is not None else 200,
    )


def _removed(asked: Asked, scope: Scope, path: str) -> Answer:
    """Lead to what is known of a file that is not visible any more."""
    asked.viewer.check(scope, "history", path=path)
    if not scope.history(path):
        raise PathNotFound(f"file {path!r} does not exist")
    return See(address("versions", workspace=scope.name, path=path))


def _address_of(workspace: str, path: str) -> str:
    return address("file", workspace=workspace, path=path)


def _chosen(past: Sequence[Version], wanted: str, otherwise: int) -> Version:
    return next((version for version in past if str(version.version) == wanted), past[otherwise])


def _decoded(data: bytes | None) -> str | None:
    """Return a content as text that a page can hold; `None` if it is not text, or too long."""
    if data is None or len(data) > 4 * MAX_SHOWN_CHARS:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text or len(text) > MAX_SHOWN_CHARS else text
