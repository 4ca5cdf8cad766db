"""A workspace as its overlay: what is its own, inherited, changed or removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic_hivemind.base.paths import name_of, normalize, parent_of
from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.console.answers import Answer, Asked, Page, See, address
from pydantic_hivemind.errors import NotADirectory, PathNotFound
from pydantic_hivemind.hive.scope import Scope
from pydantic_hivemind.limits import CONSOLE_ROWS


@dataclass(frozen=True)
class Row:
    """An entry of a directory.

    Attributes:
        stat: What is visible; for what the workspace removed, what it hides.
        state: `own`: only here. `changed`: here, over what is inherited. `inherited`, `removed`: as they say.
    """

    stat: Stat
    state: Literal["own", "changed", "inherited", "removed"]


def listing(asked: Asked) -> Answer:
    """Show a directory of a workspace."""
    asked.viewer.require("read")
    scope = asked.workspace()
    directory = normalize(asked.query.text("path", asked.viewer.grant.under if asked.viewer.grant else "/"))
    asked.viewer.check(scope, "list_dir", path=directory)
    try:
        rows = _rows(scope, directory)
    except NotADirectory:
        return See(address("file", workspace=scope.name, path=directory))
    after = asked.query.text("after")
    shown = [row for row in rows if row.stat.path > after]
    more = shown[CONSOLE_ROWS - 1].stat.path if len(shown) > CONSOLE_ROWS else None
    counts = {state: sum(row.state == state for row in rows) for state in ("own", "changed", "inherited", "removed")}
    return Page(
        "files",
        {
            "scope": scope,
            "directory": directory,
            "above": None if directory == "/" else parent_of(directory),
            "rows": shown[:CONSOLE_ROWS],
            "more": more,
            "counts": counts,
            "crumbs": crumbs(directory),
            "may_write": asked.viewer.may("write") or asked.viewer.may("append"),
            "waiting": len(scope.proposals(limit=CONSOLE_ROWS)) if _may_decide(asked) else 0,
        },
    )


def new_file(asked: Asked) -> Answer:
    """Begin a file: its page is an editor until it is saved."""
    scope = asked.workspace()
    directory, name = asked.form.exact("directory"), asked.form.exact("name")
    path = normalize(f"{directory}/{name}")
    return See(address("file", workspace=scope.name, path=path, edit=True))


def _may_decide(asked: Asked) -> bool:
    return asked.viewer.may("write") and not asked.viewer.is_narrowed


def crumbs(path: str) -> list[tuple[str, str]]:
    """Return the directories above a path with their names, from the root on, and the path itself."""
    if path == "/":
        return []
    return [*crumbs(parent_of(path)), (name_of(path), path)]


def _rows(scope: Scope, directory: str) -> list[Row]:
    """Return the entries of a directory; the workspace's own over those of the one that it inherits from."""
    above = _entries(scope.parent, directory)
    try:
        visible = scope.list_dir(directory)
    except PathNotFound:
        # Removed here: what is hidden is still shown.
        if not above:
            raise
        visible = []
    rows = [_row(stat, above.get(stat.path), scope) for stat in visible]
    seen = {stat.path for stat in visible}
    rows += [Row(stat, "removed") for path, stat in above.items() if path not in seen]
    return sorted(rows, key=lambda row: row.stat.path)


def _row(stat: Stat, inherited: Stat | None, scope: Scope) -> Row:
    if stat.scope != scope.name:
        return Row(stat, "inherited")
    return Row(stat, "own" if inherited is None else "changed")


def _entries(scope: Scope | None, directory: str) -> dict[str, Stat]:
    if scope is None:
        return {}
    try:
        return {stat.path: stat for stat in scope.list_dir(directory)}
    except (PathNotFound, NotADirectory):
        return {}
