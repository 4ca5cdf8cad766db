"""Every limit that a caller can meet, with its unit and its reason.

Import them to size your requests. They are constants of a release, not settings.
"""

from __future__ import annotations

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
"""How much of a file is indexed for search, in bytes, if its mount sets no other limit. A megabyte of text is a book;
larger files are data or logs, of which the beginning and the end are searched."""

MAX_IMPORT_LINKS = 8
"""Maximum number of links to directories in one another that `hivemind import` follows: each may double what is
found."""

MAX_SHOWN_FILES = 200
"""Maximum number of files that `HivemindBackend.files` has: it is for looking at, not for work."""

MAX_SHOWN_BYTES = 1 << 20
"""Maximum total size of the files that `HivemindBackend.files` has, in bytes; larger ones are left out."""

MAX_LISTED_UPLOADS = 50
"""Maximum number of uploads of earlier requests that a prompt lists, the latest ones."""

MAX_NOTE_NAME_CHARS = 80
"""Maximum length of the name of a file of notes that an agent names, in characters."""

MAX_READ_CHARS = 200_000
"""Maximum number of characters that an agent's `read_file` returns, about 50,000 tokens. The answer says where to read
on."""

KEPT_VERSIONS = 20
"""Number of versions kept of each path of a scope, in addition to the versions that live children started from."""

OPERATION_ID_SECONDS = 7 * 24 * 3600
"""How long the outcome of an operation id is kept, in seconds: longer than any retry, short enough to bound the
table."""

MAX_NOTE_CHARS = 10_000
"""Longest note of a proposal or of a decision on it, in characters."""

MAX_WAITING_PROPOSALS = 100
"""Maximum number of proposals of one scope that wait at a time."""

MAX_ACTOR_CHARS = 512
"""Maximum length of each name of an actor (a token, user, agent or run), in characters."""

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

MAX_GLOB_CHARS = 200_000
"""Maximum length of all globs that one with braces stands for, in characters."""

MAX_PATTERN_STATES = 20_000
"""Maximum number of places in a pattern, with its counted repeats written out."""

MAX_AUTOMATON_BYTES = 32 << 20
"""Maximum memory of RE2 for one automaton, in bytes."""

# -- scopes --------------------------------------------------------------------------------------------

MAX_SCOPE_NAME_CHARS = 512
"""Maximum length of a scope name, in characters."""

MAX_CHAIN_LENGTH = 16
"""Maximum number of scopes in a chain. A read looks in every one of them."""

MAX_TTL = 10 * 365 * 24 * 3600.0
"""Maximum ttl of a scope or token, in seconds: ten years, which every clock and library can represent."""

MAX_LABEL_CHARS = 512
"""Maximum length of the label of a token, in characters."""

DEFAULT_TOKEN_TTL = 30 * 24 * 3600.0
"""Default ttl of a token, in seconds: 30 days, so that a forgotten token soon expires."""
# -- merging -------------------------------------------------------------------------------------------

MAX_MERGE_STEPS = 2_000_000
"""Maximum number of comparison steps for two versions of a file. They take 0.3 s (150 ns each, measured), and a merge
compares a few times. Scattered changes in 100,000 lines stay below it; the worst case is a regular pattern: every
second line changed, of 2,300 lines or more."""

MAX_UNITED_LINES = 100_000
"""Maximum number of lines, of all sides, in a region that both sides changed and whose additions are kept: about a
second of work."""

# -- search --------------------------------------------------------------------------------------------

MAX_FILTER_DEPTH = 32
"""Maximum nesting depth of the conditions of `where=`, bounded by Python's stack."""

MAX_CHUNK_CHARS = 1000
"""Maximum length of a chunk, in characters. Small sentence embedders read 256 tokens, about this much English, and
ignore the rest; embedders that average words blur longer texts."""

MAX_TERM_CHARS = 64
"""Maximum length of a term, in characters. Longer ones are not words (keys, encoded data), and are truncated."""

MAX_QUERY_TERMS = 64
"""Maximum number of query words, the rarest first, which bounds the cost of a pasted page."""

MAX_QUERY_CHARS = 8192
"""Number of characters of a query that are embedded: services reject more than 8,192 tokens, and one vector cannot
represent more."""

MAX_INDEXES = 1024
"""Maximum number of scope indexes in memory; that of an empty scope takes about 10 KB."""

MAX_INDEXED_CHUNKS = 200_000
"""Maximum number of chunks in all indexes; one takes 1.5 to 2 KB with a vector of 256 dimensions."""

MAX_EXACT_BYTES = 32 << 20
"""Maximum size of a scope's vectors that are searched exactly, in bytes: 32,768 vectors of 256 dimensions take 3 ms.
Those of a larger scope are moved to its collections in the background, and searched there."""

MAX_OPEN_COLLECTIONS = 16
"""Number of unused Chroma clients that are kept open. One with three collections takes 25 file descriptors and 15 MB
besides its vectors, and 20 ms to open again."""

MIN_FREE_BYTES = 256 << 20
"""Free disk space below which Chroma is not used, in bytes, because it hangs on a full disk. Between two checks it
writes one batch; at worst the index file grows by a fifth, which is 200 MB at a million vectors."""

