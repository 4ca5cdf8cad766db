"""The core: the hive, its scopes, and what reads them."""

# Teaches `pickle` the handles of this folder, whichever of its modules is imported first.
import pydantic_hivemind.hive.pickling  # noqa: F401  # pyright: ignore[reportUnusedImport]
