"""The one connection on which a server does what its requests ask: many steps, one commit."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec
import psycopg

from loupette.errors import OutcomeUnknown, StoreError
from loupette.store.batches import Batches
from loupette.store.postgres.connection import (
    PATIENCE_S,
    PostgresConnection,
    is_lost,
    reconnect,
)

_LOCK = "SELECT FROM accounts WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
_STORE_REPLY = "UPDATE idempotency SET reply = $1 WHERE account_id = $2 AND key = $3"

Row: TypeAlias = Mapping[str, object]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verb:
    """A step that a request may ask for, of which a batch does all in one statement.

    Attributes:
        columns: of the rows of JSON that it is asked with, with their types.
        call: of the function in the database, with those columns.
        charges: it must not be called undone where that is not known.
    """

    columns: str
    call: str
    charges: bool = False

    @property
    def sql(self) -> str:
        """Its statement; $1 are the rows, $2 is whether they were sent before."""
        return (  # of constants alone
            f"SELECT done.* FROM ROWS FROM (json_to_recordset($1::json) AS ({self.columns}))"  # noqa: S608
            f" WITH ORDINALITY AS job CROSS JOIN LATERAL {self.call} AS done"
            " ORDER BY job.ordinality"
        )

    def parameters(self, rows: Sequence[bytes], *, is_again: bool) -> tuple[object, ...]:
        """What it is sent with."""
        text = (b"[" + b",".join(rows) + b"]").decode()
        return (text, is_again) if "$2" in self.call else (text,)


COUNT = Verb(
    "key_id bigint, interval_us bigint, tolerance_us bigint",
    "count_request(job.key_id, job.interval_us, job.tolerance_us)",
)
RELEASE = Verb("hold bigint", "release_hold(job.hold)")
_LOGGED = "entry logs, idempotency_key text, body_hash bytea"
SETTLE = Verb(
    f"hold bigint, {_LOGGED}",
    "settle(job.hold, $2, job.entry, job.idempotency_key, job.body_hash)",
    charges=True,
)
RECORD = Verb(_LOGGED, "record_log(job.entry, job.idempotency_key, job.body_hash)")
HOLD = Verb(
    "hold bigint, account_id bigint, amount bigint, lasts_ms bigint",
    "place_hold(job.hold, job.account_id, job.amount, job.lasts_ms)",
)
_ORDER = (COUNT, RELEASE, SETTLE, RECORD, HOLD)
"""Of a batch: what frees money comes before what takes it."""


@dataclass(frozen=True)
class Reply:
    """What is to be stored for an Idempotency-Key, once the balance is known."""

    key: str
    make: Callable[[int], bytes]


@dataclass(eq=False, slots=True)
class _Job:
    verb: Verb
    row: bytes
    order: int
    locks: int | None
    reply: Reply | None
    future: "Future[Any]" = field(default_factory=Future)  # Any: of every verb's result
    result: tuple[Any, ...] = ()
    error: Exception | None = None

    def resolve(self) -> None:
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class RequestWriter:
    """Does what many requests ask in one transaction, in one exchange with the database.

    A batch locks its accounts in the order of their ids, so that batches of several servers wait
    for each other and never in a circle. What a step may refuse is its result, not an error: where
    a statement fails all the same, the batch is undone and each step done again in a transaction of
    its own, so that it fails alone.

    Where the connection is lost, the batch is sent again over a new one. Nobody knows then whether
    it was committed; but each step finds what it did before by the number of its request or hold,
    so a charge is neither lost nor made twice. Whoever waited longer than 20 s is told that the
    outcome is unknown.

    Args:
        connect: makes a connection, or raises a `StoreError`.
    """

    def __init__(self, connect: Callable[[], PostgresConnection]) -> None:
        self._connect = connect
        self._connection = connect()
        self._closing = threading.Event()
        self._lost_s: float | None = None
        self._batches = Batches(self._do, "loupette-writer")

    def submit(
        self,
        verb: Verb,
        row: Row,
        *,
        order: int = 0,
        locks: int | None = None,
        reply: Reply | None = None,
    ) -> "Future[Any]":
        """Queue a step; the future gives its row of results, after the commit.

        Args:
            verb: what to do.
            row: the verb's columns.
            order: rows of one verb are done in this order, which servers must share where they
                lock what is not an account.
            locks: the account that it changes.
            reply: to be stored with it, where its result has a balance.

        Raises:
            Overloaded, StoreError: as `Batches.put`.
        """
        job = _Job(verb, msgspec.json.encode(row), order, locks, reply)
        self._batches.put(job)
        return job.future

    def close(self) -> None:
        """Finish what is queued, without waiting for a database that is away."""
        self._closing.set()
        self._batches.close()
        self._connection.close()

    def _do(self, batch: list[_Job]) -> None:
        try:
            self._commit(batch)
        except Exception as error:  # an edge: were this thread to end, every caller would wait
            _log.exception("a batch failed unforeseen")
            for job in batch:
                job.error = job.error or error
        for job in batch:
            job.resolve()

    def _commit(self, batch: list[_Job], *, was_sent: bool = False) -> None:
        while not is_lost(self._connection.raw) or self._reconnect():
            try:
                self._transact(batch, is_again=was_sent)
            except Exception as error:  # a step's own reply may raise anything
                if not is_lost(self._connection.raw):
                    self._isolate(batch, error)
                    return
                was_sent = True
                if self._lost_s is None:
                    self._lost_s = time.monotonic()
                    _log.error("the connection to the database was lost: %s", error)
            else:
                self._lost_s = None
                return
        for job in batch:
            job.error = _lost(job.verb, was_sent=was_sent)

    def _transact(self, batch: Sequence[_Job], *, is_again: bool) -> None:
        """All in one transaction; where no reply is to be made, in one exchange."""
        raw = self._connection.raw
        accounts = sorted({job.locks for job in batch if job.locks is not None})
        replies = any(job.reply for job in batch)
        done: list[tuple[list[_Job], psycopg.Cursor[tuple[Any, ...]]]] = []
        with raw.pipeline():
            raw.execute("BEGIN")
            if accounts:
                raw.execute(_LOCK, (accounts,))
            for verb in _ORDER:
                jobs = sorted((job for job in batch if job.verb is verb), key=lambda job: job.order)
                if jobs:
                    parameters = verb.parameters([job.row for job in jobs], is_again=is_again)
                    done.append((jobs, raw.execute(verb.sql.encode(), parameters)))
            if not replies:
                raw.execute("COMMIT")
        for jobs, cursor in done:
            for job, result in zip(jobs, cursor, strict=True):
                job.result = result
        if replies:
            self._store_replies(raw, batch)

    def _store_replies(self, raw: Any, batch: Sequence[_Job]) -> None:
        with raw.pipeline():
            for job in batch:
                if job.reply and job.result[0] != "taken" and job.result[1] is not None:
                    body = job.reply.make(job.result[1])
                    raw.execute(_STORE_REPLY, (body, job.locks, job.reply.key))
            raw.execute("COMMIT")

    def _isolate(self, batch: list[_Job], error: Exception) -> None:
        """Undo all, and do each again alone; the one that fails alone keeps its error.

        Not where the time was up, which each of them might take again.
        """
        with suppress(psycopg.Error):
            self._connection.raw.execute("ROLLBACK")
        if len(batch) == 1 or isinstance(error, psycopg.errors.QueryCanceled):
            for job in batch:
                job.error = _explain(error)
            return
        for job in batch:
            self._commit([job], was_sent=True)

    def _reconnect(self) -> bool:
        """Whether there is a new connection, after waiting as long as there is patience."""
        self._connection.close()
        until_s = (self._lost_s or time.monotonic()) + PATIENCE_S
        try:
            self._connection = reconnect(self._connect, until_s=until_s, closing=self._closing)
        except StoreError as error:
            _log.error("%s", error.message)
            return False
        # With one that is lost again and again, patience ends as well.
        return not self._lost_s or time.monotonic() <= until_s + PATIENCE_S


def _lost(verb: Verb, *, was_sent: bool) -> Exception:
    if was_sent and verb.charges:
        return OutcomeUnknown("the database went away while this was charged")
    return StoreError("the database cannot be reached; nothing was charged")


def _explain(error: Exception) -> Exception:
    """A fault of the database as an error of ours; whatever a reply raised stays as it is."""
    if not isinstance(error, psycopg.Error):
        return error
    explained = StoreError(f"the database refused it, nothing was written: {error}")
    explained.__cause__ = error
    return explained
