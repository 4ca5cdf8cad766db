"""What the two sides of a promotion began with: where a file of the source comes from, and what it had seen."""

from __future__ import annotations

from pydantic_hivemind.base.paths import ancestors_of
from pydantic_hivemind.ledger import history, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.history import Past
from pydantic_hivemind.ledger.overlay import Chain, Head
from pydantic_hivemind.ledger.schema import Kind


class Origins:
    """Looks up the past of files, for a source's chain and the part of it that starts with the receiving scope."""

    def __init__(self, tx: Transaction, source: Chain, target: Chain) -> None:
        self._tx = tx
        self._source = source
        self._target = target

    def base(self, head: Head, seen: Head | None) -> tuple[Past, bytes] | None:
        """The version that both sides share: what the source's file began as, and what the target's comes from too."""
        base = self._shared(head.path, head.origin, seen)
        if base is None or base[0].scope_id == self._target[0] or (seen is not None and seen.kind != Kind.FILE):
            return base
        there = seen or self._hiding(head.path)
        if there is None or self._comes_from(there, base[0]):
            return base
        # Promoted past the target, it became a change of what was received there, which the target has not seen.
        for past in history.states(self._tx, self._source[:1], head.path):
            if past.kind not in (Kind.FILE, Kind.WHITEOUT):
                break
            earlier = self._shared(head.path, past.origin, seen)
            if past.origin is None or (earlier is not None and self._comes_from(there, earlier[0])):
                return earlier
        return base

    def is_unchanged(self, base: tuple[Past, bytes] | None, seen: Head) -> bool:
        """Whether the target's file is still what both sides began with."""
        return base is not None and (seen.version == base[0].version or base[1] == overlay.content(self._tx, seen))

    def has_changed(self, seen: Head, since: int | None) -> bool:
        """Whether a file of the target is another than the source saw when a version was the newest."""
        moment = since or 0
        if seen.version <= moment and seen.scope_id == self._source[1]:
            return False
        # It may have come up the chain since then, unchanged; or a nearer scope may have shown another then.
        shown = history.seen_at(self._tx, self._source[1:], seen.path, moment)
        return shown is None or not self.is_unchanged(self._shared(seen.path, shown.version, seen), seen)

    def _shared(self, path: str, version: int | None, seen: Head | None) -> tuple[Past, bytes] | None:
        """A version the source saw, followed up to the target's chain or to what it has."""
        while version is not None:
            past, data = history.one(self._tx, self._source, version) or (None, None)
            if past is None or data is None or past.path != path:
                return None
            if past.scope_id in self._target:
                return past, data
            if seen is not None and seen.kind == Kind.FILE and data == overlay.content(self._tx, seen):
                # The target has it with tags of its own.
                shared, _ = history.one(self._tx, self._target, seen.version) or (past, data)
                return shared, data
            version = past.origin
        return None

    def _comes_from(self, there: Head, past: Past) -> bool:
        """Whether what the target has is no nearer than a version is, or came after it was seen there."""
        if past.scope_id not in self._target[self._target.index(there.scope_id) + 1 :]:
            return True
        origin = there.origin
        while origin is not None and there.kind == Kind.FILE:
            found = history.one(self._tx, self._target, origin)
            if found is None or found[0].scope_id == past.scope_id:
                return found is not None and origin >= past.version
            origin = found[0].origin
        return there.kind != Kind.FILE and (origin or 0) >= past.version

    def _hiding(self, path: str) -> Head | None:
        """What the target has in the place of a file that it does not show."""
        for layer in overlay.entry(self._tx, self._target, path).layers:
            for place in (path, *ancestors_of(path)):
                if place in layer and layer[place].blocks:
                    return layer[place]
        return None
