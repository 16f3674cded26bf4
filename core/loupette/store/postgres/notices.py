"""Hears what other servers and commands changed that a server keeps in memory."""

import logging
import threading
from collections.abc import Callable
from contextlib import closing, suppress

import psycopg

from loupette.errors import StoreError
from loupette.store.postgres.connection import PostgresConnection

KEYS, TYPES = "keys", "types"
"""What may have changed: keys or whether their account is disabled; decisions on types."""
_EVERYTHING = (KEYS, TYPES)
_LOOK_S = 5.0
_RETRY_S = 1.0

_log = logging.getLogger(__name__)


class Notices:
    """Listens on a connection of its own, in a thread of its own.

    While it does not listen, nothing that depends on it is to be kept; when it does again, all may
    have changed.

    Args:
        connect: makes a connection, or raises a `StoreError`.
    """

    def __init__(self, connect: Callable[[], PostgresConnection]) -> None:
        self._connect = connect
        self._listeners: list[tuple[str, Callable[[], object]]] = []
        self._closing = threading.Event()
        self.is_listening = False
        self._thread = threading.Thread(target=self._run, name="loupette-notices", daemon=True)
        self._thread.start()

    def on(self, what: str, listener: Callable[[], object]) -> None:
        """Have a function called, in this object's thread, when something may have changed."""
        self._listeners.append((what, listener))

    def close(self) -> None:
        """End the thread, with a notice to itself that nobody else minds."""
        self._closing.set()
        with suppress(StoreError, psycopg.Error), closing(self._connect()) as connection:
            connection.execute("NOTIFY loupette")
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except (StoreError, psycopg.Error) as error:
                _log.warning("changes by others are not heard of: %s", error)
            self.is_listening = False
            self._closing.wait(_RETRY_S)

    def _listen(self) -> None:
        connection = self._connect()
        try:
            connection.execute("LISTEN loupette")
            for what in _EVERYTHING:
                self._tell(what)
            self.is_listening = True
            while not self._closing.is_set():
                for notice in connection.raw.notifies(timeout=_LOOK_S, stop_after=1):
                    self._tell(notice.payload)
        finally:
            self.is_listening = False
            connection.close()

    def _tell(self, what: str) -> None:
        for wanted, listener in tuple(self._listeners):
            if wanted == what:
                listener()
