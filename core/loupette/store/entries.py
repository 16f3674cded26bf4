"""Move a balance and write its ledger row: nothing else does either."""

import msgspec

from loupette.errors import InsufficientBalance, StoreError
from loupette.store.connection import Connection
from loupette.store.logs import format_log_id

_MOVE = "UPDATE accounts SET balance = balance + ?1 WHERE id = ?2 AND balance + ?1 >= 0"
_APPEND = """
INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, note, created_ms,
    idempotency_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id
"""
_ORDERS = {"charge": "{} was charged", "refund": "{} was refunded", "topup": "that was topped up"}
"""What cannot be done twice, by kind of entry; an adjustment has no key."""


class Entry(msgspec.Struct, frozen=True):
    """A ledger row just written."""

    id: int
    balance_micros: int


def post(
    connection: Connection,
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
        StoreError: the request has an entry of that kind; the operation must be undone.
    """
    moved = connection.execute(_MOVE + " RETURNING balance", (amount_micros, account_id)).fetchone()
    if moved is None:
        raise InsufficientBalance("the balance would fall below zero")
    row = (account_id, kind, amount_micros, moved[0], log_id, note or None, now_ms, idempotency_key)
    appended = connection.execute(_APPEND, row).fetchone()
    if appended is None:
        raise StoreError(f"{_ORDERS[kind].format(log_id and format_log_id(log_id))} already")
    return Entry(appended[0], moved[0])
