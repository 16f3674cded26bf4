"""The request log: give ids, insert, query, prune."""

import json
import re
import time
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from loupette.store.connection import Connection, Store
from loupette.store.idempotency import IdempotentReply

DAY_SIZE = 10**10  # ids a day has room for
_DAY_MS = 86_400_000
_LAST_DAY = 2_900_000  # in the year 9909; `date` ends with 9999
_ID_PATTERN = re.compile(r"LOG([0-9]{8})([0-9]{6,10})")
# One step takes 2 ms of processor time; of 1000 rows it was 3.3 ms.
_PRUNE_STEP = 500

COLUMNS = (
    "id", "account_id", "key_id", "created_ms", "type_id", "code", "outcome", "cost", "answer",
    "confidence", "response_ms", "detail", "image_hash", "options",
)  # fmt: skip
# S608: of constants
_INSERT = f"INSERT INTO logs({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_FIELDS = (
    "id", "account_id", "key_id", "created_ms", "type_id", "code", "outcome", "cost_micros",
    "answer", "confidence", "response_ms", "detail", "image_hash", "options", "verdict",
    "refund_micros",
)  # fmt: skip
_BALANCE = "SELECT balance FROM accounts WHERE id = ?"
_SELECT = """
SELECT l.id, l.account_id, l.key_id, l.created_ms, l.type_id, l.code, l.outcome, l.cost, l.answer,
    l.confidence, l.response_ms, l.detail, l.image_hash, l.options, r.verdict,
    COALESCE(r.refund_micros, 0)
FROM logs l LEFT JOIN reports r ON r.log_id = l.id
"""
_HAS_ANSWER = (
    "instr(l.answer, ?) > 0 AND l.id >= (SELECT MIN(id) FROM"
    " (SELECT id FROM logs ORDER BY id DESC LIMIT 100000) AS newest)"
)


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one request, read or not.

    Attributes:
        code: the status the caller was answered with.
        outcome: ``"ok"``, or the `reason` of the error.
        cost_micros: what it cost; 0 unless the outcome is ``"ok"``.
        detail: JSON-ready facts, as errors carry them.
        options: what was asked for, as checked; None where nothing was, or it is not known.
    """

    id: int
    account_id: int
    key_id: int
    created_ms: int
    type_id: int | None
    code: int
    outcome: str
    cost_micros: int = 0
    answer: str | None = None
    confidence: float | None = None
    response_ms: int
    detail: Mapping[str, object] | None = None
    image_hash: bytes | None = None
    options: Mapping[str, object] | None = None


class LogRecord(LogEntry, frozen=True, kw_only=True):
    """An entry with what was reported on it later."""

    verdict: str | None = None
    refund_micros: int = 0


class LogCounter:
    """Gives log ids from memory: ``yyyymmdd * 10**10 + counter``, in the order of time.

    The first id of a day (UTC) looks into the database, so a restart goes on above every id that
    was committed. An id that was given but never committed may be given again, therefore tell a
    caller an id only when its row is committed. A clock set back does not bring a day back.
    """

    def __init__(self, db: Store) -> None:
        self._db = db
        self._last = 0

    def next_log_id(self, now_ms: int) -> int:
        """The next id, for a request that came at `now_ms`."""
        first = day_start(now_ms)
        if first > self._last:
            self._last = self._newest_in(first) or first
        self._last += 1
        return self._last

    def _newest_in(self, first: int) -> int:
        """The day's highest committed id, also when its log row was pruned; 0 when none is."""
        row = self._db.reader.execute(
            "SELECT MAX(id) FROM (SELECT MAX(id) AS id FROM logs WHERE id BETWEEN ?1 AND ?2"
            " UNION ALL SELECT MAX(log_id) FROM ledger WHERE log_id BETWEEN ?1 AND ?2) AS newest",
            (first, first + DAY_SIZE - 1),
        ).fetchone()
        return int(row[0] or 0)


def format_log_id(log_id: int) -> str:
    """The id as callers see it: ``"LOG20241101000001"``, with at least six counter digits."""
    day, counter = divmod(log_id, DAY_SIZE)
    return f"LOG{day:08d}{counter:06d}"


