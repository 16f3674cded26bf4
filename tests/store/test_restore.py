"""A backup takes the database's place whole or not at all, and what was there is kept."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlite_utils import Database as Schema

from loupette.errors import StoreError
from loupette.store import restore as module
from loupette.store.backup import backup
from loupette.store.database import Database
from loupette.store.keys import create_key, list_keys
from loupette.store.ledger import topup, verify
from loupette.store.migrations import MIGRATIONS
from loupette.store.restore import Restored, restore

NOW = datetime(2026, 11, 28, 12, 0, 0, tzinfo=UTC)
KEPT = "loupette-20261128-120000.db"


@pytest.fixture
def saved(path: Path, tmp_path: Path, now_ms: int) -> Path:
    """A backup with 1 yuan, of a database that has 3 by now and is closed."""
    source = tmp_path / "saved.db"
    with Database.open(path) as db:
        create_key(db, "acme", opening_micros=1_000_000, now_ms=now_ms)
        backup(path, source)
        topup(db, "acme", 2_000_000, now_ms=now_ms)
    return source


@pytest.fixture
def do(path: Path) -> Callable[[Path], Restored]:
    return lambda source: restore(source, path, now=NOW)


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def balance(path: Path) -> int:
    with Database.open(path, exclusive=True) as db:
        assert verify(db).ok
        return list_keys(db.reader)[0].balance_micros


def snapshot(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix != ".lock"}


def test_backup_takes_the_place_and_the_old_database_is_kept(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    done = do(saved)
    assert (done.checked.balance_micros, done.kept) == (1_000_000, path.with_name(KEPT))
    assert (balance(path), balance(path.with_name(KEPT))) == (1_000_000, 3_000_000)


def test_backup_itself_stays_and_no_other_file_is_left(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    content = saved.read_bytes()
    do(saved)
    assert saved.read_bytes() == content
    assert set(snapshot(path.parent)) == {"saved.db", "loupette.db", KEPT}


def test_restored_database_is_for_its_owner_only(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    saved.chmod(0o644)
    do(saved)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_restored_database_belongs_to_whom_the_old_one_did(
    saved: Path, path: Path, do: Callable[[Path], Restored], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only root gives files away, so the old one is said to be another's, and the gift is told."""
    given: list[tuple[str, int, int]] = []
    ask, place = Path.stat, path.resolve()

    def stat_of(file: Path, **how: bool) -> os.stat_result:
        found = ask(file, **how)
        if file != place:
            return found
        return os.stat_result((*found[:4], 4711, 4712, *found[6:]))

    monkeypatch.setattr(Path, "stat", stat_of)
    monkeypatch.setattr(os, "chown", lambda file, uid, gid: given.append((file.name, uid, gid)))
    do(saved)
    assert given == [("loupette.db.partial", 4711, 4712)]


