"""What an error of PostgreSQL means, and what to do about it."""

from __future__ import annotations

from typing import Any

from pydantic_hivemind.errors import (
    HivemindError,
    NotALedger,
    ScopeExists,
    ScopeGone,
    StoreBusy,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnreachable,
)

_REFUSALS = (
    (
        ("password authentication failed", "no password supplied", "authentication failed"),
        "the database server rejects the user or its password; check them in the URL, PGPASSWORD or ~/.pgpass",
    ),
    (("not permitted to log in",), "the database user may not log in; ALTER ROLE ... LOGIN, or use another user"),
    (("permission denied for database",), "the database user may not use this database; GRANT CONNECT ON DATABASE"),
    (
        ("no pg_hba.conf entry", "rejects connection"),
        "the database server admits no such user from this host to this database; see its pg_hba.conf",
    ),
    (
        ("too many connections", "remaining connection slots", "too many clients"),
        "the database server has no connection left; raise max_connections, or end some",
    ),
    (
        ("resolve host", "translate host name"),
        "the host of the database server is not known; check its name in the URL, or PGHOST",
    ),
    (
        ("Connection refused", "No such file or directory"),
        "no database server answers at this host and port; start it, or check both in the URL",
    ),
    (("timeout", "timed out"), "the database server did not answer in time; check the host, and firewalls on the way"),
    (("SSL", "certificate"), "the database server and this process do not agree on SSL; check sslmode in the URL"),
    (("starting up", "shutting down", "in recovery"), "the database server is starting or stopping; try again"),
)
"""What is in the text of an error at connecting, which has no code, and what it means. Names are not shown: the text
also has those of hosts."""

_ABSENT = (
    ("database", "the server has no database of that name; create it with `createdb`, or check the URL"),
    ("role", "the server has no user of that name; create it with `createuser`, or check the URL"),
)

GRANTS = (
    "GRANT USAGE ON SCHEMA hivemind, and SELECT, INSERT, UPDATE, DELETE ON ALL TABLES and USAGE ON ALL SEQUENCES in it"
)
"""What a user of the database needs to use a store that another one made."""


def meaning(psycopg: Any, error: BaseException) -> HivemindError:
    """Return what an error of psycopg's means."""
    errors = psycopg.errors
    meanings: tuple[tuple[tuple[type[Exception], ...], HivemindError], ...] = (
        ((errors.DiskFull,), StoreFull("no space is left for the store; free some and try again")),
        (
            (errors.ReadOnlySqlTransaction,),
            StoreReadOnly("the database takes no writes, as a standby does; connect to the primary server"),
        ),
        ((errors.InsufficientPrivilege,), lacks_permission(error)),
        (
            (errors.LockNotAvailable, errors.QueryCanceled, errors.DeadlockDetected),
            StoreBusy("the store is busy with the writes of other processes; try again"),
        ),
        ((errors.ForeignKeyViolation,), ScopeGone("the scope was destroyed; ask the hive for it again")),
        ((errors.UniqueViolation,), ScopeExists("the name was created by another process at the same time; try again")),
        (
            (errors.ProgramLimitExceeded,),
            StoreError("a path or id is too long for PostgreSQL, whose limit is 2,600 bytes; use a shorter one"),
        ),
        ((psycopg.DataError,), StoreError("PostgreSQL cannot store NUL in ids and metadata; remove it")),
        (
            (errors.UndefinedTable, errors.UndefinedColumn),
            NotALedger(
                "tables of the store are not visible: the database user has no USAGE on the schema 'hivemind', or they "
                f"were dropped; {GRANTS}, or restore a backup"
            ),
        ),
        (
            (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout),
            StoreUnreachable(_refusal(str(error))),
        ),
    )
    known = (meaning for kinds, meaning in meanings if isinstance(error, kinds))
    return next(known, StoreError(f"the database failed ({type(error).__name__}); see the server's log"))


def lacks_permission(error: BaseException | None = None) -> StoreReadOnly:
    """Return the error for a user of the database who may not do something."""
    said = getattr(getattr(error, "diag", None), "message_primary", None)
    return StoreReadOnly(
        f"the database user lacks a permission{f' ({said})' if said else ''}; {GRANTS}, or for who makes the store "
        "GRANT CREATE ON DATABASE"
    )


def _refusal(text: str) -> str:
    """Return why a connection was refused, or lost."""
    for kind, meaning in _ABSENT:
        if f'{kind} "' in text and "does not exist" in text:
            return meaning
    said = (meaning for parts, meaning in _REFUSALS if any(part in text for part in parts))
    return next(said, "the database server cannot be reached, or closed the connection; check it and try again")
