"""Open the database of an installation: a SQLite file."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from loupette.store.connection import Connection, Store
from loupette.store.database import Database, open_to_read
from loupette.store.front import Front, LocalFront


def open_database(path: Path, *, exclusive: bool = False) -> Store:
    """Open the database, and bring its schema up to date.

    Args:
        path: the file.
        exclusive: to serve it; commands open with False, beside a server or without one.

    Raises:
        StoreError: it cannot be used, is of a newer version, or is served already.
    """
    return Database.open(path, exclusive=exclusive)


@contextmanager
def read_database(path: Path) -> Iterator[Connection]:
    """Open an up-to-date database for reading alone.

    Raises:
        StoreError: it cannot be read, or is of another version.
    """
    with closing(open_to_read(path)) as connection:
        yield connection


def open_front(store: Store) -> Front:
    """What a server asks of the database that it opened to serve."""
    return LocalFront(store)
