from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette.store import logs
from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply, find
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, verify
from loupette.store.logs import LogCounter, LogEntry, format_log_id, parse_log_id
from loupette.store.opening import open_database

ON_BOTH = True

MakeLog = Callable[..., LogEntry]

DAY_MS = 86_400_000
NOON_MS = 1_730_462_400_000  # of the day of `now_ms`
FIRST = 202411010000000001  # the first id of 2024-11-01, the day of `now_ms`


def record(db: Database, entry: LogEntry) -> int:
    logs.record(db, entry).result()
    return entry.id


# Ids


def test_ids_of_a_day_count_up_from_one(db: Database, now_ms: int) -> None:
    counter = LogCounter(db)
    assert [counter.next_log_id(now_ms) for _ in range(3)] == [FIRST, FIRST + 1, FIRST + 2]


def test_counter_begins_anew_at_midnight_utc(db: Database, now_ms: int) -> None:
    counter = LogCounter(db)
    counter.next_log_id(now_ms)
    assert counter.next_log_id(now_ms + DAY_MS - 1) == FIRST + 1
    assert counter.next_log_id(now_ms + DAY_MS) == 202411020000000001


def test_clock_set_back_over_midnight_gives_no_id_twice(db: Database, now_ms: int) -> None:
    counter = LogCounter(db)
    times = [now_ms, now_ms - 1, now_ms - 3 * DAY_MS, now_ms]
    ids = [counter.next_log_id(time) for time in times]
    assert ids == sorted(set(ids))


def test_restart_goes_on_above_what_was_committed(
    db: Database, url: str | None, make_log: MakeLog, now_ms: int
) -> None:
    ids = [record(db, make_log(outcome="no_gap")) for _ in range(3)]
    with open_database(db.path, url) as restarted:
        assert LogCounter(restarted).next_log_id(now_ms) == ids[-1] + 1


def test_restart_the_next_day_begins_at_one(db: Database, make_log: MakeLog, now_ms: int) -> None:
    record(db, make_log(outcome="no_gap"))
    assert LogCounter(db).next_log_id(now_ms + DAY_MS) == 202411020000000001


def test_restart_does_not_give_the_id_of_a_charge_again_whose_log_was_pruned(
    db: Database, make_log: MakeLog, ledger: Ledger, key: KeyRecord, now_ms: int
) -> None:
    log = make_log(5)
    ledger.settle(ledger.hold(key.account_id, 5), log).result()
    logs.delete_older_than(db, now_ms + 1)
    assert LogCounter(db).next_log_id(now_ms) == log.id + 1


def test_id_is_written_as_the_documented_example() -> None:
    assert format_log_id(FIRST) == "LOG20241101000001"


def test_millionth_id_of_a_day_takes_a_seventh_digit() -> None:
    assert format_log_id(FIRST + 999_999) == "LOG202411011000000"


@given(day=st.dates(), counter=st.integers(1, 10**10 - 1))
def test_every_id_is_read_back_from_its_text(day: object, counter: int) -> None:
    log_id = int(str(day).replace("-", "")) * 10**10 + counter
    assert parse_log_id(format_log_id(log_id)) == log_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "LOG",
        "20241101000001",
        "log20241101000001",
        "LOG2024110100001",  # five counter digits
        "LOG202411010000001",  # seven, but the first is a needless zero
        "LOG20241101" + "1" * 11,
        " LOG20241101000001",
        "LOG20241101000001\n",
        "LOG2024110100000١",  # a digit, but not of ours
    ],
)
def test_text_that_is_no_id_is_none(text: str) -> None:
    assert parse_log_id(text) is None


# Recording


