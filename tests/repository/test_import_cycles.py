"""What modules of the package import of each other: never in a circle, for types neither."""

import ast
import sys
from importlib.util import resolve_name
from pathlib import Path

import pydantic_hivemind

PACKAGE = Path(pydantic_hivemind.__file__).parent
MODULES = {
    ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported_by(name: str) -> set[str]:
    """The modules of the package that one imports, for types only and in functions too."""
    path = MODULES[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                submodule = f"{above}.{alias.name}"
                found.add(submodule if submodule in MODULES else above)
    return found & MODULES.keys() - {name, PACKAGE.name}


def cycles(imports: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or not (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for other in imports[name]:
            if other not in order:
                visit(other)
            if other in stack:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == order[name]:
            at = stack.index(name)
            found.append(sorted(stack[at:]))
            del stack[at:]

    sys.setrecursionlimit(max(sys.getrecursionlimit(), 5000))
    for name in imports:
        if name not in order:
            visit(name)
    return [group for group in found if len(group) > 1]


def test_modules_import_in_one_direction():
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert cycles({name: imported_by(name) for name in MODULES}) == []
