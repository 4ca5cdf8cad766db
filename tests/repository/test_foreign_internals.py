"""What the package uses of others that they do not document: each fails here when it moves, and has a fallback."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path
from types import SimpleNamespace

import pydantic_ai_backends
import pytest
from chromadb.api.models.Collection import Collection
from chromadb.api.rust import RustBindingsAPI
from chromadb.config import Settings, System
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from pydantic_hivemind.adapters.pydantic_deep import run_scope
from pydantic_hivemind.http import route
from pydantic_hivemind.merging import line_matching

PACKAGE = Path(route.__file__).parents[1]

KNOWN = {
    ("adapters/backends/run_reads.py", "pydantic_ai._run_context"),
    ("adapters/pydantic_deep/run_scope.py", "_router"),
}
"""Private names of other packages that are used, by file."""


def private_names(path: Path, own: set[str]) -> set[tuple[str, str]]:
    """Private modules that are imported, and private attributes of what is not the package's own."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            modules = [f"{node.module}.{name.name}" for name in node.names]
        elif isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        for module in modules:
            parts = module.split(".")
            if parts[0] not in ("__future__", "pydantic_hivemind") and any(part[0] == "_" for part in parts):
                found.add(module.rpartition(".")[0] if isinstance(node, ast.ImportFrom) else module)
        name = None
        if isinstance(node, ast.Attribute):
            name = node.attr
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            name = node.args[1].value if isinstance(node.args[1], ast.Constant) else None
        if isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name not in own:
            found.add(name)
    return {(str(path.relative_to(PACKAGE)), name) for name in found}


def own_names() -> set[str]:
    """Private names that the package defines, and those that named tuples and `os` document."""
    names = {"_replace", "_asdict", "_fields", "_exit", "_make"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                names.add(node.attr)
    return names


def test_private_names_of_other_packages_are_few_and_known():
    own = own_names()
    found = set().union(*(private_names(path, own) for path in PACKAGE.rglob("*.py")))
    assert found == KNOWN


def test_the_run_of_a_tool_call():
    """The fallback, without it, is tested where lost updates are."""
    from pydantic_ai._run_context import get_current_run_context

    assert get_current_run_context() is None


def test_where_a_composite_backend_keeps_memory():
    """Releases up to 0.2.29 have one; without its router the scope is not found, which the run is told."""
    assert run_scope._of_backend(SimpleNamespace()) is None
    if not hasattr(pydantic_ai_backends, "CompositeBackend"):
        pytest.skip("this release has none")
    default, memory = SimpleNamespace(), SimpleNamespace()
    composite = pydantic_ai_backends.CompositeBackend(default, routes={"/.deep/": memory})
    assert composite._router.for_path("/.deep/memory") is memory


@pytest.mark.parametrize("below", ["unwrap", "parent"])
def test_backends_in_each_other_come_to_an_end(below):
    endless = SimpleNamespace(read_bytes=None, write=None)
    setattr(endless, below, (lambda: endless) if below == "unwrap" else endless)
    assert run_scope._of_backend(endless) is None


def test_how_chroma_is_started():
    """All of it fails as `ChromaUnavailable`: then vectors are compared from the ledger."""
    settings = Settings.model_construct(
        chroma_api_impl="chromadb.api.rust.RustBindingsAPI", is_persistent=False, persist_directory=""
    )
    settings.anonymized_telemetry = False
    system = System(settings)
    api = system.instance(RustBindingsAPI)
    assert isinstance(api.hnsw_cache_size, int)
    system.start()
    # Without it a forked child frees what it must not touch; it is asked for with a default.
    assert "bindings" in vars(api)
    system.stop()
    assert list(inspect.signature(Collection).parameters)[:3] == ["client", "model", "embedding_function"]


def test_the_name_of_a_panic():
    """Without it a panic is raised as it is, and ends the call."""
    program = """
import chromadb
client = chromadb.EphemeralClient()
try:
    client.create_collection("abc", metadata={"list": [1]})
except BaseException as error:
    print(type(error).__module__, isinstance(error, Exception))
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False).stdout
    assert told.split() == ["pyo3_runtime", "False"]


def test_the_headers_of_an_operation():
    """Without them no condition is refused."""

    def operation() -> None: ...

    assert APIRoute("/", operation).dependant.header_params == []
    assert Dependant().dependencies == []
    assert route._headers(SimpleNamespace()) == route.CONDITIONS


def test_the_places_of_lines(monkeypatch):
    """Without them a merge is given up a little earlier where lines repeat very often."""
    a, b = ["x\n", "y\n", "x\n"], ["x\n", "x\n"]
    assert SequenceMatcher(None, a, b).b2j == {"x\n": [0, 1]}
    steps = line_matching.LineMatcher(None, a, b)._steps
    monkeypatch.setattr(line_matching, "vars", lambda _: {}, raising=False)
    assert line_matching.LineMatcher(None, a, b)._steps == steps == [0, 3, 4, 7]
