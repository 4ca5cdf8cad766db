"""Search for patterns that take exponential time or memory elsewhere, on every face, in a process of bounded size.

Prints how many were searched for and how many refused.
"""

from __future__ import annotations

import random
import resource
import sys
from contextlib import suppress

resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (150, 150))

from fastapi.testclient import TestClient  # noqa: E402

from pydantic_hivemind import Hivemind, Scope  # noqa: E402
from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend  # noqa: E402
from pydantic_hivemind.base.matching.line_search import line_search  # noqa: E402
from pydantic_hivemind.errors import InvalidPattern  # noqa: E402
from pydantic_hivemind.http import create_app  # noqa: E402
from pydantic_hivemind.mcp.tools import TOOLS  # noqa: E402
from pydantic_hivemind.tokens import Tokens  # noqa: E402

chosen = random.Random(3)


def words(count: int, letters: str) -> str:
    return "|".join("".join(chosen.choices(letters, k=9)) for _ in range(count))


HAN = "".join(chr(0x4E00 + number) for number in range(900))
REGEXES = [
    "(?:" * 40 + "a" + "){1,2}" * 40,
    "a?" * 2000 + "a" * 2000,
    "a?" * 400 + "a" * 400,
    "(a+)+$",
    "(a|a)*$",
    "(a|aa)+$",
    "a*" * 300 + "b",
    "(a|aa)" * 200 + "$",
    "((a{1,30}){1,30}){1,30}",
    "(?:(?:a{10}){10}){9}b",
    "(?:a*)*" * 300,
    "(?:" * 45 + "a?" + ")*" * 45,
    "(?:" * 45 + "a+" + ")+" * 45,
    "(" * 5000 + ")" * 5000,
    words(990, "abcdefgh"),
    words(990, HAN),
    rf"\b(?:{words(900, HAN)})\b",
    r"\w{900}",
    r"(?:\w\s){400}x",
    r"(?i)(?:\w\d){400}x",
    f"[{HAN * 11}]",
    f"(?i)[{HAN * 11}]",
    r"(?i)" + r"[\x00-\U0010ffff]" * 300,
    "".join(f"[a{char}]" for char in HAN),
    "a{" + "9" * 9000 + "}",
    "{1" * 5000,
    "|" * 9999,
    r"\b" * 4999,
    "()" * 4999,
    r"[ab]*a[ab]{900}c",
    "a" * 9999 + "+",
]
GLOBS = ["**/a/" * 12 + "b", "*a" * 100 + "b", "{a,*}*" * 9 + "b", "{" * 9000, "{a,b}" * 2000, "{1..100000000}"]
GLOBS += ["[a-z]*" * 500, "?" * 9000, "**/" * 3000, "*" * 9999, "[" * 9999, f"*{HAN}*"]


def main() -> None:
    with Hivemind.open(sys.argv[1]) as hive:
        scope = hive.scope("a")
        scope.write_text("/long", "a" * 60 + "!\n" + "a" * 20_000 + "!")
        scope.write_text("/letters", "".join(chosen.choices("ab", k=20_000)))
        scope.write_text("/han", "".join(chosen.choices(HAN + "ab \n", k=20_000)))
        scope.write_text("/" + "a/" * 100 + "c", "x")
        scope.write_text("/" + "a" * 250, "x")
        scope.write_text("/" + "文" * 80, "x")
        token = Tokens(hive).create(scope, can=["read"])
        with TestClient(
            create_app(hive), base_url="http://localhost", headers={"Authorization": f"Bearer {token}"}
        ) as client:
            outcomes = [searched(scope, client, pattern) for pattern in REGEXES]
        for pattern in GLOBS:
            with suppress(InvalidPattern):
                scope.glob(pattern)
            with suppress(InvalidPattern):
                scope.grep("x", glob=f"/{pattern}")
            with suppress(InvalidPattern):
                TOOLS["hivemind_list"](glob=pattern).run(scope)
            with suppress(InvalidPattern):
                scope.spawn().promote(paths=[pattern], dry_run=True)
    print(outcomes.count(True), outcomes.count(False))


def searched(scope: Scope, client: TestClient, pattern: str) -> bool:
    """Whether a pattern was searched for, and not refused; it is the same on every face."""
    found = HivemindBackend(scope).grep_raw(pattern)
    response = client.get("/v1/grep", params={"pattern": pattern}) if len(pattern) < 4000 else None
    refusal = ""
    try:
        matches = scope.grep(pattern)
    except InvalidPattern as error:
        refusal, matches = str(error), []
    if refusal:
        assert len(refusal) < 400, refusal
        assert isinstance(found, str), pattern
        assert found.startswith("Error: "), found
        assert response is None or (response.status_code, response.json()["detail"]) == (400, refusal), response
        return False
    assert [(match["path"], match["line_number"]) for match in found] == [
        (match.path, match.line_number) for match in matches
    ]
    assert response is None or response.status_code == 200, response
    search = line_search(pattern)
    for match in matches:
        list(search.spans(match.line))
    return True


main()
