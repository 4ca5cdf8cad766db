"""`HivemindMemoryStore` beside the harness's own stores, and under its `Memory` capability."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from databases import new_store, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai import Agent
from scripted_model import EVERYTHING, call, script, scripted_model

harness = pytest.importorskip("pydantic_ai_harness.memory")

from pydantic_ai.exceptions import ToolFailed  # noqa: E402

from pydantic_hivemind import Hivemind, HivemindBackend, HivemindMemoryStore, Scope  # noqa: E402
from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent  # noqa: E402
from pydantic_hivemind.errors import IsADirectory, NotADirectory, NotText, ScopeGone, StoreClosed  # noqa: E402

pytestmark = pytest.mark.anyio

NOTES = "main/MEMORY.md"
LIMITS = {"limit": 10, "max_files": 1000, "max_chars": 4000, "max_file_chars": 65_536}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def store(scope: Scope) -> HivemindMemoryStore:
    return HivemindMemoryStore(scope)


def test_is_a_store_with_everything_that_is_optional(store: HivemindMemoryStore) -> None:
    assert isinstance(store, harness.MemoryStore)
    assert isinstance(store, harness.SearchableMemoryStore)
    assert isinstance(store, harness.MetadataMemoryStore)


# -- the same calls, the same answers ------------------------------------------------------------

# No path leads through another one: where there is a file, there is no directory.
PATHS = ["MEMORY.md", NOTES, "main/notes.md", "main/sub/MEMORY.md", "acme/main/MEMORY.md", "Main/MEMORY.md", "_-./x"]
NO_PATHS = ["", "/", "a//b", "/a", "a/", ".", "..", "a/../b", "a/./b", "a..b", "a b", "a\n", "\u00e9", "x" * 201, "a\0"]
paths = st.sampled_from(PATHS) | st.sampled_from(NO_PATHS)
prefixes = paths | st.sampled_from(["main/", "ma", "main/ME", "main/sub/", "acme", "none/", "main/MEMORY.md/"])
# SQLite's functions end a text at NUL.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["a\r\nb", "\ufeffx", "\n" * 3]
)
versions = st.sampled_from([None, "current", "current", "first", "0", "-1", "01", "junk", "9" * 30])
operations = st.none() | st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]))
metadata = st.sampled_from(
    [None, {}, {"by": "ui"}, {"by": "\u00e9\U0001f642"}, {"by": "\0"}, {"by": 1}, {"k": "v" * 4090}]
)
bounds = st.sampled_from([1, 2, 100, 0, -1])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("read"), paths, bounds),
        st.tuples(st.just("get_operation"), operations.filter(bool)),
        st.tuples(st.just("write"), paths, texts, versions, operations),
        st.tuples(st.just("write_with_metadata"), paths, texts, versions, operations, metadata),
        st.tuples(st.just("delete"), paths, versions, operations),
        st.tuples(st.just("list_paths"), prefixes, bounds),
    ),
    max_size=20,
)


class Caller:
    """Makes the steps with one store, and tells its answers in words that do not depend on its versions."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.versions: dict[str, int] = {}

    async def answer(self, name: str, *arguments: Any) -> Any:
        try:
            return self.told(await self.call(name, *arguments))
        except (ValueError, TypeError, harness.MemoryConflictError, harness.MemoryOperationConflictError) as error:
            return next(kind for kind in type(error).__mro__ if kind in KINDS)

    async def call(self, name: str, subject: Any, *arguments: Any) -> Any:
        method = getattr(self.store, name)
        if name == "read":
            return await method(subject, max_chars=arguments[0])
        if name == "list_paths":
            return await method(subject, limit=arguments[0])
        if name == "get_operation":
            return await method(harness.MemoryOperation(*subject))
        *content, version, operation = arguments[: 2 if name == "delete" else 3]
        said = {"metadata": arguments[3]} if name == "write_with_metadata" else {}
        operation = operation and harness.MemoryOperation(*operation)
        expected = await self.version(subject, version)
        return await method(subject, *content, expected_version=expected, operation=operation, **said)

    async def version(self, path: str, version: str | None) -> str | None:
        if version == "current":
            file = await self.store.read(path, max_chars=1) if path in PATHS else None
            return file and file.version
        return next(iter(self.versions), None) if version == "first" else version

    def told(self, answer: Any) -> Any:
        if not isinstance(answer, harness.MemoryFile | harness.MemoryMutation):
            return answer
        fields = dict(vars(answer))
        if fields["version"] is not None:
            fields["version"] = self.versions.setdefault(fields["version"], len(self.versions))
        return fields


