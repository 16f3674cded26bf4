"""The log in figures, counted by SQLite, against the same counted by hand."""

import random
import statistics as by_hand

import pytest

from loupette.store import statistics
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogCounter, LogEntry, record

ON_BOTH = True

HOUR_MS = 3_600_000
SINCE_MS = 480_000 * HOUR_MS


def write(db: Database, account: str, entries: list[tuple[int, int | None, str, int, int]]) -> int:
    """Log requests of (time, type, outcome, cost, milliseconds); gives the account's id."""
    key = create_key(db, account, opening_micros=10**9, now_ms=0).record
    ledger, counter = Ledger(db), LogCounter(db)
    for created_ms, type_id, outcome, cost, response_ms in entries:
        entry = LogEntry(
            id=counter.next_log_id(created_ms),
            account_id=key.account_id,
            key_id=key.id,
            created_ms=created_ms,
            type_id=type_id,
            code=200,
            outcome=outcome,
            cost_micros=cost,
            response_ms=response_ms,
        )
        if outcome == "ok":
            ledger.settle(ledger.hold(key.account_id, cost), entry).result()
        else:
            record(db, entry).result()
    return key.account_id


def test_steps_types_and_quantiles_are_those_of_the_log(db: Database) -> None:
    rng = random.Random(1)
    entries = []
    for step in sorted(rng.randrange(-2, 26) for _ in range(200)):
        is_ok = rng.random() < 0.8
        entries.append((
            SINCE_MS + step * HOUR_MS + 7, rng.choice([10200, 50200, None]),
            "ok" if is_ok else "unsure", 1000 if is_ok else 0, rng.randrange(1, 400),
        ))  # fmt: skip
    account_id = write(db, "a", entries)
    found = statistics.count(db.reader, account_id, since_ms=SINCE_MS, step_ms=HOUR_MS, steps=24)
    within = [one for one in entries if SINCE_MS <= one[0] < SINCE_MS + 24 * HOUR_MS]
    assert 0 < len(within) < len(entries)
    assert found.total.requests == len(within) == sum(one.requests for one in found.steps)
    assert found.total.answered == sum(one[2] == "ok" for one in within)
    assert found.total.spend_micros == sum(one[3] for one in within)
    assert found.total.median_ms == by_hand.median_low([one[4] for one in within])
    for step, figures in enumerate(found.steps):
        times = [one[4] for one in within if (one[0] - SINCE_MS) // HOUR_MS == step]
        assert figures.requests == len(times)
        assert figures.median_ms == (by_hand.median_low(times) if times else None)
        assert figures.p95_ms == (sorted(times)[-(-len(times) * 95 // 100) - 1] if times else None)
    for type_id, figures in found.types.items():
        assert figures.requests == sum(one[1] == type_id for one in within)
    assert sum(figures.requests for figures in found.types.values()) == len(within)


def test_one_account_or_all_are_counted(db: Database) -> None:
    one = write(db, "a", [(SINCE_MS, 1, "ok", 5, 1)])
    write(db, "b", [(SINCE_MS, 1, "ok", 7, 1)] * 2)
    span = {"since_ms": SINCE_MS, "step_ms": HOUR_MS, "steps": 1}
    assert statistics.count(db.reader, one, **span).total.spend_micros == 5
    assert statistics.count(db.reader, None, **span).total.spend_micros == 19


def test_of_a_long_log_the_newest_part_is_counted(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "MOST_ROWS", 3)
    write(db, "a", [(SINCE_MS + step, 1, "ok", step, 1) for step in range(5)])
    found = statistics.count(db.reader, None, since_ms=SINCE_MS, step_ms=HOUR_MS, steps=1)
    assert (found.is_cut, found.total.requests, found.total.spend_micros) == (True, 3, 2 + 3 + 4)


def test_of_nothing_there_are_no_figures(db: Database) -> None:
    found = statistics.count(db.reader, None, since_ms=SINCE_MS, step_ms=HOUR_MS, steps=2)
    assert found.total == statistics.Figures() and found.total.success is None
    assert found.types == {} and not found.is_cut
