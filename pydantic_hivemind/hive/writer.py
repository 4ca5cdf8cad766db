"""`ScopeWriter`: the operations that change the files of a scope."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from pydantic_hivemind.base.paths import normalize
from pydantic_hivemind.base.values import Edited, File, Stat
from pydantic_hivemind.base.version_names import Expected
from pydantic_hivemind.errors import MergeConflict, VersionNotFound
from pydantic_hivemind.hive.reader import ScopeReader
from pydantic_hivemind.hive.text_edits import replaced
from pydantic_hivemind.hive.utf8 import encoded
from pydantic_hivemind.ledger import files, history, idempotency, overlay
from pydantic_hivemind.ledger.engine.database import Transaction
from pydantic_hivemind.ledger.idempotency import Result
from pydantic_hivemind.ledger.layer import Cause
from pydantic_hivemind.ledger.overlay import Overlay
from pydantic_hivemind.ledger.schema import Kind
from pydantic_hivemind.merging.three_way import Merged, merge
from pydantic_hivemind.promotion import revert


class ScopeWriter(ScopeReader):
    """The operations that change files: each is one transaction on the scope's own layer."""

    __slots__ = ()

    def write_bytes(
        self,
        path: str,
        data: bytes | bytearray | memoryview,
        *,
        tags: str | Sequence[str] | None = None,
        expected_version: Expected | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Write a file, creating parent directories as needed.

        Args:
            path: Path of the file.
            data: The new content.
            tags: The new tags of the file; if omitted, it keeps its tags.
            expected_version: Write only if this is the visible version; 0 means "no file".
            operation_id: Makes a retry safe.

        Raises:
            InvalidPath: The path is not valid.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            FileTooLarge: The content exceeds `MAX_FILE_BYTES`.
            InvalidTag: A tag is not valid, or there are too many.
            VersionConflict: The file is not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)
        # Text would be stored as text, and come back as such where bytes are expected.
        data = data if type(data) is bytes else memoryview(data).tobytes()

        def write(tx: Transaction) -> Stat:
            return self._put(tx, path, data, Cause("write"), tags=tags, expected_version=expected_version)

        return self._change(write, operation_id, "write", path, data, tags and files.tag_list(tags))

    def write_text(
        self,
        path: str,
        text: str,
        *,
        tags: str | Sequence[str] | None = None,
        expected_version: Expected | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Write a file of UTF-8 text, with line ends unchanged. Otherwise as `write_bytes`.

        Raises:
            NotText: The text contains a lone surrogate, or is not a `str`.
            InvalidPath: The path is not valid.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            FileTooLarge: The text exceeds `MAX_FILE_BYTES`.
            InvalidTag: A tag is not valid, or there are too many.
            VersionConflict: The file is not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        return self.write_bytes(
            path, encoded(text), tags=tags, expected_version=expected_version, operation_id=operation_id
        )

    def edit(
        self,
        path: str,
        old: str,
        new: str,
        *,
        replace_all: bool = False,
        expected_version: Expected | None = None,
        operation_id: str | None = None,
    ) -> Edited:
        """Replace text in a file in one transaction, so that two concurrent edits both take effect.

        The file keeps its line ends: what replaces a text has those that are there.

        Args:
            path: Path of the file.
            old: The text to replace, as in the file or else with other line ends. Empty text is that of an empty file.
            new: The replacement.
            replace_all: Whether to replace every occurrence; otherwise there must be exactly one.
            expected_version: Edit only if this is the visible version.
            operation_id: Makes a retry safe.

        Raises:
            EditError: `old` does not occur in the file, or occurs more than once and `replace_all` is false.
            NotText: The file is not UTF-8 text, or `new` contains a lone surrogate.
            FileTooLarge: The result would exceed `MAX_FILE_BYTES`.
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            VersionConflict: The file is not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)

        def edit(tx: Transaction) -> Edited:
            view, data = overlay.file(tx, self._row.chain, path)
            if data is None:
                raise self._no_file(view, path)
            changed, count = replaced(path, data, old, new, everywhere=replace_all)
            stat = self._put(tx, path, changed, Cause("edit"), view=view, expected_version=expected_version)
            return Edited(stat, count)

        return self._change(edit, operation_id, "edit", path, old, new, replace_all)

    def merge(self, path: str, data: bytes, *, base: File | None, operation_id: str | None = None) -> Stat:
        """Write content that was derived from `base`, merging it with concurrent changes.

        Args:
            path: Path of the file.
            data: The new content.
            base: The file as it was read; `None` if it did not exist.
            operation_id: Makes a retry safe.

        Raises:
            MergeConflict: Both sides changed the same lines, in a mount without `union`; or so many lines that
                comparing them would take too long.
            InvalidPath: The path is not valid.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            FileTooLarge: The result would exceed `MAX_FILE_BYTES`.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)
        before, union = base.data if base else None, self._mounts.of(path).union

        @lru_cache(maxsize=1)
        def merged_into(now: bytes | None) -> Merged:
            return merge(path, before, now, data, union=union)

        # Here nobody has to wait for it; in the transaction it is done again only if the file has changed meanwhile.
        with self._database.read(self._row.chain) as tx:
            _, found = overlay.file(tx, self._row.chain, path)
        merged_into(found)

        def write(tx: Transaction) -> Stat:
            view, now = overlay.file(tx, self._row.chain, path)
            merged = merged_into(now)
            if merged.conflict or merged.data is None:
                where = "in the same lines" if merged.compared else "in too many lines to merge"
                raise MergeConflict(f"{path!r} changed {where} since it was read; read it again")
            return self._put(tx, path, merged.data, Cause("write" if merged.data == data else "merge"), view=view)

        return self._change(write, operation_id, "merge", path, data, base and base.stat.version)

    def make_dir(self, path: str, *, expected_version: Expected | None = None, operation_id: str | None = None) -> None:
        """Create a directory and its parents; an existing directory is left unchanged.

        Raises:
            InvalidPath: The path is not valid.
            PathExists: The path is a file.
            NotADirectory: A parent of the path is a file.
            VersionConflict: `expected_version` is not 0.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)

        def make(tx: Transaction) -> None:
            view = overlay.entry(tx, self._row.chain, path)
            files.make_dir(tx, self._row.chain, view, path, expected_version=expected_version)

        self._change(make, operation_id, "make_dir", path)

    def remove(self, path: str, *, expected_version: Expected | None = None, operation_id: str | None = None) -> None:
        """Remove a file, or a directory and everything in it. What ancestors have at the path is hidden.

        Raises:
            InvalidPath: The path is not valid, or is the root.
            PathNotFound: No such file or directory exists.
            NotADirectory: A parent of the path is a file.
            VersionConflict: The file is not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)

        def remove(tx: Transaction) -> None:
            files.remove(tx, self._row.chain, path, Cause("delete"), expected_version=expected_version)

        self._change(remove, operation_id, "remove", path)

    def tag(
        self,
        path: str,
        tags: str | Sequence[str],
        *,
        expected_version: Expected | None = None,
        operation_id: str | None = None,
    ) -> Stat:
        """Replace the tags of a file. This makes a new version with the same content.

        Args:
            path: Path of the file.
            tags: The new tags; an empty list removes all.
            expected_version: Change the tags only if this is the visible version.
            operation_id: Makes a retry safe.

        Raises:
            InvalidTag: A tag is not valid, or there are too many.
            InvalidPath: The path is not valid.
            PathNotFound: No such file exists.
            IsADirectory: The path is a directory.
            NotADirectory: A parent of the path is a file.
            VersionConflict: The file is not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)

        def retag(tx: Transaction) -> Stat:
            view, data = overlay.file(tx, self._row.chain, path)
            if data is None:
                raise self._no_file(view, path)
            return self._put(tx, path, data, Cause("tag"), view=view, tags=tags, expected_version=expected_version)

        return self._change(retag, operation_id, "tag", path, files.tag_list(tags))

    def restore(
        self,
        path: str,
        version: Expected | None = None,
        *,
        expected_version: Expected | None = None,
        operation_id: str | None = None,
    ) -> Stat | None:
        """Restore an earlier version of a file, or undo this scope's last change of it.

        Args:
            path: Path of the file.
            version: Name of the version to restore. If omitted, the last change of this scope is undone.
            expected_version: Restore only if this is the visible version.
            operation_id: Makes a retry safe.

        Returns:
            The stat of the file, or `None` if there is no file afterwards.

        Raises:
            InvalidPath: The path is not valid.
            VersionNotFound: No such version is kept, or this scope has not changed the path.
            IsADirectory: The last change made or removed a directory of this scope, or the path is a directory now.
            NotADirectory: A parent of the path is a file.
            VersionConflict: The path is a directory now, or not at the expected version.
            OperationConflict: The operation id was used for something else.
        """
        path = normalize(path)

        def restore(tx: Transaction) -> Stat | None:
            view = overlay.entry(tx, self._row.chain, path)
            files.check_version(tx, view.find(path), expected_version, path)
            if version is None:
                revert.undo(tx, self._row.chain, path)
            else:
                found = history.named(tx, self._row.chain, path, version)
                if found is None:
                    raise VersionNotFound(
                        f"{path!r} has no version {version}, or it is no longer kept; see its history"
                    )
                past, data = found
                if data is None:
                    if view.find(path) is not None:
                        files.remove(tx, self._row.chain, path, Cause("restore"))
                else:
                    self._put(tx, path, data, Cause("restore"), view=view, tags=overlay.decode_tags(past.tags))
            head = overlay.entry(tx, self._row.chain, path).find(path)
            return None if head is None or head.kind == Kind.DIRECTORY else self._stat_of(head)

        return self._change(restore, operation_id, "restore", path, version)

    # -- helpers -------------------------------------------------------------------------------

    def _change(self, work: Callable[[Transaction], Result], operation_id: str | None, *arguments: object) -> Result:
        """Do some work in one transaction, or return what its operation id did before."""
        with self._database.write(self._row.chain) as tx:
            if operation_id is not None:
                # Otherwise whatever reads the path finds out, with the same query.
                overlay.check_alive(tx, self._row.chain)
            outcome = idempotency.once(tx, self._row.id, operation_id, arguments, lambda: work(tx))
        self._search_service.touched(self._row.chain)
        return outcome

    def _put(
        self,
        tx: Transaction,
        path: str,
        data: bytes,
        cause: Cause,
        *,
        view: Overlay | None = None,
        tags: str | Sequence[str] | None = None,
        expected_version: Expected | None = None,
    ) -> Stat:
        view = view or overlay.entry(tx, self._row.chain, path)
        head = files.put(tx, self._row.chain, view, path, data, cause, tags=tags, expected_version=expected_version)
        return self._stat_of(head)
