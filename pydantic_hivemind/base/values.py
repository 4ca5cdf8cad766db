"""The immutable values that scopes return: dataclasses that a FastAPI handler can return as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, SupportsIndex, overload

from pydantic_hivemind.base.json_values import JsonBytes
from pydantic_hivemind.base.version_names import VersionName

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

ChangeKind = Literal["added", "modified", "deleted", "directory"]
"""What a scope did to a path of its ancestors; `directory` means a new directory."""

ChangeOutcome = Literal["applied", "merged", "conflict"]
"""What a promotion does with a change: applies it, merges it with a change of the target, or reports a conflict."""

OnConflict = Literal["fail", "keep_target", "take_source"]
"""What a promotion does where both sides changed the same lines: `fail` promotes nothing, `keep_target` keeps the
target's side, and `take_source` takes the source's side."""


@dataclass(frozen=True, slots=True)
class Stat:
    """Metadata of a file or directory.

    Attributes:
        path: Absolute path in the scope.
        is_dir: Whether it is a directory.
        size: Size in bytes; 0 for a directory.
        version: Name of the file version, compared for equality only; 0 for a directory.
        tags: Tags of the file, sorted.
        created_at: Creation time, in seconds since the epoch.
        modified_at: Time of the last change, in seconds since the epoch.
        scope: Name of the scope in the chain that holds the entry.
    """

    path: str
    is_dir: bool
    size: int
    version: VersionName
    tags: tuple[str, ...]
    created_at: float
    modified_at: float
    scope: str

    @property
    def name(self) -> str:
        """Last name of the path; empty for the root."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class File:
    """Content of a file and the stat of the same version, read in one transaction.

    Attributes:
        stat: Metadata of the version that was read.
        data: Content in bytes.
    """

    stat: Stat
    data: JsonBytes

    @property
    def text(self) -> str:
        """Content decoded as UTF-8.

        Raises:
            UnicodeDecodeError: The content is not UTF-8.
        """
        return self.data.decode()


@dataclass(frozen=True, slots=True)
class Edited:
    """Result of `Scope.edit`.

    Attributes:
        stat: Metadata of the new version.
        occurrences: Number of replacements.
    """

    stat: Stat
    occurrences: int


@dataclass(frozen=True, slots=True)
class Match:
    """One line that `Scope.grep` matched.

    Attributes:
        path: Path of the file.
        line_number: Line number, from 1.
        line: Text of the line without its line end.
    """

    path: str
    line_number: int
    line: str


Matched = Literal["dense", "lexical"]
"""Which ranking found a passage: `dense` (similar meaning) or `lexical` (words of the query)."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage found by `Scope.search`.

    Attributes:
        path: Path of the file.
        text: Text of the passage, exactly as in the file.
        lines: First and last line of the passage, from 1.
        score: Relevance from 0 to 1, comparable within one search only. 1 means best in both rankings.
        similarity: Cosine similarity of the passage and the query, from -1 to 1, independent of the other hits. Typical
            values depend on the embedder. `None` if one of them has no vector.
        scope: Name of the scope in the chain that holds the file.
        matched: Rankings that found the passage; empty for a search without a query.
        version: Name of the file version.
        tags: Tags of the file, sorted.
        modified_at: Time of the file's last change, in seconds since the epoch.
    """

    path: str
    text: str
    lines: tuple[int, int]
    score: float
    similarity: float | None
    scope: str
    matched: tuple[Matched, ...]
    version: str
    tags: tuple[str, ...]
    modified_at: float


class Hits(list[Hit]):
    """Passages found by `Scope.search`, best first.

    Attributes:
        degraded: Why the search used the lexical ranking only; `None` if it used both.
        partial: Paths of the files that are too large to be searched as a whole: of these the beginning and the end
            are. How much that is, `Mount.indexed_bytes` says.
    """

    def __init__(self, hits: Iterable[Hit] = (), degraded: str | None = None, partial: tuple[str, ...] = ()) -> None:
        super().__init__(hits)
        self.degraded = degraded
        self.partial = partial

    @overload
    def __getitem__(self, index: SupportsIndex) -> Hit: ...

    @overload
    def __getitem__(self, index: slice) -> Hits: ...

    def __getitem__(self, index: SupportsIndex | slice) -> Hit | Hits:
        """Return a hit, or some of the hits, of which the same is true."""
        return (
            Hits(super().__getitem__(index), self.degraded, self.partial)
            if isinstance(index, slice)
            else super().__getitem__(index)
        )

    def copy(self) -> Hits:
        """Return the same hits in a new list."""
        return self[:]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a list of hits."""
        return handler.generate_schema(list[Hit])


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, as far as it is known.

    Attributes:
        token: Id of the token that was used.
        user: The user of the app or of the command.
        agent: Name of the agent.
        run: Id of the agent's run.
    """

    token: str | None = None
    user: str | None = None
    agent: str | None = None
    run: str | None = None

    def __str__(self) -> str:
        """Return it as `hivemind log` shows it: `user ada, agent main, run 7f`."""
        named = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ", ".join(f"{name} {value}" for name, value in named if value is not None)


