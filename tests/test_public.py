"""What the package shows to the outside."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import pydantic_hivemind
from pydantic_hivemind import errors
from pydantic_hivemind.base.moved_modules import MOVED

ERRORS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
]


def test_all_is_what_can_be_imported():
    """Each name of `__all__`, in order, and `dir` says the same."""
    assert sorted(pydantic_hivemind.__all__, key=str.lower) == sorted(set(pydantic_hivemind.__all__), key=str.lower)
    assert dir(pydantic_hivemind) == sorted(pydantic_hivemind.__all__)
    for name in pydantic_hivemind.__all__:
        assert getattr(pydantic_hivemind, name) is not None
    with pytest.raises(AttributeError):
        _ = pydantic_hivemind.nothing


def test_a_star_import_gives_all_of_them():
    names = {}
    exec("from pydantic_hivemind import *", names)
    assert set(pydantic_hivemind.__all__) <= set(names)


@pytest.mark.parametrize("name", pydantic_hivemind.__all__)
def test_public_classes_are_documented(name):
    """Each public class, and each of its public methods and properties."""
    value = getattr(pydantic_hivemind, name)
    if not inspect.isclass(value):
        return
    assert value.__doc__
    for attribute, member in inspect.getmembers(value):
        own = inspect.isfunction(member) or isinstance(member, property)
        if own and not attribute.startswith("_"):
            assert inspect.getdoc(member), f"{name}.{attribute}"


def test_importing_it_loads_nothing_heavy():
    """Names are loaded when they are used."""
    heavy = ["chromadb", "sqlalchemy", "pydantic_ai", "pydantic_deep", "alembic", "fastapi", "pydantic"]
    program = f"import sys, pydantic_hivemind; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_opening_a_hive_loads_no_agents():
    heavy = ["chromadb", "pydantic", "pydantic_deep", "fastapi", "uvicorn", "hypothesis", "pytest"]
    program = (
        "import sys, tempfile, pydantic_hivemind as p\n"
        "with tempfile.TemporaryDirectory() as d, p.Hivemind.open(d) as hive: hive.scope('a').write_text('/f', 'x')\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_every_module_says_what_it_is_about():
    modules = pkgutil.walk_packages(pydantic_hivemind.__path__, "pydantic_hivemind.")
    ours = [module.name for module in modules if ".migrations" not in module.name]
    assert [name for name in ours if not importlib.import_module(name).__doc__] == []


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_a_documented_module_that_moved_is_still_found(old, new):
    """It is the same module, and its import says where it is now."""
    program = (
        f"import warnings; warnings.simplefilter('error'); import pydantic_hivemind.{new} as new\n"
        f"warnings.simplefilter('default'); import pydantic_hivemind.{old} as old\n"
        f"assert old is new and new.__spec__.name == 'pydantic_hivemind.{new}'"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"pydantic_hivemind.{old} is pydantic_hivemind.{new} now" in result.stderr
    assert "<string>:2" in result.stderr


def test_names_that_nobody_had_are_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("pydantic_hivemind.nothing")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_tree_of_errors(error):
    """Each class is in the tree of the docstring, under its parent, and is the builtin that is named there."""
    lines = errors.__doc__.splitlines()
    drawn = next((line for line in lines if re.search(rf"\b{error.__name__}\b", line)), None)
    assert drawn, f"{error.__name__} is not drawn"
    assert issubclass(error, errors.HivemindError)
    named = re.search(rf"{error.__name__} +\((\w+)", drawn)
    builtin = named and getattr(__import__("builtins"), named[1])
    if builtin:
        assert issubclass(error, builtin)
    else:
        assert not set(error.__mro__) & {OSError, ValueError, LookupError, RuntimeError}
    if error is not errors.HivemindError:
        above = _parent_in_the_tree(lines, drawn)
        assert above in [base.__name__ for base in error.__bases__]


def _parent_in_the_tree(lines, drawn):
    """The nearest line above that stands further to the left."""
    indent = re.search(r"\w", drawn).start()
    for line in reversed(lines[: lines.index(drawn)]):
        name = re.search(r"[A-Z]\w+", line)
        if name and name.start() < indent:
            return name[0]
    return None


def test_errors_print_their_text():
    """Not the number or the quotes of the builtin they are."""
    assert str(errors.PathNotFound("file '/f' does not exist")) == "file '/f' does not exist"
    assert str(errors.ScopeNotFound("scope 'a' does not exist")) == "scope 'a' does not exist"
    full = errors.StoreFull("no space")
    assert (str(full), isinstance(full.errno, int)) == ("no space", True)