KINDS = [TypeError, ValueError, harness.MemoryConflictError, harness.MemoryOperationConflictError]


@settings(max_examples=150, deadline=None)
@given(steps)
def test_answers_what_the_harness_s_stores_answer(plan: list[tuple[Any, ...]]) -> None:
    async def run(ours: Any, *others: Any) -> None:
        mine, peers = Caller(ours), [Caller(other) for other in others]
        for step in plan:
            answer = await mine.answer(*step)
            for peer in peers:
                assert await peer.answer(*step) == answer, (type(peer.store).__name__, step)
        for path in PATHS:
            answer = await mine.answer("read", path, 100)
            for peer in peers:
                assert await peer.answer("read", path, 100) == answer

    with tempfile.TemporaryDirectory() as directory, new_store() as place, opened(place) as hive:
        sqlite = harness.SqliteMemoryStore(database=Path(directory) / "peer.db")
        asyncio.run(run(HivemindMemoryStore(hive.scope("s")), harness.InMemoryStore(), sqlite))


# -- what is its own -----------------------------------------------------------------------------


async def test_text_is_kept_exactly_where_pydantic_deep_keeps_it(scope: Scope, store: HivemindMemoryStore) -> None:
    text = "\ufeffa\r\nb\0c\n\n no end"
    await store.write(NOTES, text, expected_version=None)
    assert scope.read_bytes("/.deep/memory/main/MEMORY.md") == text.encode()
    scope.write_text("/.deep/memory/main/MEMORY.md", "from elsewhere", tags=["kept"])
    file = await store.read(NOTES, max_chars=100)
    assert file.content == "from elsewhere"
    await store.write(NOTES, "back", expected_version=file.version)
    assert scope.read(f"/.deep/memory/{NOTES}").stat.tags == ("kept",)
    with pytest.raises(NotText):
        await store.write(NOTES, "\ud800", expected_version=None)
    scope.write_bytes("/.deep/memory/main/photo", b"\0\xff")
    with pytest.raises(NotText, match="binary"):
        await store.read("main/photo", max_chars=1)


async def test_what_is_not_utf8_is_read_and_not_changed(scope: Scope, store: HivemindMemoryStore) -> None:
    scope.write_bytes("/.deep/memory/main/MEMORY.md", b"caf\xe9")
    file = await store.read(NOTES, max_chars=100)
    assert file.content == "caf\ufffd"
    with pytest.raises(NotText, match="not UTF-8 text") as caught:
        await store.write(NOTES, f"{file.content}\n- more", expected_version=file.version)
    # The tools of the harness tell the model.
    assert isinstance(caught.value, ToolFailed)
    assert scope.read_bytes("/.deep/memory/main/MEMORY.md") == b"caf\xe9"
    await store.delete(NOTES, expected_version=file.version)
    assert await store.read(NOTES, max_chars=100) is None


async def test_a_path_through_a_file_is_refused(store: HivemindMemoryStore) -> None:
    """The harness's databases have no directories; pydantic-deep's files have."""
    await store.write("main/MEMORY.md", "", expected_version=None)
    assert await store.read("main", max_chars=1) is None
    assert await store.read("main/MEMORY.md/x", max_chars=1) is None
    assert await store.list_paths("main/MEMORY.md/", limit=9) == []
    with pytest.raises(IsADirectory):
        await store.write("main", "", expected_version=None)
    with pytest.raises(NotADirectory):
        await store.write("main/MEMORY.md/x", "", expected_version=None)


async def test_only_what_is_a_path_of_memory_is_listed(scope: Scope, store: HivemindMemoryStore) -> None:
    await store.write(NOTES, "tea", expected_version=None)
    for name in ("not a path.md", "a..b", ".memory-operations.json", "sub/.memory-operations.json"):
        scope.write_text(f"/.deep/memory/main/{name}", "tea")
    scope.write_text("/elsewhere.md", "tea")
    assert await store.list_paths(limit=9) == [NOTES]
    found = await store.search("main/", "tea", **LIMITS)
    assert ([match.path for match in found.matches], found.scanned) == ([NOTES], 1)
    with pytest.raises(ValueError, match="is not a valid memory path"):
        await store.read("main/.memory-operations.json", max_chars=9)


