"""What a pattern may cost: no more time than the text is long, and no more memory than the limits say."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pydantic_hivemind import Hivemind, limits
from pydantic_hivemind.base.matching import line_search as module
from pydantic_hivemind.base.matching.line_search import line_search
from pydantic_hivemind.errors import InvalidPattern


def test_patterns_that_take_for_ever_elsewhere(tmp_path: Path) -> None:
    """In a process that may take 2 GiB and 150 seconds of computing."""
    program = Path(__file__).with_name("hostile_patterns.py")
    command = [sys.executable, program, tmp_path / "hive"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-5000:]
    searched, refused = map(int, done.stdout.split())
    assert searched > 18
    assert refused > 5


def test_others_go_on_during_a_long_search(hive: Hivemind) -> None:
    scope = hive.scope("a")
    scope.write_text("/a", "small")
    odd = bytes(97 + (number * number // 7) % 2 for number in range(150_000))
    scope.write_bytes("/large", b"ab" * 150_000 + odd * 20)
    with ThreadPoolExecutor(1) as pool:
        # A connection is opened before: on PostgreSQL it may take as long as the search.
        assert pool.submit(scope.read_text, "/a").result() == scope.read_text("/a")
        began = previous = time.monotonic()
        searching = pool.submit(scope.grep, "[ab]*a[ab]{990}c")
        longest = 0.0
        while not searching.done():
            scope.read_text("/a")
            now = time.monotonic()
            longest, previous = max(longest, now - previous), now
        assert searching.result() == []
    # If the search kept the interpreter to itself, one read would take as long as all of it.
    assert longest < 0.8 * (time.monotonic() - began)


def test_a_search_ends_after_so_much_computing(hive: Hivemind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GREP_CPU_SECONDS", 0.0)
    scope = hive.scope("a")
    scope.write_text("/a", "x" * 100)
    with pytest.raises(InvalidPattern, match="seconds of computing; use a simpler pattern, or search fewer files"):
        scope.grep("x+")


def test_kept_patterns_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = module._Cache()
    for number in range(200):
        search = cache.get(f"ü?{number}(a|b)*")
        list(search.spans("üab"))
        assert cache.get(f"ü?{number}(a|b)*") is search
        assert sum(kept.size for kept in cache._kept.values()) <= limits.PATTERN_CACHE_BYTES
    assert 1 < len(cache._kept) < 50
    assert line_search("a+") is line_search("a+")