def parse_log_id(text: str) -> int | None:
    """The id that `format_log_id` writes like this, None when there is no such id."""
    match = _ID_PATTERN.fullmatch(text)
    if match is None:
        return None
    log_id = int(match[1]) * DAY_SIZE + int(match[2])
    return log_id if format_log_id(log_id) == text else None


def record(db: Store, entry: LogEntry, reply: IdempotentReply | None = None) -> "Future[int]":
    """Log a request that was not charged; the future gives the account's balance.

    Args:
        db: the database.
        entry: the request's log entry.
        reply: what to store when the request carried an Idempotency-Key.

    Raises:
        ValueError: the entry is of a success; `Ledger.settle` logs those with their charge.
    """
    check_failure(entry)

    def operation(connection: Connection) -> int:
        insert(connection, entry)
        balance_micros = int(connection.execute(_BALANCE, (entry.account_id,)).fetchone()[0])
        if reply is not None:
            reply.store(connection, entry.account_id, entry.id, balance_micros, entry.created_ms)
        return balance_micros

    return db.submit(operation)


def check_failure(entry: LogEntry) -> None:
    """Refuse to log a success without its charge."""
    if entry.outcome == "ok":
        raise ValueError("a success is logged by settling its hold")


def insert(connection: Connection, entry: LogEntry) -> None:
    """Write the row, inside the operation of whoever calls."""
    connection.execute(_INSERT, row_of(entry))


def row_of(entry: LogEntry) -> tuple[Any, ...]:
    """What is kept of an entry, in the order of `COLUMNS`."""
    return (
        entry.id,
        entry.account_id,
        entry.key_id,
        entry.created_ms,
        entry.type_id,
        entry.code,
        entry.outcome,
        entry.cost_micros,
        entry.answer,
        entry.confidence,
        entry.response_ms,
        _to_json(entry.detail) if entry.detail else None,
        entry.image_hash,
        _to_json(entry.options) if entry.options else None,
    )


def get(reader: Connection, account_id: int, log_id: int) -> LogRecord | None:
    """The account's own log entry; None when it is another's, or nobody's."""
    row = reader.execute(
        _SELECT + "WHERE l.account_id = ? AND l.id = ?", (account_id, log_id)
    ).fetchone()
    return None if row is None else _from_row(row)


def find(reader: Connection, log_id: int) -> LogRecord | None:
    """The operator's view of one entry, whosever it is."""
    row = reader.execute(_SELECT + "WHERE l.id = ?", (log_id,)).fetchone()
    return None if row is None else _from_row(row)


def query(
    reader: Connection,
    account_id: int | None,
    *,
    before: int | None = None,
    limit: int = 50,
    since_ms: int | None = None,
    until_ms: int | None = None,
    type_id: int | None = None,
    outcome: str | None = None,
    answer: str | None = None,
) -> list[LogRecord]:
    """One page of the log, newest first.

    Args:
        reader: a connection to read from.
        account_id: whose log; the operator's view of all accounts when None.
        before: the cursor: the last id of the page before, None for the newest page.
        limit: how many entries at most.
        since_ms: only entries of this time or later.
        until_ms: only entries before this time.
        type_id: only entries of this type.
        outcome: only ``"ok"``, or only this error's reason.
        answer: only answers with this in them, of the newest 100 000 entries: no index has them.
    """
    is_failure = outcome not in (None, "ok")
    terms: list[tuple[str, object]] = [
        ("l.account_id = ?", account_id),
        ("l.id < ?", _id_bound(before, until_ms)),
        ("l.id >= ?", None if since_ms is None else first_id_of(since_ms)),
        ("l.created_ms >= ?", since_ms),
        ("l.created_ms < ?", until_ms),
        # The plus keeps an account's failures from being looked for among everybody's.
        ("+l.type_id = ?" if is_failure and account_id is not None else "l.type_id = ?", type_id),
        ("l.outcome = ?", outcome),
        (_HAS_ANSWER, answer),
    ]
    used = [(term, value) for term, value in terms if value is not None]
    where = " AND ".join(term for term, _ in used) or "TRUE"
    if outcome is not None:  # said once more, or SQLite leaves the partial indexes out
        where += f" AND l.outcome {'<>' if is_failure else '='} 'ok'"
    values = [*(value for _, value in used), limit]
    rows = reader.execute(f"{_SELECT} WHERE {where} ORDER BY l.id DESC LIMIT ?", values)
    return [_from_row(row) for row in rows]


