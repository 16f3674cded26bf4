"""Open a PostgreSQL database: what commands write, what is read, and what a server needs."""

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from loupette.errors import StoreError
from loupette.store.batches import Batches
from loupette.store.connection import Closes, Connection, Rows
from loupette.store.postgres.connection import (
    PostgresConnection,
    connect,
    describe_url,
    is_lost,
)
from loupette.store.postgres.migrating import check_schema, migrate
from loupette.store.postgres.notices import Notices
from loupette.store.postgres.outage import PATIENCE_S, Outage
from loupette.store.postgres.writer import RequestWriter

_DROP_TRIES = 20
"""To have the log alone, half a second each and a second apart."""

Result = TypeVar("Result")


class PostgresDatabase(Closes):
    """One database that several servers may have open.

    What commands and the console write is rare: each operation is a transaction of its own, on one
    connection. What requests write goes through `requests`, in batches, on another.

    Attributes:
        server: a number that no other process has that opened it.
        requests: the writer of a server; None where the database is not open to be served.
        notices: of changes by other servers and commands; likewise.
    """

    def __init__(self, url: str, path: Path, *, serving: bool) -> None:
        self._url = url
        self._path = path
        self._closing = threading.Event()
        self._outage = Outage(PATIENCE_S if serving else 0.0, self._closing)
        with closing(connect(url, is_long=True)) as connection:
            migrate(connection)
        self.server = secrets.randbits(63)
        self._writer = self._connect()
        try:
            self.requests = (
                RequestWriter(lambda: self._connect(server=self.server), self._outage)
                if serving
                else None
            )
            self.notices = Notices(self._connect) if serving else None
        except BaseException:
            self._writer.close()
            raise
        self._operations: Batches[_Job] = Batches(self._do, "loupette-operations")
        self._thread = threading.local()
        self._readers: list[_Reader] = []

    @property
    def path(self) -> Path:
        """Beside it a server keeps its files; the file itself is not there."""
        return self._path

    @property
    def name(self) -> str:
        """Its address without the password."""
        return describe_url(self._url)

    @property
    def reader(self) -> "_Reader":
        """The calling thread's read-only connection, renewed when it was lost."""
        try:
            reader: _Reader = self._thread.reader
        except AttributeError:
            reader = self._thread.reader = _Reader(
                lambda: self._connect(read_only=True), self._outage
            )
            self._readers.append(reader)
        return reader

    def _connect(self, *, read_only: bool = False, server: int | None = None) -> PostgresConnection:
        connection = connect(self._url, read_only=read_only, server=server)
        self._outage.end()
        return connection

    def submit(self, operation: Callable[[Connection], Result]) -> "Future[Result]":
        """Queue an operation: a transaction of its own, undone where it raises.

        Raises:
            Overloaded, StoreError: see `Batches.put`.
        """
        future: Future[Result] = Future()
        self._operations.put(_Job(operation, future))
        return future

    def write(self, operation: Callable[[Connection], Result]) -> Result:
        """Submit and wait: for commands and tests, never on the event loop."""
        return self.submit(operation).result()

    def _do(self, batch: Sequence["_Job"]) -> None:
        for job in batch:
            try:
                job.future.set_result(self._run(job.operation))
            except BaseException as error:  # whatever it raised belongs to whoever submitted it
                job.future.set_exception(error)

    def _run(self, operation: Callable[[Connection], Result]) -> Result:
        self._revive_writer()
        try:
            with self._writer.raw.transaction():
                return operation(self._writer)
        except psycopg.OperationalError as error:
            if not is_lost(self._writer.raw):
                raise
            raise StoreError(
                "the connection to the database was lost; look whether it was written before"
                f" doing it again: {error}"
            ) from error

    def _revive_writer(self) -> None:
        """Ask before each operation, as what is lost in one cannot be done again."""
        with suppress(psycopg.OperationalError):
            self._writer.execute("SELECT")
        if is_lost(self._writer.raw):
            self._writer = self._outage.reconnect(self._connect)

    @contextmanager
    def snapshot_reader(self) -> Iterator[PostgresConnection]:
        """A read-only connection of its own for one long look, which `interrupt` stops."""
        with closing(connect(self._url, read_only=True, is_long=True)) as connection:
            yield connection

    def drop_log_parts(self, below: int) -> int:
        """Drop the tables of months that are over, one at a time, each with its own commit.

        Requests go on meanwhile; where a backup reads the log, this waits, and not for ever.

        Raises:
            StoreError: the log was in use all the time.
        """
        dropped = 0
        with closing(connect(self._url, is_long=True)) as connection:
            try:
                while (entries := _drop_month(connection, below)) is not None:
                    dropped += entries
            except psycopg.errors.LockNotAvailable as error:
                raise StoreError(
                    f"the log is in use, by a backup or another purge: {dropped} entries were"
                    " deleted; try again when that is over"
                ) from error
        return dropped

    def close(self) -> None:
        """Finish what is queued and close every connection; a second call does nothing."""
        self._closing.set()
        if self.notices is not None:
            self.notices.close()
        if self.requests is not None:
            self.requests.close()
        self._operations.close()
        self._writer.close()
        for reader in self._readers:
            reader.close()
        self._readers.clear()


def _drop_month(connection: Connection, below: int) -> int | None:
    row = connection.execute("SELECT drop_log_month(?, ?)", (below, _DROP_TRIES)).fetchone()
    return None if row[0] is None else int(row[0])


@dataclass(frozen=True, slots=True)
class _Job:
    operation: Callable[[Connection], Any]  # Any: the queue holds operations of every result type
    future: "Future[Any]"

    def begin(self) -> bool:
        return self.future.set_running_or_notify_cancel()


class _Reader:
    """A read-only connection that is made when it is needed, and again when it was lost."""

    def __init__(self, connect: Callable[[], PostgresConnection], outage: Outage) -> None:
        self._connect = connect
        self._outage = outage
        self._connection: PostgresConnection | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> Rows:
        """Run one statement; again over a new connection where the old one was lost."""
        until_s = time.monotonic() + self._outage.patience_s  # also if it is lost again and again
        while True:
            if self._connection is None or is_lost(self._connection.raw):
                self._connection = self._outage.reconnect(self._connect)
            try:
                return self._connection.execute(sql, parameters)
            except psycopg.OperationalError:
                if not is_lost(self._connection.raw) or time.monotonic() > until_s:
                    raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@contextmanager
def read_database(url: str) -> Iterator[PostgresConnection]:
    """Open an up-to-date database for reading alone, without a limit to the time that takes.

    Raises:
        StoreError: it cannot be reached, or is of another version.
    """
    with closing(connect(url, read_only=True, is_long=True)) as connection:
        check_schema(connection)
        yield connection
