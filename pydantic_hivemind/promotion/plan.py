"""Planning a promotion: what it would do, decided once for `diff`, dry runs and promotions alike.

A plan is computed from facts that were read at one moment. No lock is held meanwhile, however long the merges take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_hivemind.base.mounts import MountTable
from pydantic_hivemind.base.paths import ancestors_of, parent_of
from pydantic_hivemind.base.values import OnConflict
from pydantic_hivemind.ledger import overlay
from pydantic_hivemind.ledger.files import check_size
from pydantic_hivemind.ledger.overlay import Head
from pydantic_hivemind.ledger.promotion_facts import Facts, FileVersion, file_version
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.merging.operation_log import is_journal
from pydantic_hivemind.merging.three_way import Merged, merge, merge_tags
from pydantic_hivemind.promotion.contents import Contents
from pydantic_hivemind.promotion.draft import Content, Draft
from pydantic_hivemind.promotion.merge_base import Ancestry
from pydantic_hivemind.promotion.release import release
from pydantic_hivemind.promotion.selection import Selection
from pydantic_hivemind.promotion.steps import Clash, LeaveBehind, MakeDirectory, Plan, Remove, Skip, Step, TakeFile

EVERYTHING = Selection()

BATCH = 64
"""Files of the source whose contents are fetched at a time, where they are needed."""


@dataclass(frozen=True)
class Rules:
    """What a plan follows: the mounts, which changes to take, and what to do about conflicts."""

    mounts: MountTable
    on_conflict: OnConflict = "fail"
    selection: Selection = EVERYTHING


def plan(facts: Facts, level: int, contents: Contents, rules: Rules) -> Plan:
    """Return what promoting a scope to an ancestor does.

    Args:
        facts: Of the scope and its ancestors.
        level: How far up the chain the ancestor is; 1 is the parent.
        contents: The bytes of versions that the facts name.
        rules: Which changes to take, and how.

    Raises:
        PlanOutdated: A version that is needed was pruned meanwhile; read the facts again.
        FileTooLarge: What two sides make of a file is larger than the store takes.
        InvalidTag: What two sides make of a file's tags are too many.
    """
    planner = _Planner(facts, level, contents, rules)
    settled = planner.decide()
    steps = tuple(planner.steps)
    offered = tuple((head.path, head.version or 0) for head in facts.own if head.path in settled)
    if rules.on_conflict == "fail" and any(isinstance(step, Clash) for step in steps):
        return Plan(steps, offered=offered)
    released, followed = release(facts, level, planner.draft, contents, settled)
    changes, bases = tuple(planner.draft.changes()), tuple(planner.draft.new_bases())
    return Plan(steps, changes, bases, released, followed, offered)


class _Planner:
    """Goes through what the source has, and drafts what the target gets."""

    def __init__(self, facts: Facts, level: int, contents: Contents, rules: Rules) -> None:
        self.steps: list[Step] = []
        self.draft = Draft(facts, level)
        self._facts = facts
        self._contents = contents
        self._rules = rules
        self._ancestry = Ancestry(facts, level, self.draft.view, contents)
        self._opaque = {head.path: head for head in facts.own if head.opaque}
        self._bare = self._directories_left_empty()

    def decide(self) -> set[str]:
        """Decide on everything that is selected; the paths that are settled by that."""
        own, settled = self._facts.own, set[str]()
        for start in range(0, len(own), BATCH):
            batch = own[start : start + BATCH]
            taken = {head.path for head in batch if self._takes(head)}
            self._fetch([head for head in batch if head.path in taken])
            for head in batch:
                if head.path not in taken:
                    self._leave(head)
                    continue
                if head.kind == Kind.FILE:
                    self._file(head)
                elif head.kind == Kind.WHITEOUT:
                    self._whiteout(head)
                else:
                    self._directory(head, [other for other in overlay.within(own, head.path) if self._travels(other)])
            settled |= taken
            self._contents.forget()
        return settled

    # -- what travels ----------------------------------------------------------------------------

    def _stays_behind(self, path: str) -> bool:
        return self._rules.selection.stays_behind(path, self._rules.mounts)

    def _travels(self, head: Head) -> bool:
        """Whether a change may be promoted at all. Operation logs of memory never are."""
        return head.path not in self._bare and not is_journal(head.path) and not self._stays_behind(head.path)

    def _takes(self, head: Head) -> bool:
        if not self._travels(head):
            return False
        # What only `also` names is taken whatever the tags and paths are.
        return not self._rules.mounts.of(head.path).promotes or self._rules.selection.takes(head)

    def _leave(self, head: Head) -> None:
        if head.kind == Kind.DIRECTORY or is_journal(head.path):
            return
        self.steps.append(LeaveBehind(head.path) if self._stays_behind(head.path) else Skip(head.path))

    def _directories_left_empty(self) -> set[str]:
        """The source's directories in which it has only what stays behind; the target needs none for that."""
        own = self._facts.own
        staying = {head.path for head in own if is_journal(head.path) or self._stays_behind(head.path)}
        if not staying:
            return set()
        holding = {above for path in staying for above in ancestors_of(path)}
        parents = {parent_of(head.path) for head in own}
        needed: set[str] = set()
        for head in own:
            if head.path not in staying and (head.kind != Kind.DIRECTORY or head.path not in parents or head.opaque):
                needed.update((head.path, *ancestors_of(head.path)))
        return holding - needed

    def _fetch(self, taken: Sequence[Head]) -> None:
        """Fetch the contents that some decisions will ask for, at once."""
        needed: set[int] = set()
        for head in taken:
            if head.kind == Kind.DIRECTORY:
                continue
            seen, made_of = self.draft.find(head.path), self._ancestry.made_of(head)
            if seen is None or seen.kind != Kind.FILE:
                if head.kind == Kind.FILE and made_of:
                    needed.update((head.version, *made_of))
            elif made_of[:1] != [seen.version]:
                needed.update((seen.version, *made_of))
                needed.update((head.version,) if head.kind == Kind.FILE else ())
            elif head.kind == Kind.FILE and head.size == seen.size:
                needed.update((head.version, seen.version))
        self._contents.fetch(needed)

    # -- one change ----------------------------------------------------------------------------

    def _file(self, head: Head) -> None:
        path = head.path
        seen = self.draft.find(path)
        base = self._ancestry.base(head, seen)
        blocker = self.draft.file_above(path)
        if blocker is not None and self._was_removed(blocker):
            self._remove(blocker.path, head)
            blocker = None
        elif seen is not None and seen.kind == Kind.DIRECTORY and base is None and not self._has_newer(path, head):
            # The directory that the source removed, as it was then.
            self._remove(path, head)
            seen = None
        if blocker is not None or (seen is not None and seen.kind == Kind.DIRECTORY):
            # A file on one side stands where the other has a directory.
            self._settle_kind(head, path if blocker is None else blocker.path, base)
            return
        self._merge(head, seen, base)

    def _merge(self, head: Head, seen: Head | None, base: FileVersion | None) -> None:
        path, tags = head.path, head.tag_list()
        content, merged = self._content_of(head, seen, base)
        if merged is not None and merged.conflict:
            ours = None if seen is None else self._contents.of(seen.version)
            self._clash(head, base, ours, was_compared=merged.compared)
            if self._rules.on_conflict == "fail":
                return
        if seen is not None:
            tags = merge_tags(base.tag_list() if base is not None else (), seen.tag_list(), tags)
        stays = seen is not None and content == seen.version and tags == seen.tag_list()
        if stays or content is None:
            # Both agree, or the target's deletion is kept.
            self.steps.append(Skip(path))
            return
        if isinstance(content, bytes):
            size = len(content)
            check_size(path, size)
        else:
            size = head.size if seen is None or content == head.version else seen.size
        self.draft.put(head, content, tags, size)
        is_ours = content == head.version or (seen is not None and content == seen.version and self._same(head, seen))
        self.steps.append(TakeFile(path, seen, content, tags, merged=not is_ours))

    def _same(self, head: Head, seen: Head) -> bool:
        return self._contents.same(file_version(head), file_version(seen))

    def _content_of(self, head: Head, seen: Head | None, base: FileVersion | None) -> tuple[Content, Merged | None]:
        """What the target's file gets, and the merge that says so, if one is needed to know."""
        mine = file_version(head)
        if seen is None:
            if base is None:
                return head.version, None
            if self._contents.same(base, mine):
                return None, None
        else:
            there = file_version(seen)
            if self._contents.same(there, mine) or (base is not None and self._contents.same(base, mine)):
                return seen.version, None
            if base is not None and self._contents.same(base, there):
                return head.version, None
        began = None if base is None else self._contents.of(base.version)
        ours = None if seen is None else self._contents.of(seen.version)
        theirs = self._contents.of(head.version)
        union = self._rules.mounts.of(head.path).union
        merged = merge(head.path, began, ours, theirs, union=union, on_conflict=self._rules.on_conflict)
        if merged.data == theirs:
            return head.version, merged
        if seen is not None and merged.data == ours:
            return seen.version, merged
        return merged.data, merged

    def _whiteout(self, head: Head) -> None:
        path = head.path
        seen = None if self.draft.file_above(path) else self.draft.find(path)
        base = self._ancestry.base(head, seen)
        if seen is None or (seen.kind == Kind.DIRECTORY and base is not None):
            # Gone already; or the file that was removed is now a directory that nobody here has seen.
            self.steps.append(Skip(path))
        elif seen.kind == Kind.DIRECTORY:
            if self._remove_inside(head, spare=frozenset()):
                self._remove(path, head)
        else:
            unchanged = self._ancestry.is_unchanged(base, seen)
            if not unchanged:
                self._clash(head, base, self._contents.of(seen.version))
            if unchanged or self._rules.on_conflict == "take_source":
                self._remove(path, head)

    def _directory(self, head: Head, inside: Sequence[Head]) -> None:
        path = head.path
        seen = self.draft.find(path)
        obstacle = self.draft.file_above(path) or seen
        if obstacle is not None and obstacle.kind == Kind.FILE:
            if self._was_removed(obstacle):
                self._remove(obstacle.path, head)
                seen = self.draft.find(path)
            elif any(other.kind == Kind.FILE for other in inside):
                return  # Each file in it meets the same obstacle and reports it.
            else:
                self._settle_kind(head, obstacle.path, None)
                return
        if head.opaque and seen is not None:
            self._remove_inside(head, spare={path, *(other.path for other in inside)})
        if seen is None:
            self.draft.make_dir(path)
            self.steps.append(MakeDirectory(path, is_empty=not inside))

    # -- parts of it ---------------------------------------------------------------------------

    def _clash(
        self,
        head: Head,
        base: FileVersion | None,
        ours: bytes | None,
        *,
        stands_elsewhere: bool = False,
        was_compared: bool = True,
    ) -> None:
        theirs = self._contents.of(head.version) if head.kind == Kind.FILE else None
        began = None if base is None else self._contents.of(base.version)
        tags = head.tag_list() if head.kind == Kind.FILE else ()
        is_directory = head.kind == Kind.DIRECTORY
        self.steps.append(Clash(head.path, began, ours, theirs, tags, stands_elsewhere, is_directory, was_compared))

    def _settle_kind(self, head: Head, obstacle: str, base: FileVersion | None) -> None:
        """A file meets a directory: there is nothing to merge, only one side to choose."""
        there = self.draft.find(obstacle)
        ours = None if there is None or there.kind != Kind.FILE else self._contents.of(there.version)
        self._clash(head, base, ours, stands_elsewhere=True)
        if self._rules.on_conflict != "take_source":
            return
        self._remove(obstacle, head)
        if head.kind == Kind.DIRECTORY:
            self.draft.make_dir(head.path)
            self.steps.append(MakeDirectory(head.path, is_empty=True))
        else:
            self.draft.put(head, head.version, head.tag_list(), head.size)
            self.steps.append(TakeFile(head.path, None, head.version, head.tag_list(), merged=False))

    def _remove_inside(self, head: Head, *, spare: set[str] | frozenset[str]) -> bool:
        """Remove what the target has in a directory but for some paths; whether all of that could go."""
        inside = [other for other in self.draft.inside(head.path) if other.path not in spare]
        files = [other for other in inside if other.kind == Kind.FILE and not is_journal(other.path)]
        staying = {other.path for other in files if self._stays_behind(other.path)}
        changed = {
            other.path: other
            for other in files
            if other.path not in staying and self._ancestry.has_changed(other, head)
        }
        self._contents.fetch(other.version for other in changed.values())
        kept = staying if self._rules.on_conflict == "take_source" else staying | changed.keys()
        holding = {above for path in (*kept, *spare) for above in (path, *ancestors_of(path))}
        gone: set[str] = set()
        for other in inside:
            if other.path in changed:
                self.steps.append(Clash(other.path, None, self._contents.of(other.version), None))
            if holding and other.path not in holding and gone.isdisjoint(ancestors_of(other.path)):
                gone.add(other.path)
                self._remove(other.path, head)
        return not kept

    def _remove(self, path: str, head: Head) -> None:
        """Remove what the target has at a path, which is what the source's head stands for."""
        there = self.draft.find(path)
        inside = self.draft.inside(path) if there is not None and there.kind == Kind.DIRECTORY else []
        both = (*inside, *((there,) if there is not None else ()))
        files = (other for other in both if other.kind == Kind.FILE and not is_journal(other.path))
        self.draft.remove(path, head.version)
        if not is_journal(path):
            self.steps.append(Remove(path, tuple(files)))

    def _was_removed(self, seen: Head) -> bool:
        """Whether the source removed a file that the target still has as it was then, by itself or with a directory."""
        instead = self._opaque.get(seen.path)
        if instead is not None and self._ancestry.is_unchanged(self._ancestry.base(instead, seen), seen):
            return True
        above = (self._opaque.get(path) for path in ancestors_of(seen.path))
        return any(head is not None and not self._ancestry.has_changed(seen, head) for head in above)

    def _has_newer(self, directory: str, hiding: Head) -> bool:
        """Whether a directory of the target has files that stay, or that the source removed without having seen."""
        files = (head for head in self.draft.inside(directory) if head.kind == Kind.FILE and not is_journal(head.path))
        return any(self._stays_behind(head.path) or self._ancestry.has_changed(head, hiding) for head in files)