def test_failure_is_logged_with_its_facts_and_costs_nothing(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    detail = {"candidates": ["8", "9"], "说明": "两个答案"}
    options = {"charset": "0-9\0数", "max_length": 4, "min_confidence": 0.5}
    facts = {"detail": detail, "options": options, "image_hash": b"h"}
    entry = make_log(outcome="ambiguous", code=400, answer=None, confidence=0.4, **facts)
    assert logs.record(db, entry).result() == 1_000_000
    found = logs.get(db.reader, key.account_id, entry.id)
    assert found is not None
    assert (found.outcome, found.code, found.cost_micros) == ("ambiguous", 400, 0)
    assert {name: getattr(found, name) for name in facts} == facts
    assert found.confidence == 0.4
    assert (found.verdict, found.refund_micros) == (None, 0)


def test_request_that_never_named_a_type_is_logged(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    log_id = record(db, make_log(outcome="not_json", type_id=None))
    found = logs.get(db.reader, key.account_id, log_id)
    assert found is not None
    assert (found.type_id, found.detail) == (None, None)


def test_odd_value_in_a_detail_is_logged_as_text(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    log_id = record(db, make_log(outcome="no_gap", detail={"path": Path("a/b")}))
    found = logs.get(db.reader, key.account_id, log_id)
    assert found is not None
    assert found.detail == {"path": "a/b"}


def test_failure_may_keep_its_reply_for_an_idempotency_key(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    entry = make_log(outcome="no_gap")
    reply = IdempotentReply("again", b"body", 400, lambda left: f"left: {left}".encode())
    logs.record(db, entry, reply).result()
    stored = find(db.reader, key.account_id, "again")
    assert stored is not None
    assert (stored.reply, stored.status, stored.log_id) == (b"left: 1000000", 400, entry.id)


def test_failure_that_costs_something_is_refused(db: Database, make_log: MakeLog) -> None:
    with pytest.raises(Exception, match=r"(?i)check constraint"):
        record(db, make_log(5, outcome="no_gap"))


def test_log_entry_of_another_account_is_not_got(
    db: Database, make_log: MakeLog, now_ms: int
) -> None:
    log_id = record(db, make_log(outcome="no_gap"))
    other = create_key(db, "other", now_ms=now_ms).record
    assert logs.get(db.reader, other.account_id, log_id) is None
    assert logs.query(db.reader, other.account_id) == []


def test_success_is_not_logged_without_its_charge(db: Database, make_log: MakeLog) -> None:
    with pytest.raises(ValueError, match="settling its hold"):
        logs.record(db, make_log(0))


# Querying


def ids(db: Database, account_id: int | None, **filters: int | str | None) -> list[int]:
    found = logs.query(db.reader, account_id, **filters)  # type: ignore[arg-type]  # by name
    return [entry.id for entry in found]


def test_page_is_newest_first(db: Database, key: KeyRecord, make_log: MakeLog) -> None:
    recorded = [record(db, make_log(outcome="no_gap")) for _ in range(3)]
    assert ids(db, key.account_id) == recorded[::-1]


def test_pages_join_without_gap_or_repeat(db: Database, key: KeyRecord, make_log: MakeLog) -> None:
    recorded = [record(db, make_log(outcome="no_gap")) for _ in range(10)]
    walked: list[int] = []
    while page := ids(db, key.account_id, before=walked[-1] if walked else None, limit=4):
        assert len(page) <= 4
        walked += page
    assert walked == recorded[::-1]


def test_entries_that_arrive_meanwhile_do_not_shift_the_next_page(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    recorded = [record(db, make_log(outcome="no_gap")) for _ in range(4)]
    first = ids(db, key.account_id, limit=2)
    record(db, make_log(outcome="no_gap"))
    assert ids(db, key.account_id, limit=2, before=first[-1]) == recorded[1::-1]


def test_operator_sees_all_accounts(db: Database, make_log: MakeLog, now_ms: int) -> None:
    other = create_key(db, "other", now_ms=now_ms).record
    mine = record(db, make_log(outcome="no_gap"))
    theirs = record(db, make_log(outcome="no_gap", account_id=other.account_id))
    assert ids(db, None) == [theirs, mine]


def test_filters_choose_type_and_outcome(db: Database, key: KeyRecord, make_log: MakeLog) -> None:
    no_gap = record(db, make_log(outcome="no_gap", type_id=10200))
    no_text = record(db, make_log(outcome="no_text", type_id=50200))
    ledger = Ledger(db)
    ok = make_log(type_id=10200)
    ledger.settle(ledger.hold(key.account_id, 0), ok).result()
    assert ids(db, key.account_id, type_id=10200) == [ok.id, no_gap]
    assert ids(db, key.account_id, outcome="no_text") == [no_text]
    assert ids(db, key.account_id, outcome="ok") == [ok.id]
    assert ids(db, key.account_id, type_id=10200, outcome="no_gap") == [no_gap]
    assert ids(db, key.account_id, outcome="never") == []


def test_answers_are_found_by_a_part_of_them(
    db: Database, key: KeyRecord, make_log: MakeLog
) -> None:
    found = record(db, make_log(outcome="unsure", answer="ab12"))
    record(db, make_log(outcome="unsure", answer="xy34"))
    record(db, make_log(outcome="no_gap", answer=None))
    assert ids(db, key.account_id, answer="b1") == [found]
    assert ids(db, None, answer="B1") == []


def test_times_are_from_inclusive_to_exclusive(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    times = [now_ms - 1, now_ms, now_ms + 1, now_ms + DAY_MS]
    recorded = [record(db, make_log(outcome="no_gap", created_ms=time)) for time in times]
    found = ids(db, key.account_id, since_ms=now_ms, until_ms=now_ms + DAY_MS)
    assert found == [recorded[2], recorded[1]]


def test_entry_finished_after_midnight_is_found_by_its_time(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    """Its id is of the day it came, its time that of its answer."""
    entry = make_log(outcome="no_gap", id=FIRST - 10**10, created_ms=now_ms + 5)
    record(db, entry)
    assert ids(db, key.account_id, since_ms=now_ms) == [entry.id]


def test_entry_given_a_later_id_by_a_clock_set_back_is_found_by_its_time(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    entry = make_log(outcome="no_gap", id=FIRST, created_ms=now_ms - 5)
    record(db, entry)
    assert ids(db, key.account_id, until_ms=now_ms) == [entry.id]


@pytest.mark.parametrize("time_ms", [-(10**15), 0, 10**15, 10**18])
def test_times_far_away_are_no_error(
    db: Database, key: KeyRecord, make_log: MakeLog, time_ms: int
) -> None:
    log_id = record(db, make_log(outcome="no_gap"))
    assert ids(db, key.account_id, since_ms=time_ms) == ([log_id] if time_ms <= 0 else [])
    assert ids(db, key.account_id, until_ms=time_ms) == ([] if time_ms <= 0 else [log_id])


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "logs_account (account_id=?)"),
        ({"before": FIRST}, "logs_account (account_id=? AND id<?)"),
        ({"type_id": 10200}, "logs_type (account_id=? AND type_id=?)"),
        ({"outcome": "no_gap"}, "logs_failure (account_id=? AND outcome=?)"),
        ({"outcome": "no_gap", "type_id": 10200}, "logs_failure (account_id=? AND outcome=?)"),
        ({"outcome": "ok"}, "logs_account (account_id=?)"),
        ({"outcome": "ok", "type_id": 10200}, "logs_type (account_id=? AND type_id=?)"),
    ],
)
def test_page_is_read_from_an_index_in_its_order(
    db: Database, key: KeyRecord, filters: dict[str, int | str], index: str
) -> None:
    check_plan(db, key.account_id, filters, index)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "SCAN l"),  # by the log's own key, which is its order
        ({"type_id": 10200}, "logs_every_type (type_id=?)"),
        ({"outcome": "ok"}, "logs_every_answer"),
        ({"outcome": "ok", "type_id": 10200}, "logs_every_type (type_id=?)"),
        ({"outcome": "no_gap"}, "logs_every_failure (outcome=?)"),
        (
            {"outcome": "no_gap", "type_id": 10200},
            "logs_every_failure_of_type (outcome=? AND type_id=?)",
        ),
        (
            {"type_id": 10200, "since_ms": NOON_MS, "before": FIRST},
            "logs_every_type (type_id=? AND id>? AND id<?)",
        ),
    ],
)
def test_page_of_all_accounts_is_read_from_an_index_in_its_order(
    db: Database, key: KeyRecord, filters: dict[str, int | str], index: str
) -> None:
    check_plan(db, None, filters, index)


def check_plan(
    db: Database, account_id: int | None, filters: dict[str, int | str], index: str
) -> None:
    statements: list[str] = []
    db.reader.set_trace_callback(statements.append)
    ids(db, account_id, **filters)
    db.reader.set_trace_callback(None)
    plan = db.reader.execute(f"EXPLAIN QUERY PLAN {statements[0]}").fetchall()
    steps = [str(step) for *_, step in plan]
    assert any(step.endswith(index) for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps)


@pytest.mark.sqlite
@pytest.mark.slow
def test_no_look_at_a_long_log_walks_through_it(db: Database, key: KeyRecord) -> None:
    """Of 200 000 rows each look may touch a few: counted by SQLite itself, not by the clock."""
    fill(db, key, rows=200_000)
    newest = FIRST + 199_999
    looks: dict[str, Callable[[], object]] = {
        "newest": lambda: logs.query(db.reader, key.account_id),
        "older": lambda: logs.query(db.reader, key.account_id, before=FIRST + 100_000),
        "type": lambda: logs.query(db.reader, key.account_id, type_id=10200),
        "failures": lambda: logs.query(db.reader, key.account_id, outcome="no_gap"),
        "operator's": lambda: logs.query(db.reader, None),
        "a type that never was": lambda: logs.query(db.reader, None, type_id=60999),
        "an outcome that never was": lambda: logs.query(db.reader, None, outcome="no_text"),
        "answers": lambda: logs.query(db.reader, None, outcome="ok"),
        "failures of a type that has none": lambda: logs.query(
            db.reader, None, outcome="no_gap", type_id=60999
        ),
        "by id": lambda: logs.get(db.reader, key.account_id, newest),
        "operator's by id": lambda: logs.find(db.reader, newest),
        "next id": lambda: LogCounter(db).next_log_id(NOON_MS),
    }
    steps = {name: count_steps(db, look) for name, look in looks.items()}
    assert all(count < 100 for count in steps.values()), steps


def fill(db: Database, key: KeyRecord, *, rows: int) -> None:
    numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
    insert = (
        f"{numbers} INSERT INTO logs(id, account_id, key_id, created_ms, type_id, code, outcome,"
        " cost, response_ms) SELECT ? + i, ?, ?, ?, CASE i % 100 WHEN 0 THEN 10200 ELSE 50200 END,"
        " 200, CASE i % 99 WHEN 0 THEN 'no_gap' ELSE 'ok' END, 0, 5 FROM n"
    )
    values = (rows, FIRST, key.account_id, key.id, NOON_MS)
    db.write(lambda connection: connection.execute(insert, values).close())


def count_steps(db: Database, look: Callable[[], object]) -> int:
    """Hundreds of instructions of SQLite's machine that a look takes."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1

    db.reader.set_progress_handler(tick, 100)
    look()
    db.reader.set_progress_handler(None, 0)
    return count


# Pruning


def test_pruning_deletes_what_is_older_and_counts_it(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    for age in (3, 2, 1):
        record(db, make_log(outcome="no_gap", created_ms=now_ms - age * DAY_MS))
    kept = record(db, make_log(outcome="no_gap"))
    assert logs.delete_older_than(db, now_ms) == 3
    assert ids(db, key.account_id) == [kept]
    assert logs.delete_older_than(db, now_ms) == 0


def test_pruning_goes_on_after_its_first_step(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int
) -> None:
    entries = [make_log(outcome="no_gap", created_ms=now_ms - DAY_MS) for _ in range(2_500)]
    for future in [logs.record(db, entry) for entry in entries]:
        future.result()
    assert logs.delete_older_than(db, now_ms) == 2_500
    assert ids(db, key.account_id) == []


@pytest.mark.parametrize("count", [5, 505])
def test_pruning_goes_on_behind_entries_of_a_clock_that_was_ahead(
    db: Database, key: KeyRecord, make_log: MakeLog, now_ms: int, count: int
) -> None:
    ahead = [make_log(outcome="no_gap", created_ms=now_ms + 400 * DAY_MS) for _ in range(count)]
    old = [make_log(outcome="no_gap", created_ms=now_ms - DAY_MS) for _ in range(5_000)]
    assert old[0].id > ahead[-1].id  # a counter gives no day back
    for future in [logs.record(db, entry) for entry in [*ahead, *old]]:
        future.result()
    assert logs.delete_older_than(db, now_ms) == 5_000
    left = db.reader.execute("SELECT COUNT(*), MAX(id) FROM logs").fetchone()
    assert tuple(left) == (count, ahead[-1].id)


def test_pruning_keeps_the_charges_and_the_books_in_order(
    db: Database, key: KeyRecord, ledger: Ledger, make_log: MakeLog, now_ms: int
) -> None:
    ledger.settle(ledger.hold(key.account_id, 5), make_log(5)).result()
    logs.delete_older_than(db, now_ms + 1)
    report = verify(db)
    assert (report.charges, report.problems) == (1, ())
