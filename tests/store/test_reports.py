from collections.abc import Callable

import pytest

from loupette.errors import ReportRefused, UnknownLog
from loupette.store import logs
from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, refund, verify
from loupette.store.logs import LogEntry
from loupette.store.reports import Reported, report

ON_BOTH = True

MakeLog = Callable[..., LogEntry]
Send = Callable[..., Reported]

HOUR_MS = 3_600_000


@pytest.fixture
def charged(ledger: Ledger, key: KeyRecord, make_log: MakeLog) -> LogEntry:
    """An answer that cost 10 000 of the account's 1 000 000."""
    entry = make_log(10_000)
    ledger.settle(ledger.hold(key.account_id, 10_000), entry).result()
    return entry


@pytest.fixture
def send(db: Database, key: KeyRecord, now_ms: int) -> Send:
    """Reports a log entry as its owner, at once, with a refund."""

    def send_report(
        log_id: int,
        verdict: str = "wrong",
        *,
        account_id: int = key.account_id,
        refund: bool = True,
        after_ms: int = 0,
    ) -> Reported:
        return report(
            db,
            account_id,
            log_id,
            verdict,
            "9" if verdict == "wrong" else None,
            refund=refund,
            within_ms=HOUR_MS,
            now_ms=now_ms + after_ms,
        ).result()

    return send_report


def test_wrong_answer_is_refunded_in_full(send: Send, charged: LogEntry, db: Database) -> None:
    assert send(charged.id) == Reported(refund_micros=10_000, balance_micros=1_000_000)
    assert verify(db).problems == ()


def test_report_without_refund_leaves_the_balance(send: Send, charged: LogEntry) -> None:
    assert send(charged.id, "correct", refund=False) == Reported(0, 990_000)


def test_report_is_shown_with_its_log_entry(
    db: Database, key: KeyRecord, send: Send, charged: LogEntry
) -> None:
    send(charged.id)
    found = logs.get(db.reader, key.account_id, charged.id)
    assert found is not None
    assert (found.verdict, found.refund_micros) == ("wrong", 10_000)
    assert logs.query(db.reader, key.account_id) == [found]


def test_true_answer_is_kept(db: Database, send: Send, charged: LogEntry) -> None:
    send(charged.id)
    assert db.reader.execute("SELECT true_answer FROM reports").fetchall() == [("9",)]


def test_answer_is_reported_once(send: Send, charged: LogEntry, db: Database) -> None:
    send(charged.id, "correct", refund=False)
    with pytest.raises(ReportRefused, match="reported before, as correct"):
        send(charged.id)
    assert verify(db).balance_micros == 990_000


def test_two_reports_at_once_refund_once(
    db: Database, key: KeyRecord, charged: LogEntry, now_ms: int
) -> None:
    futures = [
        report(
            db,
            key.account_id,
            charged.id,
            "wrong",
            None,
            refund=True,
            within_ms=HOUR_MS,
            now_ms=now_ms,
        )
        for _ in range(5)
    ]
    refused = [future for future in futures if future.exception() is not None]
    assert len(refused) == 4
    assert verify(db).balance_micros == 1_000_000


def test_only_the_owner_may_report(
    db: Database, send: Send, charged: LogEntry, now_ms: int
) -> None:
    other = create_key(db, "other", now_ms=now_ms).record
    with pytest.raises(UnknownLog, match="LOG20241101000001"):
        send(charged.id, account_id=other.account_id)
    assert verify(db).balance_micros == 990_000


def test_log_entry_that_does_not_exist_is_unknown(send: Send) -> None:
    with pytest.raises(UnknownLog):
        send(202411010000000077)


def test_failure_cannot_be_reported(db: Database, send: Send, make_log: MakeLog) -> None:
    entry = make_log(outcome="no_gap")
    logs.record(db, entry).result()
    with pytest.raises(ReportRefused, match="not answered"):
        send(entry.id)


def test_report_is_taken_up_to_the_last_moment(send: Send, charged: LogEntry) -> None:
    assert send(charged.id, after_ms=HOUR_MS).refund_micros == 10_000


def test_report_that_comes_too_late_is_refused(send: Send, charged: LogEntry) -> None:
    with pytest.raises(ReportRefused, match="within 3600 seconds"):
        send(charged.id, after_ms=HOUR_MS + 1)


def test_free_answer_is_reported_without_a_refund(
    ledger: Ledger, key: KeyRecord, send: Send, make_log: MakeLog
) -> None:
    entry = make_log(0)
    ledger.settle(ledger.hold(key.account_id, 0), entry).result()
    assert send(entry.id) == Reported(0, 1_000_000)


def test_answer_that_the_operator_refunded_is_not_refunded_again(
    db: Database, key: KeyRecord, send: Send, charged: LogEntry, now_ms: int
) -> None:
    refund(db, charged.id, now_ms=now_ms)
    with pytest.raises(ReportRefused, match="refunded already"):
        send(charged.id)
    found = logs.get(db.reader, key.account_id, charged.id)
    assert found is not None
    assert found.verdict is None


def test_refunded_money_can_be_held_again(
    ledger: Ledger, key: KeyRecord, send: Send, charged: LogEntry
) -> None:
    send(charged.id)
    assert ledger.hold(key.account_id, 1_000_000).amount_micros == 1_000_000
