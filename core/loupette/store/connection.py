"""What the statements of this package need of a database, whichever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

Result = TypeVar("Result")


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        ...

    def fetchone(self) -> Any:  # Any: columns have many types
        """The next row; None after the last one."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """Runs statements; an `sqlite3.Connection` is one as it is.

    Statements are written once, for all databases: placeholders are ``?`` or ``?1``, the number of
    a new row comes from ``RETURNING id``, and a row that may be there already is met with
    ``ON CONFLICT DO NOTHING``. ``BEGIN`` to ``ROLLBACK`` on a reader is one snapshot.
    """

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Rows:
        """Run one statement."""
        ...


class Store(Protocol):
    """An open database: one that writes many operations to a commit, and readers."""

    @property
    def path(self) -> Path:
        """Beside it a server keeps its files, such as images."""
        ...

    @property
    def name(self) -> str:
        """What people call the database; no password is in it."""
        ...

    @property
    def reader(self) -> Connection:
        """The calling thread's read-only connection; each SELECT sees the newest commit."""
        ...

    def submit(self, operation: Callable[[Connection], Result]) -> "Future[Result]":
        """Queue an operation; the future resolves after its commit. It fails alone."""
        ...

    def write(self, operation: Callable[[Connection], Result]) -> Result:
        """Submit and wait: for commands and tests, never on the event loop."""
        ...

    def snapshot_reader(self) -> AbstractContextManager["Interruptible"]:
        """A read-only connection of its own for one long look."""
        ...

    def drop_log_parts(self, below: int) -> int:
        """Delete log entries with lower ids where whole parts of the log have no others.

        Gives how many; what is left is deleted row by row.
        """
        ...

    def close(self) -> None:
        """Finish what is queued and close every connection."""
        ...

    def __enter__(self) -> "Store": ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


class Closes(ABC):
    """What a ``with`` block closes at its end."""

    @abstractmethod
    def close(self) -> None:
        """A second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Interruptible(Connection, Protocol):
    """A connection whose statement another thread may stop."""

    def interrupt(self) -> None:
        """Have the statement that runs now fail; without one it has no effect."""
        ...
