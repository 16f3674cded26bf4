"""The one connection on which a server does what its requests ask: many steps, one commit."""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import msgspec
import psycopg

from loupette.errors import OutcomeUnknown, StoreError
from loupette.store.batches import Batches
from loupette.store.postgres.connection import PostgresConnection, is_lost
from loupette.store.postgres.outage import Outage

_LOCK = "SELECT FROM accounts WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE"
_STORE_REPLY = "UPDATE idempotency SET reply = $1 WHERE account_id = $2 AND key = $3"

Row: TypeAlias = Mapping[str, object]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verb:
    """A step that a request may ask for, of which a batch does all in one statement.

    Attributes:
        sql: gives a row of results for each; $1 are the rows, as JSON, $2 is whether they were
            sent before.
        charges: it must not be called undone where that is not known.
    """

    sql: str
    charges: bool = False

    def parameters(self, rows: Sequence[bytes], *, is_again: bool) -> tuple[object, ...]:
        """What it is sent with."""
        text = (b"[" + b",".join(rows) + b"]").decode()
        return (text, is_again) if "$2" in self.sql else (text,)


def _each(columns: str, call: str) -> str:
    """A function of the database, called for each row of such columns."""
    return (  # of constants alone
        f"SELECT done.* FROM ROWS FROM (json_to_recordset($1::json) AS ({columns}))"  # noqa: S608
        f" WITH ORDINALITY AS job CROSS JOIN LATERAL {call} AS done ORDER BY job.ordinality"
    )


COUNT = Verb(
    _each(
        "key_id bigint, interval_us bigint, tolerance_us bigint",
        "count_request(job.key_id, job.interval_us, job.tolerance_us)",
    )
)
RELEASE = Verb(_each("hold bigint", "release_hold(job.hold)"))
SETTLE = Verb(
    "SELECT outcome, balance_micros FROM settle_holds($1::json, $2) ORDER BY number", charges=True
)
RECORD = Verb(
    _each(
        "entry logs, idempotency_key text, body_hash bytea",
        "record_log(job.entry, job.idempotency_key, job.body_hash)",
    )
)
HOLD = Verb("SELECT outcome FROM place_holds($1::json) ORDER BY number")
_ORDER = (COUNT, RELEASE, SETTLE, RECORD, HOLD)
"""Of a batch: what frees money comes before what takes it."""


@dataclass(frozen=True)
class Reply:
    """What is to be stored for an Idempotency-Key, once the balance is known."""

    key: str
    make: Callable[[int], bytes]


