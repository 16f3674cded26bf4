"""The schema in PostgreSQL, as numbered files: forward only, and never edited once released."""

import time
from importlib.resources import files

from loupette.errors import StoreError
from loupette.store.connection import Connection
from loupette.store.migrations import describe_newer
from loupette.store.postgres.connection import PostgresConnection

_LOCK = 6_043_551_277  # any number, but the same in every version
_HAS_STEPS = "SELECT to_regclass('migrations') IS NOT NULL"


def migrate(connection: PostgresConnection) -> None:
    """Apply the steps that are missing, all or none; of servers that start at once, one does.

    Raises:
        StoreError: the database has steps that this version does not know.
    """
    if not missing_steps(connection):
        _refuse_newer(connection)
        return
    with connection.raw.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(?)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations(name text PRIMARY KEY, applied_ms bigint)"
        )
        _refuse_newer(connection)
        for name in missing_steps(connection):
            connection.raw.execute(_steps()[name].encode())  # encoded: no parameters, so many
            row = (name, time.time_ns() // 1_000_000)
            connection.execute("INSERT INTO migrations(name, applied_ms) VALUES (?, ?)", row)


def check_schema(connection: Connection) -> None:
    """Look whether this version can read the database as it is; nothing is written.

    Raises:
        StoreError: it has steps that this version does not know, or lacks some.
    """
    _refuse_newer(connection)
    if missing := missing_steps(connection):
        raise StoreError(
            f"the database lacks {', '.join(missing)}; starting the server, or any command that"
            " writes, brings it up to date"
        )


def missing_steps(connection: Connection) -> list[str]:
    """Steps that the database lacks, and `migrate` would apply."""
    applied = _applied_steps(connection)
    return [name for name in _steps() if name not in applied]


def unknown_steps(connection: Connection) -> list[str]:
    """Steps that a newer version has applied."""
    return sorted(_applied_steps(connection) - set(_steps()))


def _refuse_newer(connection: Connection) -> None:
    if unknown := unknown_steps(connection):
        raise StoreError(describe_newer(unknown))


def _applied_steps(connection: Connection) -> set[str]:
    if not connection.execute(_HAS_STEPS).fetchone()[0]:
        return set()
    return {name for (name,) in connection.execute("SELECT name FROM migrations")}


def _steps() -> dict[str, str]:
    """Their texts by their names, in order."""
    folder = files("loupette.store.postgres") / "migrations"
    steps = {file.name.removesuffix(".sql"): file for file in folder.iterdir()}
    return {name: steps[name].read_text(encoding="utf-8") for name in sorted(steps)}
