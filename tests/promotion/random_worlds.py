"""Worlds of scopes made by chance from a seed, and what promotion does in them, as text.

A world is a chain of four scopes with a sibling at each level. Things are written, removed and remade in it, and in
between promoted, to the parent or past it. The transcript says what each promotion and each diff returned, and what
every scope shows afterwards. It has nothing in it that differs from store to store: no ids, versions or times.

    python tests/promotion/random_worlds.py 17          what happens in the world of a seed
    python tests/promotion/random_worlds.py record 0 4000    the digests to be expected of many
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator

from pydantic_hivemind import Hivemind, PromotionReport, Scope
from pydantic_hivemind.base.values import OnConflict
from pydantic_hivemind.errors import HivemindError, PromotionConflict

CHAIN = ("root", "mid", "user", "run")
SIBLINGS = {"mid2": "root", "user2": "mid", "run2": "user"}
PARENTS = {"root": None, "mid": "root", "user": "mid", "run": "user", **SIBLINGS}

MEMORY = "/.deep/memory"
OPERATIONS = ".memory-operations.json"

TIDY = (
    "/a.txt",
    "/d/a.txt",
    "/d/b.txt",
    "/d/e/c.txt",
    "/d/e/b.bin",
    f"{MEMORY}/m.md",
    f"{MEMORY}/n/m.md",
    f"{MEMORY}/n/{OPERATIONS}",
)
"""Where a name is always a file's or always a directory's."""

CROWDED = ("/a", "/a/b", "/a/b/c", "/a/c", "/b", "/b/a", f"{MEMORY}/m.md", f"{MEMORY}/m.md/x", f"{MEMORY}/{OPERATIONS}")
"""Where files and directories compete for names."""

DIRECTORIES = ("/d", "/d/e", "/d/f", "/a", "/a/b", "/b", MEMORY, f"{MEMORY}/n")
TAGS = ("x", "y", "z")
OUTCOMES: tuple[OnConflict, ...] = ("fail", "keep_target", "take_source")


class World:
    """The scopes of one seed and the transcript of what is done to them."""

    def __init__(self, hive: Hivemind, seed: int) -> None:
        self.chance = random.Random(seed)
        self.hive = hive
        self.prefix = f"{seed}/"
        self.scopes: dict[str, Scope] = {}
        for name in PARENTS:
            self._make(name)
        self.lines: list[str] = []
        self.promotions: list[tuple[str, str]] = []
        self.paths = TIDY if self.chance.random() < 0.6 else (*CROWDED, "/d/a.txt", "/d/e/c.txt")
        self.count = 0

    def _make(self, name: str) -> None:
        above = PARENTS[name]
        self.scopes[name] = self.hive.create(self.prefix + name, None if above is None else self.scopes[above])

    def play(self) -> str:
        """Do everything and return the transcript."""
        for _ in range(self.chance.randint(3, 9)):
            self._write("root" if self.chance.random() < 0.6 else self.chance.choice(CHAIN))
        for _ in range(self.chance.randint(1, 5)):
            for _ in range(self.chance.randint(1, 8)):
                self._change()
            self._promote()
        self._dump(self.scopes)
        self.scopes["root"].destroy(cascade=True)
        return "\n".join(self.lines)

    # -- changes -------------------------------------------------------------------------------

    def _change(self) -> None:
        name = self.chance.choice(("run", "run", "run", "user", "user", "mid", "root", *SIBLINGS))
        kinds: tuple[tuple[int, Callable[[str], None]], ...] = (
            (9, self._write),
            (4, self._remove),
            (3, self._remake),
            (1, self._make_dir),
            (1, self._tag),
            (1, self._undo),
            (1, self._revert),
            (1, self._replace),
        )
        self.chance.choices([work for _, work in kinds], [weight for weight, _ in kinds])[0](name)

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except HivemindError as error:
            self.lines.append(f"  refused: {type(error).__name__}")

    def _say(self, name: str, what: str, *details: object) -> None:
        self.lines.append(" ".join((name, what, *map(str, details))))

    def _write(self, name: str) -> None:
        path, scope = self.chance.choice(self.paths), self.scopes[name]
        try:
            before = scope.read_bytes(path)
        except HivemindError:
            before = None
        data = self._content(name, path, before)
        tags = self.chance.sample(TAGS, self.chance.randint(0, 2)) if self.chance.random() < 0.4 else None
        self._say(name, "writes", path, data, tags)
        self._try(lambda: scope.write_bytes(path, data, tags=tags))

    def _content(self, name: str, path: str, before: bytes | None) -> bytes:
        self.count += 1
        mark = f"{name} {self.count}" if self.chance.random() < 0.85 else "same"
        if path.endswith(".bin"):
            return b"\0" + mark.encode()
        if path.endswith(OPERATIONS):
            return self._operations(mark, before)
        if before is None or self.chance.random() < 0.1:
            lines = [f"{number}\n" for number in range(1, self.chance.choice((2, 6, 13)))]
        else:
            lines = before.decode(errors="replace").splitlines(keepends=True)
        for _ in range(self.chance.randint(1, 2)):
            place = self.chance.randint(0, len(lines))
            if path.startswith(MEMORY) and self.chance.random() < 0.7:
                lines.append(f"- {mark}\n")
            elif place < len(lines) and self.chance.random() < 0.8:
                lines[place] = f"{mark}\n"
            elif place < len(lines) and self.chance.random() < 0.4:
                del lines[place]
            else:
                lines.insert(place, f"{mark}\n")
        return "".join(lines).encode()

    def _operations(self, mark: str, before: bytes | None) -> bytes:
        try:
            entries = list(json.loads(before or b"[]"))
        except ValueError:
            entries = []
        if entries and self.chance.random() < 0.3:
            entries.pop(self.chance.randrange(len(entries)))
        entries.append({"id": mark, "done": self.chance.random() < 0.5})
        return json.dumps(entries).encode()

    def _remove(self, name: str) -> None:
        path = self.chance.choice((*self.paths, *self.paths, *DIRECTORIES))
        self._say(name, "removes", path)
        self._try(lambda: self.scopes[name].remove(path))

    def _remake(self, name: str) -> None:
        """A directory is removed and something is put there again."""
        path = self.chance.choice(("/d", "/d/e", "/a", "/a/b", "/b", MEMORY, f"{MEMORY}/n"))
        self._say(name, "removes and remakes", path)
        self._try(lambda: self.scopes[name].remove(path))
        inside = [below for below in self.paths if below.startswith(path + "/")]
        if not inside or self.chance.random() < 0.2:
            self._try(lambda: self.scopes[name].make_dir(path))
        for below in self.chance.sample(inside, self.chance.randint(0, len(inside))):
            data = self._content(name, below, None)
            self._say(name, "writes", below, data)
            self._try(lambda below=below, data=data: self.scopes[name].write_bytes(below, data))

    def _replace(self, name: str) -> None:
        """A directory becomes a file, or a file a directory."""
        path = self.chance.choice(("/d", "/d/e", "/a", "/a/b", "/b", "/a.txt"))
        scope = self.scopes[name]
        self._say(name, "replaces", path)
        if not scope.exists(path):
            self._try(lambda: scope.write_text(path, "new\n"))
        elif scope.stat(path).is_dir:
            self._try(lambda: scope.remove(path))
            self._try(lambda: scope.write_text(path, f"file of {name}\n"))
        else:
            self._try(lambda: scope.remove(path))
            self._try(lambda: scope.write_text(f"{path}/b", f"in a directory of {name}\n"))

    def _make_dir(self, name: str) -> None:
        path = self.chance.choice(DIRECTORIES)
        self._say(name, "makes", path)
        self._try(lambda: self.scopes[name].make_dir(path))

    def _tag(self, name: str) -> None:
        path, tags = self.chance.choice(self.paths), self.chance.sample(TAGS, self.chance.randint(0, 2))
        self._say(name, "tags", path, tags)
        self._try(lambda: self.scopes[name].tag(path, tags))

    def _undo(self, name: str) -> None:
        path = self.chance.choice(self.paths)
        self._say(name, "restores", path)
        self._try(lambda: self.scopes[name].restore(path))

    def _revert(self, _: str) -> None:
        if self.promotions:
            target, promotion = self.chance.choice(self.promotions)
            self._say(target, "reverts a promotion")
            self._try(lambda: self.lines.append(f"  {self.scopes[target].revert(promotion)}"))

    # -- promotion -----------------------------------------------------------------------------

    def _promote(self) -> None:
        name = self.chance.choice(("run", "run", "run", "user", "user", "mid", *SIBLINGS))
        above = _ancestors(name)
        to = above[0] if self.chance.random() < 0.7 else self.chance.choice(above)
        self._diff(name, to)
        tags = self.chance.choice(TAGS) if self.chance.random() < 0.15 else None
        paths = self._some_paths() if self.chance.random() < 0.2 else None
        conflicts = self.chance.choice(OUTCOMES)
        dry_run = self.chance.random() < 0.3
        for is_dry in (True, False) if dry_run else (False,):
            self._say(name, "promotes to", to, tags, paths, conflicts, "dry" if is_dry else "")
            self._promote_once(name, to, tags=tags, paths=paths, conflicts=conflicts, dry_run=is_dry)
        self._dump((name, *above))
        if self.chance.random() < 0.3:
            self._diff(name, above[-1])

    def _promote_once(
        self, name: str, to: str, *, tags: str | None, paths: list[str] | None, conflicts: OnConflict, dry_run: bool
    ) -> None:
        try:
            report = self.scopes[name].promote(
                self.scopes[to], tags=tags, paths=paths, on_conflict=conflicts, dry_run=dry_run
            )
        except PromotionConflict as error:
            self.lines.append("  in conflict")
            self._report(error.report)
        else:
            self._report(report)
            if not dry_run:
                self.promotions.append((to, report.id))

    def _some_paths(self) -> list[str]:
        return self.chance.choice(
            (["/d"], ["/d/*"], ["/**/*.txt"], ["/a*", "/a/**"], [MEMORY], ["/b", "/d/e"], [f"{MEMORY}/**", "/d/a.txt"])
        )

    def _report(self, report: PromotionReport) -> None:
        for part in ("applied", "merged", "deleted", "skipped"):
            self.lines.append(f"  {part}: {', '.join(getattr(report, part))}")
        for conflict in report.conflicts:
            sides = (conflict.base, conflict.ours, conflict.theirs)
            self.lines.append(f"  conflict: {conflict.path} {sides}")

    def _diff(self, name: str, to: str) -> None:
        self._say(name, "differs from", to)
        for change in self.scopes[name].diff(self.scopes[to]):
            self.lines.append(
                f"  {change.kind} {change.outcome} {change.path} {change.before} {change.after} {change.tags}"
            )

    def _dump(self, names: Iterable[str]) -> None:
        for name in names:
            self._say(name, "shows")
            self.lines += _tree(self.scopes[name])


def _ancestors(name: str) -> list[str]:
    found: list[str] = []
    while (above := PARENTS[name]) is not None:
        found.append(above)
        name = above
    return found


def _tree(scope: Scope) -> Iterator[str]:
    waiting = ["/"]
    while waiting:
        for stat in scope.list_dir(waiting.pop()):
            if stat.is_dir:
                waiting.append(stat.path)
                yield f"  {stat.path}/"
            else:
                yield f"  {stat.path} {scope.read_bytes(stat.path)} {stat.tags} {stat.scope.partition('/')[2]}"


def transcript(hive: Hivemind, seed: int) -> str:
    """What happens in the world of a seed."""
    return World(hive, seed).play()


def digest(text: str) -> str:
    """Eight hexadecimal digits that stand for a transcript."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def main(*arguments: str) -> None:
    """As the first lines of this module say."""
    import tempfile

    with tempfile.TemporaryDirectory() as place, Hivemind.open(place, durability="normal") as hive:
        if arguments[0] == "record":
            for seed in range(int(arguments[1]), int(arguments[2])):
                print(digest(transcript(hive, seed)))
        else:
            print(transcript(hive, int(arguments[0])))


if __name__ == "__main__":
    main(*sys.argv[1:])