async def test_a_child_reads_through_and_writes_for_itself(scope: Scope, store: HivemindMemoryStore) -> None:
    operation = harness.MemoryOperation("id", "fingerprint")
    await store.write_with_metadata(NOTES, "- tea", expected_version=None, metadata={"by": "ada"}, operation=operation)
    child_scope = scope.spawn()
    child = HivemindMemoryStore(child_scope)
    before = await store.read(NOTES, max_chars=9)
    assert await child.read(NOTES, max_chars=9) == before
    assert before.metadata == {"by": "ada"}
    assert (await child.search("main/", "tea", **LIMITS)).matches
    # The operation was done above, not here.
    assert await child.get_operation(operation) is None
    await child.write(NOTES, "- coffee", expected_version=before.version, operation=operation)
    assert await store.read(NOTES, max_chars=9) == before
    assert [match.snippet for match in (await child.search("main/", "tea", **LIMITS)).matches] == ["- coffee"]
    await child.delete(NOTES, expected_version=(await child.read(NOTES, max_chars=1)).version)
    assert await child.list_paths(limit=9) == []
    assert await store.list_paths(limit=9) == [NOTES]
    child_scope.promote()
    assert await store.read(NOTES, max_chars=9) is None


async def test_of_many_writers_none_is_lost(scope: Scope) -> None:
    async def append(number: int) -> None:
        store = HivemindMemoryStore(scope)
        while True:
            file = await store.read(NOTES, max_chars=9999)
            text = (file.content if file else "") + f"- {number}\n"
            try:
                await store.write(NOTES, text, expected_version=file and file.version)
            except harness.MemoryConflictError:
                continue
            return

    await asyncio.gather(*[append(number) for number in range(20)])
    assert sorted(scope.read_text(f"/.deep/memory/{NOTES}").split("\n")) == sorted(["", *(f"- {n}" for n in range(20))])


async def test_errors_of_the_store_come_through(hive: Hivemind, scope: Scope, store: HivemindMemoryStore) -> None:
    scope.destroy()
    for work in (store.read(NOTES, max_chars=1), store.list_paths(limit=1), store.search("", "tea", **LIMITS)):
        with pytest.raises(ScopeGone):
            await work
    hive.close()
    with pytest.raises(StoreClosed):
        await store.read(NOTES, max_chars=1)


# -- search --------------------------------------------------------------------------------------

WORDS = ["tea", "coffee", "otter", "cluster"]
contents = st.lists(st.sampled_from([*WORDS, "\n", "\u00e9"]), max_size=30).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(
    files=st.dictionaries(st.sampled_from(PATHS), contents, max_size=5),
    prefix=st.sampled_from(["", "main/", "main/ME", "main/sub/", "none/"]),
    query=st.lists(st.sampled_from([*WORDS, " "]), max_size=2).map(" ".join),
    limits=st.fixed_dictionaries(
        {name: st.sampled_from([0, 1, 2, 7, 20, 5000]) for name in LIMITS} | {"limit": st.sampled_from([0, 1, 2, 50])}
    ),
)
def test_search_finds_what_the_harness_finds_within_its_bounds(
    files: dict[str, str], prefix: str, query: str, limits: dict[str, int]
) -> None:
    async def run(store: Any, peer: Any) -> None:
        for path, text in files.items():
            await store.write(path, text, expected_version=None)
        found, theirs = [await each.search(prefix, query, **limits) for each in (store, peer)]
        assert found.scanned == theirs.scanned
        assert found.truncated >= (theirs.truncated and limits["max_files"] > len(files))
        assert len(found.matches) <= limits["limit"]
        shown = sum(len(match.path.removeprefix(prefix)) + len(match.snippet) for match in found.matches)
        assert shown <= max(0, limits["max_chars"])
        for match in found.matches:
            assert match.path.startswith(prefix)
            assert "/" not in match.path.removeprefix(prefix)
            counted = files[match.path][: limits["max_file_chars"]]
            assert match.snippet in counted or match.snippet.strip(".") in counted
        assert [match.score for match in found.matches] == sorted((m.score for m in found.matches), reverse=True)
        everything = {**limits, "limit": 1000, "max_chars": 10**6, "max_files": 1000}
        if all(limits.values()):
            found, theirs = [await each.search(prefix, query, **everything) for each in (store, peer)]
            words = {m.path for m in theirs.matches if any(word in m.snippet for word in query.split())}
            assert words <= {match.path for match in found.matches}
            assert found.truncated == theirs.truncated

    with new_store() as place, opened(place) as hive:
        asyncio.run(run(HivemindMemoryStore(hive.scope("s")), harness.InMemoryStore(files)))


