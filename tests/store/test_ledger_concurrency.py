"""Holds and charges at the same time: in one event loop, beside the writer, beside a process."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loupette.errors import InsufficientBalance
from loupette.store.database import Database
from loupette.store.keys import KeyRecord
from loupette.store.ledger import Ledger, topup, verify
from loupette.store.logs import LogEntry

MakeLog = Callable[..., LogEntry]

TOP_UP = """
import sys
import threading
from pathlib import Path
from loupette.store.database import Database
from loupette.store.ledger import topup
with Database.open(Path(sys.argv[1])) as db:
    for _ in range(int(sys.argv[2])):
        topup(db, "acme", 10_000, now_ms=0)
        print("topped up", flush=True)
"""


def balance(db: Database) -> int:
    """As committed, once the books were found in order."""
    found = verify(db)
    assert found.problems == ()
    return found.balance_micros


def test_concurrent_calls_spend_exactly_the_balance(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog
) -> None:
    """250 requests at 10 000 on a balance of 1 000 000: a hundred pass, whatever the timing."""

    async def call(number: int) -> bool:
        for _ in range(number % 7):
            await asyncio.sleep(0)
        try:
            hold = ledger.hold(key.account_id, 10_000)
        except InsufficientBalance:
            return False
        await asyncio.wrap_future(ledger.settle(hold, make_log(10_000)))
        return True

    async def all_calls() -> list[bool]:
        return await asyncio.gather(*(call(number) for number in range(250)))

    assert asyncio.run(all_calls()).count(True) == 100
    assert (balance(db), ledger.available(key.account_id)) == (0, 0)


def test_no_moment_of_a_settlement_shows_more_or_less_money(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog
) -> None:
    """Looks again and again while the writer commits; both sides of the move would show."""
    left = 1_000_000
    for _ in range(100):
        settled = ledger.settle(ledger.hold(key.account_id, 10_000), make_log(10_000))
        left -= 10_000
        while not settled.done():
            assert ledger.available(key.account_id) == left
        assert ledger.available(key.account_id) == left


@pytest.mark.slow
def test_money_is_exact_while_another_process_tops_up(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, path: Path
) -> None:
    spend_micros, topups = 10_000, 60
    total = 1_000_000 + topups * 10_000
    spent = 0
    command = [sys.executable, "-c", TOP_UP, str(path), str(topups)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        for _ in other.stdout:
            hold = ledger.hold(key.account_id, spend_micros)
            ledger.settle(hold, make_log(spend_micros))
            spent += spend_micros
    assert other.returncode == 0
    assert ledger.available(key.account_id) == total - spent
    while ledger.available(key.account_id):
        ledger.settle(ledger.hold(key.account_id, spend_micros), make_log(spend_micros)).result()
    assert balance(db) == 0


def test_topups_that_come_at_once_add_once(
    db: Database, path: Path, key: KeyRecord, now_ms: int
) -> None:
    with ThreadPoolExecutor(4) as threads, Database.open(path) as other:
        sent = [
            threads.submit(topup, each, "acme", 5, now_ms=now_ms, idempotency_key="order 7")
            for each in (db, other) * 4
        ]
        assert {one.result(timeout=60) for one in sent} == {1_000_005}
    assert balance(db) == 1_000_005
