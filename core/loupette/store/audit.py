"""Recompute the money from scratch and say what does not add up."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from loupette.money import format_yuan
from loupette.store.connection import Connection

_SHOWN = 20  # problems of one kind; the first few tell what happened


@dataclass(frozen=True)
class Problem:
    """One thing that does not add up, in both languages; as text it is the operator's English."""

    zh: str
    en: str

    def __str__(self) -> str:
        return self.en


@dataclass(frozen=True)
class _Check:
    """What each row of a query means, with a place for each column; `money` are micro-yuan."""

    zh: str
    en: str
    query: str
    money: tuple[int, ...] = ()

    def find(self, reader: Connection) -> Iterator[Problem]:
        for row in reader.execute(f"{self.query} LIMIT ?", (_SHOWN,)):
            shown = [
                format_yuan(int(value)) if place in self.money else value
                for place, value in enumerate(row)
            ]
            yield Problem(self.zh.format(*shown), self.en.format(*shown))


# A charge whose log row was pruned (`log_retention`) is no problem.
_CHECKS = (
    _Check(
        "账户 {}：余额为 {}，账本合计为 {}",
        "account {}: the balance is {}, its ledger sums to {}",
        """
        SELECT a.name, a.balance, COALESCE(SUM(l.amount), 0)
        FROM accounts a LEFT JOIN ledger l ON l.account_id = a.id
        GROUP BY a.id HAVING a.balance <> COALESCE(SUM(l.amount), 0)
        """,
        money=(1, 2),
    ),
    _Check(
        "账户 {}：余额为 {}",
        "account {}: the balance is {}",
        "SELECT name, balance FROM accounts WHERE balance < 0",
        money=(1,),
    ),
    _Check(
        "账本记录 {}：其后余额为 {}，应为 {}",
        "ledger entry {}: the balance after it is {}, not {}",
        """
        SELECT id, balance_after, due
        FROM (SELECT id, balance_after, amount + LAG(balance_after, 1, 0)
            OVER (PARTITION BY account_id ORDER BY id) AS due FROM ledger) AS entries
        WHERE balance_after <> due OR balance_after < 0
        """,
        money=(1, 2),
    ),
    _Check(
        "日志 {} 的扣费：没有同样费用的成功日志",
        "charge of log {}: no successful log entry of that cost",
        """
        SELECT c.log_id
        FROM ledger c LEFT JOIN logs l ON l.id = c.log_id AND l.account_id = c.account_id
            AND l.outcome = 'ok' AND l.cost = -c.amount
        WHERE c.kind = 'charge' AND l.id IS NULL
            AND c.log_id >= (SELECT deleted_below FROM log_retention)
        """,
    ),
    _Check(
        "日志 {}：成功但没有扣费",
        "log {}: a success without its charge",
        """
        SELECT l.id
        FROM logs l LEFT JOIN ledger c ON c.log_id = l.id AND c.kind = 'charge'
            AND c.log_id IS NOT NULL
        WHERE l.outcome = 'ok' AND c.id IS NULL
        """,
    ),
    _Check(
        "日志 {} 的退款：多于扣费，或退到了别的账户",
        "refund of log {}: more than was charged, or to another account",
        """
        SELECT r.log_id
        FROM ledger r LEFT JOIN ledger c ON c.log_id = r.log_id AND c.kind = 'charge'
            AND c.log_id IS NOT NULL AND c.account_id = r.account_id
        WHERE r.kind = 'refund' AND (c.id IS NULL OR r.amount > -c.amount)
        """,
    ),
    _Check(
        "对日志 {} 的报告：答应退款 {}，但没有退",
        "report on log {}: promises a refund of {} that was not made",
        """
        SELECT p.log_id, p.refund_micros
        FROM reports p LEFT JOIN ledger r ON r.log_id = p.log_id AND r.kind = 'refund'
            AND r.log_id IS NOT NULL AND r.amount = p.refund_micros
        WHERE p.refund_micros > 0 AND r.id IS NULL
        """,
        money=(1,),
    ),
)
_HELD = _Check(
    "账户 {}：预留为 {}，各笔预留合计为 {}",
    "account {}: {} is set aside, its holds sum to {}",
    """
    SELECT a.name, a.held, COALESCE(SUM(h.amount), 0)
    FROM accounts a LEFT JOIN holds h ON h.account_id = a.id
    GROUP BY a.id HAVING a.held <> COALESCE(SUM(h.amount), 0)
    """,
    money=(1, 2),
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
        problems: empty when all adds up.
    """

    accounts: int
    entries: int
    charges: int
    balance_micros: int
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return not self.problems


def audit(reader: Connection) -> Audit:
    """Check all accounts, the ledger, the logs, the reports and the holds against each other."""
    # One transaction is one snapshot: a server may be charging while this runs.
    is_postgres = not isinstance(reader, sqlite3.Connection)  # which keeps holds in memory
    checks = (*_CHECKS, _HELD) if is_postgres else _CHECKS
    reader.execute("BEGIN")
    try:
        if is_postgres:
            # Most checks read tables whole. Where its statistics are older than a burst of charges,
            # PostgreSQL expects a handful of rows, and would compare each with each.
            reader.execute("SET LOCAL enable_nestloop = off")
        accounts, entries, charges, balance = reader.execute(_COUNTS).fetchone()
        problems = tuple(problem for check in checks for problem in check.find(reader))
    finally:
        reader.execute("ROLLBACK")
    return Audit(accounts, entries, charges, balance, problems)