@dataclass(frozen=True, slots=True)
class Version:
    """One entry of `Scope.history`.

    Attributes:
        version: Name of the version, compared for equality only.
        path: Path of the file.
        action: `write`, `edit`, `tag`, `restore`, `merge`, `promote` or `delete`.
        size: Size in bytes; 0 for a deletion.
        tags: Tags of the file, sorted.
        created_at: Time of the change, in seconds since the epoch.
        scope: Name of the scope in the chain that made the version.
        source: For a promotion, the name of the promoted scope. `None` if the reader may not see that name: it is
            shown for scopes of the reader's chain, for scopes below the reader, and to the scope that was promoted to.
        promotion: For a promotion, the id of its report.
        actor: Who wrote it, as far as it is known; of a promoted version, who wrote it in the source. `None` if the
            reader may not see the name of the source.
    """

    version: str
    path: str
    action: str
    size: int
    tags: tuple[str, ...]
    created_at: float
    scope: str
    source: str | None
    promotion: str | None
    actor: Actor | None = None

    @property
    def is_deletion(self) -> bool:
        """Whether this version is the removal of the file."""
        return self.action == "delete"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that a promotion would make in an ancestor. `before` and `after` are `None` if there is no file.

    Attributes:
        path: Path of the file or directory.
        kind: What is done to it.
        before: Current content in the ancestor.
        after: Content after the promotion; for a conflict, that of the scope.
        tags: Tags after the promotion, sorted.
        outcome: Whether the change is applied, merged or a conflict.
    """

    path: str
    kind: ChangeKind
    before: JsonBytes | None
    after: JsonBytes | None
    tags: tuple[str, ...] = ()
    outcome: ChangeOutcome = "applied"


class Changes(list[Change]):
    """What `Scope.diff` returns: the changes that a promotion would make, by path.

    Attributes:
        left_behind: Changed paths that would stay behind, as their mount does not travel.
    """

    def __init__(self, changes: Iterable[Change] = (), left_behind: Sequence[str] = ()) -> None:
        super().__init__(changes)
        self.left_behind = tuple(left_behind)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """As a list of changes."""
        return handler.generate_schema(list[Change])


@dataclass(frozen=True, slots=True)
class Conflict:
    """A path that both sides changed; a side without a file is `None`.

    Attributes:
        path: Path of the file.
        base: Content of the merge base; `None` if it had no file, or is not known.
        ours: Content of the target.
        theirs: Content of the source.
    """

    path: str
    base: JsonBytes | None
    ours: JsonBytes | None
    theirs: JsonBytes | None


@dataclass(frozen=True, slots=True)
class PromotionReport:
    """What a promotion did, or with `dry_run` would do.

    Attributes:
        id: Id of the promotion, for `Scope.revert` and in `history`.
        source: Name of the promoted scope.
        target: Name of the ancestor that was promoted to.
        dry_run: Whether nothing was written.
        applied: Paths copied unchanged.
        merged: Paths merged with a change of the target.
        deleted: Paths removed from the target.
        skipped: Paths that were filtered out, or are identical on both sides already.
        conflicts: Paths that both sides changed: settled by `on_conflict`, or with `fail` why nothing was promoted.
        left_behind: Changed paths that stayed in the source, as their mount does not travel; `also=` takes them along.
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
    left_behind: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mutation:
    """Result of a change made through `CasFiles`.

    Attributes:
        version: Name of the version that it wrote; `None` for a removal.
        existed: Whether the file existed before.
        replayed: Whether the operation was done before, so that nothing was changed.
    """

    version: str | None
    existed: bool
    replayed: bool = False


Outcome = Stat | Edited | PromotionReport | Mutation | list[str] | None
"""Result of a change of a scope, as it is stored for its operation id."""


@dataclass(frozen=True, slots=True)
class ScopeInfo:
    """Description of a scope, as listed by `Hivemind.scopes`.

    Attributes:
        name: Name of the scope.
        parent: Name of its parent; `None` for a root.
        session: Whether it is a session.
        created_at: Creation time, in seconds since the epoch.
        expires_at: Time at which it is removed, in seconds since the epoch; `None` if it does not expire.
    """

    name: str
    parent: str | None
    session: bool
    created_at: float
    expires_at: float | None


Part = Literal["ledger", "messages", "locks", "access", "collections", "orphans", "versions"]
"""Parts of a store that `Hivemind.doctor` examines: the database, whether it can be written now, who can read the
files, the directories of Chroma, directories that belong to no scope, and directories made by another version."""


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """What is known of a conversation without its messages.

    Attributes:
        id: Id of the conversation in its scope.
        title: Title for people, if it has one.
        messages: Number of messages.
        modified_at: Time of the last change of its messages, in seconds since the epoch.
        archived: Whether it was put aside.
        created_at: Time at which it got its first message or title, in seconds since the epoch; `None` for one that an
            earlier version of this package stored.
    """

    id: str
    title: str | None
    messages: int
    modified_at: float
    archived: bool
    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem found by `Hivemind.doctor`.

    Attributes:
        part: Part of the store that has the problem.
        problem: Description of the problem.
        remedy: What to do about it.
        mendable: Whether `Hivemind.doctor(fix=True)` repairs it.
    """

    part: Part
    problem: str
    remedy: str
    mendable: bool = False
