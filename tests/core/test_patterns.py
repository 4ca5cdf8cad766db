"""Finding files by glob and lines by regular expression."""

import re
import sys
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pydantic_hivemind.errors import InvalidPattern
from pydantic_hivemind.patterns import LineSearch, any_glob, glob_matcher, is_hidden

LETTERS = st.sampled_from(["a", "b", "B", "é", " ", "-", "."])
ATOMS = st.one_of(
    LETTERS.map(re.escape),
    st.sampled_from([".", r"\w", r"\W", r"\s", r"\S", r"\d", "[ab]", "[^a]", "[^\\n]", r"[\s-]"]),
    st.sampled_from(["^", "$", r"\b", r"\B", r"\A", r"\Z", r"\n", r"\r", "(?:)"]),
)
NEW_IN_311 = ["*+", "++", "?+", "{1,2}+"] if sys.version_info >= (3, 11) else []
GROUPS = ["({})", "(?:{})", "(?i:{})", "(?={})", "(?!{})", r"({})\1", "(?P<n>{})(?P=n)", "({})?(?(1)a|b)"]
GROUPS += ["(?>{})"] if sys.version_info >= (3, 11) else []


def _nested(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(st.sampled_from(GROUPS), inner).map(lambda pair: pair[0].replace("{}", pair[1], 1)),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "{0,2}", *NEW_IN_311])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.tuples(LETTERS.map(re.escape), st.sampled_from(["*", "+?", "{0,2}", "{,1}", "{", "}", "]"])).map("".join),
        LETTERS.map(lambda letter: f"(?<={re.escape(letter)})"),
        LETTERS.map(lambda letter: f"(?<!{re.escape(letter)})"),
    )


PATTERNS = st.tuples(
    st.sampled_from(["", "", "", "(?i)", "(?m)", "(?s)", "(?x)"]), st.recursive(ATOMS, _nested, max_leaves=8)
).map("".join)
TEXTS = st.text(st.sampled_from("abBé -.\n\r\x0b\x0c\u2028"), max_size=24)


def naive(pattern: str, text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.split("\n"), start=1) if re.search(pattern, line)]


@settings(max_examples=1500, deadline=None)
@given(pattern=PATTERNS, text=TEXTS)
def test_no_matching_line_is_lost(pattern: str, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        try:
            re.compile(pattern)
        except (re.error, OverflowError):
            with pytest.raises(InvalidPattern):
                LineSearch(pattern)
            return
        assert LineSearch(pattern).lines(text.encode()) == naive(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^b$", "a\nb\nc"),
        (r"\Ab", "a\nb"),
        (r"b\Z", "a\nb\nc"),
        (r"(?<!\s)b", "a\nb"),
        (r"b(?!\s)", "a\nb\nc"),
        (r"(?-m:^)b", "a\nb"),
        (r"\bb\b", "a\nb\nc"),
        (r"(?i)B$", "a\nb\r\nb"),
        (r"\r$", "a\r\nb\n"),
        ("", ""),
        ("^$", "a\n"),
        (r"[^x]*y", "y"),
    ],
)
def test_lines_are_matched_by_themselves(pattern: str, text: str) -> None:
    expected = naive(pattern, text)
    assert expected
    assert LineSearch(pattern).lines(text.encode()) == expected


@pytest.mark.skipif(sys.version_info < (3, 11), reason="possessive repeats and atomic groups")
@pytest.mark.parametrize("pattern", [r"\s*+b", r"(?>\s*)b", r"[^x]*+$", r"\W?+b", r"\s{0,3}+b"])
def test_what_cannot_give_back_is_searched_line_by_line(pattern: str) -> None:
    assert LineSearch(pattern).lines(b"a\n\nb\nx") == naive(pattern, "a\n\nb\nx") != []


def test_bytes_that_are_no_text_have_no_lines() -> None:
    assert LineSearch("a").lines(b"a\xff") == []


@pytest.mark.parametrize("pattern", ["(", "a{99999999999999999999}", "(" * 5000 + ")" * 5000, "*"])
def test_what_is_no_regular_expression(pattern: str) -> None:
    with pytest.raises(InvalidPattern):
        LineSearch(pattern)


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
    matches = any_glob(["/a/**", "*.md"])
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
    matches = any_glob("/plans/**")
    assert matches("/plans")
    assert matches("/plans/a/b.md")
    assert not matches("/plans-of-others")
    assert any_glob(["/a", "/**"])("/b/c")
