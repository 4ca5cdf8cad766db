"""Random operations on a chain of three scopes, compared with dicts after every step."""

from contextlib import ExitStack

import pytest
from databases import new_store, opened
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from ledger_integrity import check_layers

from pydantic_hivemind.base.paths import ancestors_of, is_below, parent_of
from pydantic_hivemind.errors import (
    EditError,
    HivemindError,
    NotText,
    PromotionConflict,
    VersionConflict,
    VersionNotFound,
)
from pydantic_hivemind.testing.dict_model import ScopeModel
from pydantic_hivemind.testing.strategies import crowded_paths

LEVELS = st.sampled_from([0, 1, 2])
LINES = st.sampled_from([b"1", b"2", b"3\n", b"\r\n", b"\xff", b""])
NAMES = ["project", "user", "run"]
NOTHING = object()


class ChainMachine(RuleBasedStateMachine):
    """Level 0 is the root, 2 the leaf. Files and directories compete for the same few names."""

    @initialize()
    def start(self):
        self.kept = ExitStack()
        self.hive = self.kept.enter_context(opened(self.kept.enter_context(new_store())))
        self.scopes, self.models = [], []
        self.versions = [{}, {}, {}]
        self.states = [{}, {}, {}]
        for _ in NAMES:
            self.grow()

    def teardown(self):
        if hasattr(self, "hive"):
            self.kept.close()

    def grow(self):
        level = len(self.scopes)
        if level == 0:
            self.scopes.append(self.hive.scope(NAMES[0]))
            self.models.append(ScopeModel())
        else:
            self.scopes.append(self.scopes[-1].spawn(NAMES[level]))
            self.models.append(ScopeModel(self.models[-1]))
        self.versions[level] = {}
        self.states[level] = {}

    def note(self):
        """Add to the log of each path what it is in a scope's own layer, if that is new."""
        for model, log in zip(self.models, self.states, strict=True):
            for path in {*log, *model.own, *model.hidden}:
                state = (model.own.get(path, NOTHING), path in model.hidden)
                known = log.setdefault(path, [(NOTHING, False)])
                if known[-1] != state:
                    known.append(state)

    def both(self, level, operation, *arguments):
        """Do the same to a scope and its model; both succeed, or fail in the same way."""
        try:
            expected = None
            getattr(self.models[level], operation)(*arguments)
        except OSError as error:
            expected = type(error)
        name = "write_bytes" if operation == "write" else operation
        if expected is None:
            return getattr(self.scopes[level], name)(*arguments)
        with pytest.raises(expected) as raised:
            getattr(self.scopes[level], name)(*arguments)
        assert isinstance(raised.value, HivemindError)
        return None

    @rule(level=LEVELS, path=crowded_paths(), data=LINES)
    def write(self, level, path, data):
        stat = self.both(level, "write", path, data)
        if stat is not None:
            assert (stat.path, stat.size, stat.is_dir) == (path, len(data), False)
            self.versions[level][stat.version] = (path, data)

    @rule(level=LEVELS, path=crowded_paths())
    def make_dir(self, level, path):
        self.both(level, "make_dir", path)

    @rule(level=LEVELS, path=crowded_paths())
    def remove(self, level, path):
        self.both(level, "remove", path)

    @rule(level=LEVELS, path=crowded_paths(), tags=st.lists(st.sampled_from("xy"), max_size=2))
    def tag(self, level, path, tags):
        model = self.models[level]
        try:
            data = model.read(path).data
        except OSError as error:
            with pytest.raises(type(error)):
                self.scopes[level].tag(path, tags)
        else:
            model.write(path, data, frozenset(tags))
            self.scopes[level].tag(path, tags)

    @rule(level=LEVELS, path=crowded_paths())
    def edit(self, level, path):
        model = self.models[level]
        try:
            before = model.read(path).data
        except OSError as error:
            with pytest.raises(type(error)):
                self.scopes[level].edit(path, "1", "2")
        else:
            if before == b"1":
                model.write(path, b"2")
                assert self.scopes[level].edit(path, "1", "2").occurrences == 1
            else:
                with pytest.raises((EditError, NotText)):
                    self.scopes[level].edit(path, "1", "2")

    @rule(level=LEVELS, data=st.data())
    def restore(self, level, data):
        known = [(number, *what) for number, what in self.versions[level].items()]
        if known:
            version, path, content = data.draw(st.sampled_from(known))
            if version in {past.version for past in self.scopes[level].history(path)}:
                try:
                    self.models[level].write(path, content, frozenset(self.tags_of(level, path, version)))
                except OSError as error:
                    with pytest.raises(type(error)):
                        self.scopes[level].restore(path, version)
                else:
                    self.scopes[level].restore(path, version)

    def tags_of(self, level, path, version):
        return next(past.tags for past in self.scopes[level].history(path) if past.version == version)

    @rule(level=LEVELS, path=crowded_paths())
    def take_back(self, level, path):
        """The scope's own layer is at that path what it was before, or nothing changes."""
        scope, model = self.scopes[level], self.models[level]
        if path not in self.states[level]:
            with pytest.raises(VersionNotFound):
                scope.restore(path)
            return
        (now, _), (before, hidden) = self.states[level][path][:-3:-1]
        tree = model.tree()
        refusal = None
        if now is None or before is None:
            refusal = IsADirectoryError
        elif (before is not NOTHING or hidden) and path in tree and tree[path] is None:
            refusal = VersionConflict
        elif before is not NOTHING and any(tree.get(parent) is not None for parent in ancestors_of(path)):
            refusal = NotADirectoryError
        if refusal is not None:
            with pytest.raises(refusal):
                scope.restore(path)
            return
        scope.restore(path)
        if before is not NOTHING:
            model.put_back(path, before, hidden=hidden)
        elif not hidden or path in tree:
            model.own.pop(path, None)
            model.hidden.discard(path)
            if hidden:
                model.hide(path)

    @rule(level=st.sampled_from([1, 2]), cascade=st.booleans())
    def destroy_and_spawn(self, level, cascade):
        if level < len(self.scopes) - 1 and not cascade:
            with pytest.raises(HivemindError):
                self.scopes[level].destroy()
            return
        self.scopes[level].destroy(cascade=cascade)
        del self.scopes[level:], self.models[level:]
        while len(self.scopes) < len(NAMES):
            self.grow()

    # -- what must hold ------------------------------------------------------------------------

    @invariant()
    def same_trees(self):
        if not hasattr(self, "hive"):
            return
        self.note()
        for scope, model in zip(self.scopes, self.models, strict=True):
            tree = model.tree()
            files = {path: file for path, file in tree.items() if file is not None}
            assert [stat.path for stat in scope.glob("**")] == sorted(files)
            for path, file in tree.items():
                stat = scope.stat(path)
                assert stat.is_dir == (file is None)
                if file is not None:
                    assert scope.read_bytes(path) == file.data
                    assert set(stat.tags) == file.tags
            directories = ["/", *(path for path, file in tree.items() if file is None)]
            for directory in directories:
                inside = sorted(path for path in tree if parent_of(path) == directory)
                assert [stat.path for stat in scope.list_dir(directory)] == inside
            for path in ("/a", "/b", "/a/a", "/a/b", "/a/a/a", "/a/b/a", "/b/a-/b"):
                assert scope.exists(path) == (path in tree)
            found = {match.path for match in scope.grep("^[1-3]$")}
            assert found == {path for path, file in files.items() if file.data.strip() in {b"1", b"2", b"3"}}

    @invariant()
    def sound_layers(self):
        if hasattr(self, "hive"):
            check_layers(self.hive)


