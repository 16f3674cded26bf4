"""Connections to PostgreSQL that run the statements of this package."""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Any, cast

import psycopg
from psycopg import RawCursor
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.numeric import Int8Dumper, IntLoader

from loupette.errors import StoreError
from loupette.store.connection import Rows

Raw = psycopg.Connection[tuple[Any, ...]]

_CONNECT_S = 5
# A machine that vanished is found out within 25 s, where TCP alone would take hours.
_USUAL_PARAMETERS: dict[str, str | int | None] = {
    "application_name": "loupette",
    "connect_timeout": _CONNECT_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
# A server that hangs inside a transaction must not keep an account locked for the others; and what
# is relied on must not depend on what somebody set for the role or the database.
_USUAL = {
    "timezone": "UTC",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "15s",
}
# One snapshot from BEGIN to ROLLBACK, as SQLite has it.
_READING = {
    "default_transaction_read_only": "on",
    "default_transaction_isolation": "repeatable read",
}
_LONG = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}


class PostgresConnection:
    """Runs the statements that SQLite runs, too; used by one thread at a time."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Rows:
        """Run one statement."""
        return self.raw.execute(cast("Any", translate(sql)), parameters)

    def interrupt(self) -> None:
        """Have the statement that runs now fail; any thread may call it."""
        self.raw.cancel_safe(timeout=_CONNECT_S)

    def close(self) -> None:
        """Close it; a second call does nothing."""
        self.raw.close()


def connect(
    url: str, *, read_only: bool = False, is_long: bool = False, server: int | None = None
) -> PostgresConnection:
    """Connect within five seconds.

    Args:
        url: of the database, with the password where it needs one.
        read_only: it cannot write, and a transaction is one snapshot.
        is_long: a statement may take any time, as it reads or copies everything there is.
        server: whose it is; as long as the connection lasts, others see that this one lives.

    Raises:
        StoreError: the database cannot be reached.
    """
    wanted = _USUAL | (_READING if read_only else {}) | (_LONG if is_long else {})
    try:
        raw = psycopg.connect(
            make_conninfo(url, **_USUAL_PARAMETERS), autocommit=True, cursor_factory=RawCursor
        )
        raw.adapters.register_dumper(int, Int8Dumper)  # one type, so one prepared statement
        raw.adapters.register_loader("numeric", IntLoader)  # of sums; there are no fractions
        for name, value in wanted.items():
            raw.execute("SELECT set_config($1, $2, false)", (name, value))
        if server is not None:  # shared: the connection before may not have ended yet
            raw.execute("SELECT pg_advisory_lock_shared($1)", (server,))
    except psycopg.Error as error:
        raise StoreError(f"cannot use the database {describe_url(url)}: {error}") from error
    return PostgresConnection(raw)


def is_lost(raw: Raw) -> bool:
    """Whether a connection is of no more use."""
    return raw.closed or raw.broken


def describe_url(url: str) -> str:
    """A URL as people may see it: without the password."""
    try:
        found = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "in DATABASE_URL"
    place = ":".join(str(found[name]) for name in ("host", "port") if found.get(name))
    return f"postgresql://{place}/{found.get('dbname', '')}"


@lru_cache(maxsize=512)
def translate(sql: str) -> str:
    """A statement with SQLite's placeholders, ``?`` or ``?1``, in those of PostgreSQL, ``$1``."""
    numbers = count(1)
    return re.sub(r"\?(\d*)", lambda found: f"${found[1] or next(numbers)}", sql)
