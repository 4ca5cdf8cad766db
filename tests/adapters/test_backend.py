"""`HivemindBackend`: the protocol, its failures, the chain under it, and beside other backends."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydantic_ai_backends
import pytest
from pydantic_ai_backends.types import EditResult, WriteResult

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.errors import HivemindError, InvalidPath, ScopeGone
from pydantic_hivemind.hive.hivemind import Hivemind


@pytest.fixture
def backend(hive: Hivemind) -> HivemindBackend:
    return HivemindBackend(hive.scope("user/ada"))


def names(entries: object) -> list[str]:
    return [entry["path"] for entry in entries]  # type: ignore[attr-defined]


def test_it_is_a_backend_and_no_sandbox(backend: HivemindBackend) -> None:
    if not hasattr(pydantic_ai_backends, "BackendProtocol"):
        pytest.skip("no BackendProtocol")
    assert isinstance(backend, pydantic_ai_backends.BackendProtocol)
    assert not isinstance(backend, pydantic_ai_backends.SandboxProtocol)
    for name in ("root_dir", "permissions", "execute", "execute_enabled", "id"):
        assert not hasattr(backend, name)
    assert bool(backend)
    assert repr(backend) == "HivemindBackend(Scope('user/ada'))"


def test_bytes_come_back_as_they_were(backend: HivemindBackend) -> None:
    for content in (b"", b"\r\na\r\n", b"\xef\xbb\xbfx", b"\0\xff", bytes(range(256)) * 300):
        assert backend.write("/f", content) == WriteResult(path="/f")
        assert backend.read_bytes("/f") == content


def test_text_that_stands_for_bytes(backend: HivemindBackend) -> None:
    assert backend.write("/f", "a\udcff") == WriteResult(path="/f")
    assert backend.read_bytes("/f") == b"a\xff"
    refused = backend.write("/f", "a\ud800")
    assert refused.path is None
    assert "surrogate" in (refused.error or "")
    backend.write("/g", "x")
    assert backend.edit("/g", "x", "\ud800").error
    assert backend.read_bytes("/g") == b"x"


def test_reading_a_slice(backend: HivemindBackend) -> None:
    backend.write("/f", "one\ntwo\nthree\n")
    assert backend.read("/f", 1, 1) == "     2\ttwo\n\n... (2 more lines)"
    assert backend.read("/f", 2) == "     3\tthree\n     4\t"
    assert backend.read("/f", 4) == "Error: Offset 4 exceeds file length (4 lines)"


@pytest.mark.parametrize("path", ["/../x", "~/x", "C:/x", "a\0b", "/\ud800", "/" + "n" * 256, "/xx" * 2000])
def test_bad_paths_are_refused_in_words(backend: HivemindBackend, path: str) -> None:
    assert backend.exists(path) is False
    assert backend.ls_info(path) == []
    assert backend.read_bytes(path) == b""
    assert backend.read(path).startswith("Error: ")
    assert backend.write(path, "x").error
    assert backend.edit(path, "a", "b").error
    assert backend.glob_info("*", path) == []
    assert str(backend.grep_raw("x", path)).startswith("Error: ")
    with pytest.raises(InvalidPath):
        backend.delete(path)


def test_patterns_that_are_none(backend: HivemindBackend) -> None:
    backend.write("/f", "x")
    assert backend.grep_raw("(") == "Error: Invalid regex pattern: missing ), unterminated subpattern at position 0"
    assert str(backend.grep_raw("a{99999999999999999999}")).startswith("Error: Invalid regex pattern: ")
    assert backend.glob_info("{1..100000}") == []
    assert str(backend.grep_raw("x", glob="{1..100000}")).startswith("Error: ")


def test_a_file_in_the_way_of_a_path(backend: HivemindBackend) -> None:
    backend.write("/f", "x")
    assert backend.exists("/f/g") is False
    assert backend.ls_info("/f/g") == []
    assert backend.read_bytes("/f/g") == b""
    assert backend.read("/f/g") == "Error: '/f' is a file, not a directory"
    assert backend.write("/f/g", "y").error == "'/f' is a file, not a directory"
    assert backend.edit("/f/g", "x", "y").error == "'/f' is a file, not a directory"
    assert backend.read("/f") == "     1\tx"


def test_a_directory_is_no_file(backend: HivemindBackend) -> None:
    backend.write("/d/f", "x")
    assert backend.exists("/d") is False
    assert backend.read_bytes("/d") == b""
    assert backend.read("/d") == "Error: '/d' is a directory"
    assert backend.write("/d", "x").error == "'/d' is a directory"
    assert backend.edit("/d", "x", "y").error == "'/d' is a directory"


def check_failures(backend: HivemindBackend, word: str) -> None:
    """Every method answers in the protocol's way, and says why where it can."""
    assert backend.exists("/f") is False
    assert backend.ls_info("/") == []
    assert backend.read_bytes("/f") == b""
    reading = backend.read("/f")
    assert reading.startswith("Error: ")
    assert word in reading
    assert "not found" not in reading, "memory would be taken to be empty"
    written = backend.write("/f", "x")
    assert isinstance(written, WriteResult)
    assert word in (written.error or "")
    edited = backend.edit("/f", "x", "y")
    assert isinstance(edited, EditResult)
    assert word in (edited.error or "")
    assert backend.glob_info("**") == []
    found = backend.grep_raw("x")
    assert isinstance(found, str)
    assert found.startswith("Error: ")
    with pytest.raises(HivemindError, match=word):
        backend.delete("/f")


