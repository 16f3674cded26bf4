"""Recompute the money from scratch and say what does not add up."""

import sqlite3
from dataclasses import dataclass

_SHOWN = 20  # problems of one kind; the first few tell what happened

# Each gives one line per problem; a charge whose log row was pruned (`log_retention`) is none.
_CHECKS = (
    """
    SELECT printf('account %s: the balance is %d, its ledger sums to %d',
        a.name, a.balance, COALESCE(SUM(l.amount), 0))
    FROM accounts a LEFT JOIN ledger l ON l.account_id = a.id
    GROUP BY a.id HAVING a.balance <> COALESCE(SUM(l.amount), 0)
    """,
    "SELECT printf('account %s: the balance is %d', name, balance) FROM accounts WHERE balance < 0",
    """
    SELECT printf('ledger entry %d: the balance after it is %d, not %d', id, balance_after, due)
    FROM (SELECT id, balance_after, amount + LAG(balance_after, 1, 0)
        OVER (PARTITION BY account_id ORDER BY id) AS due FROM ledger)
    WHERE balance_after <> due OR balance_after < 0
    """,
    """
    SELECT printf('charge of log %d: no successful log entry of that cost', c.log_id)
    FROM ledger c LEFT JOIN logs l ON l.id = c.log_id AND l.account_id = c.account_id
        AND l.outcome = 'ok' AND l.cost = -c.amount
    WHERE c.kind = 'charge' AND l.id IS NULL
        AND c.log_id >= (SELECT deleted_below FROM log_retention)
    """,
    """
    SELECT printf('log %d: a success without its charge', l.id)
    FROM logs l LEFT JOIN ledger c ON c.log_id = l.id AND c.kind = 'charge'
        AND c.log_id IS NOT NULL
    WHERE l.outcome = 'ok' AND c.id IS NULL
    """,
    """
    SELECT printf('refund of log %d: more than was charged, or to another account', r.log_id)
    FROM ledger r LEFT JOIN ledger c ON c.log_id = r.log_id AND c.kind = 'charge'
        AND c.log_id IS NOT NULL AND c.account_id = r.account_id
    WHERE r.kind = 'refund' AND (c.id IS NULL OR r.amount > -c.amount)
    """,
    """
    SELECT printf('report on log %d: promises a refund of %d that was not made',
        p.log_id, p.refund_micros)
    FROM reports p LEFT JOIN ledger r ON r.log_id = p.log_id AND r.kind = 'refund'
        AND r.log_id IS NOT NULL AND r.amount = p.refund_micros
    WHERE p.refund_micros > 0 AND r.id IS NULL
    """,
)
_COUNTS = """
SELECT (SELECT COUNT(*) FROM accounts), (SELECT COUNT(*) FROM ledger),
    (SELECT COUNT(*) FROM ledger WHERE kind = 'charge'),
    (SELECT COALESCE(SUM(balance), 0) FROM accounts)
"""


@dataclass(frozen=True)
class Audit:
    """What was checked, and what was found wrong.

    Attributes:
        accounts: how many accounts there are.
        entries: how many ledger entries.
        charges: how many of those are charges.
        balance_micros: the sum of all balances.
        problems: one line each; empty when all adds up.
    """

    accounts: int
    entries: int
    charges: int
    balance_micros: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not self.problems


def audit(reader: sqlite3.Connection) -> Audit:
    """Check all accounts, the ledger, the logs and the reports against each other."""
    # One transaction is one snapshot: a server may be charging while this runs.
    reader.execute("BEGIN")
    try:
        accounts, entries, charges, balance = reader.execute(_COUNTS).fetchone()
        problems = tuple(line for check in _CHECKS for line in _run(reader, check))
    finally:
        reader.execute("ROLLBACK")
    return Audit(accounts, entries, charges, balance, problems)


def _run(reader: sqlite3.Connection, check: str) -> list[str]:
    return [line for (line,) in reader.execute(f"{check} LIMIT ?", (_SHOWN,))]
