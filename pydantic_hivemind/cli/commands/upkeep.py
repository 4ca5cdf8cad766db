"""The commands that look after a store: `gc`, `doctor` and `reindex`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, get_args

import typer

from pydantic_hivemind.base.values import Finding, Part
from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.commands.transfer import progress_bar
from pydantic_hivemind.cli.exits import ExitCode
from pydantic_hivemind.cli.options import Json, Store, open_store

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (gc, doctor, reindex):
        app.command()(command)


def gc(*, store: Store, as_json: Json = False) -> None:
    """Remove what has ended, and give its room back to the disk.

    That is workspaces past their ttl and collections of none. Writes wait meanwhile.
    """
    with open_store(store) as hive:
        before = hive.size()
        ended = hive.cleanup()
        hive.sweep()
        hive.compact()
        freed = max(0, before - hive.size())
    output.show(
        {"ended": ended, "freed": freed},
        as_json=as_json,
        people=lambda _: (
            f"Removed {output.number(ended, 'workspace')} past their ttl, and gave {output.size(freed)} back."
        ),
        plain=lambda _: output.row(ended, freed),
    )


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without losing anything.")] = False,
    store: Store,
    as_json: Json = False,
) -> None:
    """Check a store and say how to mend it.

    Exit code 1 if anything is wrong.
    """
    from pydantic_hivemind.cli import installed_versions

    with open_store(store) as hive:
        findings = hive.check()
        if fix and any(finding.mendable for finding in findings):
            hive.sweep()
            findings = hive.check()
    findings += installed_versions.findings()
    installed = installed_versions.installed()
    output.show(
        {"versions": installed, "findings": findings},
        as_json=as_json,
        people=lambda _: _report(findings, installed),
        plain=lambda _: [
            *(output.row(finding.part, finding.problem, _remedy(finding)) for finding in findings),
            *(output.row("version", *each) for each in installed.items()),
        ],
    )
    if findings:
        raise typer.Exit(ExitCode.NO)


def reindex(
    *,
    drop_others: Annotated[
        bool, typer.Option("--drop-others", help="Delete vectors that other embedders made; refused without it.")
    ] = False,
    store: Store,
    as_json: Json = False,
) -> None:
    """Give every passage a vector.

    With the built-in embedder. Not for a store whose app searches with an embedder of its own: there, call
    `Hivemind.reindex`.
    """
    count = 0
    with open_store(store) as hive, progress_bar("Indexing") as bar:

        def progress(done: int, all: int) -> None:
            nonlocal count
            count = done
            bar(done, all)

        hive.reindex(progress, drop_others=drop_others)
    output.show(
        {"workspaces": count},
        as_json=as_json,
        people=lambda _: f"Indexed {output.number(count, 'workspace')}.",
        plain=lambda _: output.row(count),
    )


def _remedy(finding: Finding) -> str:
    return "hivemind doctor --fix" if finding.mendable else finding.remedy


def _wrapped(line: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(line, style, no_wrap=False, overflow="fold")


def _report(findings: list[Finding], installed: dict[str, str]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines: list[Text] = []
    for part in get_args(Part):
        wrong = [finding for finding in findings if finding.part == part]
        lines.append(Text.assemble(("✗", "bold red") if wrong else ("✓", "green"), f" {part}"))
        lines.extend(_wrapped(f"    {finding.problem}: {_remedy(finding)}") for finding in wrong)
    versions = ", ".join(f"{name} {number}" for name, number in installed.items())
    return Group(*lines, _wrapped(versions, "dim"))
