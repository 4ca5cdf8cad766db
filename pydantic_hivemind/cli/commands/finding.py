"""The commands that find something: `grep` and `search`."""

from __future__ import annotations

import json
import time
import warnings
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pydantic_hivemind.base.matching.line_search import line_search
from pydantic_hivemind.base.values import Hit, Match
from pydantic_hivemind.cli import output
from pydantic_hivemind.cli.exits import ExitCode, Refused, explain
from pydantic_hivemind.cli.options import Hidden, Json, Store, Tags, Workspace, open_workspace, seconds
from pydantic_hivemind.rendering.hits import partly

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Under = Annotated[str, typer.Option(metavar="PATH", help="Only in this file or directory.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(grep)
    app.command()(search)


def grep(
    pattern: Annotated[
        str,
        typer.Argument(
            metavar="REGEX", help="A regular expression, as Python has them, without lookaround and backreferences."
        ),
    ],
    *,
    under: Under = "/",
    glob: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB", help="Only in files that match: a name (*.md), or a path from --under on (docs/*.md)."
        ),
    ] = None,
    hidden: Hidden = True,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Print lines that match a regular expression.

    Exit code 1 if there are none.
    """
    with open_workspace(store, workspace) as scope:
        matches = scope.grep(pattern, under, glob=glob, hidden=hidden)
    output.show(
        matches,
        as_json=as_json,
        people=lambda matches: _lines(matches, pattern),
        plain=lambda matches: [f"{output.row(match.path)}:{match.line_number}:{match.line}" for match in matches],
    )
    if not matches:
        raise typer.Exit(ExitCode.NO)


def search(
    query: Annotated[
        str | None, typer.Argument(metavar="[QUERY]", help="What to look for; without it, what changed last.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(help="Most passages.", min=1)] = 10,
    under: Under = "/",
    tags: Tags = None,
    where: Annotated[
        str | None, typer.Option(metavar="JSON", help="""Only files like this: '{"collection": "memory"}'.""")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only files changed since: 2026-01-31, or 7d for a week ago.")
    ] = None,
    own: Annotated[bool, typer.Option("--own", help="Leave out what the workspace inherits.")] = False,
    workspace: Workspace,
    store: Store,
    as_json: Json = False,
) -> None:
    """Find passages by meaning and by words.

    The best come first. Exit code 1 if there are none.
    """
    with open_workspace(store, workspace) as scope, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        hits = scope.search(
            query, limit=limit, under=under, tags=tags, where=_where(where), since=_since(since), chain=not own
        )
    for warning in warned:
        explain(warning.message)
    if hits.partial:
        explain(partly(hits.partial).strip("()"))
    output.show(
        hits,
        as_json=as_json,
        people=_passages,
        plain=lambda hits: [
            output.row(hit.path, "{}-{}".format(*hit.lines), f"{hit.score:.3f}", " ".join(hit.text.split()))
            for hit in hits
        ],
    )
    if not hits:
        raise typer.Exit(ExitCode.NO)


def _where(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused(f"the value of --where is not valid JSON: {error}", ExitCode.USAGE) from None


def _since(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return time.time() - seconds(text)


def _lines(matches: list[Match], pattern: str) -> Text:
    """As grep shows them: what matched stands out."""
    from rich.text import Text

    lines: list[Text] = []
    search = line_search(pattern)
    for match in matches:
        line = Text.assemble((output.printable(match.path), "magenta"), ":", (str(match.line_number), "green"), ":")
        text = Text(output.printable(match.line))
        for start, end in search.spans(text.plain):
            text.stylize("bold red", start, end)
        lines.append(line + text)
    return Text("\n").join(lines)


def _passages(hits: list[Hit]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    lines: list[Text] = []
    for hit in hits:
        why = " and ".join(hit.matched)
        detail = f"  {hit.score:.2f}  {why}  in {output.printable(hit.scope)}" if hit.matched else f"  in {hit.scope}"
        place = "{}:{}-{}".format(output.printable(hit.path), *hit.lines)
        lines.append(Text.assemble((place, "bold"), (output.printable(detail), "dim")))
        # To be read, not copied.
        lines.extend(
            Text("  " + output.printable(line), no_wrap=False, overflow="fold") for line in hit.text.splitlines()
        )
        lines.append(Text())
    return Group(*lines)
