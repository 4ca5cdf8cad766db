"""Coloured patches for terminals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_hivemind.rendering.patches import printable

if TYPE_CHECKING:
    from rich.text import Text


def coloured(patch: str) -> Text:
    """Return a patch in colours."""
    from rich.text import Text

    lines: list[Text] = []
    for line in patch.splitlines():
        style = next((style for start, style in _STYLES if line.startswith(start)), "")
        lines.append(Text("\t".join(printable(part) for part in line.split("\t")), style))
    return Text("\n").join(lines)


_STYLES = (
    ("Conflict: ", "bold red"),
    ("Merged: ", "yellow"),
    ("---", "bold"),
    ("+++", "bold"),
    ("@@", "cyan"),
    ("+", "green"),
    ("-", "red"),
    ("\\", "dim"),
)
