"""Finding files by globs."""

from __future__ import annotations

import random
import re

import pytest
from wcmatch import glob

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base.matching.globs import any_path, file_filter, glob_matcher, is_hidden
from pydantic_hivemind.errors import InvalidPattern


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("*.md", "/a.md", True),
        ("*.md", "/d/a.md", False),
        ("**/*.md", "/a.md", True),
        ("**/*.md", "/d/e/a.md", True),
        ("/d/*", "/d/a.md", True),
        ("*.{md,txt}", "/a.txt", True),
        ("[ab].md", "/b.md", True),
        ("?.md", "/ab.md", False),
        ("**", "/.deep/memory/a.md", True),
    ],
)
def test_globs(pattern: str, path: str, *, found: bool) -> None:
    assert glob_matcher(pattern)(path) is found


def test_wildcards_skip_hidden_names_on_request() -> None:
    assert not glob_matcher("**/*.md", hidden=False)("/.deep/a.md")
    assert glob_matcher(".deep/*.md", hidden=False)("/.deep/a.md")
    assert glob_matcher("**/*.md", under="/.deep", hidden=False)("/.deep/a.md")


def test_the_directory_of_a_glob_is_no_pattern() -> None:
    assert glob_matcher("*", under="/[ab]")("/[ab]/x")
    assert not glob_matcher("*", under="/[ab]")("/a/x")


def test_a_glob_with_too_many_alternatives() -> None:
    with pytest.raises(InvalidPattern):
        glob_matcher("{1..100000}")


def test_one_of_several_globs() -> None:
    matches = any_path(["/a/**", "*.md"])
    assert matches("/a/b/c")
    assert matches("/x.md")
    assert not matches("/b/x.md")


@pytest.mark.parametrize(
    ("path", "under", "hidden"),
    [
        ("/.deep/a", "/", True),
        ("/.deep/a", "/.deep", False),
        ("/.deep/.a", "/.deep", True),
        ("/d/a.b", "/", False),
        ("/d/.a", "/d", True),
    ],
)
def test_hidden_is_what_begins_with_a_dot_below_the_directory(path: str, under: str, *, hidden: bool) -> None:
    assert is_hidden(path, under=under) is hidden


def test_a_glob_of_everything_in_a_directory_matches_the_directory() -> None:
    matches = any_path("/plans/**")
    assert matches("/plans")
    assert matches("/plans/a/b.md")
    assert not matches("/plans-of-others")
    assert any_path(["/a", "/**"])("/b/c")


@pytest.mark.parametrize("directory", ["/plans", "/plans/", "plans", "/./plans", "/x/../plans"])
def test_a_directory_is_all_that_is_in_it(directory: str) -> None:
    matches = any_path(directory)
    assert [path for path in ("/plans", "/plans/a", "/plans/a/b.md", "/plans-of-others", "/x") if matches(path)] == [
        "/plans",
        "/plans/a",
        "/plans/a/b.md",
    ]


def test_a_directory_whose_name_looks_like_a_glob() -> None:
    assert any_path("/a[1]*")("/a[1]*/x")
    assert any_path("/a[1]*")("/a1b")
    assert not any_path("/a[1]*")("/a1b/x")
    assert not any_path("/notes/*")("/notes/deep/x")


def test_the_root_is_everything_and_nothing_is_nothing() -> None:
    assert any_path("/")("/a/b")
    for nothing in ("", [], "\0", "x" * 300):
        assert not any_path(nothing)("/a")


def test_the_name_of_a_file_may_be_in_any_script() -> None:
    assert glob_matcher("**/*über*.{md,txt}")("/Notizen/Straßen über alles.md")
    assert glob_matcher("/メモ/[あ-ん]?.md")("/メモ/あ日.md")
    assert glob_matcher("*")("/a\nb")
    assert not glob_matcher("[!é]")("/é")


