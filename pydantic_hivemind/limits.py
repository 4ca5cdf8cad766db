"""Every limit that a caller can meet, with its unit and its reason.

Import them to size your requests. They are constants of a release, not settings.
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_TOKEN_TTL",
    "KEPT_VERSIONS",
    "MAX_CHAIN_LENGTH",
    "MAX_FILE_BYTES",
    "MAX_GLOB_ALTERNATIVES",
    "MAX_GREP_CPU_SECONDS",
    "MAX_INDEXED_BYTES",
    "MAX_NAME_BYTES",
    "MAX_OPERATION_ID_CHARS",
    "MAX_PATH_BYTES",
    "MAX_PATH_NAMES",
    "MAX_PATTERN_CHARS",
    "MAX_PATTERN_CLASSES",
    "MAX_PATTERN_DEPTH",
    "MAX_PATTERN_PARTS",
    "MAX_SCOPE_NAME_CHARS",
    "MAX_TAGS",
    "MAX_TAG_CHARS",
    "MAX_TTL",
    "OPERATION_ID_SECONDS",
    "PATTERN_CACHE_BYTES",
]


# -- paths ---------------------------------------------------------------------------------------------

MAX_NAME_BYTES = 255
"""Maximum length of one name in a path, in UTF-8 bytes: the limit of the file systems that `export` writes to."""

MAX_PATH_BYTES = 4096
"""Maximum length of a path, in UTF-8 bytes: `PATH_MAX` of Linux."""

MAX_PATH_NAMES = 128
"""Maximum number of names in a path. Every operation looks up each directory above it."""

# -- files ---------------------------------------------------------------------------------------------

MAX_FILE_BYTES = 256 << 20
"""Maximum size of a file, in bytes. A file is read and written whole, and SQLite's own limit is 1 GB."""

MAX_TAGS = 64
"""Maximum number of tags of one file."""

MAX_TAG_CHARS = 128
"""Maximum length of a tag, in characters."""

MAX_INDEXED_BYTES = 1 << 20
"""Maximum size of a file that is indexed for search, in bytes, if its mount sets no other limit. A megabyte of text is
a book; larger files are data or logs."""

KEPT_VERSIONS = 20
"""Number of versions kept of each path of a scope, in addition to the versions that live children started from."""

OPERATION_ID_SECONDS = 7 * 24 * 3600
"""How long the outcome of an operation id is kept, in seconds: longer than any retry, short enough to bound the
table."""

MAX_OPERATION_ID_CHARS = 512
"""Maximum length of an operation id, in characters."""

# -- regular expressions and globs -------------------------------------------------------------------

MAX_PATTERN_CHARS = 10_000
"""Longest regular expression or glob, in characters."""

MAX_PATTERN_PARTS = 1_000
"""Most parts of a pattern that are repeated or match several characters, with counted repeats written out: RE2 takes
about 3 ns for each of them and each byte of text, where nothing that it found out before can be used again."""

MAX_PATTERN_CLASSES = 100
"""Most different classes of characters, such as `[a-z]`, in one pattern: each is asked about each new character."""

MAX_PATTERN_DEPTH = 50
"""Most groups in one another: each takes four frames of Python's stack."""

MAX_GLOB_ALTERNATIVES = 1_000
"""Most globs that one with braces may stand for."""

MAX_GREP_CPU_SECONDS = 20.0
"""How long one search for a pattern may compute, in seconds of its own thread, so that no load of the machine counts:
the usual pattern goes through gigabytes meanwhile, the most costly one through some megabytes."""

PATTERN_CACHE_BYTES = 64 << 20
"""Most memory that a process keeps patterns in which were searched for, in bytes."""

# -- scopes --------------------------------------------------------------------------------------------

MAX_SCOPE_NAME_CHARS = 512
"""Maximum length of a scope name, in characters."""

MAX_CHAIN_LENGTH = 16
"""Maximum number of scopes in a chain. A read looks in every one of them."""

MAX_TTL = 10 * 365 * 24 * 3600.0
"""Maximum ttl of a scope or token, in seconds: ten years, which every clock and library can represent."""

DEFAULT_TOKEN_TTL = 30 * 24 * 3600.0
"""Default ttl of a token, in seconds: 30 days, so that a forgotten token soon expires."""

# -- HTTP: requests ------------------------------------------------------------------------------------

MAX_JSON_BYTES = 1 << 20
"""Maximum size of a JSON body without file content, in bytes. Parsed as a whole, it takes up to twenty times its size
of memory."""

MAX_CONTENT_BYTES = 16 << 20
"""Maximum size of a JSON body with file content, and of an MCP message, in bytes."""

MAX_INCOMING_BYTES = 512 << 20
"""Maximum size of all request bodies being received, in memory or in temporary files: two of the largest files."""

BODY_SECONDS = 20.0
"""Time to receive a request body, in seconds, before what `LEAST_BODY_RATE` adds, as with Apache's `mod_reqtimeout`."""

LEAST_BODY_RATE = 16 << 10
"""Minimum rate at which a request body must arrive after `BODY_SECONDS`, in bytes per second."""

HEAD_SECONDS = 15.0
"""Time from the opening of a connection, or the end of a response, to the end of the next request's head, in
seconds."""

# -- HTTP: responses -----------------------------------------------------------------------------------

MAX_OUTGOING_BYTES = 512 << 20
"""Maximum size of all responses above 64 KiB that are being sent, in memory or in temporary files: two of the largest
files."""

SEND_SECONDS = 30.0
"""Time that a client may read nothing of a response, in seconds: half of nginx's default. Then it is disconnected."""

LEAST_SEND_RATE = 4 << 10
"""Minimum rate at which a client must read a response after `SEND_SECONDS`, in bytes per second: a slow modem's."""

# -- HTTP: connections ---------------------------------------------------------------------------------

MAX_CONNECTIONS = 500
"""Maximum number of connections: half of the file descriptors that a process usually has."""

MAX_CONNECTIONS_PER_ADDRESS = 100
"""Maximum number of connections from one IPv4 address or one /64 network of IPv6. Loopback addresses and trusted
proxies are exempt, since all clients behind a proxy share its address."""

EVICTION_SECONDS = 2.0
"""Time without any progress, in seconds, after which a connection may be closed to make room for a new one."""

RETRY_SECONDS = 5
"""Value of `Retry-After`, in seconds, when the server has reached one of these limits."""