def test_a_scope_that_is_gone(hive: Hivemind) -> None:
    parent = hive.scope("project/secret-name")
    scope = parent.spawn("run")
    backend = HivemindBackend(scope)
    backend.write("/f", "x")
    scope.destroy()
    check_failures(backend, "destroyed")
    assert "secret-name" not in backend.read("/f")
    with pytest.raises(ScopeGone):
        backend.scope.read_bytes("/f")


def test_a_closed_hive(tmp_path: Path) -> None:
    with Hivemind.open(tmp_path / "hive") as hive:
        backend = HivemindBackend(hive.scope("s"))
        backend.write("/f", "x")
    check_failures(backend, "closed")
    assert str(tmp_path) not in backend.read("/f")


@pytest.mark.sqlite
def test_a_store_that_is_full(hive: Hivemind, backend: HivemindBackend) -> None:
    """SQLite's own limit of pages stands in for a disk without space: it reports both alike."""
    assert backend.write("/f", "kept") == WriteResult(path="/f")
    with hive._database.write() as tx:
        (pages,) = tx._cursor.execute("PRAGMA page_count").fetchone()
        tx._cursor.execute(f"PRAGMA max_page_count = {pages + 8}")
    failed = backend.write("/g", b"x" * 4_000_000)
    assert failed.path is None
    assert "space" in (failed.error or "")
    assert backend.read_bytes("/f") == b"kept"
    assert backend.exists("/g") is False


def test_a_child_reads_through_and_writes_to_itself(hive: Hivemind) -> None:
    parent = hive.scope("project")
    child = hive.scope("user", parent=parent)
    above, below = HivemindBackend(parent), HivemindBackend(child)
    above.write("/d/shared.md", "from above\n")
    above.write("/d/other.md", "other\n")
    assert below.read_bytes("/d/shared.md") == b"from above\n"
    assert below.edit("/d/shared.md", "above", "below") == EditResult(path="/d/shared.md", occurrences=1)
    assert above.read_bytes("/d/shared.md") == b"from above\n"
    assert below.read_bytes("/d/shared.md") == b"from below\n"
    below.delete("/d/other.md")
    assert names(below.ls_info("/d")) == names(below.glob_info("**")) == ["/d/shared.md"]
    assert below.grep_raw("other|above") == []
    assert names(above.ls_info("/d")) == ["/d/other.md", "/d/shared.md"]
    above.write("/d/new.md", "later\n")
    assert below.grep_raw("later") == [{"path": "/d/new.md", "line_number": 1, "line": "later"}]


def test_listing_has_directories_first(backend: HivemindBackend) -> None:
    for path in ("/d/b", "/d/z/f", "/d/a", "/d/.m/f", "/d/%"):
        backend.write(path, "xy")
    assert [(entry["name"], entry["is_dir"], entry["size"]) for entry in backend.ls_info("d/")] == [
        (".m", True, None),
        ("z", True, None),
        ("%", False, 2),
        ("a", False, 2),
        ("b", False, 2),
    ]
    assert names(backend.ls_info("/d/a")) == ["/d/a"]


def test_delete(backend: HivemindBackend) -> None:
    backend.write("/d/f", "x")
    backend.delete("/d/f")
    assert not backend.exists("/d/f")
    backend.delete("/d/f")
    backend.delete("/never/was")


def test_edits_of_many_threads_all_land(backend: HivemindBackend) -> None:
    backend.write("/f", "".join(f"<{n}>\n" for n in range(40)))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: backend.edit("/f", f"<{n}>", f"[{n}]"), range(40)))
    assert {result.error for result in results} == {None}
    assert backend.read_bytes("/f").decode() == "".join(f"[{n}]\n" for n in range(40))


def test_outside_a_run_a_write_is_a_write(backend: HivemindBackend) -> None:
    """As `StateBackend`: what was read before plays no part."""
    path = "/.deep/memory/main/MEMORY.md"
    backend.write(path, "a\n")
    assert backend.read_bytes(path) == b"a\n"
    backend.scope.write_text(path, "a\nb\n")
    backend.write(path, "c\n")
    assert backend.read_bytes(path) == b"c\n"


def test_inside_a_composite_backend(backend: HivemindBackend, tmp_path: Path) -> None:
    if not hasattr(pydantic_ai_backends, "CompositeBackend"):
        pytest.skip("no CompositeBackend")
    local = pydantic_ai_backends.LocalBackend(root_dir=str(tmp_path / "work"), enable_execute=False)
    routes = {"/.deep/memory/": backend, "/plans/": backend, "/large_tool_results/": backend}
    both = pydantic_ai_backends.CompositeBackend(default=local, routes=routes)
    memory = "/.deep/memory/main/MEMORY.md"
    for path in (memory, "/plans/p.md", "/large_tool_results/call-1"):
        assert both.write(path, "kept here\n") == WriteResult(path=path)
        assert backend.read_bytes(path) == both.read_bytes(path) == b"kept here\n"
    assert both.write("code.py", "kept there\n").error is None
    assert (tmp_path / "work" / "code.py").read_text() == "kept there\n"
    assert sorted(path.name for path in (tmp_path / "work").iterdir()) == ["code.py"]
    assert not backend.exists("/code.py")
    assert both.edit(memory, "kept", "found").occurrences == 1
    assert both.read(memory) == "     1\tfound here\n     2\t"
    assert names(both.ls_info("/plans")) == ["/plans/p.md"]
    assert names(both.glob_info("**/*.md", "/.deep/memory")) == [memory]
    assert both.grep_raw("found", memory) == [{"path": memory, "line_number": 1, "line": "found here"}]
    assert {entry["name"] for entry in both.ls_info("/")} >= {".deep", "plans", "large_tool_results"}
