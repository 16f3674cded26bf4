"""Open a database that must be there already."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from loupette.errors import StoreError
from loupette.settings import Settings
from loupette.store.database import Database, open_to_read


def open_existing(settings: Settings) -> Database:
    """Open it to write, beside a running server or without one.

    Raises:
        StoreError: there is none; a mistyped path must not read as an empty, clean ledger.
    """
    _demand(settings)
    return Database.open(settings.database)


@contextmanager
def read_existing(settings: Settings) -> Iterator[sqlite3.Connection]:
    """Open it to read: nothing is migrated and nothing written.

    Raises:
        StoreError: there is none, or it is of another version.
    """
    _demand(settings)
    with closing(open_to_read(settings.database)) as connection:
        yield connection


def _demand(settings: Settings) -> None:
    if not settings.database.exists():
        raise StoreError(
            f"there is no database {settings.database}; name it with --database or"
            " LOUPETTE_DATABASE, or make one with `loupette keys create`"
        )
