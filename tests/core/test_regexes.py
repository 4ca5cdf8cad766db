"""Finding lines by regular expressions."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind
from pydantic_hivemind.base.matching import case_folding
from pydantic_hivemind.base.matching.characters import LAST, LEAD_BYTES
from pydantic_hivemind.base.matching.line_search import Budget, LineSearch
from pydantic_hivemind.errors import InvalidPattern

EVERY_CHARACTER = "".join(chr(code) for code in range(LAST + 1) if not 0xD800 <= code <= 0xDFFF)


def found(pattern: str, text: str | bytes) -> list[tuple[int, str]]:
    return LineSearch(pattern).lines(text if isinstance(text, bytes) else text.encode(), Budget())


def naive(pattern: str, text: str) -> list[tuple[int, str]]:
    return [(n, line) for n, line in enumerate(text.split("\n"), start=1) if re.search(pattern, line)]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_lines_as_re_in_several_scripts(seed: int) -> None:
    """Random patterns on random texts, in a process of bounded memory and time: `re` may take for ever."""
    program = Path(__file__).with_name("compare_with_re.py")
    done = subprocess.run(
        [sys.executable, program, str(seed), "1500"], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) > 4000


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^b$", "a\nb\nc"),
        (r"\Ab", "a\nb"),
        (r"b\Z", "a\nb\nc"),
        (r"(?-m:^)b", "a\nb"),
        (r"\bb\b", "a\nb\nc"),
        (r"[^x]*y", "y"),
        ("", ""),
        ("^$", "a\n"),
        (r"\s", "a\nb c\nd\te"),
        (r"[\s\S]b", "a\nb\nab"),
    ],
)
def test_lines_are_matched_by_themselves(pattern: str, text: str) -> None:
    expected = naive(pattern, text)
    assert expected
    assert found(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "matching", "not_matching"),
    [
        # German
        (r"\bMüller\b", "Frau Müller, bitte", "Müllers Mühle"),
        (r"(?i)\bstraße\b", "STRAßE", "Straßenbahn"),
        (r"^\w+$", "Größe", "Größe?"),
        (r"\büber\b", "weit über uns", "Rüber"),
        # French
        (r"\bÉmile\b", "avec Émile.", "Émilee"),
        (r"(?i)élève", "ÉLÈVE", "eleve"),
        (r"prix\s:\s\d+", "prix\u00a0: 12", "prix: 12"),
        # Russian
        (r"\bмир\b", "война и мир", "мирный"),
        (r"(?i)^ПРИВЕТ", "привет, мир", "скажи привет"),
        (r"[а-я]{3,}", "это дом", "ЭТО ДОМ"),
        # Japanese
        (r"\bメモ\b", "これは メモ です", "メモリ"),
        (r"\d{4}年", "２０２６年に", "二〇二六年"),
        (r"^[ぁ-ん]+$", "ひらがな", "カタカナ"),
        (r"東京\s大阪", "東京\u3000大阪", "東京大阪"),
        (r"^\W*$", "。、", "日本"),
        # Arabic
        (r"\bكتاب\b", "هذا كتاب جديد", "كتابة"),
        (r"\d{2}", "عام ٤٥", "عام ٤"),
        # Others
        (r"(?i)kelvin", "\u212aelvin", "celvin"),
        (r"(?i)ΣΟΦΟΣ", "σοφος", "σοφια"),
        (r"(?a)\d", "4", "٤"),
        (r"(?a)^\w+$", "Muller", "Müller"),
        (r"😀+", "ok 😀😀", "😁"),
    ],
)
def test_words_digits_spaces_and_case_in_any_script(pattern: str, matching: str, not_matching: str) -> None:
    assert re.search(pattern, matching)
    assert not re.search(pattern, not_matching)
    assert found(pattern, f"{not_matching}\n{matching}\n{not_matching}") == [(2, matching)]


def test_the_other_case_of_a_character_is_what_re_takes_it_for() -> None:
    cased = [char for char in EVERY_CHARACTER if char.lower() != char or char.upper() != char]
    assert max(cased) < chr(case_folding._CASED_PLANES)
    text = "".join(cased)
    for char in cased[::7]:
        expected = set(re.findall(re.escape(char), text, re.IGNORECASE)) | {char}
        # `re` knows no other case of some that are written like two letters.
        assert expected <= set(case_folding.variants(char)) | {char}, (char, expected)
        assert set(case_folding.variants(char)) == expected, (char, expected)


@pytest.mark.parametrize("category", LEAD_BYTES)
def test_the_first_bytes_of_classes(category: str) -> None:
    members = re.findall(rf"\{category}", EVERY_CHARACTER[128:])
    assert {char.encode()[0] for char in members} <= set(LEAD_BYTES[category])


@pytest.mark.parametrize(
    ("data", "pattern", "lines"),
    [
        (b"a\r\nb\r\n", "a$", [(1, "a")]),
        (b"a\r\nb\r\n", r"\s$", []),
        (b"\r\n\r\n", "^$", [(1, ""), (2, ""), (3, "")]),
        ("Straße\r\nx".encode(), r"\w+$", [(1, "Straße"), (2, "x")]),
        (b"\xef\xbb\xbfa b", "^a", [(1, "a b")]),
        ("größer\nx".encode("utf-16"), "größer", [(1, "größer")]),
        ("größer\nx".encode("utf-16-be"), "gr", []),
        ("größer\nx".encode("latin-1"), "^gr.*er$", [(1, "gr\ufffd\ufffder")]),
        (b"PNG\0\xff\nword", "word", []),
        (b"a\0b", "b", [(1, "a\0b")]),
        (b"", "", [(1, "")]),
    ],
)
def test_lines_are_texts_without_the_marks_of_their_files(
    data: bytes, pattern: str, lines: list[tuple[int, str]]
) -> None:
    assert found(pattern, data) == lines


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("a(?=b)", "lookahead"),
        ("a(?!b)", "negative lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(?<!a)b", "negative lookbehind"),
        (r"(a)\1", "backreference"),
        ("(?P<n>a)(?P=n)", "backreference"),
        ("(?>a)", "atomic group"),
        ("a*+", "possessive"),
        ("(a)?(?(1)b|c)", "conditional"),
    ],
)
def test_what_takes_more_than_linear_time_is_refused_with_advice(pattern: str, words: str) -> None:
    with pytest.raises(InvalidPattern, match=rf"{words}.* is not supported, .* in linear time; \w+"):
        LineSearch(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "a)", "[", "[b-a]", r"[\w-z]", "*", "a**", "^*", "a{3,2}", "a{99999999999999999999}", "\\", r"\q"),
        *("(?P<1>a)", "(?P<n>a)(?P<n>b)", "(?P<n", "(?<n>a)", "(?z)", "(?i", "(?i-)", "(?#", r"\x1", r"\u12", "(?"),
        *(r"\N{NOBODY}", r"\N{", r"\777", "(?L)a", r"[\A]", "(?-:a)", "(?i-i:a)", "(?P>a)", r"\U00110000"),
    ],
)
def test_what_is_not_a_regular_expression(pattern: str) -> None:
    with pytest.raises((re.error, OverflowError)):
        re.compile(pattern)
    with pytest.raises(InvalidPattern, match="not a regular expression: "):
        LineSearch(pattern)


def test_flags_stand_at_the_start() -> None:
    """As since Python 3.11."""
    with pytest.raises(InvalidPattern, match="global flags not at the start of the expression at position 1"):
        LineSearch("a(?i)")


@pytest.mark.parametrize("pattern", ["(", "[", "*", "a**", "[b-a]", "a)", r"\q", "(?P<n", "a{3,2}"])
def test_what_is_not_a_regular_expression_is_said_in_the_words_of_re(pattern: str) -> None:
    with pytest.raises(re.error) as expected:
        re.compile(pattern)
    with pytest.raises(InvalidPattern) as refused:
        LineSearch(pattern)
    assert str(refused.value) == f"not a regular expression: {expected.value}"


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("f{e}", "f{e}"),
        (r"\{e}", "{e}"),
        ("[{e]}", "e}"),
        (r"\N{BULLET}", "\u2022"),
        ("^a{,2}$", "aa"),
        ("^a{,}$", "aaaa"),
        ("{", "{"),
        ("{}", "{}"),
        ("a{1", "a{1"),
        ("x{}", "x{}"),
        ("[]a]", "]"),
        ("[^]a]", "b"),
        ("[a-]", "-"),
        (r"[\b]", "\b"),
        (r"\0\x41\101\u0042\U00000043", "\0AABC"),
        (r"\t\a\f\v\\", "\t\a\f\v\\"),
        ("(?x) a b # c\n c", "abc"),
        ("(?x)a +", "aa"),
        ("(?is)A.b", "a-B"),
        ("(?i:A)b", "ab"),
        ("(?P<name>a)(?#comment)b", "ab"),
        ("a|", ""),
        ("(?:){3}", "a"),
        (r"(?:\b)*a", "a"),
        (r"(?:$){2}", "a"),
    ],
)
def test_the_syntax_of_re(pattern: str, line: str) -> None:
    assert found(pattern, line) == naive(pattern, line)
    assert found(pattern, f"ü{line}") == naive(pattern, f"ü{line}")


@pytest.mark.parametrize(
    "pattern", ["^(?:a{60}){15}$", "^(?:a{10}){0,100}$", "^a{300,1000}$", "^a{1000}$", "^(?:é{500}|a{400,})$"]
)
@pytest.mark.parametrize("count", [299, 300, 400, 500, 900, 999, 1000, 1001])
def test_large_counts(pattern: str, count: int) -> None:
    for line in ("a" * count, "é" * count, "a" * count + "é"):
        assert found(pattern, line) == naive(pattern, line)


@pytest.mark.parametrize(
    "pattern", ["a", "^a", "a*", "a+b?", r"\ba", "b|a", "[^a]+", r"\B", r"\w+", "é|ü", "(?i)É.", ""]
)
@pytest.mark.parametrize("line", ["aab ba aba", "Émile ä ü aé", "日本 a\u00a0b", ""])
def test_where_a_line_matches(pattern: str, line: str) -> None:
    expected = [match.span() for match in re.finditer(pattern, line) if match[0]]
    assert list(LineSearch(pattern).spans(line)) == expected


def test_a_pattern_that_is_too_long() -> None:
    with pytest.raises(InvalidPattern, match="10000"):
        LineSearch("a" * 10_001)


def test_a_long_text_is_searched_in_parts(hive: Hivemind) -> None:
    lines = [f"line {number} of a file" for number in range(200_000)]
    lines[150_000] = "the NEEDLE"
    scope = hive.scope("a")
    scope.write_text("/long", "\n".join(lines))
    for pattern in ("NEEDLE", "N[A-Z]+E$", r"\bNEEDLE\b"):
        assert [(match.line_number, match.line) for match in scope.grep(pattern)] == [(150_001, "the NEEDLE")]
    scope.write_text("/one", "é" + "x" * 3_000_000 + "NEEDLE")
    (match,) = scope.grep(r"x{3}N[A-Z]+E\b", "/one")
    assert match.line_number == 1