async def test_it_finds_what_has_none_of_the_words(store: HivemindMemoryStore) -> None:
    text = "- Ada drinks tea.\n- Releases are on Tuesdays.\n- The cluster is called Otter.\n"
    await store.write(NOTES, text, expected_version=None)
    found = await store.search("main/", "beverages", **LIMITS)
    assert found.matches[0].snippet == "- Ada drinks tea.\n"
    assert (found.scanned, found.truncated) == (1, False)
    assert not (await harness.InMemoryStore({NOTES: text}).search("main/", "beverages", **LIMITS)).matches


async def test_files_in_directories_below_take_no_room(store: HivemindMemoryStore) -> None:
    for number in range(30):
        await store.write(f"main/sub/{number}.md", "tea tea tea", expected_version=None)
    await store.write(NOTES, "some tea among other things that are kept here", expected_version=None)
    found = await store.search("main/", "tea", **{**LIMITS, "limit": 1})
    assert [match.path for match in found.matches] == [NOTES]
    assert not found.truncated


async def test_only_the_beginning_of_a_long_file_counts(store: HivemindMemoryStore) -> None:
    text = "\n\n".join(
        f"# Part {number}\n\n" + f"Part {number} is about {word}. " * 20 for number, word in enumerate(WORDS)
    )
    await store.write(NOTES, text, expected_version=None)
    for length in (10, 100, text.index("# Part 2"), text.index("# Part 2") + 30, len(text) - 1, len(text)):
        found = await store.search("main/", "otter", **{**LIMITS, "max_file_chars": length, "limit": 50})
        assert found.matches
        assert all(match.snippet in text[:length] for match in found.matches)
        assert found.truncated == (length < len(text))


# -- under the capability ------------------------------------------------------------------------


async def test_the_capability_of_the_harness_works_on_it(scope: Scope, store: HivemindMemoryStore) -> None:
    capability = harness.Memory(store, namespace="acme", write_metadata={"by": "agent"})
    agent = Agent(scripted_model(), capabilities=[capability])
    await agent.run(
        script(
            [call("write_memory", content="- Ada drinks tea"), call("write_memory", content="- Bo is away")],
            call("write_memory", content="- Cy is here", old_text="- Bo is away"),
            call("write_memory", content="two steps", file="restart"),
            call("write_memory", content="gone soon", file="old"),
            call("delete_memory", file="old"),
        )
    )
    assert set(scope.read_text("/.deep/memory/acme/main/MEMORY.md").split("\n")) == {
        "- Ada drinks tea",
        "- Cy is here",
        "",
    }
    assert (await store.read("acme/main/MEMORY.md", max_chars=1)).metadata == {"by": "agent"}
    again = script(call("search_memory", query="beverage"), call("read_memory", file="restart"), EVERYTHING)
    told = (await agent.run(again)).output
    assert '"snippet":"- Ada drinks tea' in told
    assert "two steps" in told
    assert "gone soon" not in told


async def test_each_run_has_the_store_of_its_own_scope(hive: Hivemind) -> None:
    agent = create_deep_agent(
        scripted_model(),
        include_memory=False,
        include_skills=False,
        capabilities=[harness.Memory(store_resolver=HivemindMemoryStore.of_run)],
    )
    users = [hive.scope(f"user/{number}") for number in range(5)]

    async def run(user: Scope) -> str:
        deps = DeepAgentDeps(backend=HivemindBackend(user))
        await agent.run(script(call("write_memory", content=f"- the word of {user.name}")), deps=deps)
        return (await agent.run(script(call("search_memory", query="password"), EVERYTHING), deps=deps)).output

    for user, told in zip(users, await asyncio.gather(*map(run, users)), strict=True):
        assert [other.name for other in users if f"the word of {other.name}" in told] == [user.name]


async def test_pydantic_deep_s_own_memory_is_the_same_file(scope: Scope, store: HivemindMemoryStore) -> None:
    agent = create_deep_agent(scripted_model(), include_skills=False)
    await store.write(NOTES, "- Ada drinks tea\n", expected_version=None)
    deps = DeepAgentDeps(backend=HivemindBackend(scope))
    result = await agent.run(script(call("write_memory", content="- Bo is away"), EVERYTHING), deps=deps)
    assert "- Ada drinks tea" in result.output
    assert (await store.read(NOTES, max_chars=99)).content == "- Ada drinks tea\n- Bo is away\n"
    assert await store.list_paths(limit=9) == [NOTES]
