"""What only some systems have is not needed: Windows has no `fcntl`, no `resource` and no forks."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pydantic_hivemind

PACKAGE = Path(pydantic_hivemind.__file__).parent
UNIX = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
CALLS = {"chown", "fchmod", "fork", "getuid", "geteuid", "killpg", "register_at_fork", "setsid", "statvfs", "uname"}

WITHOUT = """
import asyncio, multiprocessing, os, subprocess, sys
import alembic.command, anyio, chromadb, fastapi, mcp, portalocker, sqlalchemy.dialects.sqlite, typer, wordllama

# It imports the rest of what it needs when it is used.
chromadb.PersistentClient(sys.argv[2]).create_collection("first")

for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "getuid", "geteuid"):
    delattr(os, name)

from pydantic_hivemind import Hivemind

for _ in range(2):
    with Hivemind.open(sys.argv[1]) as hive:
        scope = hive.scope("a")
        scope.write_text("/a.md", "The walrus sleeps.")
        assert [hit.path for hit in scope.search("walrus")] == ["/a.md"]
        assert scope.collection("/a.md").count() == 1
        assert scope.grep("walrus") and scope.spawn().search("walrus")
        assert [finding for finding in hive.doctor() if not finding.mendable] == []
        hive.scope("b").write_text("/b.md", "x")
        hive.scope("b").collection("/b.md")
        hive.scope("b").destroy()
"""


def test_everything_works_without_it(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT, str(tmp_path / "hive"), str(tmp_path / "first")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    kept = sorted(path.name for path in (tmp_path / "hive" / "collections").iterdir())
    assert len(kept) == 1


def test_it_is_imported_only_where_it_may_be_missing() -> None:
    for file in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        allowed = {
            node
            for guard in ast.walk(tree)
            if isinstance(guard, ast.Try | ast.If)
            for statement in guard.body
            for node in ast.walk(statement)
        }
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert node in allowed or not UNIX.intersection(names), f"{file}:{node.lineno}"
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "os" and node.attr in CALLS:
                assert node in allowed, f"{file}:{node.lineno}"
