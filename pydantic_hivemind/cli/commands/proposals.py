"""The commands for promotions that wait: `propose`, `proposals`, `approve`, `reject` and `withdraw`."""

from __future__ import annotations

from typing import Annotated

import typer

from pydantic_hivemind.base.proposal_values import ProposalInfo
from pydantic_hivemind.base.values import OnConflict
from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.commands.changes import To
from pydantic_hivemind.cli.exits import ExitCode
from pydantic_hivemind.cli.options import (
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
from pydantic_hivemind.rendering.patches import of_change

Id = Annotated[str, typer.Argument(metavar="PROPOSAL", help="Its id, as `propose` and `proposals` show it.")]
Note = Annotated[str | None, typer.Option(help="What the other side should know.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (propose, proposals, approve, reject, withdraw):
        app.command()(command)


def propose(
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="NAME", help="The workspace that changed.", autocompletion=names)
    ],
    to: To = None,
    note: Note = None,
    tags: Tags = None,
    paths: Annotated[
        list[str] | None,
        typer.Option("--path", metavar="GLOB", help="Only paths that match, or are in this directory."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="PATH", help="Take along what stays behind otherwise, under this path."),
    ] = None,
    operation_id: OperationId = None,
    store: Store,
    as_json: Json = False,
) -> None:
    """Propose a promotion, which waits until somebody approves it.

    Nothing is promoted yet.
    """
    with open_store(store) as hive:
        proposal = find(hive, source).propose(
            to, note=note, tags=tags, paths=paths, also=also, operation_id=operation_id
        )
    output.show(
        proposal.details,
        as_json=as_json,
        people=lambda details: output.printable(f"Proposal {details.id} from {details.source} to {details.target}"),
        plain=lambda details: output.row(details.id),
    )


def proposals(
    proposal: Annotated[
        str | None, typer.Argument(metavar="[PROPOSAL]", help="Show what approving this one would change, as a patch.")
    ] = None,
    *,
    sent: Annotated[
        bool, typer.Option("--sent", help="Those that the workspace made, instead of those to it.")
    ] = False,
    decided: Annotated[bool, typer.Option("--all", help="Also those that were decided on.")] = False,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """List the proposals to a workspace that wait, or show one.

    The newest comes first. Exit code 1 if there is nothing.
    """
    with open_workspace(store, workspace) as scope:
        if proposal is not None:
            changes = scope.proposal(proposal).diff()
            if as_json:
                output.print_json(changes)
            else:
                for change in changes:
                    output.print_text(of_change(change))
            return
        found = [each.details for each in scope.proposals(sent=sent, decided=decided)]
    output.show(
        found,
        as_json=as_json,
        people=lambda found: output.table(
            ("proposal", "from", "to", "state", "note"), [_cells(each) for each in found]
        ),
        plain=lambda found: [output.row(*_cells(each)) for each in found],
    )
    if not found:
        raise typer.Exit(ExitCode.NO)


def approve(
    proposal: Id,
    *,
    note: Note = None,
    on_conflict: Annotated[
        OnConflict | None,
        typer.Option(help="Where both sides changed the same; without it, as it was proposed."),
    ] = None,
    operation_id: OperationId = None,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Carry out a proposal to a workspace.

    It is planned again. All of it or nothing: a conflict, exit code 4, promotes nothing.
    """
    with open_workspace(store, workspace) as scope:
        report = scope.proposal(proposal).approve(note, on_conflict=on_conflict, operation_id=operation_id)
    paths = (*report.applied, *report.merged, *report.deleted)
    output.show(
        report,
        as_json=as_json,
        people=lambda report: output.table((f"promoted by {report.id}",), [(path,) for path in paths]),
        plain=lambda _: [output.row(path) for path in paths],
    )


def reject(proposal: Id, *, note: Note = None, workspace: Workspace, store: Store, as_json: Json = False) -> None:
    """Reject a proposal to a workspace.

    It is no longer pending.
    """
    with open_workspace(store, workspace) as scope:
        found = scope.proposal(proposal)
        found.reject(note)
        _show_decided(found.info(), as_json=as_json)


def withdraw(proposal: Id, *, note: Note = None, workspace: Workspace, store: Store, as_json: Json = False) -> None:
    """Take back a proposal that a workspace made.

    It is no longer pending.
    """
    with open_workspace(store, workspace) as scope:
        found = scope.proposal(proposal)
        found.withdraw(note)
        _show_decided(found.info(), as_json=as_json)


def _show_decided(details: ProposalInfo, *, as_json: bool) -> None:
    output.show(
        details,
        as_json=as_json,
        people=lambda details: output.printable(f"Proposal {details.id} is {details.state}."),
        plain=lambda details: output.row(details.id),
    )


def _cells(details: ProposalInfo) -> tuple[object, ...]:
    return details.id, details.source, details.target, details.state, details.note
