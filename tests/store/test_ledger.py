import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager

import pytest

from loupette.errors import IdempotencyTaken, InsufficientBalance, StoreError
from loupette.store import idempotency
from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, adjust, refund, topup, verify
from loupette.store.logs import LogEntry
from loupette.store.opening import open_database

ON_BOTH = True

Pause = Callable[[Database], AbstractContextManager[None]]
MakeLog = Callable[..., LogEntry]


def balance(db: Database) -> int:
    return int(db.reader.execute("SELECT balance FROM accounts ORDER BY id").fetchone()[0])


def count(db: Database, table: str) -> int:
    return int(db.reader.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


def charge(ledger: Ledger, log: LogEntry) -> int:
    hold = ledger.hold(log.account_id, log.cost_micros)
    return ledger.settle(hold, log).result().balance_micros


@pytest.fixture(autouse=True)
def adds_up_afterwards(db: Database) -> Iterator[None]:
    """Whatever a test does to the money, the books are in order after it."""
    yield
    assert verify(db).problems == ()


# Holding


def test_hold_takes_money_off_what_is_available(ledger: Ledger, key: KeyRecord) -> None:
    ledger.hold(key.account_id, 300_000)
    assert ledger.available(key.account_id) == 700_000


def test_a_hold_is_open_until_it_is_released(ledger: Ledger, key: KeyRecord) -> None:
    first, second = (ledger.hold(key.account_id, 1) for _ in range(2))
    assert ledger.open_holds == 2
    ledger.release(first)
    assert ledger.open_holds == 1
    ledger.release(second)
    assert ledger.open_holds == 0


def test_hold_writes_nothing(db: Database, ledger: Ledger, key: KeyRecord) -> None:
    ledger.hold(key.account_id, 300_000)
    assert (balance(db), count(db, "ledger")) == (1_000_000, 1)


def test_hold_refuses_when_balance_is_short(ledger: Ledger, key: KeyRecord) -> None:
    with pytest.raises(InsufficientBalance) as refused:
        ledger.hold(key.account_id, 1_000_001)
    assert refused.value.detail == {}
    assert ledger.available(key.account_id) == 1_000_000


def test_hold_refuses_what_other_holds_may_spend(ledger: Ledger, key: KeyRecord) -> None:
    ledger.hold(key.account_id, 600_000)
    with pytest.raises(InsufficientBalance):
        ledger.hold(key.account_id, 400_001)
    ledger.hold(key.account_id, 400_000)
    assert ledger.available(key.account_id) == 0


def test_hold_of_one_account_does_not_touch_another(
    db: Database, ledger: Ledger, key: KeyRecord, now_ms: int
) -> None:
    other = create_key(db, "other", now_ms=now_ms).record
    topup(db, "other", 5, now_ms=now_ms)
    ledger.hold(key.account_id, 1_000_000)
    assert ledger.available(other.account_id) == 5


def test_hold_of_nothing_passes_without_a_balance(
    db: Database, ledger: Ledger, now_ms: int
) -> None:
    account_id = create_key(db, "poor", now_ms=now_ms).record.account_id
    assert ledger.hold(account_id, 0).amount_micros == 0


def test_negative_hold_is_a_mistake(ledger: Ledger, key: KeyRecord) -> None:
    with pytest.raises(ValueError, match="negative"):
        ledger.hold(key.account_id, -1)


def test_hold_on_an_unknown_account_is_refused(ledger: Ledger) -> None:
    with pytest.raises(StoreError, match="no account"):
        ledger.hold(77, 1)


def test_released_hold_gives_its_money_back(ledger: Ledger, key: KeyRecord) -> None:
    hold = ledger.hold(key.account_id, 300_000)
    ledger.release(hold)
    ledger.release(hold)
    assert ledger.available(key.account_id) == 1_000_000


def test_holds_are_forgotten_with_the_process(ledger: Ledger, db: Database, key: KeyRecord) -> None:
    ledger.hold(key.account_id, 300_000)
    assert Ledger(db).available(key.account_id) == 1_000_000


# Settling


def test_settle_charges_logs_and_tells_the_new_balance(
    db: Database, ledger: Ledger, make_log: MakeLog
) -> None:
    log = make_log(10_000)
    assert charge(ledger, log) == 990_000
    entries = db.reader.execute(
        "SELECT kind, amount, balance_after, log_id, created_ms FROM ledger ORDER BY id DESC"
    )
    assert entries.fetchone() == ("charge", -10_000, 990_000, log.id, log.created_ms)
    assert db.reader.execute("SELECT id, cost FROM logs").fetchall() == [(log.id, 10_000)]


def test_settled_hold_is_taken_off_once(ledger: Ledger, key: KeyRecord, make_log: MakeLog) -> None:
    charge(ledger, make_log(10_000))
    assert ledger.available(key.account_id) == 990_000


def test_hold_counts_until_its_charge_is_committed(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    hold = ledger.hold(key.account_id, 1_000_000)
    with paused_writer(db):
        settled = ledger.settle(hold, make_log(1_000_000))
        assert (balance(db), ledger.available(key.account_id)) == (1_000_000, 0)
    settled.result()
    assert (balance(db), ledger.available(key.account_id)) == (0, 0)


@pytest.mark.sqlite
def test_charge_written_but_not_committed_still_counts_as_held(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    """The entry has its id already, but no snapshot has the entry."""
    is_inside, may_leave = threading.Event(), threading.Event()

    def wait(_: sqlite3.Connection) -> None:
        is_inside.set()
        assert may_leave.wait(30)

    hold = ledger.hold(key.account_id, 1_000_000)
    with paused_writer(db):
        settled = ledger.settle(hold, make_log(1_000_000))
        db.submit(wait)  # in the same batch, after the charge
    assert is_inside.wait(30)
    assert (balance(db), ledger.available(key.account_id)) == (1_000_000, 0)
    may_leave.set()
    settled.result()
    assert (balance(db), ledger.available(key.account_id)) == (0, 0)


def test_release_does_not_undo_a_settlement_under_way(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    hold = ledger.hold(key.account_id, 1_000_000)
    with paused_writer(db):
        settled = ledger.settle(hold, make_log(1_000_000))
        ledger.release(hold)
        assert (ledger.available(key.account_id), ledger.open_holds) == (0, 1)
    assert settled.result().balance_micros == 0
    assert ledger.open_holds == 0


def test_cancelled_settlement_charges_nothing_and_frees_the_hold(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    hold = ledger.hold(key.account_id, 400_000)
    with paused_writer(db):
        settled = ledger.settle(hold, make_log(400_000))
        assert settled.cancel()
    with pytest.raises(CancelledError):
        settled.result()
    assert (balance(db), ledger.available(key.account_id)) == (1_000_000, 1_000_000)


def test_free_answer_is_entered_as_a_charge_of_nothing(
    db: Database, ledger: Ledger, make_log: MakeLog
) -> None:
    assert charge(ledger, make_log(0)) == 1_000_000
    assert verify(db).charges == 1


def test_settle_takes_a_hold_once(ledger: Ledger, key: KeyRecord, make_log: MakeLog) -> None:
    hold = ledger.hold(key.account_id, 10_000)
    ledger.settle(hold, make_log(10_000)).result()
    with pytest.raises(ValueError, match="before"):
        ledger.settle(hold, make_log(10_000))


def test_settle_refuses_a_released_hold(ledger: Ledger, key: KeyRecord, make_log: MakeLog) -> None:
    hold = ledger.hold(key.account_id, 10_000)
    ledger.release(hold)
    with pytest.raises(ValueError, match="before"):
        ledger.settle(hold, make_log(10_000))


@pytest.mark.parametrize(
    "change", [{"cost_micros": 9_999}, {"outcome": "no_gap"}, {"account_id": 2}]
)
def test_settle_refuses_a_log_entry_of_something_else(
    ledger: Ledger, key: KeyRecord, make_log: MakeLog, change: dict[str, object]
) -> None:
    hold = ledger.hold(key.account_id, 10_000)
    with pytest.raises(ValueError, match="not of a success"):
        ledger.settle(hold, make_log(**({"cost_micros": 10_000} | change)))


def test_failed_settlement_writes_nothing_and_frees_the_hold(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog
) -> None:
    first = make_log(10_000)
    charge(ledger, first)
    hold = ledger.hold(key.account_id, 10_000)
    with pytest.raises(StoreError, match="LOG20241101000001 was charged already"):
        ledger.settle(hold, make_log(10_000, id=first.id)).result()
    assert (balance(db), count(db, "ledger"), count(db, "logs")) == (990_000, 2, 1)
    assert ledger.available(key.account_id) == 990_000


@pytest.mark.sqlite
def test_settlement_whose_commit_fails_frees_the_hold(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    def break_the_commit(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("UPDATE api_keys SET account_id = 999")

    hold = ledger.hold(key.account_id, 10_000)
    with paused_writer(db):
        settled = ledger.settle(hold, make_log(10_000))
        db.submit(break_the_commit)
    with pytest.raises(StoreError, match="did not commit"):
        settled.result()
    assert (balance(db), ledger.available(key.account_id)) == (1_000_000, 1_000_000)


def test_settle_refuses_when_another_process_took_the_money(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    hold = ledger.hold(key.account_id, 800_000)
    adjust(db, "acme", -900_000, "chargeback", now_ms=now_ms)
    with pytest.raises(InsufficientBalance):
        ledger.settle(hold, make_log(800_000)).result()
    assert (balance(db), count(db, "logs")) == (100_000, 0)


# Storing the reply with the charge


def test_reply_is_made_of_the_new_balance_and_stored_with_the_charge(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog
) -> None:
    reply = IdempotentReply("again", b"body", 200, lambda left: f"left: {left}".encode())
    log = make_log(10_000)
    ledger.settle(ledger.hold(key.account_id, 10_000), log, reply).result()
    stored = idempotency.find(db.reader, key.account_id, "again")
    assert stored is not None
    assert (stored.reply, stored.log_id, stored.body_hash) == (b"left: 990000", log.id, b"body")


def test_second_charge_under_one_idempotency_key_is_refused(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog, paused_writer: Pause
) -> None:
    reply = IdempotentReply("again", b"body", 200, lambda left: str(left).encode())
    holds = [ledger.hold(key.account_id, 10_000) for _ in range(2)]
    with paused_writer(db):
        first, second = [ledger.settle(hold, make_log(10_000), reply) for hold in holds]
    assert first.result().balance_micros == 990_000
    with pytest.raises(IdempotencyTaken):
        second.result()
    assert ledger.available(key.account_id) == 990_000


def test_reply_that_cannot_be_made_charges_nothing(
    db: Database, ledger: Ledger, key: KeyRecord, make_log: MakeLog
) -> None:
    def fail(_: int) -> bytes:
        raise RuntimeError("no reply")

    hold = ledger.hold(key.account_id, 10_000)
    with pytest.raises(RuntimeError, match="no reply"):
        ledger.settle(hold, make_log(10_000), IdempotentReply("again", b"", 200, fail)).result()
    assert (balance(db), count(db, "logs"), count(db, "ledger")) == (1_000_000, 0, 1)
    assert ledger.available(key.account_id) == 1_000_000


# Topping up, correcting, refunding


def test_topup_adds_and_keeps_its_note(db: Database, key: KeyRecord, now_ms: int) -> None:
    assert topup(db, "acme", 5, "invoice 7", now_ms=now_ms) == 1_000_005
    row = db.reader.execute("SELECT kind, amount, note FROM ledger ORDER BY id DESC").fetchone()
    assert row == ("topup", 5, "invoice 7")


def test_topup_that_comes_twice_adds_once(db: Database, key: KeyRecord, now_ms: int) -> None:
    topup(db, "acme", 5, now_ms=now_ms, idempotency_key="order 7")
    adjust(db, "acme", -3, "since then", now_ms=now_ms)
    assert topup(db, "acme", 5, now_ms=now_ms, idempotency_key="order 7") == 1_000_005
    assert balance(db) == 1_000_002
    assert verify(db).problems == ()


def test_topup_under_the_key_of_another_is_refused(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    create_key(db, "other", now_ms=now_ms)
    topup(db, "acme", 5, now_ms=now_ms, idempotency_key="order 7")
    for account, amount in (("acme", 6), ("other", 5)):
        with pytest.raises(StoreError, match="sent before, for another"):
            topup(db, account, amount, now_ms=now_ms, idempotency_key="order 7")
    assert balance(db) == 1_000_005


@pytest.mark.parametrize("amount", [0, -5])
def test_topup_of_nothing_or_less_is_refused(
    db: Database, key: KeyRecord, now_ms: int, amount: int
) -> None:
    with pytest.raises(StoreError, match="above 0"):
        topup(db, "acme", amount, now_ms=now_ms)


def test_topup_of_an_unknown_account_opens_none(db: Database, now_ms: int) -> None:
    with pytest.raises(StoreError, match="no account 'nobody'"):
        topup(db, "nobody", 5, now_ms=now_ms)
    assert count(db, "accounts") == 0


@pytest.mark.sqlite
def test_balance_too_large_for_64_bits_is_refused(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    with pytest.raises(sqlite3.Error):
        topup(db, "acme", 2**63 - 1, now_ms=now_ms)
    assert balance(db) == 1_000_000


def test_topup_by_another_connection_is_available_at_once(
    db: Database, ledger: Ledger, key: KeyRecord, url: str | None, now_ms: int
) -> None:
    ledger.hold(key.account_id, 1_000_000)
    with open_database(db.path, url) as other:
        topup(other, "acme", 5, now_ms=now_ms)
    assert ledger.available(key.account_id) == 5


def test_adjust_corrects_down_but_never_below_zero(
    db: Database, key: KeyRecord, now_ms: int
) -> None:
    assert adjust(db, "acme", -1_000_000, "typo", now_ms=now_ms) == 0
    with pytest.raises(InsufficientBalance):
        adjust(db, "acme", -1, "typo", now_ms=now_ms)
    assert balance(db) == 0


def test_refund_gives_the_whole_charge_back(
    db: Database, ledger: Ledger, make_log: MakeLog, now_ms: int
) -> None:
    log = make_log(10_000)
    charge(ledger, log)
    assert refund(db, log.id, "sorry", now_ms=now_ms) == 1_000_000


def test_refund_is_made_once(db: Database, ledger: Ledger, make_log: MakeLog, now_ms: int) -> None:
    log = make_log(10_000)
    charge(ledger, log)
    refund(db, log.id, now_ms=now_ms)
    with pytest.raises(StoreError, match="LOG20241101000001 was refunded already"):
        refund(db, log.id, now_ms=now_ms)
    assert balance(db) == 1_000_000


def test_refund_needs_a_charge(db: Database, key: KeyRecord, now_ms: int) -> None:
    with pytest.raises(StoreError, match="nothing was charged"):
        refund(db, 202411010000000009, now_ms=now_ms)


def test_free_answer_cannot_be_refunded(
    db: Database, ledger: Ledger, make_log: MakeLog, now_ms: int
) -> None:
    log = make_log(0)
    charge(ledger, log)
    with pytest.raises(StoreError, match="nothing was charged"):
        refund(db, log.id, now_ms=now_ms)
