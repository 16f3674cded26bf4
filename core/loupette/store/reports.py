"""Callers' word on an answer: right or wrong, and the refund for a wrong one."""

from concurrent.futures import Future
from dataclasses import dataclass

from loupette.errors import ReportRefused, StoreError, UnknownLog
from loupette.store import logs
from loupette.store.connection import Connection, Store
from loupette.store.ledger import post_refund
from loupette.store.logs import LogRecord, format_log_id


@dataclass(frozen=True, slots=True)
class Reported:
    """A report that is committed."""

    refund_micros: int
    balance_micros: int


def report(
    db: Store,
    account_id: int,
    log_id: int,
    verdict: str,
    true_answer: str | None,
    *,
    refund: bool,
    within_ms: int,
    now_ms: int,
) -> "Future[Reported]":
    """Keep the caller's verdict on one of their successes, and refund it when asked to.

    The future raises:
        UnknownLog: the account has no such log entry.
        ReportRefused: it was no success, is older than `within_ms`, or was reported or refunded
            before.
    """

    def operation(connection: Connection) -> Reported:
        log = logs.get(connection, account_id, log_id)
        if log is None:
            raise UnknownLog(f"you have no log entry {format_log_id(log_id)}")
        _refuse_unreportable(log, within_ms=within_ms, now_ms=now_ms)
        refund_micros = log.cost_micros if refund else 0
        kept = connection.execute(
            "INSERT INTO reports(log_id, account_id, verdict, true_answer, refund_micros,"
            " created_ms) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (log_id, account_id, verdict, true_answer, refund_micros, now_ms),
        )
        if not kept.rowcount:  # at another server, since it was looked for
            raise ReportRefused(f"{format_log_id(log_id)} was reported before")
        if refund_micros:
            _refund(connection, log_id, note=f"reported {verdict}", now_ms=now_ms)
        return Reported(refund_micros, _balance(connection, account_id))

    return db.submit(operation)


def _refuse_unreportable(log: LogRecord, *, within_ms: int, now_ms: int) -> None:
    name = format_log_id(log.id)
    if log.outcome != "ok":
        raise ReportRefused(f"{name} was not answered, so nothing was charged")
    if log.verdict is not None:
        raise ReportRefused(f"{name} was reported before, as {log.verdict}")
    if now_ms - log.created_ms > within_ms:
        raise ReportRefused(f"{name} is too old; report within {within_ms // 1000} seconds")


def _refund(connection: Connection, log_id: int, *, note: str, now_ms: int) -> None:
    try:
        post_refund(connection, log_id, note=note, now_ms=now_ms)
    except StoreError as error:
        raise ReportRefused(error.message) from error


def _balance(connection: Connection, account_id: int) -> int:
    row = connection.execute("SELECT balance FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return int(row[0])