@pytest.mark.parametrize(
    ("pattern", "under", "found"),
    [
        ("*.md", "/", {"/a.md", "/docs/b.md", "/docs/api/c.md"}),
        ("*.md", "/docs", {"/docs/b.md", "/docs/api/c.md"}),
        ("b.*", "/", {"/docs/b.md"}),
        ("docs/*.md", "/", {"/docs/b.md"}),
        ("/docs/*.md", "/", {"/docs/b.md"}),
        ("api/*", "/docs", {"/docs/api/c.md"}),
        ("docs/*.md", "/docs", set()),
        ("**/c.md", "/", {"/docs/api/c.md"}),
        ("/*", "/", {"/a.md", "/d.txt"}),
        ("*.txt", "/d.txt", {"/d.txt"}),
        ("*.md", "/d.txt", set()),
        ("api/c.md", "/docs/api/c.md", set()),
        ("./c.md", "/docs/api/c.md", set()),
        ("/c.md", "/docs/api/c.md", {"/docs/api/c.md"}),
    ],
)
def test_grep_selects_files_as_ripgrep_does(hive: Hivemind, pattern: str, under: str, found: set[str]) -> None:
    scope = hive.scope("a")
    for path in ("/a.md", "/docs/b.md", "/docs/api/c.md", "/d.txt"):
        scope.write_text(path, "word")
    assert {match.path for match in scope.grep("word", under, glob=pattern)} == found
    matches = file_filter(pattern, under=under)
    assert all(matches(path) for path in found)


PIECES = [
    "a",
    "b",
    ".",
    "ä",
    "*",
    "*",
    "?",
    "[ab]",
    "[!a]",
    "[^.b]",
    "[a-x]",
    "[]a]",
    "[.]",
    "[",
    "]",
    "{a,b}",
    "{a,*}",
]
PIECES += ["{.a,b/c}", "\\*", "**", "日", "-", "[[:alpha:]]", "{", "}", ",", "{1..3}", "[ä-日]", "!"]
NAMES = ["a", "b", ".", "ä", "日", "-", "]", "*", "!", "x", "{", ",", "1"]


def test_globs_are_those_of_wcmatch() -> None:
    """Of wcmatch, whose expressions take exponential time for some."""
    chosen = random.Random(7)
    plain = glob.GLOBSTAR | glob.BRACE | glob.FORCEUNIX

    def names(pieces: list[str]) -> str:
        return "/".join("".join(chosen.choices(pieces, k=chosen.randint(1, 3))) for _ in range(chosen.randint(1, 4)))

    compared = 0
    for _ in range(1500):
        pattern, under, hidden = (
            names([*PIECES, "/**/"]),
            chosen.choice(["/", "/a", "/[ab]", "/ä"]),
            chosen.random() < 0.5,
        )
        # What `**/` ends with, a directory or anything, changed between versions of wcmatch.
        pattern = pattern.rstrip("/")
        root = "" if under == "/" else glob.escape(under, unix=True)
        flags = plain | (glob.DOTGLOB if hidden else 0)
        expected = [re.compile(one) for one in glob.translate(f"{root}/{pattern.lstrip('/')}", flags=flags)[0]]
        matches = glob_matcher(pattern, under=under, hidden=hidden)
        for _ in range(20):
            path = f"{under.rstrip('/') if chosen.random() < 0.5 else ''}/{names(NAMES)}"
            if not {".", ".."} & set(path.split("/")):
                compared += 1
                assert matches(path) is any(one.match(path) for one in expected), (pattern, under, hidden, path)
    assert compared > 20_000


def test_a_glob_that_is_too_long() -> None:
    with pytest.raises(InvalidPattern, match="10000"):
        glob_matcher("a" * 10_001)


@pytest.mark.parametrize("pattern", ["{" * 9000, "{a," * 2000 + "b" + "}" * 2000, "{a,b}" * 2000, "{1..999}{1..999}"])
def test_a_glob_that_stands_for_too_many(pattern: str) -> None:
    with pytest.raises(InvalidPattern, match="several globs"):
        glob_matcher(pattern)
