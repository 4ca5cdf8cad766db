"""Where things lie: few entries at the root, short files, one subject for each name, and Chroma in one folder."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "pydantic_hivemind"
FOLDERS = [PACKAGE, ROOT / "tests", ROOT / "benchmarks", ROOT / "examples"]
SOURCES = [ROOT / "noxfile.py", *(path for folder in FOLDERS for path in folder.rglob("*.py"))]

MOST_ENTRIES = 20
"""Of the package's root, without `__init__.py` and `py.typed`: what a newcomer reads at a glance."""

MOST_LINES = 400
"""Of a file."""

SEVERAL_FACES = {
    "changes": "the command's and the API's way to promote, revert and look at versions",
    "conversations": "histories of messages, and the console's pages of them",
    "demo": "the demonstration, and the command that shows it",
    "files": "files in the ledger, and on the faces",
    "finding": "search and grep on the faces",
    "proposals": "promotions that wait, and the ways to make them and to decide on them",
    "tokens": "what tokens are, and how the faces make and revoke them",
    "upkeep": "what keeps a store tidy, as commands and as a page",
    "workspaces": "scopes on the faces, which call them workspaces",
}
"""Names that several modules have because they are about the same subject, each on another floor or face."""


def modules(folder: Path) -> list[Path]:
    """All but those that alembic names by their revision."""
    return [path for path in folder.rglob("*.py") if path.parent.name != "versions"]


def test_the_root_is_read_at_a_glance():
    entries = {path.name for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    entries.discard("__init__.py")
    assert len(entries) <= MOST_ENTRIES, sorted(entries)


def test_no_file_is_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_a_name_stands_for_one_subject():
    """A folder counts as a module of its name."""
    places = defaultdict(list)
    for path in modules(PACKAGE):
        named = path.parent if path.stem == "__init__" else path
        if not named.name.startswith("__"):
            places[named.stem].append(str(named.relative_to(ROOT)))
    several = {stem: found for stem, found in places.items() if len(found) > 1}
    assert {stem: found for stem, found in several.items() if stem not in SEVERAL_FACES} == {}
    assert set(SEVERAL_FACES) == set(several), "a name that is used once needs no reason any more"


def test_tests_import_their_helpers_by_one_name():
    """They lie in several folders that are all on the path."""
    places = defaultdict(list)
    for folder in (ROOT / "tests", ROOT / "benchmarks"):
        for path in folder.rglob("*.py"):
            if not path.name.startswith(("test_", "conftest", "__init__")):
                places[path.stem].append(str(path.relative_to(ROOT)))
    assert {stem: found for stem, found in places.items() if len(found) > 1} == {}


def test_chroma_is_imported_in_one_folder():
    """Elsewhere for types alone, which import contracts cannot tell apart."""
    importers = {
        str(path.relative_to(PACKAGE))
        for path in modules(PACKAGE)
        if "chromadb" in runtime_imports(ast.parse(path.read_text()))
    }
    assert {path for path in importers if not path.startswith("search/vectors/")} == set()
    assert importers


def runtime_imports(tree: ast.Module) -> set[str]:
    """The top names of what is imported, but for types."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(tree)
    return found


NO_CALLERS_LIMITS = {
    "MAX_ATTEMPTS": "retries that only end when another write succeeds each time",
    "MAX_BYTES": "what a run remembers of its reads, beyond which it merges less",
    "MAX_COUNT": "of the syntax of `re`",
    "MAX_DEPTH": "of a migration, which does not change with the limits",
    "MAX_ENTRIES": "of pydantic-ai-harness' own log",
    "MAX_GROWTH": "of one message that is mended",
    "MAX_JSON_DATA": "above which a client sends a file in another form",
    "MAX_MENDS": "of rounds in which one message is mended",
    "MAX_NESTED": "of objects that a run's scope is looked for in",
    "MAX_PAGES": "where a client takes a server for broken",
    "MAX_PLACE_CHARS": "of one mistake in a response",
    "MAX_READS": "what a run remembers of its reads, beyond which it merges less",
    "MAX_REASON_CHARS": "of one mistake in a response",
    "MAX_SHOWN_CHARS": "of a line that upstream's `grep` shortens itself",
    "MAX_SPAN_STEPS": "beyond which lines are shown without what matched in them",
    "MAX_TAGS_CHARS": "above which a client sends tags in another form",
    "MAX_WRITTEN": "of one value of a message, which no parser reads",
    "MIN_SECRET_BYTES": "of secrets that the package makes itself",
    "MOST_COMPLETIONS": "of names that a shell shows",
    "MOST_VALUES": "of one SQL statement",
}
"""Constants that look like limits and that no caller meets."""


def test_limits_are_in_one_module():
    found = set()
    for path in modules(PACKAGE):
        if path != PACKAGE / "limits.py":
            for node in ast.parse(path.read_text()).body:
                targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
                found |= {target.id for target in targets if isinstance(target, ast.Name)}
    limits = {name for name in found if name.startswith(("MAX_", "MIN_", "MOST_", "LEAST_"))}
    assert limits - set(NO_CALLERS_LIMITS) == set()
    assert set(NO_CALLERS_LIMITS) <= limits, "a reason for a constant that is gone"
