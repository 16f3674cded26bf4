import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from loupette.errors import Overloaded, StoreError
from loupette.store.database import Database

Pause = Callable[[Database], AbstractContextManager[None]]


def open_account(name: str) -> Callable[[sqlite3.Connection], str]:
    def operation(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO accounts(name, created_ms) VALUES (?, 0)", (name,))
        return name

    return operation


def break_the_commit(connection: sqlite3.Connection) -> None:
    """Leave a reference that SQLite checks, and refuses, only when it commits."""
    connection.execute("PRAGMA defer_foreign_keys = ON")
    connection.execute(
        "INSERT INTO ledger(account_id, kind, amount, balance_after, created_ms)"
        " VALUES (999, 'topup', 1, 1, 0)"
    )


def names(db: Database) -> list[str]:
    return [name for (name,) in db.reader.execute("SELECT name FROM accounts ORDER BY id")]


def test_write_returns_what_the_operation_returns(db: Database) -> None:
    assert db.write(open_account("acme")) == "acme"


def test_write_raises_what_the_operation_raises(db: Database) -> None:
    db.write(open_account("acme"))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.write(open_account("acme"))


def test_operations_run_in_the_order_submitted(db: Database, paused_writer: Pause) -> None:
    expected = [f"account {number}" for number in range(300)]
    with paused_writer(db):
        futures = [db.submit(open_account(name)) for name in expected]
    assert [future.result() for future in futures] == expected
    assert names(db) == expected


def test_future_resolves_only_after_its_commit(db: Database, path: Path) -> None:
    seen: Future[int] = Future()

    def look(done: "Future[str]") -> None:
        with closing(sqlite3.connect(path)) as other:
            seen.set_result(other.execute("SELECT COUNT(*) FROM accounts").fetchone()[0])

    db.submit(open_account("acme")).add_done_callback(look)
    assert seen.result(timeout=10) == 1


def test_operation_that_fails_in_a_batch_fails_alone(db: Database, paused_writer: Pause) -> None:
    with paused_writer(db):
        before = db.submit(open_account("before"))
        failed = db.submit(open_account("before"))
        after = db.submit(open_account("after"))
    assert isinstance(failed.exception(), sqlite3.IntegrityError)
    assert (before.result(), after.result()) == ("before", "after")
    assert names(db) == ["before", "after"]


def test_operation_that_fails_leaves_nothing_it_wrote_before(db: Database) -> None:
    def write_then_fail(connection: sqlite3.Connection) -> None:
        open_account("half")(connection)
        raise RuntimeError("second thoughts")

    with pytest.raises(RuntimeError, match="second thoughts"):
        db.write(write_then_fail)
    assert names(db) == []


def test_failed_commit_fails_its_whole_batch(db: Database, paused_writer: Pause) -> None:
    with paused_writer(db):
        futures: list[Future[object]] = [
            db.submit(open_account("one")),
            db.submit(break_the_commit),
            db.submit(open_account("two")),
        ]
    for future in futures:
        with pytest.raises(StoreError, match="did not commit, nothing was written"):
            future.result()
    assert names(db) == []


def test_writer_goes_on_after_a_failed_commit(db: Database) -> None:
    with pytest.raises(StoreError):
        db.write(break_the_commit)
    db.write(open_account("acme"))
    assert names(db) == ["acme"]


def test_transaction_that_sqlite_ends_fails_its_whole_batch(
    db: Database, paused_writer: Pause
) -> None:
    def lose_the_transaction(connection: sqlite3.Connection) -> None:
        insert = "INSERT OR ROLLBACK INTO accounts(name, created_ms) VALUES ('one', 0)"
        connection.execute(insert)

    with paused_writer(db):
        one = db.submit(open_account("one"))
        lost = db.submit(lose_the_transaction)
        two = db.submit(open_account("two"))
    for future in (one, lost, two):
        with pytest.raises(StoreError, match=r"nothing was written: UNIQUE constraint failed"):
            future.result()
    assert names(db) == []


def test_full_disk_fails_the_batch_and_the_writer_goes_on(db: Database) -> None:
    db.write(open_account("before"))
    (pages,) = db.reader.execute("PRAGMA page_count").fetchone()
    # The error of a full file system, SQLITE_FULL, without one.
    db.write(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages}"))
    with pytest.raises(StoreError, match="nothing was written: database or disk is full"):
        db.write(open_account("x" * 1_000_000))
    db.write(lambda connection: connection.execute("PRAGMA max_page_count = 4294967294"))
    db.write(open_account("after"))
    assert names(db) == ["before", "after"]


def test_locked_database_fails_the_batch_and_the_writer_goes_on(db: Database, path: Path) -> None:
    db.write(lambda connection: connection.execute("PRAGMA busy_timeout = 0").close())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            db.write(open_account("acme"))
        other.execute("ROLLBACK")
    assert db.write(open_account("acme")) == "acme"


def test_operation_that_wants_to_exit_does_not_end_the_writer(db: Database) -> None:
    def leave(_: sqlite3.Connection) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        db.write(leave)
    assert db.write(open_account("acme")) == "acme"


def test_cancelled_operation_never_runs(db: Database, paused_writer: Pause) -> None:
    with paused_writer(db):
        cancelled = db.submit(open_account("cancelled"))
        kept = db.submit(open_account("kept"))
        assert cancelled.cancel()
    assert kept.result() == "kept"
    assert names(db) == ["kept"]


def test_running_operation_cannot_be_cancelled(db: Database) -> None:
    is_inside, may_leave = threading.Event(), threading.Event()

    def wait(connection: sqlite3.Connection) -> str:
        is_inside.set()
        assert may_leave.wait(30)
        return open_account("acme")(connection)

    future = db.submit(wait)
    assert is_inside.wait(30)
    assert not future.cancel()
    may_leave.set()
    assert future.result() == "acme"


def test_full_queue_refuses_at_once(db: Database, paused_writer: Pause) -> None:
    with paused_writer(db):
        waiting = [db.submit(lambda _: None) for _ in range(10_000)]
        with pytest.raises(Overloaded, match="nothing was written"):
            db.submit(open_account("late"))
    assert [future.result() for future in waiting] == [None] * 10_000
    assert names(db) == []


def test_submissions_from_many_threads_are_all_written(db: Database) -> None:
    def submit(thread: int) -> None:
        for number in range(50):
            db.write(open_account(f"{thread}/{number}"))

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(names(db)) == len(set(names(db))) == 200


def test_close_finishes_what_is_queued(path: Path) -> None:
    with Database.open(path) as db:
        futures = [db.submit(open_account(str(number))) for number in range(500)]
    assert [future.result(timeout=0) for future in futures] == [str(n) for n in range(500)]
    with Database.open(path) as again:
        assert len(names(again)) == 500


def test_closed_database_takes_no_operation(path: Path) -> None:
    db = Database.open(path)
    db.close()
    with pytest.raises(StoreError, match="closed"):
        db.submit(open_account("late"))
