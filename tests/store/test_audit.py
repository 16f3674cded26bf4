import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, verify
from loupette.store.logs import LogEntry
from loupette.store.reports import report

ON_BOTH = True
TAMPERS = True

MakeLog = Callable[..., LogEntry]


@pytest.fixture
def reported(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> LogEntry:
    """Books with a top-up, two charges and the refund of the second."""
    for _ in range(2):
        entry = make_log(10_000)
        ledger.settle(ledger.hold(key.account_id, 10_000), entry).result()
    report(
        db, key.account_id, entry.id, "wrong", None, refund=True, within_ms=1, now_ms=now_ms
    ).result()
    return entry


Tamper = Callable[..., None]


@pytest.fixture
def tamper(path: Path, url: str | None) -> Tamper:
    """Changes the books as somebody with any tool for the database could, guards taken off."""
    return partial(_tamper_with, path) if url is None else partial(_tamper_at, url)


def _tamper_with(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for verb in ("update", "delete"):
            connection.execute(f"DROP TRIGGER ledger_refuses_{verb}")
        for statement in statements:
            connection.execute(statement)


def _tamper_at(url: str, *statements: str) -> None:
    from loupette.store.postgres.connection import connect

    with closing(connect(url)) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger fires
        for table in ("accounts", "ledger", "logs", "reports"):
            for (name,) in connection.execute(
                "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = ?::regclass",
                (table,),
            ).fetchall():
                connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        for statement in statements:
            connection.execute(statement)


def test_books_in_order_have_no_problems(db: Database, reported: LogEntry) -> None:
    found = verify(db)
    assert (found.accounts, found.entries, found.charges) == (1, 4, 2)
    assert (found.balance_micros, found.problems, found.ok) == (990_000, (), True)


def test_empty_books_are_in_order(db: Database) -> None:
    assert verify(db).ok


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "UPDATE accounts SET balance = balance + 1",
            "account acme: the balance is ¥0.990001, its ledger sums to ¥0.9900",
        ),
        ("UPDATE accounts SET balance = -1", "account acme: the balance is −¥0.000001"),
        (
            "UPDATE ledger SET balance_after = 980001 WHERE id = 2",
            "ledger entry 2: the balance after it is ¥0.980001, not ¥0.9900",
        ),
        (
            "DELETE FROM ledger WHERE id = 2",
            "ledger entry 3: the balance after it is ¥0.9800, not ¥0.9900",
        ),
        (
            "DELETE FROM logs WHERE id = 202411010000000001",
            "charge of log 202411010000000001: no successful log entry of that cost",
        ),
        (
            "UPDATE logs SET cost = 1 WHERE id = 202411010000000001",
            "charge of log 202411010000000001: no successful log entry of that cost",
        ),
        (
            "UPDATE logs SET outcome = 'no_gap' WHERE id = 202411010000000001",
            "charge of log 202411010000000001: no successful log entry of that cost",
        ),
        (
            "INSERT INTO logs(id, account_id, key_id, created_ms, code, outcome, cost, response_ms)"
            " VALUES (7, 1, 1, 0, 200, 'ok', 0, 1)",
            "log 7: a success without its charge",
        ),
        (
            "UPDATE ledger SET amount = 10001 WHERE kind = 'refund'",
            "refund of log 202411010000000002: more than was charged, or to another account",
        ),
        (
            "UPDATE ledger SET log_id = 5 WHERE kind = 'refund'",
            "refund of log 5: more than was charged, or to another account",
        ),
        (
            "UPDATE reports SET refund_micros = 9999",
            "report on log 202411010000000002: promises a refund of ¥0.009999 that was not made",
        ),
    ],
)
def test_tampered_books_are_found_out(
    db: Database, reported: LogEntry, tamper: Tamper, statement: str, problem: str
) -> None:
    tamper(statement)
    assert problem in map(str, verify(db).problems)


def test_charge_to_another_account_than_the_request_is_found_out(
    db: Database, reported: LogEntry, tamper: Tamper, now_ms: int
) -> None:
    create_key(db, "other", now_ms=now_ms)
    tamper("UPDATE logs SET account_id = 2 WHERE id = 202411010000000001")
    (problem,) = verify(db).problems
    assert problem.en.startswith("charge of log 202411010000000001")


def test_only_the_first_problems_of_a_kind_are_listed(
    db: Database, reported: LogEntry, tamper: Tamper
) -> None:
    insert = (
        "INSERT INTO logs(id, account_id, key_id, created_ms, code, outcome, cost, response_ms)"
        " VALUES ({}, 1, 1, 0, 200, 'ok', 0, 1)"
    )
    tamper(*(insert.format(number) for number in range(1, 101)))
    assert len(verify(db).problems) == 20


@pytest.mark.sqlite
def test_verifying_ends_its_snapshot(db: Database, reported: LogEntry) -> None:
    verify(db)
    assert not db.reader.in_transaction
