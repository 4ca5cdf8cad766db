"""Which mount a path belongs to."""

from pydantic_hivemind import DEFAULT_MOUNTS, Hivemind, Mount
from pydantic_hivemind.base.mounts import MountTable


def test_the_last_of_equal_prefixes_counts():
    """However they are written."""
    table = MountTable([*DEFAULT_MOUNTS, Mount("/plans/", "ideas", union=True), Mount("", "rest", indexed_bytes=0)])
    assert table.of("/plans/a.md") == Mount("/plans", "ideas", union=True)
    assert table.of("/a.md") == Mount("/", "rest", indexed_bytes=0)
    assert table.of("/.deep/memory/a.md") == DEFAULT_MOUNTS[0]
    assert sorted(table.collections) == ["evicted", "ideas", "memory", "rest", "uploads"]
    assert len({mount.prefix for mount in table}) == len(list(table)) == len(DEFAULT_MOUNTS)


def test_defaults_that_are_changed(tmp_path):
    mounts = [Mount("/plans", "plans", union=True), Mount("/", "files", indexed_bytes=0)]
    with Hivemind.open(tmp_path, mounts=mounts) as hive:
        scope = hive.scope("a")
        scope.write_text("/x.md", "A zebra.\n")
        scope.write_text("/plans/p.md", "One.\n")
        assert [hit.path for hit in scope.search("zebra")] == ["/plans/p.md"]
        first, second = scope.spawn(), scope.spawn()
        first.edit("/plans/p.md", "One.\n", "One.\nTwo.\n")
        second.edit("/plans/p.md", "One.\n", "One.\nThree.\n")
        first.promote()
        assert second.promote().merged == ("/plans/p.md",)


def test_mounts_are_added_to_the_defaults(tmp_path):
    """Memory is still memory: both sides' additions are kept."""
    with Hivemind.open(tmp_path, mounts=[Mount("/notes", "notes")]) as hive:
        project = hive.scope("project")
        project.write_text("/.deep/memory/main/MEMORY.md", "- one\n")
        first, second = project.spawn(), project.spawn()
        first.edit("/.deep/memory/main/MEMORY.md", "- one\n", "- one\n- two\n")
        second.edit("/.deep/memory/main/MEMORY.md", "- one\n", "- one\n- three\n")
        first.promote()
        assert second.promote().merged == ("/.deep/memory/main/MEMORY.md",)


def test_the_outermost_prefixes():
    table = MountTable([Mount("/a/b", "b"), Mount("/a", "a"), Mount("/ab", "c"), Mount("/", "files")])
    assert table.outermost == ("/a", "/ab")


def test_what_commands_need_stays_on_the_host_by_default():
    """Uploads, above all: unless whoever opens the store has another mount for them."""
    assert MountTable().outermost == ("/.deep/large_tool_results", "/.deep/memory", "/large_tool_results", "/plans")
    assert "/uploads" in MountTable([*DEFAULT_MOUNTS, Mount("/uploads", "files", promotes=False)]).outermost
