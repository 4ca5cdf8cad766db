"""`import` and `export`, with pydantic-deep's own stores on the other side."""

import asyncio
import os
from datetime import datetime, timedelta, timezone

import pytest
from pydantic_ai.messages import BinaryContent, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_deep.features.checkpointing import Checkpoint, FileCheckpointStore

from pydantic_hivemind import Hivemind

ZURICH = timezone(timedelta(hours=1))
FILES = {
    ".deep/memory/main/MEMORY.md": b"- deploys from main\n",
    "plans/plan.md": b"1. Ask Bo.\r\n",
    "data.json": b'{"id": "data"}',
    "raw": b"\x00\xff",
}
"""As `LocalBackend` keeps them."""


def checkpoint(id="one", **changes):
    messages = [
        ModelRequest([UserPromptPart(["look", BinaryContent(b"\x00\xff", media_type="image/png")])]),
        ModelResponse([TextPart("grüezi")]),
    ]
    made = {"label": "first", "turn": 1, "messages": messages, "message_count": 2, "metadata": {"a": [1]}}
    made["created_at"] = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
    return Checkpoint(id=id, **(made | changes))


@pytest.fixture
def user(tmp_path):
    """What a user has today: a directory with memory, files and checkpoints."""
    for path, data in FILES.items():
        (tmp_path / "ada" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "ada" / path).write_bytes(data)
    (tmp_path / "ada" / "empty").mkdir()
    store = FileCheckpointStore(tmp_path / "ada" / "saved")
    asyncio.run(store.save(checkpoint()))
    asyncio.run(store.save(checkpoint("two", label="second", turn=2, created_at=datetime(2026, 2, 1, tzinfo=ZURICH))))
    return tmp_path / "ada"


def tree(directory):
    return {path.relative_to(directory): path.is_file() and path.read_bytes() for path in directory.rglob("*")}


def test_what_a_user_has_comes_over_and_goes_back(run, store, user, tmp_path):
    told = run("import", user, "-w", "user/ada", "--json")
    assert (told.code, told.json) == (0, {"files": 4, "checkpoints": 2, "unchanged": 0, "skipped": {}})
    with Hivemind.open(store) as hive:
        ada = hive.scope("user/ada", create=False)
        assert {path: ada.read_bytes(path) for path in FILES} == FILES
        assert ada.stat("/empty").is_dir
        assert not ada.exists("/saved")
        assert [saved.label for saved in ada.checkpoints().list_all()] == ["first", "second"]

    assert run("export", tmp_path / "back", "-w", "user/ada").out == "4\t2\t0\n"
    saved = tmp_path / "back" / ".deep" / "checkpoints"
    again, before = (asyncio.run(FileCheckpointStore(place).list_all()) for place in (saved, user / "saved"))
    assert again == before
    for path in [*saved.iterdir(), *(user / "saved").iterdir()]:
        path.unlink()
    saved.rmdir()
    (user / "saved").rmdir()
    assert tree(tmp_path / "back") == tree(user)


def test_coming_over_again_changes_only_what_changed(run, store, user):
    run("import", user, "-w", "ada")
    (user / "data.json").write_text("{}")
    asyncio.run(FileCheckpointStore(user / "saved").save(checkpoint(label="renamed")))
    assert run("import", user, "-w", "ada", "--json").json == {
        "files": 1,
        "checkpoints": 1,
        "unchanged": 4,
        "skipped": {},
    }
    assert len(run("log", "/plans/plan.md", "-w", "ada").lines) == 1


def test_what_cannot_come_over_is_named(run, user, tmp_path):
    (tmp_path / "secret").write_text("not the user's")
    (user / "link").symlink_to(tmp_path / "secret")
    (user / "links").symlink_to(tmp_path)
    os.mkfifo(user / "pipe")
    (user / "saved" / "bad.json").write_text((user / "saved" / "one.json").read_text().replace('"one"', '"bad"', 1))
    (user / "saved" / "bad.json").write_text((user / "saved" / "bad.json").read_text().replace("request", "nonsense"))
    (user / os.fsdecode(b"\xff.md")).write_text("no name")
    told = run("import", user, "-w", "ada", "--json")
    assert told.code == 1
    assert sorted(told.json["skipped"])[:4] == ["/link", "/links", "/pipe", "/saved/bad.json"]
    assert len(told.json["skipped"]) == 5
    assert "/link was left out" in told.err
    assert run("grep", "not the user's", "-w", "ada").code == 1
    people = run("import", user, "-w", "ada", people=True)
    assert people.out == "Imported 0 files and 0 checkpoints; 6 were there already.\n"


