"""The `hivemind` command. What a command needs is imported in it, so that help comes at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Memory for pydantic-deep agents that many users, projects and runs share without leaking.",
    no_args_is_help=True,
    add_completion=False,
)


def _show_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"hivemind {version('pydantic-hivemind')}")
        raise typer.Exit


@app.callback()
def hivemind(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    """Read by typer: what comes before the command."""


@app.command()
def demo(
    store: Annotated[Path | None, typer.Option(help="Keep the store in this directory.", file_okay=False)] = None,
) -> None:
    """Show two users of one project, their agents, and a crash, on a real server with a scripted model."""
    from contextlib import nullcontext
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from pydantic_hivemind.demo.server import Server
    from pydantic_hivemind.demo.story import StepFailed, Story

    console = Console(highlight=False, markup=False, soft_wrap=True)
    place = TemporaryDirectory(prefix="hivemind-") if store is None else nullcontext(store)
    with place as directory, Server(Path(directory)) as server:
        try:
            Story(server, console.print).tell()
        except StepFailed as failure:
            console.print(f"  NOT SO: {failure}", style="bold red")
            console.print(*server.log().splitlines()[-20:], sep="\n")
            raise typer.Exit(1) from None
    console.print("\nAll of it holds.", style="bold green")


def main() -> None:
    """Run the command."""
    app()
