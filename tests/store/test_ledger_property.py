"""The ledger against a model of plain integers, under random interleavings.

What is available never depends on how far the writer thread has got: settling moves money from a
hold into a charge, and the sum of both stays. So the model needs no clock, and the two must agree
after every single step, with settlements in every state.
"""

import itertools
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from loupette.errors import (
    IdempotencyTaken,
    InsufficientBalance,
    ReportRefused,
    StoreError,
    UnknownLog,
)
from loupette.store import idempotency
from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Hold, Ledger, Settled, adjust, refund, topup, verify
from loupette.store.logs import LogCounter, LogEntry, delete_older_than, record
from loupette.store.reports import Reported, report

NOW_MS = 1_730_419_200_000
ACCOUNTS = 2
AMOUNTS = st.integers(0, 40)


@pytest.fixture
def other(db: Database, path: Path) -> Iterator[Database]:
    """A second opening of the file, as a command in another process would have."""
    with Database.open(path) as opened:
        yield opened


@pytest.mark.slow
def test_ledger_agrees_with_a_model_whatever_the_interleaving(
    db: Database, other: Database
) -> None:
    counter, numbers = LogCounter(db), itertools.count()

    class Machine(RuleBasedStateMachine):
        open_holds = Bundle("open_holds")
        charges = Bundle("charges")

        def __init__(self) -> None:
            super().__init__()
            self.ledger = Ledger(db)
            self.of_this_life: set[Hold] = set()
            self.keys: list[KeyRecord] = [
                create_key(db, f"account {next(numbers)}", now_ms=NOW_MS).record
                for _ in range(ACCOUNTS)
            ]
            self.available = [0] * ACCOUNTS
            self.held = [0] * ACCOUNTS
            self.pending: list[Future[Settled]] = []
            self.replies: dict[str, tuple[int, int]] = {}
            self.pruned_below = 0

        def log(self, which: int, cost: int, outcome: str = "ok") -> LogEntry:
            key = self.keys[which]
            return LogEntry(
                id=counter.next_log_id(NOW_MS),
                account_id=key.account_id,
                key_id=key.id,
                created_ms=NOW_MS,
                type_id=10200,
                code=200 if outcome == "ok" else 400,
                outcome=outcome,
                cost_micros=cost,
                response_ms=1,
            )

        def reply(self, which: int, log: LogEntry) -> IdempotentReply:
            """A reply to be stored under a new Idempotency-Key, which the model remembers."""
            name = f"key {next(numbers)}"
            self.replies[name] = (self.keys[which].account_id, log.id)
            return IdempotentReply(name, b"", log.code, lambda left: str(left).encode())

        @rule(which=st.integers(0, ACCOUNTS - 1), amount=AMOUNTS, target=open_holds)
        def hold(self, which: int, amount: int) -> tuple[int, Hold] | None:
            try:
                hold = self.ledger.hold(self.keys[which].account_id, amount)
            except InsufficientBalance:
                assert amount > self.available[which]
                return None
            assert amount <= self.available[which]
            self.available[which] -= amount
            self.held[which] += amount
            self.of_this_life.add(hold)
            return which, hold

        @rule(held=consumes(open_holds), is_named=st.booleans(), target=charges)
        def settle(self, held: tuple[int, Hold] | None, is_named: bool) -> int | None:
            if held is None or not self.is_of_this_life(held[1]):
                return None
            which, hold = held
            log = self.log(which, hold.amount_micros)
            reply = self.reply(which, log) if is_named else None
            self.pending.append(self.ledger.settle(hold, log, reply))
            self.ledger.release(hold)
            self.held[which] -= hold.amount_micros
            return log.id

        def is_of_this_life(self, hold: Hold) -> bool:
            """Whether the server that made the hold still runs."""
            return hold in self.of_this_life

        @rule()
        def restart(self) -> None:
            """The server ends and another one starts: holds are gone, and nothing was charged."""
            self.wait()
            self.ledger = Ledger(db)
            self.of_this_life = set()
            for which, held in enumerate(self.held):
                self.available[which] += held
            self.held = [0] * ACCOUNTS

        @rule(which=st.integers(0, ACCOUNTS - 1), is_named=st.booleans())
        def fail(self, which: int, is_named: bool) -> None:
            """A request without an answer: logged behind all that was submitted, and free."""
            log = self.log(which, 0, "no_text")
            told = record(db, log, self.reply(which, log) if is_named else None)
            assert told.result(timeout=30) == self.available[which] + self.held[which]

        @rule(held=consumes(open_holds))
        def release(self, held: tuple[int, Hold] | None) -> None:
            if held is None or not self.is_of_this_life(held[1]):
                return
            which, hold = held
            self.ledger.release(hold)
            self.ledger.release(hold)  # as a `finally` may, and to no effect
            self.available[which] += hold.amount_micros
            self.held[which] -= hold.amount_micros

        @rule(held=consumes(open_holds))
        def settle_in_vain(self, held: tuple[int, Hold] | None) -> None:
            """The reply's key is taken, so the charge is undone and its hold freed."""
            if held is None or not self.is_of_this_life(held[1]):
                return
            which, hold = held
            name = f"key {next(numbers)}"
            reply = IdempotentReply(name, b"", 200, lambda left: b"")
            account_id = self.keys[which].account_id
            taken = self.ledger.settle(self.ledger.hold(account_id, 0), self.log(which, 0), reply)
            failed = self.ledger.settle(hold, self.log(which, hold.amount_micros), reply)
            assert isinstance(failed.exception(), IdempotencyTaken)
            assert taken.exception() is None
            self.available[which] += hold.amount_micros
            self.held[which] -= hold.amount_micros

        @rule(which=st.integers(0, ACCOUNTS - 1), amount=st.integers(1, 100), beside=st.booleans())
        def topup(self, which: int, amount: int, beside: bool) -> None:
            topup(other if beside else db, self.keys[which].account_name, amount, now_ms=NOW_MS)
            self.available[which] += amount

        @rule(which=st.integers(0, ACCOUNTS - 1), amount=AMOUNTS)
        def adjust_down_what_is_free(self, which: int, amount: int) -> None:
            if amount <= self.available[which]:
                adjust(other, self.keys[which].account_name, -amount, "", now_ms=NOW_MS)
                self.available[which] -= amount

        @rule(charge=consumes(charges))
        def refund(self, charge: int | None) -> None:
            """From the other process too, so only of what is committed."""
            self.wait()
            found = self.charged(charge)
            if charge is None or found is None:
                return
            refund(other, charge, now_ms=NOW_MS)
            self.available[found[0]] += found[1]
            with pytest.raises(StoreError, match="refunded already"):
                refund(db, charge, now_ms=NOW_MS)

        def charged(self, charge: int | None) -> tuple[int, int] | None:
            """Which account paid for that log, and what; None where nothing was to pay."""
            found = db.reader.execute(
                "SELECT account_id, -amount FROM ledger WHERE log_id = ? AND amount < 0", (charge,)
            ).fetchone()
            ids = [key.account_id for key in self.keys]
            return found and (ids.index(found[0]), found[1])

        @rule(charge=consumes(charges), is_refunded=st.booleans())
        def report(self, charge: int | None, is_refunded: bool) -> None:
            """A caller's verdict, which gives the charge back once, or not at all."""
            self.wait()
            found = self.charged(charge)
            if charge is None or found is None:
                return
            which, cost = found

            def say(by: int) -> Future[Reported]:
                return report(
                    db,
                    self.keys[by].account_id,
                    charge,
                    "wrong",
                    None,
                    refund=is_refunded,
                    within_ms=1000,
                    now_ms=NOW_MS + 1000,
                )

            assert isinstance(say(1 - which).exception(), UnknownLog)
            if charge < self.pruned_below:
                assert isinstance(say(which).exception(), UnknownLog)
                return
            assert say(which).result(timeout=30).refund_micros == (cost if is_refunded else 0)
            self.available[which] += cost if is_refunded else 0
            assert isinstance(say(which).exception(), ReportRefused)

        @rule()
        def prune(self) -> None:
            """Old logs go; the money stays."""
            self.wait()
            delete_older_than(db, NOW_MS + 1)
            self.pruned_below = counter.next_log_id(NOW_MS)

        @precondition(lambda self: self.pending)
        @rule()
        def wait(self) -> None:
            for future in self.pending:
                assert future.result(timeout=30).balance_micros >= 0
            self.pending.clear()
            for name, (account_id, log_id) in self.replies.items():
                stored = idempotency.find(db.reader, account_id, name)
                assert stored is not None
                assert stored.log_id == log_id

        @invariant()
        def available_is_what_the_model_says(self) -> None:
            for key, expected in zip(self.keys, self.available, strict=True):
                assert self.ledger.available(key.account_id) == expected

        def teardown(self) -> None:
            self.wait()
            assert verify(db).problems == ()
            for key, available, held in zip(self.keys, self.available, self.held, strict=True):
                balance = db.reader.execute(
                    "SELECT balance FROM accounts WHERE id = ?", (key.account_id,)
                ).fetchone()[0]
                assert balance == available + held

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
