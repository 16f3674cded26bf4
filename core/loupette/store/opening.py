"""Open the database of an installation: a SQLite file, or PostgreSQL where a URL is given."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from loupette.errors import StoreError
from loupette.store.connection import Connection, Store
from loupette.store.database import Database, open_to_read
from loupette.store.front import Front, LocalFront


def open_database(path: Path, url: str | None = None, *, exclusive: bool = False) -> Store:
    """Open the database, and bring its schema up to date.

    Args:
        path: the SQLite file; beside it are the images, wherever the database is.
        url: of PostgreSQL, where that has the data.
        exclusive: to serve it; commands open with False, beside a server or without one. A SQLite
            file has one server, PostgreSQL may have many.

    Raises:
        StoreError: it cannot be used, is of a newer version, or is served already.
    """
    if url is None:
        return Database.open(path, exclusive=exclusive)
    with _extra():
        from loupette.store.postgres.database import PostgresDatabase
    return PostgresDatabase(url, path, serving=exclusive)


@contextmanager
def read_database(path: Path, url: str | None = None) -> Iterator[Connection]:
    """Open an up-to-date database for reading alone.

    Raises:
        StoreError: it cannot be read, or is of another version.
    """
    if url is not None:
        with _extra():
            from loupette.store.postgres.database import read_database as read_postgres
        with read_postgres(url) as reader:
            yield reader
        return
    with closing(open_to_read(path)) as connection:
        yield connection


def copy_database(path: Path, url: str) -> Mapping[str, tuple[int, int]]:
    """Copy a SQLite file into an empty PostgreSQL database; gives what was compared, by name.

    Raises:
        StoreError: nothing was copied.
    """
    with _extra():
        from loupette.store.postgres.copying import copy_to_postgres
    return copy_to_postgres(path, url)


def open_front(store: Store) -> Front:
    """What a server asks of the database that it opened to serve."""
    if isinstance(store, Database):
        return LocalFront(store)
    from loupette.store.postgres.database import PostgresDatabase
    from loupette.store.postgres.front import SharedFront

    assert isinstance(store, PostgresDatabase)
    return SharedFront(store)


@contextmanager
def _extra() -> Iterator[None]:
    """What is imported only where it is used: its library comes with an extra."""
    try:
        yield
    except ImportError as error:
        raise StoreError(
            f"DATABASE_URL needs the extra: pip install 'loupette[postgres]' ({error})"
        ) from error
