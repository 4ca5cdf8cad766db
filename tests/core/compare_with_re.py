"""Compare random patterns on random texts with `re`: `compare_with_re.py SEED COUNT`. Prints how often it compared."""

from __future__ import annotations

import random
import re
import resource
import sys
import warnings

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (200, 200))

from pydantic_hivemind.base.matching.line_search import Budget, LineSearch  # noqa: E402
from pydantic_hivemind.errors import InvalidPattern  # noqa: E402

warnings.simplefilter("ignore", FutureWarning)

LETTERS = [*"abBzK_0é ü-.,ÜßяЯメモﾒ日ع٣\u00a0\u3000ſ\u212aıİσςΣ𝔘😀µμ\t\r\x85\u2028ǅﬅﬆ"]
CLASSES = [r"\w", r"\W", r"\d", r"\D", r"\s", r"\S", ".", "[^\\n]", "[a-c]", "[^a]", r"[\w-]", r"[^\d\s]", "[а-я]"]
CLASSES += ["[ぁ-ヿ]", "[^а-я]", "[A-Zé]", r"[\W_]", "[ÀÿK-M]", "[\U00010000-\U0010ffff]", r"[^\W\d]"]
EDGES = ["^", "$", r"\b", r"\B", r"\A", r"\Z", r"\n"]
REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{0,2}", "{1,3}?", "{,2}", "{2,}"]

chosen = random.Random(int(sys.argv[1]))


def atom() -> str:
    return re.escape(chosen.choice(LETTERS)) if chosen.random() < 0.55 else chosen.choice([*CLASSES, *EDGES])


def pattern(depth: int) -> str:
    kind = chosen.random()
    if depth == 0 or kind < 0.35:
        return atom()
    parts = [pattern(depth - 1) for _ in range(chosen.randint(1, 3))]
    if kind < 0.65:
        return "".join(parts)
    if kind < 0.75:
        return f"(?:{'|'.join(parts)})"
    if kind < 0.8:
        return chosen.choice(["(?i:{})", "({})", "(?s:{})", "(?-i:{})"]).replace("{}", parts[0])
    return f"(?:{parts[0]}){chosen.choice(REPEATS)}"


def text() -> str:
    lines = ["".join(chosen.choices(LETTERS, k=chosen.choice([0, 1, 2, 4, 8]))) for _ in range(chosen.randint(1, 4))]
    joined = "\n".join(lines)
    return joined if chosen.random() < 0.7 else joined.encode("ascii", "ignore").decode()


def main() -> None:
    compared = 0
    for _ in range(int(sys.argv[2])):
        searched = chosen.choice(["", "", "", "(?i)", "(?s)", "(?a)", "(?ai)"]) + pattern(4)
        try:
            expected = re.compile(searched)
        except (re.error, OverflowError):
            try:
                LineSearch(searched)
            except InvalidPattern:
                continue
            sys.exit(f"{searched!r} was taken for a regular expression")
        search = LineSearch(searched)
        for _ in range(4):
            data = text()
            lines = data.replace("\r\n", "\n").split("\n")
            if r"\B" in searched and "" in lines:
                continue  # Before Python 3.14, `re` finds no \\B in an empty text.
            right = [(number, line) for number, line in enumerate(lines, 1) if expected.search(line)]
            found = search.lines(data.encode(), Budget())
            if found != right:
                sys.exit(f"{searched!r} in {data!r}: {found}, and re finds {right}")
            compared += 1
    print(compared)


main()