class Step:
    """What a request asked of the database; awaited, it gives its row of results.

    It belongs to the event loop that it was submitted on. Whoever stops waiting takes it out, where
    the writer has not begun with it: then it is never done.

    Attributes:
        was_taken_out: it was.
        is_over: it has its result or error, whether or not who waits has been woken.
    """

    __slots__ = (
        "_done", "_later", "_taking", "error", "is_over", "locks", "order", "reply", "result",
        "row", "verb", "was_taken_out",
    )  # fmt: skip

    def __init__(
        self, verb: Verb, row: bytes, order: int, locks: int | None, reply: Reply | None
    ) -> None:
        self.verb = verb
        self.row = row
        self.order = order
        self.locks = locks
        self.reply = reply
        self.result: tuple[Any, ...] = ()  # Any: of every verb's result
        self.error: Exception | None = None
        self.was_taken_out = False
        self.is_over = False
        self._done = asyncio.get_running_loop().create_future()
        self._taking = threading.Lock()  # by the writer, or by whoever goes; never let go of
        self._later: Callable[[], object] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Of whoever waits."""
        return self._done.get_loop()

    @property
    def has_failed(self) -> bool:
        """Whether it was not done, as far as is known."""
        return self.was_taken_out or self.error is not None

    def begin(self) -> bool:
        """As `Job.begin`."""
        return self._taking.acquire(blocking=False)

    def afterwards(self, do: Callable[[], object]) -> None:
        """Have something done where nobody waits any more: when it is over, or now if it is."""
        if self.is_over or self.was_taken_out:
            do()
        else:
            self._later = do

    def tell(self) -> None:
        """Let go on who waits; on the loop's thread."""
        self.is_over = True
        if not self._done.done():
            self._done.set_result(None)
        if self._later:
            self._later()

    def __await__(self) -> Generator[Any, None, tuple[Any, ...]]:
        """Wait for it."""
        try:
            yield from self._done
        except asyncio.CancelledError:
            self.was_taken_out = self._taking.acquire(blocking=False)
            raise
        if self.error is not None:
            raise self.error
        return self.result


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
        outage: of the database.
    """

    def __init__(self, connect: Callable[[], PostgresConnection], outage: Outage) -> None:
        self._connect = connect
        self._connection = connect()
        self._outage = outage
        self._batches = Batches(self._do, "loupette-writer")

    def submit(
        self,
        verb: Verb,
        row: Row,
        *,
        order: int = 0,
        locks: int | None = None,
        reply: Reply | None = None,
    ) -> Step:
        """Queue a step of the running event loop; it is over after the commit.

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
        step = Step(verb, msgspec.json.encode(row), order, locks, reply)
        self._batches.put(step)
        return step

    def close(self) -> None:
        """Finish what is queued."""
        self._batches.close()
        self._connection.close()

    def _do(self, batch: list[Step]) -> None:
        try:
            self._commit(batch)
        except Exception as error:  # an edge: were this thread to end, every caller would wait
            _log.exception("a batch failed unforeseen")
            for job in batch:
                job.error = job.error or error
        for loop, steps in groupby(batch, key=lambda job: job.loop):
            with suppress(RuntimeError):  # it is closed: nobody waits any more
                loop.call_soon_threadsafe(_tell, [*steps])

    def _commit(self, batch: list[Step], *, was_sent: bool = False) -> None:
        until_s = math.inf
        while not is_lost(self._connection.raw) or self._reconnect():
            try:
                self._transact(batch, is_again=was_sent)
            except Exception as error:  # a step's own reply may raise anything
                if not is_lost(self._connection.raw):
                    self._isolate(batch, error)
                    return
                was_sent = True
                if self._outage.begin():
                    _log.error("the connection to the database was lost: %s", error)
                # Patience ends also with one that is lost again and again.
                until_s = min(until_s, time.monotonic() + self._outage.patience_s)
                if time.monotonic() > until_s:
                    break
            else:
                return
        for job in batch:
            job.error = _lost(job.verb, was_sent=was_sent)

    def _transact(self, batch: Sequence[Step], *, is_again: bool) -> None:
        """All in one transaction; where no reply is to be made, in one exchange."""
        raw = self._connection.raw
        accounts = sorted({job.locks for job in batch if job.locks is not None})
        replies = any(job.reply for job in batch)
        done: list[tuple[list[Step], psycopg.Cursor[tuple[Any, ...]]]] = []
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
            for job, result in zip(jobs, cursor.fetchall(), strict=True):
                job.result = result
        if replies:
            self._store_replies(raw, batch)

    def _store_replies(self, raw: Any, batch: Sequence[Step]) -> None:
        with raw.pipeline():
            for job in batch:
                if job.reply and job.result[0] != "taken" and job.result[1] is not None:
                    body = job.reply.make(job.result[1])
                    raw.execute(_STORE_REPLY, (body, job.locks, job.reply.key))
            raw.execute("COMMIT")

    def _isolate(self, batch: list[Step], error: Exception) -> None:
        """Undo all, and do each again alone; the one that fails alone keeps its error.

        Not where the time was up, which each of them might take again.
        """
        # Not execute("ROLLBACK"): of the statements after the one that failed psycopg believes that
        # they were prepared, and each would fail for ever. This forgets them.
        with suppress(psycopg.Error):
            self._connection.raw.rollback()
        if len(batch) == 1 or isinstance(error, psycopg.errors.QueryCanceled):
            for job in batch:
                job.error = _explain(error)
            return
        for job in batch:
            self._commit([job], was_sent=True)

    def _reconnect(self) -> bool:
        """Whether there is a new connection, after waiting as long as there is patience."""
        self._connection.close()
        try:
            self._connection = self._outage.reconnect(self._connect)
        except StoreError as error:
            _log.error("%s", error.message)
            return False
        return True


def _tell(steps: Sequence[Step]) -> None:
    for step in steps:
        step.tell()


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
