"""`hivemind import` and `hivemind export`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pydantic_hivemind.cli import directories, output
from pydantic_hivemind.cli.commands.workspaces import made
from pydantic_hivemind.cli.exits import ExitCode, explain
from pydantic_hivemind.cli.options import Json, Store, Workspace, names, open_store, open_workspace

Progress = Callable[[int, int], object]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_directory)
    app.command("export")(export_directory)


def import_directory(
    directory: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", exists=True, file_okay=False, help="What a user has today.")
    ],
    *,
    workspace: Workspace,
    inherit: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The workspace it reads through to, if it is new; made if there is none.",
            autocompletion=names,
        ),
    ] = None,
    store: Store,
    as_json: Json = False,
) -> None:
    """Bring what a user has into a workspace.

    That is a LocalBackend directory, a FileCheckpointStore folder, or both in one. The workspace is made if there is
    none. Files and memory keep their paths; links are followed inside the directory. Checkpoints are known by what they
    hold, wherever they are.
    """
    with open_store(store, make=True) as hive, progress_bar("Importing") as progress:
        scope = made(hive, workspace, inherit, None, exist_ok=True)[0] if inherit else hive.scope(workspace)
        outcome = directories.bring_in(directory, scope, progress)
    _tell(outcome, "Imported", as_json=as_json)


def export_directory(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="A new or empty directory.")],
    *,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Write what a workspace sees to a directory.

    LocalBackend finds its files there, and FileCheckpointStore its checkpoints in .deep/checkpoints.
    """
    with open_workspace(store, workspace) as scope, progress_bar("Exporting") as progress:
        outcome = directories.take_out(scope, directory, progress)
    _tell(outcome, "Exported", as_json=as_json)


@contextmanager
def progress_bar(doing: str) -> Generator[Progress]:
    """A progress bar for whoever watches; it is told how much is done, and of how much."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.progress import Progress

    with Progress(console=output.console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


def _tell(outcome: directories.Outcome, done: str, *, as_json: bool) -> None:
    for path, reason in outcome.skipped.items():
        explain(f"{output.printable(path)} was left out: {reason}")
    output.show(
        outcome,
        as_json=as_json,
        people=lambda outcome: (
            f"{done} {output.number(outcome.files, 'file')} and {output.number(outcome.checkpoints, 'checkpoint')}"
            + (f"; {outcome.unchanged} were there already." if outcome.unchanged else ".")
        ),
        plain=lambda outcome: output.row(outcome.files, outcome.checkpoints, outcome.unchanged),
    )
    if outcome.skipped:
        raise typer.Exit(ExitCode.NO)
