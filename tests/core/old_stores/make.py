"""Makes a store that holds a bit of everything its revision of the ledger knew, with the code of that revision.

The files beside this one were made so, each with the last commit whose `ledger.schema.REVISION` is its name, taken out
with `git archive`:

    PYTHONPATH=OLD_CODE python tests/core/old_stores/make.py tests/core/old_stores

A new revision of the ledger adds a file of the one before it. None is ever removed: live stores may be as old.
"""

import contextlib
import importlib
import json
import lzma
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart

from pydantic_hivemind import Hivemind, Snapshot
from pydantic_hivemind.ledger import schema

MOMENT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone.utc)
MEMORY = "/.deep/memory/main/MEMORY.md"
TOKEN = "/token"


def history(*texts):
    """What was said, in turns."""
    return [
        ModelRequest([UserPromptPart(text, timestamp=MOMENT)], timestamp=MOMENT)
        if number % 2 == 0
        else ModelResponse([TextPart(text)], timestamp=MOMENT)
        for number, text in enumerate(texts)
    ]


def fill_files(hive):
    """Scopes that inherit, with whatever a layer can have in it."""
    project = hive.scope("project/acme")
    ada = hive.scope("user/ada", parent=project)
    bo = hive.scope("user/bo", parent=project)
    hive.scope("other")
    project.write_text(MEMORY, "# Deploy\n\nThe build takes nine minutes.\n", tags=["deploy"])
    for name in ("inherited", "edited", "removed"):
        project.write_text(f"/docs/{name}.md", f"# {name}\n\nwritten in the project\n", tags=[name])
    for directory in ("gone", "remade"):
        for number in range(3):
            project.write_text(f"/{directory}/{number}.md", f"{directory} {number}\n")
    project.write_bytes("/binary", bytes(range(256)) * 4)
    for number in range(30):  # more than are kept
        ada.write_text("/log.md", f"entry {number}\n")
    ada.edit("/docs/edited.md", "written in the project", "edited by Ada")
    ada.remove("/docs/removed.md")
    ada.remove("/gone")
    ada.remove("/remade")
    ada.write_text("/remade/new.md", "Ada's own\n")
    ada.tag("/docs/inherited.md", ["read", "inherited"])
    ada.write_text("/once.md", "written once\n", operation_id="write-once")
    ada.make_dir("/empty")
    bo.write_text("/docs/edited.md", "# edited\n\nedited by Bo\n")
    # Promoted, and let go of; one past its parent.
    done = ada.spawn("run-done")
    done.write_text("/learned.md", "the test database is on port 5433\n", tags=["learned"])
    done.edit(MEMORY, "nine", "seven")
    done.remove("/once.md")
    done.promote(operation_id="promote-once")
    far = ada.spawn("run-far")
    far.write_text("/far.md", "for everybody\n")
    far.promote(project)
    # Still under way.
    live = ada.spawn("run-live")
    live.edit(MEMORY, "seven", "six")
    live.write_text("/draft.md", "not promoted yet\n", tags=["draft"])
    live.remove("/learned.md")
    live.remove("/remade")
    return ada


def fill_messages(scope):
    """Conversations and checkpoints that share their beginnings."""
    said = history("How long is the build?", "Seven minutes.", "And the tests?", "Two.")
    scope.conversation("taxes").append(said[:2])
    scope.conversation("taxes").append(said[2:])
    scope.conversation("holidays").append(history("Where to?", "Lisbon."))
    checkpoints = scope.checkpoints()
    for turn in (1, 2):
        messages = said[: 2 * turn]
        checkpoints.save(Snapshot(f"cp-{turn}", f"turn {turn}", turn, messages, len(messages), MOMENT, {"turn": turn}))


def _ids(scope):
    """Of conversations, which were texts alone once."""
    return [getattr(info, "id", info) for info in scope.conversations()]


def _module(*names):
    """Return the first of some modules that this revision's code has: they were renamed later."""
    for name in names:
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(f"pydantic_hivemind.{name}")
    raise ModuleNotFoundError(names)


def fill_rest(hive, scope, directory):
    """What later revisions added."""
    if schema.REVISION >= "0002":
        vectors = _module("ledger.chunk_vectors", "ledger.vectors")
        with hive._database.write() as tx:
            vectors.store(tx, scope._row.id, "an embedder", {bytes(16): bytes(64)})
    if schema.REVISION >= "0003":
        notes = _module("hive.cas_files", "notebooks")
        files = notes.CasFiles if hasattr(notes, "CasFiles") else notes.Notebook
        noted = notes.Operation("note-once", "fingerprint")
        files(scope).write("/noted.md", b"noted\n", expected_version=0, metadata='{"by": "ada"}', operation=noted)
        assert scope.search("how long does the build take?")
    if schema.REVISION >= "0004":
        tokens = _module("tokens", "auth").Tokens(hive, secret=bytes(32))
        made = tokens.create(scope, can=["read", "admin"], ttl=10 * 365 * 24 * 3600.0)
        by = {"by": tokens.verify(made)} if schema.REVISION >= "0006" else {}
        tokens.create(scope, can=["read"], ttl=9 * 365 * 24 * 3600.0, **by)
        if schema.REVISION >= "0008":  # A later token cannot be made again from its row.
            scope.write_text(TOKEN, made)
    if schema.REVISION >= "0005":
        secrets = _module("ledger.signing_secrets", "ledger.secrets")
        with hive._database.write() as tx:
            secrets.store(tx, "a secret", bytes(32))


def seen(hive):
    """What anybody can read of it, but for what differs each time."""
    found = {}
    for info in hive.scopes():
        scope = hive.scope(info.name, create=False)
        files = [file.path for file in scope.glob("/**") if not file.is_dir]
        found[info.name] = {
            "parent": info.parent,
            "files": {path: [scope.read_bytes(path).hex(), list(scope.stat(path).tags)] for path in sorted(files)},
            "entries": sorted(stat.path for stat in scope.list_dir("/")),
            "history": {path: [past.action for past in scope.history(path)] for path in sorted(files)},
            "diff": sorted(change.path for change in scope.diff()) if info.parent else [],
            "conversations": {id: len(scope.conversation(id).load()) for id in _ids(scope)},
            "checkpoints": [[one.id, one.label, len(one.messages)] for one in scope.checkpoints().list_all()],
        }
    return found


def main(target):
    with tempfile.TemporaryDirectory() as directory:
        with Hivemind.open(directory) as hive:
            ada = fill_files(hive)
            fill_messages(ada)
            fill_rest(hive, ada, Path(directory))
            read = json.dumps(seen(hive), indent=1)
        # Closed, it is one file.
        ledger = Path(directory, "ledger.sqlite3").read_bytes()
        assert not Path(directory, "ledger.sqlite3-wal").exists()
    Path(target, f"{schema.REVISION}.sqlite3.xz").write_bytes(lzma.compress(ledger, preset=9))
    Path(target, f"{schema.REVISION}.json.xz").write_bytes(lzma.compress(read.encode(), preset=9))


if __name__ == "__main__":
    main(sys.argv[1])
