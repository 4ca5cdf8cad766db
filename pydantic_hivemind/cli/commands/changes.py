"""The commands for changes: `diff`, `promote`, `revert`, `log` and `restore`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pydantic_hivemind.base.values import OnConflict, PromotionReport, Version
from pydantic_hivemind.cli import coloured_patches, output
from pydantic_hivemind.cli.exits import ExitCode, explain
from pydantic_hivemind.cli.options import (
    ExpectedVersion,
    FilePath,
    Json,
    OperationId,
    Store,
    Tags,
    Workspace,
    find,
    names,
    open_store,
    open_workspace,
)
from pydantic_hivemind.errors import PromotionConflict
from pydantic_hivemind.rendering.patches import of_change

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

To = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The workspace above that receives; without it the next one.", autocompletion=names
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (diff, promote, revert, log, restore):
        app.command()(command)


def diff(*, to: To = None, workspace: Workspace, store: Store, as_json: Json = False) -> None:
    """Show what a promotion would do, as a patch.

    What both sides changed is shown as it would be merged; a conflict is named, with both sides.
    """
    with open_workspace(store, workspace) as scope:
        changes = scope.diff(to)
    if as_json:
        output.print_json(changes)
        return
    for patch in map(of_change, changes):
        if output.for_people():
            output.console().print(coloured_patches.coloured(patch), soft_wrap=True)
        else:
            sys.stdout.write(patch)
    for path in changes.left_behind:
        # Not into the patch.
        explain(f"{output.printable(path)} stays behind; promote with --also to take it along")


def promote(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="NAME", help="The workspace that changed.", autocompletion=names)
    ],
    to: To = None,
    tags: Tags = None,
    paths: Annotated[
        list[str] | None,
        typer.Option(
            "--path", metavar="GLOB", help="Only paths that match, or are in this directory; may be given again."
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            "--also",
            metavar="PATH",
            help="Take along what stays behind otherwise (uploads, evicted results), under this path; may be given "
            "again.",
        ),
    ] = None,
    on_conflict: Annotated[
        OnConflict,
        typer.Option(help="Where both sides changed the same: fail, keep the receiver's side, or take the new one."),
    ] = "fail",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the same and change nothing.")] = False,
    operation_id: OperationId = None,
    store: Store,
    as_json: Json = False,
) -> None:
    """Merge changes into what is inherited.

    All of it or nothing: a conflict, exit code 4, promotes nothing.
    """
    with open_store(store) as hive:
        scope = find(hive, source)
        try:
            report = scope.promote(
                to,
                tags=tags,
                paths=paths,
                also=also,
                on_conflict=on_conflict,
                dry_run=dry_run,
                operation_id=operation_id,
            )
        except PromotionConflict as conflict:
            _show_report(conflict.report, as_json=as_json, done=False)
            raise
    _show_report(report, as_json=as_json, done=not dry_run)
    if report.conflicts and on_conflict == "fail":
        raise typer.Exit(ExitCode.CONFLICT)


def revert(
    promotion: Annotated[str, typer.Argument(metavar="PROMOTION", help="Its id, as `promote` and `log` show it.")],
    *,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Undo what a promotion did to a workspace.

    All of it or nothing.
    """
    with open_workspace(store, workspace) as scope:
        paths = scope.revert(promotion, operation_id=operation_id)
    output.show(
        paths,
        as_json=as_json,
        people=lambda paths: output.table(("put back",), [(path,) for path in paths]),
        plain=lambda paths: [output.row(path) for path in paths],
    )


def log(
    path: Annotated[
        str | None, typer.Argument(metavar="[PATH]", help="The file; without it, whatever was changed.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(help="Most entries.", min=1)] = 50,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Show who changed a file, or any, and from where.

    Here and in what is inherited. The newest comes first. Exit code 1 if there is nothing.
    """
    with open_workspace(store, workspace) as scope:
        versions = scope.recent(limit) if path is None else scope.history(path)[:limit]
    output.show(
        versions,
        as_json=as_json,
        people=lambda versions: _entries(versions, with_path=path is None),
        plain=lambda versions: [output.row(*_of_version(version)) for version in versions],
    )
    if not versions:
        raise typer.Exit(ExitCode.NO)


def restore(
    path: FilePath,
    *,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="As `log` shows it; without it, what was there before.")
    ] = None,
    expected_version: ExpectedVersion = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Bring back a version of a file.

    Or undo its last change, if no version is named.
    """
    with open_workspace(store, workspace) as scope:
        stat = scope.restore(path, version, expected_version=expected_version, operation_id=operation_id)
    now = "there is no file" if stat is None else f"{output.size(stat.size)}, version {stat.version}"
    output.show(
        stat,
        as_json=as_json,
        people=lambda _: output.printable(f"Restored {path}: {now}."),
        plain=lambda _: output.row(path),
    )


def _of_version(version: Version) -> tuple[object, ...]:
    return (
        version.version,
        output.moment(version.created_at),
        version.action,
        version.scope,
        version.path,
        version.source,
        version.promotion,
        version.size,
        ", ".join(version.tags),
        version.actor,
    )


def _entries(versions: list[Version], *, with_path: bool) -> Text:
    """What was done, to be read: a table of so many columns fits no terminal."""
    from rich.text import Text

    entries: list[Text] = []
    for version in versions:
        tags = f"tagged {', '.join(version.tags)}" if version.tags else ""
        what = [version.path if with_path else "", "" if version.is_deletion else output.size(version.size), tags]
        entry = [f"version {version.version}", *filter(None, what)]
        entries.append(Text(output.printable("  ".join(entry)), "bold"))
        done = f"{output.moment(version.created_at)}  {version.action} in {version.scope}"
        entries.append(Text(output.printable(f"    {done}")))
        if version.actor is not None:
            entries.append(Text(output.printable(f"    by {version.actor}")))
        if version.source is not None:
            came = f"    from {version.source}, promotion {version.promotion}"
            entries.append(Text(output.printable(came)))
    return Text("\n").join(entries)


def _show_report(report: PromotionReport, *, as_json: bool, done: bool) -> None:
    """Print what was done, or only would be."""
    outcomes = _outcomes(report)
    # What `revert` takes.
    id = [("promotion", report.id)] if done and (report.applied or report.merged or report.deleted) else []
    output.show(
        report,
        as_json=as_json,
        people=lambda report: _of_report(report, outcomes, done=done),
        plain=lambda _: [output.row(*cells) for cells in outcomes + id],
    )


def _outcomes(report: PromotionReport) -> list[tuple[str, str]]:
    conflicts = tuple(conflict.path for conflict in report.conflicts)
    return [
        (what, path)
        for what, paths in (
            ("applied", report.applied),
            ("merged", report.merged),
            ("deleted", report.deleted),
            ("skipped", report.skipped),
            ("left behind", report.left_behind),
            ("conflict", conflicts),
        )
        for path in paths
    ]


def _of_report(report: PromotionReport, outcomes: list[tuple[str, str]], *, done: bool) -> RenderableType:
    from rich.console import Group

    if not outcomes:
        return "Nothing to promote."
    what = f"Promotion {report.id}" if done else "Would promote"
    title = output.printable(f"{what} from {report.source} to {report.target}")
    return Group(title, output.table(("outcome", "path"), outcomes))