class PromotionMachine(ChainMachine):
    """With promotions, where a name is always a file's or always a directory's."""

    @rule(level=LEVELS, path=crowded_paths(), data=LINES)
    def write(self, level, path, data):
        super().write(level, path + ".txt", data)

    @rule(level=LEVELS, path=crowded_paths())
    def edit(self, level, path):
        super().edit(level, path + ".txt")

    @rule(level=LEVELS, path=crowded_paths(), tags=st.lists(st.sampled_from("xy"), max_size=2))
    def tag(self, level, path, tags):
        super().tag(level, path + ".txt", tags)

    @rule(level=LEVELS, path=crowded_paths(), file=st.booleans())
    def remove(self, level, path, file):
        super().remove(level, path + ".txt" * file)

    @rule(level=st.sampled_from([1, 2]), on_conflict=st.sampled_from(["fail", "take_source"]))
    def promote(self, level, on_conflict):
        model = self.models[level]
        collisions = model.collisions()
        preview = self.scopes[level].promote(on_conflict=on_conflict, dry_run=True)
        changes = self.scopes[level].diff()
        conflicts = {change.path for change in changes if change.outcome == "conflict"}
        assert conflicts == {conflict.path for conflict in preview.conflicts}
        before = {stat.path: stat for stat in self.scopes[level - 1].glob("**")}
        if preview.conflicts and on_conflict == "fail":
            assert collisions
            with pytest.raises(PromotionConflict) as raised:
                self.scopes[level].promote(on_conflict=on_conflict)
            assert raised.value.report.conflicts == preview.conflicts
            return
        report = self.scopes[level].promote(on_conflict=on_conflict)
        assert (report.applied, report.merged, report.deleted) == (preview.applied, preview.merged, preview.deleted)
        if on_conflict == "fail":
            for path, (began, there) in collisions.items():
                mine = model.own.get(path)
                sides = [side.data if side is not None else None for side in (began, mine, there)]
                if None not in sides[1:]:
                    sides[0] = sides[0] or b""
                # Not seen, and yet nothing was lost: both sides agree, or one had not changed the bytes.
                assert sides[2] in sides[:2] or sides[0] == sides[1]
            self.has_changed(self.scopes[level - 1], before, changes)
        model.promote()

    def has_changed(self, scope, before, changes):
        """A scope has become what was foretold, and is otherwise what it was."""
        foretold = {change.path: change for change in changes}
        for stat in scope.glob("**"):
            change = foretold.pop(stat.path, None)
            if change is None:
                assert before.pop(stat.path) == stat
            else:
                before.pop(stat.path, None)
                assert (scope.read_bytes(stat.path), stat.tags) == (change.after, change.tags)
        assert {path for path, change in foretold.items() if change.kind == "deleted"} == set(before)
        assert all(scope.stat(path).is_dir for path, change in foretold.items() if change.kind == "directory")

    def take_back(self, level, path):
        """Not here: what a promotion settles is not what each path was."""

    @rule(level=st.sampled_from([1, 2]))
    def promote_and_revert(self, level):
        """The receiving scope has what it had, and the other has given its own away."""
        target = self.models[level - 1]
        before = (dict(target.own), set(target.hidden), dict(target.began))
        report = self.scopes[level].promote(on_conflict="take_source")
        self.models[level].promote()
        if before == (target.own, target.hidden, target.began):
            with pytest.raises(VersionNotFound):
                self.scopes[level - 1].revert(report.id)
        else:
            assert self.scopes[level - 1].revert(report.id)
        target.own, target.hidden, target.began = before

    @rule(level=st.sampled_from([1, 2]), data=st.data())
    def promote_some(self, level, data):
        model = self.models[level]
        own = sorted({*model.own, *model.hidden})
        if own:
            chosen = data.draw(st.sets(st.sampled_from(own), min_size=1))
            if data.draw(st.booleans(), label="with all that is in it"):
                self.scopes[level].promote(paths=sorted(chosen), on_conflict="take_source")
                model.promote({path for path in own if any(is_below(path, one) for one in chosen)})
            else:
                globs = [f"/[{path[1]}]{path[2:]}" for path in sorted(chosen)]
                self.scopes[level].promote(paths=globs, on_conflict="take_source")
                model.promote(chosen)


SETTINGS = settings(
    max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestChain = pytest.mark.any_store(ChainMachine.TestCase)
TestChain.settings = SETTINGS
TestPromotion = pytest.mark.any_store(PromotionMachine.TestCase)
TestPromotion.settings = SETTINGS
