"""A scope's backend over another one, as a coding agent has it up to pydantic-deep 0.3.44."""

import pickle

import pytest

from pydantic_hivemind import HivemindBackend, errors

backends = pytest.importorskip("pydantic_ai_backends")
LINE_A = hasattr(backends, "SandboxProtocol")
of_line_a = pytest.mark.skipif(not LINE_A, reason="these releases have workspaces in place of backends")

MEMORY = "/.deep/memory/main/MEMORY.md"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def backend(scope, root):
    return HivemindBackend(scope, over=backends.LocalBackend(root_dir=root))


@of_line_a
def test_what_mounts_name_is_in_the_scope(backend, scope, root):
    for path in (MEMORY, "/plans/a.md", str(root / "plans/b.md"), "plans/c.md", str(root / "src/app.py"), "notes.md"):
        assert backend.write(path, f"in {path}\n").error is None
        assert "in " in backend.read(path)
        assert backend.exists(path)
        assert backend.edit(path, "in ", "at ").error is None
        assert backend.read_bytes(path).startswith(b"at ")
    assert sorted(stat.path for stat in scope.glob("**") if not stat.is_dir) == [
        MEMORY,
        "/plans/a.md",
        "/plans/b.md",
        "/plans/c.md",
    ]
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == [
        "notes.md",
        "src/app.py",
    ]


@of_line_a
def test_both_are_listed_and_searched(backend, root):
    backend.write(MEMORY, "a zebra\n")
    backend.write(str(root / "app.py"), "zebra = 1\n")
    assert [(entry["name"], entry["is_dir"]) for entry in backend.ls_info(str(root))] == [
        (".deep", True),
        ("app.py", False),
    ]
    assert [entry["name"] for entry in backend.ls_info("/.deep/memory")] == ["main"]
    assert {entry["path"].rsplit("/", 1)[1] for entry in backend.glob_info("**/*", ".")} >= {"app.py", "MEMORY.md"}
    found = backend.grep_raw("zebra", ignore_hidden=False)
    assert sorted(match["path"].rsplit("/", 1)[1] for match in found) == ["MEMORY.md", "app.py"]
    assert backend.grep_raw("zebra", "/.deep", ignore_hidden=False)[0]["line"] == "a zebra"
    assert [match["path"] for match in backend.grep_raw("zebra", str(root / "app.py"))] == [str(root / "app.py")]


@of_line_a
def test_files_below_at_the_place_of_a_mount_are_hidden(backend, root):
    (root / "plans").mkdir()
    (root / "plans/old.md").write_text("zebra")
    assert backend.glob_info("**/old.md", ".") == []
    assert backend.grep_raw("zebra") == []
    assert not backend.exists(str(root / "plans/old.md"))


@of_line_a
def test_it_has_what_the_lower_one_has(scope, backend, root):
    assert isinstance(backend, backends.SandboxProtocol)
    assert backend.execute("pwd").output.strip() == str(root)
    assert backend.root_dir == root
    assert backend.id == backend.lower.id
    assert hasattr(backend, "execute_background")
    plain = HivemindBackend(scope, over=backends.StateBackend())
    assert not isinstance(plain, backends.SandboxProtocol)
    assert not hasattr(plain, "execute_background")
    assert not hasattr(plain, "root_dir")
    assert not hasattr(HivemindBackend(scope), "execute")
    assert type(HivemindBackend(scope)) is HivemindBackend


@of_line_a
def test_no_commands_where_the_lower_one_has_none(scope, root):
    backend = HivemindBackend(scope, over=backends.LocalBackend(root_dir=root, enable_execute=False))
    assert backend.execute_enabled is False


@of_line_a
def test_permissions_of_the_lower_one_hold(scope, root):
    from pydantic_ai_backends import READONLY_RULESET

    backend = HivemindBackend(scope, over=backends.LocalBackend(root_dir=root, permissions=READONLY_RULESET))
    assert backend.permissions is READONLY_RULESET
    assert backend.write(str(root / "a.md"), "x").error
    assert backend.write("/plans/a.md", "x").error is None


@of_line_a
def test_it_is_pickled_with_the_lower_one(scope):
    again = pickle.loads(pickle.dumps(HivemindBackend(scope, over=backends.StateBackend())))
    again.write("/plans/a.md", "x")
    assert scope.read_text("/plans/a.md") == "x"


@of_line_a
@pytest.mark.anyio
async def test_an_agent_works_below_and_remembers_in_the_scope(backend, scope, root):
    from agents.scripted_model import EVERYTHING, call, script, scripted_model

    from pydantic_hivemind.deep import DeepAgentDeps, create_deep_agent

    quiet = {"web_search": False, "web_fetch": False, "thinking": False, "cost_tracking": False}
    agent = create_deep_agent(
        scripted_model(), include_execute=True, include_history_archive=False, include_skills=False, **quiet
    )
    said = await agent.run(
        script(
            call("write_file", path="hello.txt", content="from below"),
            call("execute", command="cat hello.txt"),
            call("write_memory", content="- tests first"),
            EVERYTHING,
        ),
        deps=DeepAgentDeps(backend=backend),
    )
    assert "from below" in said.output
    assert (root / "hello.txt").read_text() == "from below"
    assert "tests first" in scope.read_text(MEMORY)
    assert not (root / ".deep").exists()


@pytest.mark.skipif(LINE_A, reason="these releases have backends")
def test_later_releases_name_the_option_that_they_have(scope):
    with pytest.raises(errors.InvalidOption, match=r"HivemindWorkspace\(over="):
        HivemindBackend(scope, over=object())
