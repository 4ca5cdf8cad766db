"""The values that scopes return. All are immutable."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

ChangeKind = Literal["added", "modified", "deleted", "directory"]
"""What a scope did to a path of its ancestors; `directory` is a new directory."""

ChangeOutcome = Literal["applied", "merged", "conflict"]
"""What a promotion does with a change: takes it as it is, merges it with a change of the ancestor's, or fails, as both
changed the same."""

Strategy = Literal["merge", "ours", "theirs"]
"""How a conflict is settled, in the words of a `git merge` run in the target:
`merge` fails, `ours` keeps the target's side, `theirs` takes the side that is promoted."""


class Stat(NamedTuple):
    """What is known of a file or directory without reading it.

    Attributes:
        path: Absolute path in the scope.
        is_dir: Whether it is a directory.
        size: Bytes; 0 for a directory.
        version: The file version's number; 0 for a directory.
        tags: Sorted.
        created_at: Seconds since the epoch.
        modified_at: Seconds since the epoch.
        scope: Name of the scope in the chain that holds it.
    """

    path: str
    is_dir: bool
    size: int
    version: int
    tags: tuple[str, ...]
    created_at: float
    modified_at: float
    scope: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class File:
    """A file's bytes together with the stat they belong to, read at one moment."""

    stat: Stat
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as UTF-8.

        Raises:
            UnicodeDecodeError: They are not.
        """
        return self.data.decode()


@dataclass(frozen=True, slots=True)
class Edited:
    """The outcome of `Scope.edit`: the new stat and how many places were replaced."""

    stat: Stat
    occurrences: int


class Match(NamedTuple):
    """One line that `Scope.grep` found; `line_number` counts from 1."""

    path: str
    line_number: int
    line: str


Matched = Literal["dense", "lexical"]
"""Why a passage was found: it is near in meaning, or it has words of the query."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that `Scope.search` found.

    Attributes:
        path: The file.
        text: The passage, exactly as it is in the file.
        lines: Its first and last line, from 1.
        score: From 0 to 1, within one search: 1 is both the nearest and the one with the best words.
        similarity: How near it is in meaning, whatever else was found: the cosine of its vector and that of the query,
            from -1 to 1. What is near depends on the embedder. `None` where one of them has no vector.
        scope: Name of the scope of the chain that holds it.
        matched: Why it was found; empty for a search without a query.
        version: The file version's number.
        tags: The file's, sorted.
        modified_at: When the file changed last, in seconds since the epoch.
    """

    path: str
    text: str
    lines: tuple[int, int]
    score: float
    similarity: float | None
    scope: str
    matched: tuple[Matched, ...]
    version: int
    tags: tuple[str, ...]
    modified_at: float


class Hits(list[Hit]):
    """What `Scope.search` found, best first.

    Attributes:
        degraded: Why the search went by words alone; `None` for one that did not.
    """

    def __init__(self, hits: Iterable[Hit] = (), degraded: str | None = None) -> None:
        super().__init__(hits)
        self.degraded = degraded


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of `Scope.history`.

    Attributes:
        version: Its number.
        path: The file.
        action: `write`, `edit`, `tag`, `restore`, `merge`, `promote` or `delete`.
        size: Bytes; 0 for a deletion.
        tags: Sorted.
        created_at: Seconds since the epoch.
        scope: Name of the scope of the chain that made it.
        source: For a promotion, the name of the scope it came from, if that is one of the reader's chain or below the
            reader, or the reader is what received it.
        promotion: For a promotion, the id of its report.
    """

    version: int
    path: str
    action: str
    size: int
    tags: tuple[str, ...]
    created_at: float
    scope: str
    source: str | None
    promotion: str | None

    @property
    def is_deletion(self) -> bool:
        """Whether the file was removed at this point."""
        return self.action == "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """What a promotion would change in an ancestor. `before` and `after` are `None` where there is no file.

    Attributes:
        path: The file or directory.
        kind: What is done to it.
        before: What the ancestor has now.
        after: What it would have; for a conflict, what the scope has.
        tags: Those it would have, sorted.
        outcome: How it comes about.
    """

    path: str
    kind: ChangeKind
    before: bytes | None
    after: bytes | None
    tags: tuple[str, ...] = ()
    outcome: ChangeOutcome = "applied"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that both sides changed; a side without a file is `None`.

    `ours` is the target's side and `theirs` the promoted one.
    """

    path: str
    base: bytes | None
    ours: bytes | None
    theirs: bytes | None


@dataclass(frozen=True, slots=True)
class PromotionReport:
    """What a promotion did, or with `dry_run` would do.

    Attributes:
        id: The promotion's id, which `Scope.revert` and `history` know it by.
        source: Name of the promoted scope.
        target: Name of the scope that received.
        dry_run: Whether nothing was written.
        applied: Paths taken as they are.
        merged: Paths merged with a change on the target's side.
        deleted: Paths removed from the target.
        skipped: Paths left behind: filtered out, or the same on both sides already.
        conflicts: Paths that both sides changed. Settled by the strategy, or with `merge` the reason
            why nothing was promoted.
    """

    id: str
    source: str
    target: str
    dry_run: bool
    applied: tuple[str, ...]
    merged: tuple[str, ...]
    deleted: tuple[str, ...]
    skipped: tuple[str, ...]
    conflicts: tuple[Conflict, ...]


@dataclass(frozen=True, slots=True)
class Mutation:
    """What a change of a `Notebook` did.

    Attributes:
        version: The number of the version it wrote; `None` for a removal.
        existed: Whether there was a file before.
        replayed: Whether it was done before, and nothing now.
    """

    version: int | None
    existed: bool
    replayed: bool = False


Outcome = Stat | Edited | PromotionReport | Mutation | list[str] | None
"""What a change of a scope returns, and a receipt keeps."""


@dataclass(frozen=True, slots=True)
class ScopeInfo:
    """A scope as `Hivemind.scopes` lists it. Times are seconds since the epoch."""

    name: str
    parent: str | None
    session: bool
    created_at: float
    expires_at: float | None


Part = Literal["ledger", "locks", "access", "collections", "orphans", "versions"]
"""What of a store `Hivemind.check` looks at: the database, whether it can be written now, who can read it, Chroma's
directories, those that belong to no scope, and those that another version made."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that `Hivemind.check` found wrong.

    Attributes:
        part: What is concerned.
        problem: What is wrong with it.
        remedy: What to do about it.
        mendable: Whether `Hivemind.sweep` mends it.
    """

    part: Part
    problem: str
    remedy: str
    mendable: bool = False
