"""Open the database: settings of the connections, the writer, the readers."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

from loupette.errors import StoreError
from loupette.store.connection import Closes
from loupette.store.lock import ServerLock
from loupette.store.migrations import check_schema, migrate
from loupette.store.writer import Writer

Result = TypeVar("Result")

# FULL: a charge that was answered must survive a power cut; group commit pays for it (writer.py).
# cache_size: a few MiB, as each connection fills its own and never gives it back; ids are in the
# order of time, so that few pages are hot, and mmap reads the others without a copy.
# recursive_triggers: without it INSERT OR REPLACE would slip past the append-only triggers.
_PRAGMAS = """
PRAGMA busy_timeout = 10000;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA recursive_triggers = ON;
PRAGMA cache_size = -4096;
PRAGMA mmap_size = 268435456;
PRAGMA temp_store = MEMORY;
"""


class Database(Closes):
    """One SQLite file: a writer thread of its own and a read-only connection per calling thread."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: ServerLock | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._writer = Writer(connection)
        self._thread = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._is_closed = False

    @classmethod
    def open(cls, path: Path, *, exclusive: bool = False) -> "Database":
        """Create the file when there is none (mode 0600), bring its schema up to date, open it.

        Args:
            path: the database file; its folder must exist.
            exclusive: be the one server of this file, the owner of the in-memory holds. Commands
                open with False, beside a running server or without one.

        Raises:
            StoreError: another server has the file, it is not a database, or a newer loupette
                wrote it.
        """
        _create(path)
        lock = ServerLock.acquire(path) if exclusive else None
        try:
            return cls(path, _open_writer(path), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def submit(self, operation: Callable[[sqlite3.Connection], Result]) -> "Future[Result]":
        """Queue an operation for the writer thread; the future resolves after its commit.

        The operation must neither begin nor end a transaction. It fails alone: what it wrote is
        undone and its exception is the future's. See `Writer.submit` for what this call raises.
        """
        return self._writer.submit(operation)

    def write(self, operation: Callable[[sqlite3.Connection], Result]) -> Result:
        """Submit and wait: for commands and tests, never on the event loop."""
        return self._writer.submit(operation).result()

    @property
    def name(self) -> str:
        """Its full path."""
        return str(self.path.resolve())

    @property
    def reader(self) -> sqlite3.Connection:
        """The calling thread's read-only connection; each SELECT sees the newest commit."""
        try:
            reader: sqlite3.Connection = self._thread.reader
        except AttributeError:
            reader = self._thread.reader = connect_read_only(self.path)
            # After each commit a mapping is made anew: 40 of the 130 us of the next short look.
            reader.execute("PRAGMA mmap_size = 0")
            self._readers.append(reader)
        return reader

    @contextmanager
    def snapshot_reader(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection of its own for one long look, which `interrupt` stops."""
        with closing(connect_read_only(self.path)) as connection:
            yield connection

    def drop_log_parts(self, below: int) -> int:
        """None: the log is one table."""
        return 0

    def close(self) -> None:
        """Finish the queued operations, fold the WAL into the file, close every connection.

        A second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.close()
        for reader in self._readers:
            reader.close()
        self._readers.clear()
        # PASSIVE waits for nobody; what another process still reads stays in the WAL.
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self._connection.close()
        if self._lock is not None:
            self._lock.release()


def connect_read_only(path: Path, *, is_immutable: bool = False) -> sqlite3.Connection:
    """A connection that cannot write; any thread may close it.

    Args:
        path: the database file.
        is_immutable: nobody writes the file meanwhile; then not even a WAL is made beside it.
    """
    uri = f"{path.resolve().as_uri()}?mode=ro{'&immutable=1' if is_immutable else ''}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_PRAGMAS)
    except BaseException:
        connection.close()
        raise
    return connection


def wal_of(path: Path) -> Path:
    """The file beside a database that has what is not yet in it; it is there while one is open."""
    real = path.resolve()
    return real.with_name(real.name + "-wal")


def open_to_read(path: Path) -> sqlite3.Connection:
    """Open an up-to-date database for reading alone; whoever calls closes it.

    Raises:
        StoreError: it cannot be read, or is of another version.
    """
    try:
        connection = connect_read_only(path)
        try:
            check_schema(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise StoreError(f"cannot read {path} as a database: {error}") from error
    return connection


def _create(path: Path) -> None:
    """Make an empty file only its owner can read; SQLite gives WAL and shm the same mode.

    A file that is there is left alone: to open and close it would take this process' own locks off
    it, where it has the database open already, and the next process to leave would take the WAL
    away from it.
    """
    try:
        os.close(os.open(path.resolve(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise StoreError(f"cannot open the database {path}: {error.strerror}") from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else is in such a block on this folder, whose lock ends with the process.

    Of several that take one file to WAL at once, SQLite turns some away without letting them wait.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open_writer(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.executescript(_PRAGMAS)
        with _alone(path.resolve().parent):
            connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection)
    except (sqlite3.DatabaseError, OSError) as error:
        connection.close()
        raise StoreError(f"cannot use {path} as a database: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection
