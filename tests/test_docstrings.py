"""The docstrings of public names: they begin with a verb in the imperative, and name each error that is raised.

Of a function, those are looked at that it raises itself, or in a private function of its module that it calls.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from docstring_words import RAISE_NOTHING, RAISES_MISSING, VERBS

from pydantic_hivemind import errors
from pydantic_hivemind.client.operations import Opening, Operation

MODULES = [
    "",
    ".adapters",
    ".adapters.fastapi",
    ".client",
    ".deep",
    ".errors",
    ".http",
    ".limits",
    ".mcp",
    ".testing",
    ".tokens",
]


class Public(NamedTuple):
    """A function, method or property that users may call."""

    name: str
    function: Callable[..., Any]
    is_property: bool


def public() -> Iterator[Public]:
    """All of them once, by the names that users write."""
    seen = set[str]()
    for suffix in MODULES:
        module = importlib.import_module(f"pydantic_hivemind{suffix}")
        for name in getattr(module, "__all__", None) or own_names(module):
            value = getattr(module, name)
            if inspect.isclass(value):
                yield from (member for member in members(value) if member.name not in seen)
                seen.update(member.name for member in members(value))
            elif inspect.isfunction(value) and is_ours(value):
                yield Public(f"{module.__name__}.{name}", value, False)


def own_names(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]


def members(cls: type) -> Iterator[Public]:
    """What a class has itself, or from another class of the package."""
    for name in dir(cls):
        member = inspect.getattr_static(cls, name)
        function = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        if isinstance(member, Operation | Opening):
            function = getattr(cls, name)
        # The rules of a conformance suite are tests.
        if not name.startswith(("_", "test_")) and inspect.isfunction(function) and is_ours(function):
            is_property = isinstance(member, property | functools.cached_property)
            yield Public(f"{cls.__module__}.{cls.__qualname__}.{name}", inspect.unwrap(function), is_property)


def is_ours(function: Callable[..., Any]) -> bool:
    return inspect.unwrap(function).__module__.startswith("pydantic_hivemind.")


def is_error(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, errors.HivemindError)


OURS = {name: value for name, value in vars(errors).items() if is_error(value)}
FUNCTIONS = {found.name: found for found in public()}


@functools.cache
def syntax(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(importlib.import_module(module)))


Definition = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def definitions(module: str) -> dict[str, Definition]:
    """The functions and methods of a module, by their qualified names."""
    found: dict[str, Definition] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Definition):
                # Of a property, and of overloads, the last counts for all.
                found.setdefault(prefix + child.name, child)
                if not overloaded(child):
                    found[prefix + child.name] = child
            elif isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}.")
            else:
                visit(child, prefix)

    visit(syntax(module), "")
    return found


def overloaded(node: Definition) -> bool:
    return any(ast.unparse(decorator).endswith(("overload", ".setter")) for decorator in node.decorator_list)


def raised(function: Callable[..., Any]) -> set[str]:
    """The names of the package's errors that leave a function, raised by it or by a private one that it calls."""
    module, name = function.__module__, function.__qualname__
    known = definitions(module)
    if name not in known:
        return set()
    found, helpers = leaving(known[name])
    for helper in helpers:
        owner, _, last = helper.rpartition(".")
        inside = f"{name.rpartition('.')[0]}.{last}" if owner in ("self", "cls") else helper
        if inside in known:
            found |= leaving(known[inside])[0] - helpers[helper]
    return found


def leaving(definition: Definition) -> tuple[set[str], dict[str, set[str]]]:
    """The errors that a function raises itself, and the private functions it calls with the errors it catches there."""
    found = set[str]()
    helpers: dict[str, set[str]] = {}

    def visit(node: ast.AST, caught: set[str]) -> None:
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = ast.unparse(called).rpartition(".")[2]
            if name in OURS and name not in caught:
                found.add(name)
        if isinstance(node, ast.Call) and re.match(r"_[a-z]", (called := ast.unparse(node.func)).rpartition(".")[2]):
            helpers[called] = helpers.get(called, caught) & caught
        for field, value in ast.iter_fields(node):
            inner = caught | caught_by(node) if isinstance(node, ast.Try) and field == "body" else caught
            for child in value if isinstance(value, list) else [value]:
                # What is defined inside is called by others, at other times.
                if isinstance(child, ast.AST) and not isinstance(child, Definition | ast.Lambda):
                    visit(child, inner)

    for statement in definition.body:
        if not isinstance(statement, Definition):
            visit(statement, set())
    return found, helpers


def caught_by(node: ast.Try) -> set[str]:
    """The names of the package's errors that do not get past the handlers of a `try`."""
    found = set[str]()
    for handler in node.handlers:
        if any(isinstance(child, ast.Raise) and child.exc is None for child in ast.walk(handler)):
            continue
        types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
        for type_ in types:
            name = ast.unparse(type_).rpartition(".")[2] if type_ else "BaseException"
            kind = getattr(errors, name, None) or getattr(builtins, name, None)
            found |= {error for error, cls in OURS.items() if inspect.isclass(kind) and issubclass(cls, kind)}
    return found


def mistakes(found: Public) -> list[str]:
    text = inspect.getdoc(found.function) or ""
    first = text.partition("\n")[0]
    wrong = []
    if not found.is_property and first.partition(" ")[0].rstrip(",:") not in VERBS:
        wrong.append(f"begins with {first.partition(' ')[0]!r}")
    section = text.partition("Raises:")[2]
    for name in sorted(raised(found.function)):
        # An error that it is a kind of stands for it.
        names = [base.__name__ for base in OURS[name].__mro__ if is_error(base)]
        if not any(f"{name}:" in section for name in names):
            wrong.append(f"does not say that it raises {name}")
    return wrong


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_docstring_says_what_to_do_and_what_may_fail(name):
    assert mistakes(FUNCTIONS[name]) == []


def test_a_function_names_what_it_raises():
    """It has a section for that, or is known to need none."""
    without, having = set(), set()
    for found in FUNCTIONS.values():
        if not found.is_property:
            function = found.function
            name = f"{function.__module__}.{function.__qualname__}".removeprefix("pydantic_hivemind.")
            (having if "Raises:" in (inspect.getdoc(function) or "") else without).add(name)
    assert without - RAISE_NOTHING - RAISES_MISSING == set(), "name in `Raises:` what a caller can meet"
    assert having & (RAISE_NOTHING | RAISES_MISSING) == set(), "take out of the lists what has a section now"


def test_they_are_found():
    assert len(FUNCTIONS) > 250
    assert raised(FUNCTIONS["pydantic_hivemind.hive.hivemind.Hivemind.scope"].function) == {
        "InvalidScope",
        "ScopeNotFound",
    }
