"""How long a server waits for a database that is away, counted over all its connections."""

import threading
import time
from collections.abc import Callable

from loupette.errors import StoreError
from loupette.store.postgres.connection import PostgresConnection

PATIENCE_S = 20.0
"""So long requests wait for a database that went away; a restart takes a few seconds."""
_RETRY_S = 0.1


class Outage:
    """Since when the database is away, whichever connection found that out; any thread may call it.

    So requests wait for it together and then fail together, however many they are, and not each as
    long as the one before.

    Args:
        patience_s: so long it is waited for.
        closing: set when nobody needs it any more.
    """

    def __init__(self, patience_s: float, closing: threading.Event) -> None:
        self.patience_s = patience_s
        self._closing = closing
        self._since_s: float | None = None
        self._noting = threading.Lock()
        self._trying = threading.Lock()

    def begin(self) -> bool:
        """Note that it is away; gives whether that is news."""
        with self._noting:
            is_news = self._since_s is None
            if is_news:
                self._since_s = time.monotonic()
            return is_news

    def end(self) -> None:
        """Note that it is there."""
        with self._noting:
            self._since_s = None

    def reconnect(self, connect: Callable[[], PostgresConnection]) -> PostgresConnection:
        """Connect again: as often as it takes while there is patience, after that once.

        Only one caller tries then, as that may take five seconds, and the others fail meanwhile.

        Args:
            connect: makes a connection, or raises a `StoreError`; it has to call `end`.

        Raises:
            StoreError: the last one.
        """
        self.begin()
        until_s = (self._since_s or time.monotonic()) + self.patience_s
        while time.monotonic() < until_s:
            try:
                return connect()
            except StoreError:
                if self._closing.wait(_RETRY_S):
                    raise
        if not self._trying.acquire(blocking=False):
            raise StoreError("the database cannot be reached")
        try:
            return connect()
        finally:
            self._trying.release()