def test_links_inside_the_directory_are_followed(run, user, store):
    (user / "current.md").symlink_to("plans/plan.md")
    (user / "plans-now").symlink_to(user / "plans", target_is_directory=True)
    (user / "plans" / "up").symlink_to("..", target_is_directory=True)
    (user / "nowhere").symlink_to("missing")
    told = run("import", user, "-w", "ada", "--json")
    assert told.json["skipped"] == {
        "/nowhere": "it is a link that leads nowhere",
        "/plans/up": "it is a link to a directory that it is in",
        "/plans-now/up": "it is a link to a directory that it is in",
    }
    with Hivemind.open(store) as hive:
        ada = hive.get("ada")
        for path in ("/current.md", "/plans/plan.md", "/plans-now/plan.md"):
            assert ada.read_bytes(path) == FILES["plans/plan.md"]


def test_links_in_links_end(run, user):
    for number in range(12):
        (user / f"d{number}").mkdir()
        for name in "ab":
            (user / f"d{number}" / name).symlink_to(user / f"d{number + 1}", target_is_directory=True)
    (user / "d12").mkdir()
    (user / "d12" / "f").write_text("x")
    told = run("import", user, "-w", "ada", "--json")
    assert told.code == 1
    assert set(told.json["skipped"].values()) == {"it is a link in too many others"}


def test_it_comes_into_a_workspace_that_inherits(run, user, store):
    assert run("import", user, "-w", "acme/ada", "--inherit", "acme").code == 0
    assert run("import", user, "-w", "acme/ada", "--inherit", "acme").code == 0
    assert run("import", user, "-w", "acme/ada").code == 0
    refused = run("import", user, "-w", "acme/ada", "--inherit", "other")
    assert refused.code != 0
    assert "inherits from 'acme'" in refused.err
    with Hivemind.open(store) as hive:
        assert hive.get("acme/ada").chain == ("acme/ada", "acme")
        assert [info.name for info in hive.scopes()] == ["acme", "acme/ada"]


def test_a_directory_that_cannot_be_read_is_named(run, user, monkeypatch):
    """Whoever runs the tests may read everything, so the system says no."""
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("plans"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    told = run("import", user, "-w", "ada", "--json")
    assert (told.code, told.json["skipped"]) == (1, {"/plans": "Permission denied"})
    assert told.json["files"] == 3
    monkeypatch.setattr(os, "scandir", scandir)
    assert run("import", user, "-w", "ada").code == 0


def test_what_cannot_go_out_is_named(run, store, tmp_path):
    with Hivemind.open(store) as hive:
        scope = hive.scope("project").spawn("run")
        scope.parent.write_text("/above.md", "inherited")
        for id in ("../../evil", "a/b", "..", "fine"):
            scope.checkpoints().save(checkpoint(id))
    told = run("export", tmp_path / "out" / "deep", "-w", "run", "--json")
    assert (told.code, told.json["files"], told.json["checkpoints"]) == (1, 1, 2)
    assert sorted(told.json["skipped"]) == ["checkpoint ../../evil", "checkpoint a/b"]
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*")}
    assert written == {
        "deep/.deep",
        "deep/above.md",
        "deep/.deep/checkpoints/fine.json",
        "deep/.deep/checkpoints/...json",
    }


def test_nothing_is_written_over(run, tmp_path):
    run("workspace", "create", "run")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    assert run("export", tmp_path / "full", "-w", "run").code == 4
    assert run("export", tmp_path / "full" / "mine", "-w", "run").code == 5
    assert run("export", tmp_path / "new", "-w", "nobody").code == 3
    assert run("import", tmp_path / "missing", "-w", "run").code == 2
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
