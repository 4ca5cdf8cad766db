"""Markdown of agents as HTML that can do no harm: no HTML of its own, no images, and links that lead where they say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from pydantic_hivemind.base.paths import normalize, parent_of
from pydantic_hivemind.errors import InvalidPath

_SCHEMES = frozenset({"http", "https", "mailto"})


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    # What others wrote is never loaded: an image would tell them who looks at it, and when.
    return MarkdownIt("commonmark", {"html": False}).enable("table").enable("strikethrough").disable("image")


def to_html(text: str, path: str, link: Callable[[str], str]) -> Markup:
    """Return a Markdown text as HTML.

    Args:
        text: The text.
        path: Path of its file, to which links to other files are relative.
        link: Returns the address of the page of a file.
    """
    parser = _parser()
    tokens = parser.parse(text)
    for token in _all(tokens):
        if token.type == "link_open":
            _settle(token, path, link)
    return Markup(parser.renderer.render(tokens, parser.options, {}))  # noqa: S704 - the parser escapes all text


def _all(tokens: Sequence[Token]) -> list[Token]:
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def _settle(token: Token, path: str, link: Callable[[str], str]) -> None:
    """Let a link lead to a page of the console, or openly out of it; any other one leads nowhere."""
    target: Any = token.attrs.pop("href", "")
    token.attrs.pop("title", None)
    try:
        parts = urlsplit(str(target))
        if parts.scheme in _SCHEMES:
            token.attrs |= {"href": str(target), "rel": "noopener noreferrer nofollow", "class": "outside"}
        elif not parts.scheme and not parts.netloc and parts.path:
            inside = unquote(parts.path)
            token.attrs["href"] = link(normalize(inside if inside[:1] == "/" else f"{parent_of(path)}/{inside}"))
    except (ValueError, InvalidPath):
        return
