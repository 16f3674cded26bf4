"""What the database refuses by itself, whatever the code or another program asks."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loupette.store.database import Database
from loupette.store.keys import KeyRecord
from loupette.store.ledger import verify


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET amount = 2000000",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT id, account_id, kind, 5, 5, log_id, note, created_ms,"
        " idempotency_key FROM ledger",
    ],
)
def test_ledger_is_append_only(db: Database, key: KeyRecord, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.write(lambda connection: connection.execute(statement).close())
    assert verify(db).entries == 1


def test_ledger_is_append_only_for_other_programs_too(key: KeyRecord, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        for statement in ("UPDATE ledger SET note = 'x'", "DELETE FROM ledger"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                other.execute(statement)


def test_balance_cannot_go_below_zero(db: Database, key: KeyRecord) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="balance >= 0"):
        db.write(lambda connection: connection.execute("UPDATE accounts SET balance = -1").close())


@pytest.mark.parametrize(
    ("kind", "amount", "log_id"),
    [
        ("charge", 5, 1),
        ("charge", -5, None),
        ("topup", -5, None),
        ("refund", 5, None),
        ("gift", 5, 1),
    ],
)
def test_entry_whose_kind_and_amount_disagree_is_refused(
    db: Database, key: KeyRecord, kind: str, amount: int, log_id: int | None
) -> None:
    insert = (
        "INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, created_ms)"
        " VALUES (1, ?, ?, 0, ?, 0)"
    )
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.write(lambda connection: connection.execute(insert, (kind, amount, log_id)).close())