# -- waiting -------------------------------------------------------------------------------------------

BUSY_SECONDS = 60
"""Time that a write waits for other writes, in seconds, before it raises `StoreBusy`; on PostgreSQL also the longest
pause in one, so that a process that stopped in the middle does not block the others. A write takes a millisecond; this
is for thousands queueing."""

TURN_SECONDS = 20.0
"""Time after which the turn of a process that was killed or stopped is over, in seconds. A live one prolongs it."""

IDLE_SECONDS = 3600
"""Time without use after which a session may be removed, in seconds: the default of pydantic-ai-backends."""

CLIENT_SECONDS = 60.0
"""Time that a client waits for a response, in seconds: the first search of a large workspace takes a while."""

# -- tools of agents and MCP ---------------------------------------------------------------------------

MAX_SEARCH_RESULT_CHARS = 4000
"""Maximum length of a search result for a model, in characters: about 1,000 tokens, as with the harness's
`search_memory`."""

TODO_SECONDS = 30 * 24 * 3600.0
"""How long the todos of a conversation are kept after the run that changed them last, in seconds: whoever returns to a
conversation after 30 days begins anew."""

MAX_SCOPE_TOOLSETS = 256
"""Number of scopes whose teams a process keeps between runs, those used last: an agent made for one takes 80 ms and
some 2 MB."""

MAX_TOOL_HITS = 50
"""Maximum number of passages that a search tool returns: more would not fit into its result."""

MAX_TOOL_RESULT_BYTES = 40_000
"""Maximum size of a tool's result, in bytes of UTF-8: about 10,000 tokens in any script, where Claude Code warns of
long results."""

MAX_TOOL_ERROR_CHARS = 2000
"""Maximum length of an error that a tool returns, in characters: it may repeat an argument."""

MAX_GREP_MATCHES = 50_000
"""Maximum number of lines that are passed to upstream's `grep` tool, which formats them on the event loop: 30 ms."""

MAX_METADATA_CHARS = 4096
"""Maximum length of a write's metadata, in characters of JSON: the limit of the harness's own stores."""

SPEND_TOKEN_SECONDS = 3600
"""Time for which a store of spending remembers a counted response, in seconds, as the harness's own stores do: a
response that is presented again later counts again."""

MAX_RECALL_HITS = 20
"""Maximum number of passages that are looked at for one prompt: more do not fit into what is recalled."""

MAX_HISTORY_HITS = 50
"""Maximum number of messages that one search of histories returns."""

HISTORY_VECTORS = 8192
"""Number of embedded messages that a process keeps for later searches of histories: 8 MB with 256 dimensions."""

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

PAGE_ITEMS = 200
"""Number of items on a page, unless the request asks for another."""

MAX_PAGE_ITEMS = 1000
"""Maximum number of items on a page: some 300 KB of stats."""

MAX_CURSOR_CHARS = 32768
"""Maximum length of a cursor, in characters: the longest path, with each byte escaped, in base64."""

MAX_SEARCH_HITS = 1000
"""Maximum number of passages that a search over HTTP returns."""

MAX_REPORTED_MISTAKES = 5
"""Maximum number of mistakes reported for one request: whoever mends those sees the next ones."""

MAX_ARCHIVE_BYTES = 256 << 20
"""Maximum size of the files that `files_router` puts into one archive, in bytes: that of one file."""

# -- console -------------------------------------------------------------------------------------------

CONSOLE_ROWS = 100
"""Number of rows of one page of the console; a link leads to the next ones."""

MAX_SHOWN_CHARS = 200_000
"""Maximum length of a file that the console shows, in characters; larger ones can be downloaded."""

MAX_COMPARED_LINES = 4_000
"""Maximum number of lines, of both sides, that the console compares: the worst case takes a second."""

MAX_FORM_BYTES = 1 << 20
"""Maximum size of a form that the console takes, in bytes: a file to save is part of one."""

MAX_FORM_FIELDS = 2_000
"""Maximum number of fields of such a form: a box for each file of a promotion."""

# -- HTTP: responses -----------------------------------------------------------------------------------

MAX_OUTGOING_BYTES = 512 << 20
"""Maximum size of all responses above 64 KiB that are being sent, in memory or in temporary files: two of the largest
files."""

SEND_SECONDS = 30.0
"""Time that a client may read nothing of a response, in seconds: half of nginx's default. Then it is disconnected."""

LEAST_SEND_RATE = 4 << 10
"""Minimum rate at which a client must read a response after `SEND_SECONDS`, in bytes per second: a slow modem's."""

MAX_STAT_CHARS = 2048
"""Maximum length of a stat that is sent as a header with a file, in characters: proxies accept headers of 4 KB, and
tags alone can be many times as long."""

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

READY_SECONDS = 1.0
"""Time that `/ready` waits for other writes, in seconds, and for which its answer holds, because each is a write to the
disk and nobody needs a token."""

SHUTDOWN_SECONDS = 5
"""Time that requests have to end when the server is told to stop, in seconds: half of what containers get before they
are killed."""
