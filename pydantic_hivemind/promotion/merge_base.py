"""What the two sides of a promotion began with: the newest version that both are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.ledger import merge_bases
from pydantic_hivemind.ledger.overlay import Head, Overlay
from pydantic_hivemind.ledger.promotion_facts import Facts, FileVersion, file_version
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.promotion.contents import Contents


class Ancestry:
    """Finds merge bases from what heads store, for an ancestor at a level of the chain."""

    def __init__(self, facts: Facts, level: int, view: Overlay, contents: Contents) -> None:
        self._facts = facts
        self._level_of = {scope_id: number for number, scope_id in enumerate(facts.chain)}
        self._level = level
        self._view = view
        self._contents = contents

    def made_of(self, head: Head) -> list[int]:
        """Return the versions that a head is made of, newest first."""
        if head.origin is None and (head.scope_id, head.path) not in self._facts.bases:
            return []
        known = self._facts.versions.keys()
        return sorted(merge_bases.made_of(self._facts.bases, head) & known, reverse=True)

    def base(self, head: Head, seen: Head | None) -> FileVersion | None:
        """Return the version that both sides began with.

        Args:
            head: What the source has.
            seen: What the target shows there.

        Returns:
            `None` where it is not known: then the target's side counts as added independently.
        """
        found = self._shared(self.made_of(head), head.path, seen)
        if found is None and head.origin is not None:
            # What the target has was made without it: it was there when the source began, and is not any more.
            began = self._facts.versions.get(head.origin)
            return began if began is not None and self._level_of[began.scope_id] >= self._level else None
        return found

    def is_unchanged(self, base: FileVersion | None, seen: Head) -> bool:
        """Return whether the target's file is still what both sides began with."""
        return base is not None and self._contents.same(base, file_version(seen))

    def has_changed(self, seen: Head, hiding: Head) -> bool:
        """Return whether a file of the target is another than the source had seen when it removed what is around it."""
        rows = self._facts.bases.get((hiding.scope_id, seen.path), ())
        known = sorted((row.version for row in rows if row.head == hiding.path), reverse=True)
        return not self.is_unchanged(self._shared(known, seen.path, seen), seen)

    def _shared(self, made_of: Iterable[int], path: str, seen: Head | None) -> FileVersion | None:
        for version in made_of:
            known = self._facts.versions[version]
            if self._level_of[known.scope_id] >= self._level:
                if self._is_behind(known, path, seen):
                    return known
            elif seen is not None and seen.kind == Kind.FILE and self._contents.same(known, file_version(seen)):
                # The target has received it, perhaps with tags of its own.
                return file_version(seen)
        return None

    def _is_behind(self, known: FileVersion, path: str, seen: Head | None) -> bool:
        """Whether what the target has is made of a version, or stands where that was seen."""
        if self._level_of[known.scope_id] == self._level or (seen is not None and seen.kind != Kind.FILE):
            return True
        there = seen or self._hiding(path)
        if there is None or self._level_of[there.scope_id] >= self._level_of[known.scope_id]:
            return True
        others = map(self._facts.versions.get, self._seen_by(there, path))
        return any(
            other is not None and other.scope_id == known.scope_id and other.version >= known.version
            for other in others
        )

    def _seen_by(self, there: Head, path: str) -> Sequence[int]:
        """The versions of a file that a head is made of, or hides."""
        rows = self._facts.bases.get((there.scope_id, path), ())
        known = [row.version for row in rows if row.head == there.path]
        if there.path == path and there.origin is not None:
            known.append(there.origin)
        return known

    def _hiding(self, path: str) -> Head | None:
        """What the target has in the place of a file that it does not show."""
        for layer in self._view.layers:
            for place in (path, *ancestors_of(path)):
                if place in layer and layer[place].blocks:
                    return layer[place]
        return None
