"""Finding files by glob and lines by regular expression."""

import re
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base import matching
from pydantic_hivemind.base.matching import Budget, LineSearch, any_path, glob_matcher, is_hidden, spans
from pydantic_hivemind.errors import InvalidPattern

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
        # Before Python 3.14, `re` finds no \\B in an empty text.
        assume(r"\B" not in pattern or "" not in text.split("\n"))
        assert LineSearch(pattern).lines(text.encode(), Budget()) == naive(pattern, text)


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
    assert LineSearch(pattern).lines(text.encode(), Budget()) == expected


@pytest.mark.skipif(sys.version_info < (3, 11), reason="possessive repeats and atomic groups")
@pytest.mark.parametrize("pattern", [r"\s*+b", r"(?>\s*)b", r"[^x]*+$", r"\W?+b", r"\s{0,3}+b"])
def test_what_cannot_give_back_is_searched_line_by_line(pattern: str) -> None:
    assert LineSearch(pattern).lines(b"a\n\nb\nx", Budget()) == naive(pattern, "a\n\nb\nx") != []


def test_bytes_that_are_no_text_have_no_lines() -> None:
    assert LineSearch("a").lines(b"a\xff", Budget()) == []


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


FOREVER = {
    "nested": r"(a+)+$",
    "alternatives": r"(a|a)*$",
    "many": "a*" * 30 + "b",
    "optional": "a?" * 40 + "a" * 40 + "b",
    "by line": r"(?=x|(a|aa)+$)",
    "no repetition": "(a|aa)" * 40 + "$",
}


@pytest.mark.parametrize("pattern", FOREVER.values(), ids=FOREVER.keys())
def test_a_search_ends(pattern: str, hive: Hivemind, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `re` it would last for ages, and meanwhile no other thread would run."""
    monkeypatch.setattr(matching, "MOST_SECONDS", 0.2)
    scope = hive.scope("a")
    for number in range(100):
        scope.write_text(f"/{number}", "a" * 60 + "!")
    with suppress(InvalidPattern):
        assert scope.grep(pattern) == []


@pytest.mark.parametrize("pattern", ["a", "^a", "a*", "a+b?", r"\ba", "(?<=b)a", "b|a", "a(?=b)"])
def test_where_a_line_matches(pattern: str) -> None:
    line = "aab ba aba"
    found = [match.span() for match in re.finditer(pattern, line) if match[0]]
    assert list(spans(pattern, line, Budget())) == found


@pytest.mark.parametrize("pattern", ["**/a/" * 12 + "b", "*a" * 12 + "b", "{a,*}*" * 6 + "b"])
def test_a_glob_ends(pattern: str, hive: Hivemind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_SECONDS", 0.2)
    scope = hive.scope("a")
    scope.write_text("/" + "a/" * 100 + "c", "x")
    scope.write_text("/" + "a" * 250, "x")
    with suppress(InvalidPattern):
        assert scope.glob(pattern) == []
    with suppress(InvalidPattern):
        assert scope.grep("x", glob=f"/{pattern}") == []


def test_others_go_on_during_a_long_search(hive: Hivemind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MOST_SECONDS", 1)
    scope = hive.scope("a")
    scope.write_text("/a", "a" * 60 + "!")
    with ThreadPoolExecutor(1) as pool:
        searching = pool.submit(scope.grep, r"(a|aa)+$")
        count = 0
        while not searching.done():
            scope.read_text("/a")
            count += 1
        assert count > 100
        with pytest.raises(InvalidPattern, match="too long"):
            searching.result()


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("f{e}", "f{e}", True),
        ("f{e}", "f", False),
        ("(abc){i<=1}", "abXc", False),
        (r"\{e}", "{e}", True),
        ("[{e]}", "e}", True),
        (r"\N{BULLET}", "\u2022", True),
        ("a{,2}$", "aa", True),
        ("{", "{", True),
    ],
)
def test_braces_are_those_of_re(pattern: str, line: str, found: bool) -> None:
    assert bool(re.search(pattern, line)) is found
    assert bool(LineSearch(pattern).lines(line.encode(), Budget())) is found


def test_a_pattern_that_is_too_long() -> None:
    with pytest.raises(InvalidPattern, match="10000"):
        LineSearch("a" * 10_001)
    with pytest.raises(InvalidPattern, match="10000"):
        glob_matcher("a" * 10_001)
