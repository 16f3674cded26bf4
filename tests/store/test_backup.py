import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from loupette.errors import StoreError
from loupette.store.backup import backup, check_backup
from loupette.store.database import Database
from loupette.store.keys import KeyRecord, list_keys
from loupette.store.ledger import Ledger, topup
from loupette.store.logs import LogEntry

MakeLog = Callable[..., LogEntry]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "copy.db"


@pytest.fixture
def charged(ledger: Ledger, key: KeyRecord, make_log: MakeLog) -> None:
    for _ in range(50):
        ledger.settle(ledger.hold(key.account_id, 10_000), make_log(10_000)).result()


def test_backup_of_a_running_server_is_checked_and_complete(
    charged: None, path: Path, target: Path
) -> None:
    checked = backup(path, target)
    assert (checked.charges, checked.balance_micros, checked.problems) == (50, 500_000, ())


def test_backup_opens_as_a_database(charged: None, path: Path, target: Path) -> None:
    backup(path, target)
    with Database.open(target, exclusive=True) as restored:
        (key,) = list_keys(restored.reader)
        assert (key.account_name, key.balance_micros) == ("acme", 500_000)


def test_backup_is_for_its_owner_only(key: KeyRecord, path: Path, target: Path) -> None:
    backup(path, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_backup_leaves_one_new_file(key: KeyRecord, path: Path, target: Path) -> None:
    before = set(path.parent.iterdir())
    backup(path, target)
    assert set(path.parent.iterdir()) - before == {target}


def test_backup_does_not_overwrite(key: KeyRecord, path: Path, target: Path) -> None:
    target.write_text("precious")
    with pytest.raises(StoreError, match="exists already"):
        backup(path, target)
    assert target.read_text() == "precious"


def test_backup_replaces_what_an_interrupted_one_left(
    key: KeyRecord, path: Path, target: Path
) -> None:
    target.with_name("copy.db.partial").write_text("half a copy")
    backup(path, target)
    assert not target.with_name("copy.db.partial").exists()


def test_backup_into_a_missing_folder_is_refused(key: KeyRecord, path: Path) -> None:
    with pytest.raises(StoreError, match="cannot back up"):
        backup(path, path.parent / "missing" / "copy.db")


def test_backup_of_a_missing_database_is_refused_and_creates_none(
    tmp_path: Path, target: Path
) -> None:
    with pytest.raises(StoreError, match="cannot back up"):
        backup(tmp_path / "missing.db", target)
    assert list(tmp_path.iterdir()) == []


def test_books_out_of_order_make_no_backup(
    db: Database, key: KeyRecord, path: Path, target: Path
) -> None:
    raise_balance = "UPDATE accounts SET balance = balance + 1"
    db.write(lambda connection: connection.execute(raise_balance).close())
    with pytest.raises(StoreError, match=r"is ¥1\.000001, its ledger sums to ¥1\.0000"):
        backup(path, target)
    assert not target.exists()


def test_backup_while_money_moves_is_one_consistent_moment(
    db: Database, key: KeyRecord, path: Path, target: Path, now_ms: int
) -> None:
    may_stop = threading.Event()

    def keep_moving() -> None:
        while not may_stop.is_set():
            topup(db, "acme", 1, now_ms=now_ms)

    mover = threading.Thread(target=keep_moving)
    mover.start()
    try:
        for number in range(3):
            assert backup(path, target.with_name(f"copy{number}.db")).ok
    finally:
        may_stop.set()
        mover.join()


def test_good_copy_passes_again_later(charged: None, path: Path, target: Path) -> None:
    backup(path, target)
    assert check_backup(target).charges == 50


def test_tampered_copy_is_refused(charged: None, path: Path, target: Path) -> None:
    backup(path, target)
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute("UPDATE accounts SET balance = 999999999")
    with pytest.raises(StoreError, match=r"do not restore it: account acme"):
        check_backup(target)


def test_copy_with_a_reference_to_nothing_is_refused(
    charged: None, path: Path, target: Path
) -> None:
    backup(path, target)
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.execute("DELETE FROM api_keys")
    with pytest.raises(StoreError, match="refers to a missing api_keys"):
        check_backup(target)


def test_truncated_copy_is_refused(charged: None, path: Path, target: Path) -> None:
    backup(path, target)
    os.truncate(target, target.stat().st_size - 8192)
    with pytest.raises(StoreError):
        check_backup(target)


def test_copy_with_damaged_pages_is_refused(charged: None, path: Path, target: Path) -> None:
    backup(path, target)
    content = bytearray(target.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    target.write_bytes(content)
    with pytest.raises(StoreError):
        check_backup(target)


def test_file_that_is_no_database_is_refused(target: Path) -> None:
    target.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        check_backup(target)


def test_empty_file_is_no_backup(target: Path) -> None:
    target.touch()
    with pytest.raises(StoreError, match="cannot be read"):
        check_backup(target)


def test_missing_copy_is_named(target: Path) -> None:
    with pytest.raises(StoreError, match="there is no backup"):
        check_backup(target)
