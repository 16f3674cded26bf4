"""Whether the database is there: most commands demand it, and two make it and say so."""

from collections.abc import Iterator
from contextlib import contextmanager

from loupette.errors import StoreError
from loupette.settings import Settings
from loupette.store.connection import Connection, Store
from loupette.store.opening import open_database, read_database


def is_missing(settings: Settings) -> bool:
    """Whether there is no file yet; in PostgreSQL a database is made by its own operator."""
    return settings.database_url is None and not settings.database.exists()


def open_existing(settings: Settings) -> Store:
    """Open it to write, beside a running server or without one.

    Raises:
        StoreError: there is none; a mistyped path must not read as an empty, clean ledger.
    """
    _demand(settings)
    return open_database(settings.database, settings.database_url)


@contextmanager
def read_existing(settings: Settings) -> Iterator[Connection]:
    """Open it to read: nothing is migrated and nothing written.

    Raises:
        StoreError: there is none, or it is of another version.
    """
    _demand(settings)
    with read_database(settings.database, settings.database_url) as connection:
        yield connection


def refuse_shared(settings: Settings, instead: str) -> None:
    """Say what to do instead of what is only for SQLite.

    Raises:
        StoreError: the data is in PostgreSQL.
    """
    if settings.database_url is not None:
        raise StoreError(f"the data is in PostgreSQL, which has its own tools for this: {instead}")


def _demand(settings: Settings) -> None:
    if is_missing(settings):
        raise StoreError(
            f"there is no database {settings.database}; name it with --database or"
            " LOUPETTE_DATABASE, or make one with `loupette keys create`"
        )