def test_place_without_a_database_gets_one_and_nothing_is_kept(saved: Path, tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    assert restore(saved, place, now=NOW).kept is None
    assert balance(place) == 1_000_000


def test_what_the_old_one_had_in_its_wal_alone_is_kept(
    saved: Path, path: Path, do: Callable[[Path], Restored], now_ms: int
) -> None:
    code = "import os; db = Database.open(Path(path)); topup(db, 'acme', 5, now_ms=0); os._exit(9)"
    run_and_die(code, path)
    assert path.with_name("loupette.db-wal").stat().st_size > 0
    do(saved)
    assert not path.with_name("loupette.db-wal").exists()
    assert (balance(path), balance(path.with_name(KEPT))) == (1_000_000, 3_000_005)


def run_and_die(code: str, path: Path) -> None:
    head = (
        "from pathlib import Path; from loupette.store.database import Database;"
        f"from loupette.store.ledger import topup; path = {str(path)!r};"
    )
    assert subprocess.run([sys.executable, "-c", head + code], timeout=60).returncode == 9


def test_damaged_database_is_replaced_and_kept_with_its_wal(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    path.write_text("dear diary, " * 1000)
    path.with_name("loupette.db-wal").write_text("half a frame")
    do(saved)
    assert balance(path) == 1_000_000
    assert path.with_name(KEPT).read_text().startswith("dear diary")
    assert path.with_name(KEPT + "-wal").read_text() == "half a frame"


def test_database_with_damaged_pages_is_replaced_and_kept(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    do(saved)
    assert balance(path) == 1_000_000
    assert path.with_name(KEPT).read_bytes()[4096:] == content[4096:]


def test_served_database_is_not_replaced(
    saved: Path, path: Path, do: Callable[[Path], Restored], now_ms: int
) -> None:
    with Database.open(path, exclusive=True) as db:
        with pytest.raises(StoreError, match=f"served by another process \\(pid {os.getpid()}\\)"):
            do(saved)
        topup(db, "acme", 1, now_ms=now_ms)
    assert balance(path) == 3_000_001


def test_server_cannot_start_while_the_place_is_made_ready(
    saved: Path, path: Path, do: Callable[[Path], Restored], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[StoreError] = []

    def start_a_server(source: Path, target: Path, *, is_immutable: bool) -> None:
        with pytest.raises(StoreError) as caught:
            Database.open(path, exclusive=True)
        refused.append(caught.value)
        raise OSError("the disk is full")

    monkeypatch.setattr(module, "write_copy", start_a_server)
    with pytest.raises(StoreError, match="the disk is full"):
        do(saved)
    assert len(refused) == 1


def test_database_that_a_command_has_open_is_not_replaced(
    saved: Path, path: Path, do: Callable[[Path], Restored], now_ms: int
) -> None:
    with Database.open(path) as db:
        with pytest.raises(StoreError, match="in use by another command"):
            do(saved)
        topup(db, "acme", 1, now_ms=now_ms)
    assert balance(path) == 3_000_001
    assert not path.with_name(KEPT).exists()


REFUSED = {
    "tampered": ("UPDATE accounts SET balance = 5", "its ledger sums to ¥1.0000"),
    "newer": (
        "UPDATE _sqlite_migrations SET name = 'm999_later' WHERE name LIKE 'm003%'",
        "newer loupette",
    ),
    "broken reference": ("DELETE FROM accounts", "refers to a missing accounts"),
    "foreign": ("DROP TABLE accounts", "cannot be read as a database of loupette"),
}


@pytest.mark.parametrize(("statement", "said"), REFUSED.values(), ids=REFUSED)
def test_backup_that_is_not_sound_is_refused_and_all_stays(
    saved: Path, path: Path, do: Callable[[Path], Restored], statement: str, said: str
) -> None:
    change(saved, statement)
    before = snapshot(path.parent)
    with pytest.raises(StoreError, match=said):
        do(saved)
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("content", [b"", b"dear diary, " * 1000, None])
def test_file_that_is_no_database_is_refused_and_all_stays(
    saved: Path, path: Path, do: Callable[[Path], Restored], content: bytes | None
) -> None:
    if content is None:
        os.truncate(saved, saved.stat().st_size - 8192)
    else:
        saved.write_bytes(content)
    before = snapshot(path.parent)
    with pytest.raises(StoreError):
        do(saved)
    assert snapshot(path.parent) == before


def test_backup_with_a_damaged_index_is_refused_though_copying_would_mend_it(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    find = "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_autoindex_accounts_1'"
    with closing(sqlite3.connect(saved)) as connection:
        (page,) = connection.execute(find).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = bytearray(saved.read_bytes())
    place = content.index(b"acme", (page - 1) * size, page * size)
    content[place : place + 4] = b"acmf"
    saved.write_bytes(content)
    with pytest.raises(StoreError, match="missing from index"):
        do(saved)


def test_backup_of_an_older_version_is_taken_and_brought_up_to_date_at_the_next_start(
    path: Path, tmp_path: Path
) -> None:
    source = tmp_path / "older.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        MIGRATIONS.apply(Schema(connection), stop_before="m005_key_scopes_and_expiry")
        connection.execute("INSERT INTO accounts(name, created_ms) VALUES ('acme', 7)")
    assert restore(source, path, now=NOW).checked.accounts == 1
    with Database.open(path) as db:
        assert create_key(db, "acme", now_ms=7).record.may("solve")


def test_nothing_is_made_beside_a_backup_that_was_in_use_once(
    saved: Path, path: Path, do: Callable[[Path], Restored], tmp_path: Path
) -> None:
    change(saved, "PRAGMA journal_mode = WAL")  # as a plain copy of a closed database has it
    before = set(snapshot(path.parent))
    do(saved)
    assert set(snapshot(path.parent)) == before | {KEPT}


def test_missing_backup_is_named(path: Path, do: Callable[[Path], Restored]) -> None:
    with pytest.raises(StoreError, match="there is no backup"):
        do(path.with_name("absent.db"))


def test_database_is_no_backup_of_itself(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    with pytest.raises(StoreError, match="is the database itself"):
        do(path)


def test_copy_that_went_wrong_does_not_take_the_place(
    saved: Path, path: Path, do: Callable[[Path], Restored], monkeypatch: pytest.MonkeyPatch
) -> None:
    def copy_half(source: Path, target: Path, *, is_immutable: bool) -> None:
        target.write_bytes(b"half")

    monkeypatch.setattr(module, "write_copy", copy_half)
    before = snapshot(path.parent)
    with pytest.raises(StoreError, match="cannot be read"):
        do(saved)
    assert snapshot(path.parent) == before


def test_kept_name_that_is_taken_is_not_written_over(
    saved: Path, path: Path, do: Callable[[Path], Restored]
) -> None:
    path.with_name(KEPT).write_text("precious")
    with pytest.raises(StoreError, match="cannot restore"):
        do(saved)
    assert path.with_name(KEPT).read_text() == "precious"
    assert balance(path) == 3_000_000


def test_link_to_a_database_stays_a_link(saved: Path, path: Path, tmp_path: Path) -> None:
    link = tmp_path / "elsewhere" / "link.db"
    link.parent.mkdir()
    link.symlink_to(path)
    assert restore(saved, link, now=NOW).kept == path.with_name(KEPT)
    assert link.is_symlink()
    assert balance(path) == 1_000_000


def test_place_in_a_missing_folder_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the lock file"):
        restore(saved, tmp_path / "absent" / "loupette.db", now=NOW)
