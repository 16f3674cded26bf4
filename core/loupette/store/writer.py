"""The one thread that writes: many operations, one commit."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from loupette.errors import StoreError
from loupette.store.batches import Batches

Result = TypeVar("Result")
Operation = Callable[[sqlite3.Connection], Result]


@dataclass(eq=False, slots=True)
class _Job:
    operation: Operation[Any]  # Any: the queue holds operations of every result type
    future: "Future[Any]"
    result: Any = None
    error: BaseException | None = None

    def begin(self) -> bool:
        return self.future.set_running_or_notify_cancel()

    def resolve(self) -> None:
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class _TransactionLost(Exception):
    """SQLite ended the whole transaction by itself (disk full, I/O error)."""


class Writer:
    """Runs operations in the order they were submitted, grouped into commits.

    Each operation runs in a savepoint, so it fails alone; a future is resolved only after the
    commit that makes its result true, and a failed commit fails the whole batch.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._batches = Batches(self._commit, "loupette-writer")

    def submit(self, operation: Operation[Result]) -> "Future[Result]":
        """Queue an operation; see `Batches.put` for what it raises.

        Cancelling the future while it is still queued takes it out: it is never done.
        """
        future: Future[Result] = Future()
        self._batches.put(_Job(operation, future))
        return future

    def close(self) -> None:
        """Finish what is queued and end the thread."""
        self._batches.close()

    def _commit(self, batch: list[_Job]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                self._attempt(job)
            self._connection.execute("COMMIT")
        except Exception as error:  # an edge: were this thread to end, every caller would wait
            self._abandon(batch, error)
        for job in batch:
            job.resolve()

    def _attempt(self, job: _Job) -> None:
        """Run one operation in a savepoint and keep its result or its exception."""
        execute = self._connection.execute
        execute("SAVEPOINT operation")
        try:
            job.result = job.operation(self._connection)
        except BaseException as error:  # whatever it raised belongs to whoever submitted it
            job.error = error
            if not self._connection.in_transaction:
                raise _TransactionLost from error
            execute("ROLLBACK TO operation")
        execute("RELEASE operation")

    def _abandon(self, batch: list[_Job], cause: Exception) -> None:
        if self._connection.in_transaction:
            with suppress(sqlite3.Error):  # the next batch cannot begin then, and tries it again
                self._connection.execute("ROLLBACK")
        reason = cause.__cause__ or cause
        for job in batch:
            job.error = StoreError(f"the database did not commit, nothing was written: {reason}")
            job.error.__cause__ = reason