def delete_older_than(db: Store, before_ms: int) -> int:
    """Delete the log rows from before that time, and return how many there were.

    The ledger keeps its charges. It looks at every row, as a clock that was ahead for a while
    leaves old times under high ids. It goes in small steps, deletes in each by one operation of the
    writer, and leaves the database alone after that for as long as it took: a server's writer that
    waits for another process looks only now and then whether it may go on, and would find it busy
    for ever. So the event loop must not call it.
    """
    total = db.drop_log_parts(first_id_of(before_ms))
    step = _next_step(db, 0, before_ms)
    while step is not None:
        if step.newest_old is not None:
            started_s = time.monotonic()
            total += db.write(step.prune)
            time.sleep(time.monotonic() - started_s)
        step = _next_step(db, step.last, before_ms)
    return total


def first_id_of(since_ms: int) -> int:
    """No entry of that time or later has a lower id, even where the clock was set back a day."""
    return day_start(since_ms - _DAY_MS)


def _to_json(facts: Mapping[str, object]) -> str:
    # enc_hook: an odd value in a detail must not cost the caller an answer.
    return msgspec.json.encode(dict(facts), enc_hook=str).decode()


_LOOK = """
SELECT MAX(id), MAX(id) FILTER (WHERE created_ms < ?)
FROM (SELECT id, created_ms FROM logs WHERE id > ? ORDER BY id LIMIT ?) AS following
"""
_PRUNE = "DELETE FROM logs WHERE id > ? AND id <= ? AND created_ms < ?"


class _Step(NamedTuple):
    """Some rows in a line: those above the id `above`, up to `last`."""

    above: int
    last: int
    newest_old: int | None
    before_ms: int

    def prune(self, connection: Connection) -> int:
        """Delete those that are old; gives how many."""
        assert self.newest_old is not None
        connection.execute(
            "UPDATE log_retention SET deleted_below = ?1 WHERE deleted_below < ?1",
            (self.newest_old + 1,),
        )
        old = (self.above, self.newest_old, self.before_ms)
        return connection.execute(_PRUNE, old).rowcount


def _next_step(db: Store, above: int, before_ms: int) -> _Step | None:
    look = (before_ms, above, _PRUNE_STEP)
    last, newest_old = db.reader.execute(_LOOK, look).fetchone()
    return None if last is None else _Step(above, last, newest_old, before_ms)


def day_start(now_ms: int) -> int:
    """The id below the first one of the day of `now_ms`, in UTC."""
    return _first_of_day(min(max(now_ms // _DAY_MS, 0), _LAST_DAY))


@lru_cache(maxsize=16)  # each request asks for today's
def _first_of_day(days: int) -> int:
    day = date(1970, 1, 1) + timedelta(days=days)
    return (day.year * 10_000 + day.month * 100 + day.day) * DAY_SIZE


def _id_bound(before: int | None, until_ms: int | None) -> int | None:
    """The id below which to begin; the time alone would walk through all newer entries."""
    # Two days on: a clock set back over midnight leaves ids of the new day on times of the old.
    bounds = (before, None if until_ms is None else day_start(until_ms + 2 * _DAY_MS))
    return min((bound for bound in bounds if bound is not None), default=None)


def _from_row(row: tuple[Any, ...]) -> LogRecord:  # Any: SQLite's columns have many types
    values = dict(zip(_FIELDS, row, strict=True))
    for name in ("detail", "options"):
        if values[name] is not None:
            values[name] = json.loads(values[name])
    return LogRecord(**values)
