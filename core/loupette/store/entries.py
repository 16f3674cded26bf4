"""Move a balance and write its ledger row: nothing else does either."""

import sqlite3
from dataclasses import dataclass

from loupette.errors import InsufficientBalance, StoreError

_MOVE = "UPDATE accounts SET balance = balance + ?1 WHERE id = ?2 AND balance + ?1 >= 0"
_APPEND = """
INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, note, created_ms,
    idempotency_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger row just written."""

    id: int
    balance_micros: int


def post(
    connection: sqlite3.Connection,
    account_id: int,
    kind: str,
    amount_micros: int,
    log_id: int | None,
    *,
    note: str | None = None,
    now_ms: int,
    idempotency_key: str | None = None,
) -> Entry:
    """Move the balance and write the ledger row, inside the operation of whoever calls.

    Raises:
        InsufficientBalance: the balance would fall below zero; nothing was written.
    """
    moved = connection.execute(_MOVE + " RETURNING balance", (amount_micros, account_id)).fetchone()
    if moved is None:
        raise InsufficientBalance("the balance would fall below zero")
    row = (account_id, kind, amount_micros, moved[0], log_id, note or None, now_ms, idempotency_key)
    cursor = connection.execute(_APPEND, row)
    if cursor.lastrowid is None:
        raise StoreError("SQLite gave the new ledger row no id")
    return Entry(cursor.lastrowid, moved[0])
