"""Docstrings of public names, error texts and the documentation are in the field's words, and without riddles.

Each entry of `UNCLEAR` is a turn that this project once used and readers had to solve. It is a list of what we write,
not a grammar: a sentence that needs one of them can say the same plainly.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import pydantic_hivemind

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "pydantic_hivemind"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PUBLIC = ("", ".errors", ".limits", ".deep", ".tokens", ".adapters", ".http", ".mcp", ".client", ".testing")

UNCLEAR = {
    r"(?<!there )\b(is|are) none\b": "None is a value in Python: say `is not valid JSON`, `is not a token`",
    r", and no (str|int|type|text|list|path|scope|directory|file)\b": "say `not a ...`: `no` reads as a count",
    r"(?<!there )\b(is|are) no (file|text|regular|glob|scope|token|JSON|UTF-8|embedding|store|URL|number)\b": (
        "say `is not a ...`"
    ),
    r"\bwhat is there\b": "say what: the file, the content, the entries of a directory",
    r"\bwhat (was|is) given\b": "name the argument",
    r"\blet go of\b|\blets go of\b": "say dropped, closed or deleted",
    r"\b(is|are|was|be) told\b(?! to\b)": "say is reported, is returned, is configured",
    r"\bunless told otherwise\b": "say by default",
    r"\bnothing (of|outside) [^.]{0,40} ever is\b": "say what the operation returns, not what never happens to whom",
    r"\bthat were [\d,]+\b": "not English: say made, or there were",
    r"\btake turns\b|\btakes turns\b": "say one writer per scope tree, or serialised",
    r"\bcount(s)? for (its|their) neighbours\b": "say BM25 with neighbour weighting",
    r"\bhas not seen\b": "say concurrent changes",
    r"\bboth land\b": "say both take effect",
    r"\b(makes?|making) no sense\b": "say is not valid",
    r"\bgoes by words\b|\bby words alone\b|\bby words only\b": "say uses the lexical ranking only",
    r"\bmade up\b": "say generated",
    r"\bmade anew\b|\bmakes anew\b|\bmake anew\b": "say rebuilt",
    r"\bwhoever (asks|comes by|it is)\b|\bwho asks\b": "say the caller, the client",
}
"""Turns that may not come back, as regular expressions, each with what to write instead and why."""


def _public_docstrings() -> Iterator[tuple[str, str]]:
    for suffix in PUBLIC:
        module = import_module(f"pydantic_hivemind{suffix}")
        yield module.__name__, inspect.getdoc(module) or ""
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if not (inspect.isclass(value) or inspect.isfunction(value)):
                continue
            if not (getattr(value, "__module__", "") or "").startswith(pydantic_hivemind.__name__):
                continue  # pydantic-deep's own, on its earlier line
            yield f"{module.__name__}.{name}", inspect.getdoc(value) or ""
            for member_name, member in vars(value).items() if inspect.isclass(value) else ():
                if not member_name.startswith("_"):
                    yield f"{module.__name__}.{name}.{member_name}", getattr(member, "__doc__", None) or ""


def _error_texts() -> Iterator[tuple[str, str]]:
    """The literal parts of what is raised, with placeholders for values."""
    for file in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            for argument in node.exc.args:
                parts = argument.values if isinstance(argument, ast.JoinedStr) else [argument]
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
                yield f"{file.relative_to(ROOT)}:{node.lineno}", text


def _prose(page: Path) -> str:
    """A page without its blocks of code, on one line for each paragraph."""
    text = re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text)


def _unclear(places: Iterator[tuple[str, str]]) -> list[str]:
    found: list[str] = []
    for place, text in places:
        flat = " ".join(text.split())
        for pattern, instead in UNCLEAR.items():
            found += [f"{place}: {match[0]!r}: {instead}" for match in re.finditer(pattern, flat, re.IGNORECASE)]
    return found


def test_the_docstrings_of_public_names_are_plain() -> None:
    assert _unclear(_public_docstrings()) == []


def test_the_texts_of_errors_are_plain() -> None:
    assert _unclear(_error_texts()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_are_plain(page: Path) -> None:
    assert _unclear(iter([(str(page.relative_to(ROOT)), _prose(page))])) == []


def test_the_list_finds_what_it_is_for() -> None:
    """The sentences that were quoted as the worst."""
    worst = [
        "--where takes JSON, and this is none",
        "The embedder is none",
        "nothing of a scope outside the chain ever is",
        "that were 6,600 operations",
        "Words count for their neighbours",
        "Trees take turns in PostgreSQL",
        "what others wrote and it has not seen",
        "a path is text such as '/notes.md', and no int",
        "what is there and what was given",
    ]
    assert [text for text in worst if not _unclear(iter([("", text)]))] == []
