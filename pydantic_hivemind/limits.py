"""Every limit that a caller can meet, with its unit and its reason.

Import them to size what you send; they are constants of a release, and not settings.
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_TOKEN_TTL",
    "KEPT_VERSIONS",
    "MAX_CHAIN_LENGTH",
    "MAX_FILE_BYTES",
    "MAX_INDEXED_BYTES",
    "MAX_NAME_BYTES",
    "MAX_OPERATION_ID_CHARS",
    "MAX_PATH_BYTES",
    "MAX_PATH_NAMES",
    "MAX_SCOPE_NAME_CHARS",
    "MAX_TAGS",
    "MAX_TAG_CHARS",
    "MAX_TTL",
    "OPERATION_ID_SECONDS",
]


# -- paths ---------------------------------------------------------------------------------------------

MAX_NAME_BYTES = 255
"""Longest name between two slashes, in UTF-8 bytes: the limit of the file systems `export` writes to."""

MAX_PATH_BYTES = 4096
"""Longest path, in UTF-8 bytes: `PATH_MAX` of Linux."""

MAX_PATH_NAMES = 128
"""Most names in a path. Every operation looks at each directory above it."""

# -- files ---------------------------------------------------------------------------------------------

MAX_FILE_BYTES = 256 << 20
"""Largest file, in bytes. A file is read and written whole, and SQLite ends at a gigabyte."""

MAX_TAGS = 64
"""Most tags of one file."""

MAX_TAG_CHARS = 128
"""Longest tag, in characters."""

MAX_INDEXED_BYTES = 1 << 20
"""Largest file that can be searched, if a mount says nothing else: a megabyte of text is a book. What is larger is
data or a log, of which each edit would be cut and counted anew."""

KEPT_VERSIONS = 20
"""Versions kept of each path of a scope, beside those that a live child started from."""

OPERATION_ID_SECONDS = 7 * 24 * 3600
"""How long a receipt is kept: longer than any retry, short enough that they do not pile up."""

MAX_OPERATION_ID_CHARS = 512
"""Longest operation id, in characters."""

# -- scopes --------------------------------------------------------------------------------------------

MAX_SCOPE_NAME_CHARS = 512
"""Longest name of a scope, in characters."""

MAX_CHAIN_LENGTH = 16
"""Longest chain. A read looks at every scope of it."""

MAX_TTL = 10 * 365 * 24 * 3600.0
"""Longest ttl of a scope or token, in seconds: ten years, which every clock and library can count."""

DEFAULT_TOKEN_TTL = 30 * 24 * 3600.0
"""Seconds that a token lasts if nothing else is said: a month, so that a forgotten one does no harm for long."""
