"""The same calls to `HivemindBackend` and to the backends of pydantic-ai-backends get the same answers."""

import codecs
import itertools
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pydantic_ai_backends
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_ai_backends import StateBackend

from pydantic_hivemind.adapters.backends.scope_backend import HivemindBackend
from pydantic_hivemind.base.matching.globs import is_hidden
from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.hive.hivemind import Hivemind

if not hasattr(StateBackend, "ls_info"):
    pytest.skip("its StateBackend does not speak the BackendProtocol", allow_module_level=True)

FILES = ["/a.md", "/b.txt", "/.x", "/d/a.md", "/d/c", "/d/.y/z.md", "/d/e/f.txt", "/.deep/memory/m.md", "/%_/ä b.md"]
DIRECTORIES = ["/", "/d", "/d/.y", "/d/e", "/.deep", "/.deep/memory", "/%_"]
SPELLINGS = ["{}", "/{}", "{}/", "./{}"]
UNSAFE = ["../a.md", "/d/../a.md", "~/a.md", "C:/a.md", "/a..md", "c:", "~"]

files = st.builds(lambda form, path: form.format(path), st.sampled_from(SPELLINGS), st.sampled_from(FILES))
directories = st.sampled_from([*DIRECTORIES, "", ".", "d", "d/", "/none", "/d/none"])
anywhere = st.one_of(files, directories, st.sampled_from(UNSAFE))
texts = st.text(st.sampled_from(["a", "b", "ä", " ", "\t", "\n", "\n", "\r", "\x0c", "\u2028", "\0"]), max_size=12)
contents = st.one_of(
    texts, texts.map(str.encode), st.binary(max_size=6), st.sampled_from(["\udcff\n", b"\xff\xfe", "", b"a\nb\nc\nd\n"])
)
globs = st.sampled_from(
    ["*", "**", "**/*", "*.md", "**/*.md", "/d/*", "d/**/*", ".deep/**/*.md", "[ab]*", "?.md", "", "d"]
)
regexes = st.sampled_from(["a", "^b", "", "$", "ä|b", r"\s", "(", "[", "a{2", r"\Aa", "(?i)A", "*"])

calls = st.one_of(
    st.tuples(st.just("exists"), anywhere),
    st.tuples(st.just("ls_info"), anywhere),
    st.tuples(st.just("read_bytes"), anywhere),
    st.tuples(st.just("read"), anywhere),
    st.tuples(st.just("read"), files, st.integers(0, 6), st.integers(1, 4)),
    st.tuples(st.just("write"), st.one_of(files, files, st.sampled_from(UNSAFE)), contents),
    st.tuples(st.just("edit"), anywhere, st.text("ab\n", min_size=1, max_size=2), texts, st.booleans()),
    st.tuples(st.just("glob_info"), globs, anywhere),
    st.tuples(st.just("grep_raw"), regexes, st.one_of(st.none(), anywhere), st.one_of(st.none(), globs), st.booleans()),
)


@pytest.fixture(scope="module")
def hive() -> Iterator[Hivemind]:
    with tempfile.TemporaryDirectory() as directory, Hivemind.open(directory, durability="normal") as hive:
        yield hive


numbers = itertools.count()


def backend(hive: Hivemind) -> HivemindBackend:
    """A backend of an empty scope, two levels down."""
    return HivemindBackend(hive.scope(f"scope-{next(numbers)}").spawn().spawn())


def without_times(answer: Any) -> Any:
    """The answer without times, which differ between two backends; and those are sound."""
    if isinstance(answer, list):
        for entry in answer:
            modified = entry.pop("modified_at", None)
            if modified is not None:
                assert datetime.fromisoformat(modified).utcoffset() == timedelta()
            assert entry.get("is_dir", True) or modified is not None
    return answer


def differs_on_purpose(ours: HivemindBackend, name: str, *arguments: Any) -> bool:
    """The calls that `StateBackend` answers in a way that would not help anybody here."""
    # It refuses any name with two dots in it.
    if any(isinstance(part, str) and ".." in part and ".." not in part.split("/") for part in arguments[:2]):
        return True
    if name == "edit" and "\r\n" in arguments[2]:
        # What is put in has the line ends of the file.
        return True
    if name in {"read", "edit"} and (data := ours.read_bytes(arguments[0])) and not is_plain(data):
        # Text is for models, and is edited with the file's line ends.
        return True
    if name == "glob_info":
        # Memory is in a hidden directory.
        return any(is_hidden(info["path"]) for info in ours.glob_info(*arguments))
    if name in {"read", "edit"}:
        # It knows no directories, so there is "no such file"; here it says what is there.
        path = normalize(arguments[0])
        return path == "/" or bool(ours.ls_info(path) and not ours.exists(path))
    if name == "grep_raw":
        _, path, glob, ignore_hidden = arguments
        # Lines are for models: without the ends and marks of their files, and of what is not UTF-8 as far as it goes.
        if any(not is_plain(ours.scope.read_bytes(stat.path)) for stat in ours.scope.glob("**")):
            return True
        # Which files are searched is as with ripgrep: those of a name at any depth, or of a path from `path` on.
        if glob is not None and ("/" not in glob or normalize(path or "/") != "/"):
            return True
        # What is hidden and was named outright is searched, as ripgrep does: memory is in such a directory.
        if path is not None and ignore_hidden and is_hidden(normalize(path)):
            return glob is not None or not ours.exists(path)
        # Whether hidden files are searched is for `ignore_hidden` to say, so wildcards match their names.
        return glob is not None and not ignore_hidden
    return False


