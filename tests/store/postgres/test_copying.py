"""A SQLite installation moved into PostgreSQL."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlite_utils import Database as Schema

from loupette.cli.main import main
from loupette.errors import StoreError
from loupette.store import logs
from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply, find
from loupette.store.keys import NewKey, create_key, find_key
from loupette.store.ledger import Ledger, refund, topup, verify
from loupette.store.logs import LogCounter, LogEntry
from loupette.store.migrations import MIGRATIONS
from loupette.store.opening import copy_database, open_database, read_database
from loupette.store.reports import report

pytestmark = pytest.mark.cluster

NOW_MS = 1_730_419_200_000
MONTH_MS = 31 * 86_400_000


@pytest.fixture
def installed(tmp_path: Path) -> tuple[Path, NewKey]:
    """Two accounts, charges over two months, a refund, a report, a failure with a kept reply."""
    path = tmp_path / "old.db"
    with Database.open(path, exclusive=True) as db:
        made = create_key(db, "acme", opening_micros=1_000_000, now_ms=NOW_MS)
        create_key(db, "另一个", key_name="a\tb\\n", now_ms=NOW_MS)
        ledger, counter = Ledger(db), LogCounter(db)
        for number in range(30):
            created_ms = NOW_MS + number % 2 * MONTH_MS
            log = LogEntry(
                id=counter.next_log_id(created_ms), account_id=made.record.account_id,
                key_id=made.record.id, created_ms=created_ms, type_id=50100, code=200,
                outcome="ok", cost_micros=1_000, answer="8\t\\", confidence=0.1, response_ms=3,
                detail={"说明": "x"}, image_hash=bytes(range(32)), options={"charset": "\\\t数"},
            )  # fmt: skip
            ledger.settle(ledger.hold(made.record.account_id, 1_000), log).result()
        refund(db, log.id, now_ms=NOW_MS)
        report(
            db, made.record.account_id, log.id - 1, "correct", None, refund=False,
            within_ms=10 * MONTH_MS, now_ms=NOW_MS + MONTH_MS,
        ).result()  # fmt: skip
        failure = LogEntry(
            id=counter.next_log_id(NOW_MS), account_id=made.record.account_id,
            key_id=made.record.id, created_ms=NOW_MS, type_id=None, code=400, outcome="no_gap",
            response_ms=1,
        )  # fmt: skip
        reply = IdempotentReply("again", b"\x00hash", 400, lambda left: b"\x00\xff")
        logs.record(db, failure, reply).result()
    return path, made


def test_all_that_was_there_is_there_and_the_sums_are_equal(
    installed: tuple[Path, NewKey], url: str, tmp_path: Path
) -> None:
    path, made = installed
    figures = copy_database(path, url)
    assert all(before == after for before, after in figures.values())
    assert (figures["log entries"], figures["accounts off their ledger"]) == ((31, 31), (0, 0))
    with read_database(path) as old, read_database(tmp_path, url) as new:
        assert logs.query(old, None, limit=100) == logs.query(new, None, limit=100)
        assert find_key(old, made.secret) == find_key(new, made.secret)
        assert find(old, made.record.account_id, "again") == find(
            new, made.record.account_id, "again"
        )


def test_nul_that_only_sqlite_keeps_in_a_text_is_replaced(
    installed: tuple[Path, NewKey], url: str, tmp_path: Path
) -> None:
    path, made = installed
    with Database.open(path) as db:
        charged = logs.query(db.reader, made.record.account_id, limit=1, outcome="ok")[0]
        report(
            db, made.record.account_id, charged.id - 2, "wrong", "4\x001", refund=False,
            within_ms=10 * MONTH_MS, now_ms=NOW_MS + MONTH_MS,
        ).result()  # fmt: skip
    copy_database(path, url)
    with read_database(tmp_path, url) as new:
        told = "SELECT true_answer FROM reports WHERE log_id = ?"
        assert new.execute(told, (charged.id - 2,)).fetchone() == ("4\ufffd1",)


def test_life_goes_on_above_what_was_copied(
    installed: tuple[Path, NewKey], url: str, tmp_path: Path
) -> None:
    path, _ = installed
    copy_database(path, url)
    with open_database(tmp_path / "x.db", url) as db:
        newest = logs.query(db.reader, None, limit=1)[0]
        day = newest.id // 10**10 * 10**10
        above = db.write(lambda c: c.execute("SELECT take_log_ids(?, 1)", (day,)).fetchone()[0])
        assert above == newest.id
        topup(db, "acme", 5, now_ms=NOW_MS)
        assert create_key(db, "third", now_ms=NOW_MS).record.account_id == 3
        assert verify(db).problems == ()


def test_file_that_is_served_is_refused(installed: tuple[Path, NewKey], url: str) -> None:
    path, _ = installed
    with (
        Database.open(path, exclusive=True),
        pytest.raises(StoreError, match="served by another process"),
    ):
        copy_database(path, url)


def test_file_that_does_not_add_up_is_refused(
    installed: tuple[Path, NewKey], url: str, tmp_path: Path
) -> None:
    path, _ = installed
    with Database.open(path) as db:
        db.write(lambda c: c.execute("UPDATE accounts SET balance = balance + 1").rowcount)
    with pytest.raises(StoreError, match=r"nothing was copied.*its ledger sums to"):
        copy_database(path, url)
    with open_database(tmp_path / "x.db", url) as target:
        assert verify(target).accounts == 0


def test_file_of_an_older_version_stays_as_it_is(url: str, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as old:
        MIGRATIONS.apply(Schema(old), stop_before="m007_topups_once")
        old.execute("INSERT INTO accounts(name, created_ms) VALUES ('acme', 0)")
    before = path.read_bytes()
    assert copy_database(path, url)["accounts"] == (1, 1)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == []


def test_database_with_accounts_is_refused(installed: tuple[Path, NewKey], url: str) -> None:
    path, _ = installed
    copy_database(path, url)
    with pytest.raises(StoreError, match="name an empty one"):
        copy_database(path, url)


def test_a_difference_leaves_the_target_empty(
    installed: tuple[Path, NewKey],
    new_postgres: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trigger in the target, say, that somebody made there."""
    path, _ = installed
    url = new_postgres()
    with open_database(tmp_path / "x.db", url) as db:
        for statement in (
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
            "CREATE TRIGGER lose BEFORE INSERT ON reports FOR EACH ROW EXECUTE FUNCTION lose()",
        ):
            db.write(lambda connection, text=statement: connection.execute(text).rowcount)  # type: ignore[misc]  # mypy infers no default's type
        with pytest.raises(StoreError, match="reports 1 and 0"):
            copy_database(path, url)
        assert verify(db).accounts == 0


def test_command_shows_both_sides_of_every_sum(
    installed: tuple[Path, NewKey], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    done = CliRunner().invoke(main, ["db", "copy", str(installed[0])])
    assert done.exit_code == 0, done.output
    assert "ledger entries: 32 = 32" in done.output
    assert "balances: ¥0.9710 = ¥0.9710" in done.output
    verified = CliRunner().invoke(main, ["ledger", "verify"])
    assert verified.output.startswith("clean: 2 accounts, 32 entries, 30 charges")


def test_backup_and_restore_say_what_to_use_instead(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    for command, tool in (("backup", "pg_dump"), ("restore", "pg_restore")):
        done = CliRunner().invoke(main, [command, str(tmp_path / "b")])
        assert done.exit_code == 1
        assert tool in done.output
