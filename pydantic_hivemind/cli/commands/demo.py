"""`hivemind demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pydantic_hivemind.cli.options import named_store


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    store: Annotated[
        Path | None, typer.Option(callback=named_store, help="Keep the store in this directory.", file_okay=False)
    ] = None,
) -> None:
    """Show agents of two users on a real server.

    Their project, a crash, and what is left; with a scripted model.
    """
    from contextlib import nullcontext
    from tempfile import TemporaryDirectory

    from rich.console import Console

    from pydantic_hivemind.demo.server_process import Server
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
