"""The ledger as people read it: one page of its entries, newest first."""

from dataclasses import dataclass

from loupette.store.connection import Connection

_SELECT = """
SELECT l.id, l.account_id, a.name, l.kind, l.amount, l.balance_after, l.log_id, l.note, l.created_ms
FROM ledger l JOIN accounts a ON a.id = l.account_id
"""


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """One movement of a balance.

    Attributes:
        kind: ``"topup"``, ``"adjust"``, ``"charge"`` or ``"refund"``.
        amount_micros: added to the balance; negative for a charge.
        balance_micros: of the account, after it.
        log_id: the request that was charged or refunded.
    """

    id: int
    account_id: int
    account_name: str
    kind: str
    amount_micros: int
    balance_micros: int
    log_id: int | None
    note: str | None
    created_ms: int


def read_statement(
    reader: Connection, account_id: int | None, *, before: int | None, limit: int
) -> list[LedgerRecord]:
    """One page.

    Args:
        reader: a connection to read from.
        account_id: whose; all accounts' where None.
        before: the last id of the page before, None for the newest page.
        limit: how many entries at most.
    """
    terms = {"l.account_id = ?": account_id, "l.id < ?": before}
    used = {term: value for term, value in terms.items() if value is not None}
    where = f"WHERE {' AND '.join(used)} " if used else ""
    rows = reader.execute(
        f"{_SELECT}{where}ORDER BY l.id DESC LIMIT ?",
        (*used.values(), limit),
    )
    return [LedgerRecord(*row) for row in rows]
