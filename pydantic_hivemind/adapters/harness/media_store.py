"""`HivemindMediaStore`: media of messages in a scope, for the harness."""

# Where the harness is not installed its types are unknown.
# pyright: reportMissingImports=false, reportUnknownParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic_hivemind.adapters.harness.run_bound import RunBound
from pydantic_hivemind.errors import FileTooLarge
from pydantic_hivemind.hive.scope_records import RecordsInTransaction, ScopeRecords
from pydantic_hivemind.limits import MAX_FILE_BYTES

if TYPE_CHECKING:
    from pydantic_ai_harness.media import MediaContext

    from pydantic_hivemind.hive.scope import Scope


class HivemindMediaStore(RunBound):
    """Media in a scope, by the hash of their content: `externalize_media(..., media_store=HivemindMediaStore())`.

    Knowing a hash is not enough to read: what another scope stored is not found.

    Args:
        scope: The scope, for use outside of runs; by default, in each run, that of the run's `deps.backend`.

    Raises:
        ImportError: pydantic-ai-harness is not installed.
    """

    needs = "media"

    async def put(self, data: bytes, *, context: MediaContext | None = None) -> str:
        """Store bytes, and return their URI. Metadata of the first time is kept.

        Raises:
            FileTooLarge: They exceed `MAX_FILE_BYTES`.
            UserError: There is no scope.
        """
        from pydantic_ai_harness.media import media_uri_for

        if len(data) > MAX_FILE_BYTES:
            raise FileTooLarge(f"media of {len(data)} bytes exceed the limit of {MAX_FILE_BYTES}; store them elsewhere")
        uri = media_uri_for(data)
        said = json.dumps(dict(context.metadata) if context else {}).encode()

        def store(held: RecordsInTransaction) -> None:
            if held.get(uri) is None:
                held.put(uri, b"%d\n" % len(said) + said + data)

        await self._do(lambda scope: _records(scope).change(store))
        return uri

    async def get(self, uri: str, *, context: MediaContext | None = None) -> bytes:  # noqa: ARG002 - by the protocol
        """Return the bytes of a URI.

        Raises:
            FileNotFoundError: They are not in the scope.
            ValueError: It is not a URI of media.
            UserError: There is no scope.
        """
        return (await self._found(uri))[1]

    async def exists(self, uri: str, *, context: MediaContext | None = None) -> bool:  # noqa: ARG002 - by the protocol
        """Return whether the scope has the bytes of a URI.

        Raises:
            ValueError: It is not a URI of media.
            UserError: There is no scope.
        """
        try:
            await self._found(uri)
        except FileNotFoundError:
            return False
        return True

    async def public_url(self, uri: str, *, context: MediaContext | None = None) -> str | None:  # noqa: ARG002
        """Return `None`: media of a scope have no address that anybody may read."""
        return None

    async def get_metadata(self, uri: str, *, context: MediaContext | None = None) -> Mapping[str, str]:  # noqa: ARG002
        """Return the metadata with which the bytes of a URI were stored.

        Raises:
            FileNotFoundError: They are not in the scope.
            ValueError: It is not a URI of media.
            UserError: There is no scope.
        """
        return json.loads((await self._found(uri))[0])

    async def _found(self, uri: str) -> tuple[bytes, bytes]:
        from pydantic_ai_harness.media import parse_media_uri

        parse_media_uri(uri)
        stored = await self._do(lambda scope: _records(scope).read(lambda held: held.get(uri)))
        if stored is None:
            raise FileNotFoundError(f"media not found: {uri}")
        length, _, rest = stored.partition(b"\n")
        return rest[: int(length)], rest[int(length) :]


def _records(scope: Scope) -> ScopeRecords:
    return ScopeRecords(scope, "media")
