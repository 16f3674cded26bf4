"""Move an installation from a SQLite file into PostgreSQL, and prove that all has come along."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

from psycopg import sql

from loupette.errors import StoreError
from loupette.store.backup import write_copy
from loupette.store.connection import Connection
from loupette.store.database import Database, open_to_read
from loupette.store.integrity import inspect
from loupette.store.lock import ServerLock
from loupette.store.postgres.connection import PostgresConnection, connect
from loupette.store.postgres.migrating import migrate

# In an order in which each finds what it refers to. Not the holds: SQLite keeps none.
_TABLES = (
    "accounts", "api_keys", "ledger", "logs", "reports", "idempotency", "sessions",
    "type_overrides",
)  # fmt: skip
_NUMBERED = ("accounts", "api_keys", "ledger")
_FIGURES = {
    "accounts": "SELECT COUNT(*) FROM accounts",
    "balances_micros": "SELECT COALESCE(SUM(balance), 0) FROM accounts",
    "keys": "SELECT COUNT(*) FROM api_keys",
    "ledger entries": "SELECT COUNT(*) FROM ledger",
    "ledger sum_micros": "SELECT COALESCE(SUM(amount), 0) FROM ledger",
    "charges_micros": "SELECT COALESCE(SUM(amount), 0) FROM ledger WHERE kind = 'charge'",
    "accounts off their ledger": """
        SELECT COUNT(*) FROM accounts a WHERE balance <>
        (SELECT COALESCE(SUM(amount), 0) FROM ledger l WHERE l.account_id = a.id)
    """,
    "log entries": "SELECT COUNT(*) FROM logs",
    "log costs_micros": "SELECT COALESCE(SUM(cost), 0) FROM logs",
    "reports": "SELECT COUNT(*) FROM reports",
    "refunds_micros": "SELECT COALESCE(SUM(refund_micros), 0) FROM reports",
    "stored replies": "SELECT COUNT(*) FROM idempotency",
}

Compared = Mapping[str, tuple[int, int]]


def copy_to_postgres(path: Path, url: str) -> Compared:
    """Copy all that a SQLite file has, in one transaction.

    Args:
        path: the file, which nobody may serve; its lock is held meanwhile, so nobody can begin to.
            It is only read; beside it must be room for a copy.
        url: an empty database.

    Returns:
        What was counted and summed up in both, equal figures by name.

    Raises:
        StoreError: the file is served, damaged, of a newer version or does not add up, the database
            is not empty or cannot be reached, or a figure differs; nothing was copied then.
    """
    if not path.exists():
        raise StoreError(f"there is no database {path}")
    lock = ServerLock.acquire(path)
    try:
        with (
            _checked(path) as source,
            closing(connect(url, is_long=True)) as target,
        ):
            migrate(target)
            source.execute("BEGIN")
            with target.raw.transaction():
                return _copy(source, target)
    finally:
        lock.release()


@contextmanager
def _checked(path: Path) -> Iterator[sqlite3.Connection]:
    """Reads the file, whose books are in order, as this version has it; the file stays as it is."""
    if problems := inspect(path).problems:
        raise StoreError(f"nothing was copied, {path} is not in order: " + "; ".join(problems))
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.name}-") as folder:
        copied = Path(folder) / path.name
        try:
            write_copy(path, copied)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"nothing was copied, not even {path} beside itself: {error}"
            ) from error
        with Database.open(copied):
            pass  # brings its schema up to date
        with closing(open_to_read(copied)) as source:
            yield source


def _copy(source: sqlite3.Connection, target: PostgresConnection) -> Compared:
    target.execute("LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE")
    if target.execute("SELECT EXISTS (SELECT FROM accounts)").fetchone()[0]:
        raise StoreError("there are accounts in the PostgreSQL database; name an empty one")
    for (month,) in source.execute("SELECT DISTINCT id / 1000000000000 FROM logs"):
        target.execute("SELECT add_log_month(?)", (month,))
    for table in _TABLES:
        _copy_table(source, target, table)
    (below,) = source.execute("SELECT deleted_below FROM log_retention").fetchone()
    target.execute("UPDATE log_retention SET deleted_below = ?", (below,))
    for table in _NUMBERED:  # so that new rows go on above those copied
        target.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"  # noqa: S608  # constants
            f" GREATEST((SELECT MAX(id) FROM {table}), 1))"
        )
    return _compare(source, target)


def _copy_table(source: sqlite3.Connection, target: PostgresConnection, table: str) -> None:
    rows = source.execute(f"SELECT * FROM {table}")  # noqa: S608  # a constant
    columns = [name for name, *_ in rows.description]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with target.raw.cursor() as cursor, cursor.copy(statement) as copying:
        for row in rows:
            copying.write_row([_without_nul(value) for value in row])


def _without_nul(value: object) -> object:
    """What a NUL becomes in PostgreSQL, which keeps none in a text, here as in `front`."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _compare(source: sqlite3.Connection, target: PostgresConnection) -> Compared:
    figures = {
        name: (_figure(cast("Connection", source), query), _figure(target, query))
        for name, query in _FIGURES.items()
    }
    wrong = [f"{name} {one} and {other}" for name, (one, other) in figures.items() if one != other]
    if wrong:
        raise StoreError("nothing was copied, as this differs: " + ", ".join(wrong))
    return figures


def _figure(connection: Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])
