"""The commands for files: `ls`, `cat`, `write`, `edit`, `tag`, `mkdir` and `rm`."""

from __future__ import annotations

from typing import Annotated

import typer

from pydantic_hivemind.base.values import Stat
from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.exits import explain
from pydantic_hivemind.cli.options import (
    ExpectedVersion,
    FilePath,
    Hidden,
    Json,
    OperationId,
    Store,
    Tags,
    Workspace,
    open_workspace,
)
from pydantic_hivemind.cli.streams import standard_input
from pydantic_hivemind.limits import MAX_FILE_BYTES


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (ls, cat, write, edit, tag, mkdir, rm):
        app.command()(command)


def ls(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A directory, or a file.")] = "/",
    *,
    glob: Annotated[
        str | None, typer.Option(metavar="GLOB", help="Every file below that matches, such as '**/*.md'.")
    ] = None,
    hidden: Hidden = True,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """List a directory, with what is inherited."""
    with open_workspace(store, workspace) as scope:
        if glob is not None:
            stats = scope.glob(glob, path, hidden=hidden)
        else:
            found = scope.stat(path)
            stats = scope.list_dir(path) if found.is_dir else [found]
    output.show(
        stats,
        as_json=as_json,
        people=lambda stats: output.table(
            ("size", "changed", "version", "path", "tags", "in"),
            [
                ("", output.moment(stat.modified_at), "", f"{stat.path}/", "", stat.scope)
                if stat.is_dir
                else (
                    output.size(stat.size),
                    output.moment(stat.modified_at),
                    stat.version,
                    stat.path,
                    ", ".join(stat.tags),
                    stat.scope,
                )
                for stat in stats
            ],
            right=("size", "version"),
        ),
        plain=lambda stats: [output.row(stat.path + "/" * stat.is_dir) for stat in stats],
    )


def cat(path: FilePath, *, workspace: Workspace, store: Store, as_json: Json = False) -> None:
    """Print a file, byte by byte.

    On a terminal, what would control it is made visible.
    """
    with open_workspace(store, workspace) as scope:
        file = scope.read(path)
    if as_json:
        output.print_json(file)
    else:
        output.print_bytes(file.data)


def write(
    path: FilePath,
    *,
    tags: Tags = None,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Write standard input to a file.

    It keeps the tags it has unless some are given.
    """
    stdin = standard_input()
    if stdin.isatty():
        explain("type the file's content, and Ctrl-D at its end")
    with open_workspace(store, workspace) as scope:
        # Enough to be refused; some input never ends.
        data = stdin.read(MAX_FILE_BYTES + 1)
        stat = scope.write_bytes(path, data, tags=tags, expected_version=expected_version, operation_id=operation_id)
    _show(stat, "Wrote", as_json=as_json)


def edit(
    path: FilePath,
    *,
    old: Annotated[str, typer.Option(metavar="TEXT", help="The text to replace.")],
    new: Annotated[str, typer.Option(metavar="TEXT", help="What to put there.")],
    replace_all: Annotated[bool, typer.Option("--replace-all", help="Wherever it is, not only if it is once.")] = False,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Replace text in a file."""
    with open_workspace(store, workspace) as scope:
        edited = scope.edit(
            path, old, new, replace_all=replace_all, expected_version=expected_version, operation_id=operation_id
        )
    if as_json:
        output.print_json(edited)
    else:
        _show(edited.stat, "Edited", as_json=False)


def tag(
    path: FilePath,
    tags: Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="The file's tags from now on.")] = None,
    *,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Give a file these tags, in place of others.

    Without any, it has none afterwards.
    """
    with open_workspace(store, workspace) as scope:
        stat = scope.tag(path, tags or [], expected_version=expected_version, operation_id=operation_id)
    _show(stat, "Tagged", as_json=as_json)


def mkdir(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The directory.")],
    *,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Make a directory and those above it."""
    with open_workspace(store, workspace) as scope:
        scope.make_dir(path, expected_version=expected_version, operation_id=operation_id)
        stat = scope.stat(path)
    _show(stat, "Made", as_json=as_json)


def rm(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, or a directory with everything in it.")],
    *,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Remove a file, or a directory and all in it.

    What is inherited there is hidden. `restore` brings a file back.
    """
    with open_workspace(store, workspace) as scope:
        scope.remove(path, expected_version=expected_version, operation_id=operation_id)
    output.show(
        {"path": path},
        as_json=as_json,
        people=lambda _: f"Removed {output.printable(path)}.",
        plain=lambda _: output.row(path),
    )


def _show(stat: Stat, done: str, *, as_json: bool) -> None:
    """Say what was done to a file."""
    tags = f", tagged {', '.join(stat.tags)}" if stat.tags else ""
    what = "" if stat.is_dir else f": {output.size(stat.size)}, version {stat.version}{tags}"
    output.show(
        stat,
        as_json=as_json,
        people=lambda stat: output.printable(f"{done} {stat.path}{what}."),
        plain=lambda stat: output.row(stat.path),
    )