def is_plain(data: bytes) -> bool:
    try:
        return "\r\n" not in data.decode() and not data.startswith(codecs.BOM_UTF8)
    except UnicodeDecodeError:
        return False


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(calls, min_size=4, max_size=16))
def test_like_state_backend(hive: Hivemind, script: list[tuple[Any, ...]]) -> None:
    ours, theirs = backend(hive), StateBackend()
    for path in FILES[::2]:
        for peer in (ours, theirs):
            peer.write(path, "a\nb\n")
    for name, *arguments in script:
        if differs_on_purpose(ours, name, *arguments):
            continue
        answer, expected = (without_times(getattr(peer, name)(*arguments)) for peer in (ours, theirs))
        if name == "grep_raw" and isinstance(expected, list):
            # It searches in the order of creation, this one by path.
            expected.sort(key=lambda match: (match["path"], match["line_number"]))
        assert answer == expected, (name, arguments)


def test_what_differs_from_state_backend(hive: Hivemind) -> None:
    ours, theirs = backend(hive), StateBackend()
    for peer in (ours, theirs):
        peer.write("/d/a.md", "word")
        peer.write("/.deep/memory/m.md", "word")
    assert (ours.read("/d"), theirs.read("/d")) == ("Error: '/d' is a directory", "Error: File '/d' not found")
    assert ours.edit("/d", "a", "b").error == "'/d' is a directory"
    # A tree has no file that is a directory too.
    assert theirs.write("/d/a.md/b", "").error is None
    assert ours.write("/d/a.md/b", "").error == "'/d/a.md' is a file, not a directory"
    assert theirs.write("/d", "").error is None
    assert ours.write("/d", "").error == "'/d' is a directory"
    # Replacing nothing would put the new text between all characters.
    assert theirs.edit("/d/a.md", "", "-", replace_all=True).error is None
    assert ours.edit("/d/a.md", "", "-", replace_all=True).error == "String '' not found in file"
    # Alternatives in braces, as models write them.
    assert theirs.glob_info("**/*.{md,txt}", "/d") == []
    assert [info["path"] for info in ours.glob_info("**/*.{md,txt}", "/d")] == ["/d/a.md"]
    assert [info["path"] for info in theirs.glob_info("**/*.md")] == ["/d/a.md"]
    assert [info["path"] for info in ours.glob_info("**/*.md")] == ["/.deep/memory/m.md", "/d/a.md"]
    # Names with two dots in them, as of pages of Next.js.
    assert theirs.write("/d/[...slug].md", "").error == "Path cannot contain '..'"
    assert ours.write("/d/[...slug].md", "").error is None
    assert ours.read("/d/[...slug].md") == "     1\t"
    assert theirs.grep_raw("word", "/.deep/memory") == []
    assert ours.grep_raw("word", "/.deep/memory") == [{"path": "/.deep/memory/m.md", "line_number": 1, "line": "word"}]
    assert theirs.grep_raw("word", None, "**/m.md", ignore_hidden=False) == []
    assert ours.grep_raw("word", None, "**/m.md", ignore_hidden=False) == ours.grep_raw("word", "/.deep")


local_calls = st.one_of(
    st.tuples(st.just("exists"), st.sampled_from([*FILES, *DIRECTORIES])),
    st.tuples(st.just("ls_info"), st.sampled_from([*DIRECTORIES, *FILES, "/none"])),
    st.tuples(st.just("read_bytes"), st.sampled_from([*FILES, *DIRECTORIES])),
    st.tuples(st.just("read"), st.sampled_from(FILES), st.integers(0, 6), st.integers(1, 4)),
    st.tuples(st.just("read"), st.sampled_from(DIRECTORIES)),
    st.tuples(st.just("write"), st.sampled_from(FILES), st.sampled_from(["a", "a\nb", "b\na\nb", "ä\n\na"])),
    st.tuples(st.just("edit"), st.sampled_from(FILES), st.sampled_from("abc"), st.sampled_from("xy"), st.booleans()),
    st.tuples(
        st.just("glob_info"), st.sampled_from(["*.md", "**/*.txt", "d/*.md"]), st.sampled_from(["/", "/d", "/%_"])
    ),
    st.tuples(st.just("grep_raw"), st.sampled_from(["a", "^b$", "("]), st.sampled_from(FILES)),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.lists(local_calls, min_size=4, max_size=12))
def test_like_local_backend(hive: Hivemind, script: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = str(Path(directory).resolve())
        ours, theirs = backend(hive), pydantic_ai_backends.LocalBackend(root_dir=root)
        for path in FILES:
            ours.write(path, "a\nb")
            theirs.write(root + path, "a\nb")
        for name, *arguments in script:
            where = {"glob_info": 1, "grep_raw": 1}.get(name, 0)
            there = list(arguments)
            there[where] = (root + arguments[where]).rstrip("/")
            answer = without_times(getattr(ours, name)(*arguments))
            expected = without_root(getattr(theirs, name)(*there), root)
            if name == "glob_info":
                # It lists the latest change first.
                expected = sorted((info for info in expected), key=lambda info: info["path"])
            assert answer == expected, (name, arguments)


def without_root(answer: Any, root: str) -> Any:
    """An answer of `LocalBackend` as if its root were the root."""
    if isinstance(answer, list):
        return [{**entry, "path": entry["path"].removeprefix(root)} for entry in without_times(answer)]
    if isinstance(answer, str):
        return answer.replace(f"'{root}'", "'/'").replace(root, "")
    for name in ("path", "error"):
        value = getattr(answer, name, None)
        if isinstance(value, str):
            setattr(answer, name, value.replace(root, ""))
    return answer
