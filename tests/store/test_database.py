import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from loupette.errors import StoreError
from loupette.store.database import Database, open_to_read, wal_of
from loupette.store.lock import serving_pid

SERVE = """
import sys
from pathlib import Path
from loupette.store.database import Database
with Database.open(Path(sys.argv[1]), exclusive=True):
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def server(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that has the database open as its server."""
    command = [sys.executable, "-c", SERVE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        try:
            yield process
        finally:
            process.kill()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_new_files_are_for_their_owner_only(db: Database, path: Path) -> None:
    files = sorted(path.parent.iterdir())
    assert [file.name.removeprefix(path.name) for file in files] == ["", "-shm", "-wal", ".lock"]
    assert {mode(file) for file in files} == {0o600}


def test_writer_commits_durably_in_wal(db: Database) -> None:
    read = ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers", "temp_store")
    found = db.write(lambda connection: [pragma(connection, name) for name in read])
    assert found == ["wal", 2, 1, 1, 2]


def test_writer_waits_for_another_process_and_keeps_little_in_memory(db: Database) -> None:
    read = ("busy_timeout", "cache_size", "mmap_size")
    found = db.write(lambda connection: [pragma(connection, name) for name in read])
    assert found == [10_000, -4096, 268_435_456]


def test_reader_cannot_write(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.reader.execute("INSERT INTO accounts(name, created_ms) VALUES ('acme', 0)")


def test_reader_sees_what_was_just_written(db: Database) -> None:
    for number in range(1, 4):
        db.write(
            lambda connection, name=str(number): connection.execute(  # type: ignore[misc]
                "INSERT INTO accounts(name, created_ms) VALUES (?, 0)", (name,)
            ).close()
        )
        assert db.reader.execute("SELECT COUNT(*) FROM accounts").fetchone() == (number,)


def test_each_thread_has_one_reader(db: Database) -> None:
    others: list[sqlite3.Connection] = []
    thread = threading.Thread(target=lambda: others.append(db.reader))
    thread.start()
    thread.join()
    assert db.reader is db.reader
    assert others[0] is not db.reader


def test_path_with_characters_special_in_uris_opens(tmp_path: Path) -> None:
    with Database.open(tmp_path / "50% #1?.db") as db:
        assert db.reader.execute("SELECT COUNT(*) FROM accounts").fetchone() == (0,)


def test_close_folds_the_wal_into_the_file(path: Path) -> None:
    Database.open(path).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_closing_twice_is_harmless(path: Path) -> None:
    with Database.open(path, exclusive=True) as db:
        db.close()
    with pytest.raises(StoreError):
        db.write(lambda connection: 1)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing/loupette\.db"):
        Database.open(tmp_path / "missing" / "loupette.db")


def test_file_that_is_no_database_is_refused_and_untouched(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        Database.open(path, exclusive=True)
    assert path.read_text() == "dear diary, " * 1000


def test_failed_open_gives_the_lock_back(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError):
        Database.open(path, exclusive=True)
    path.unlink()
    Database.open(path, exclusive=True).close()


def test_second_server_is_refused_and_told_the_first_ones_pid(db: Database, path: Path) -> None:
    with pytest.raises(StoreError, match=rf"pid {os.getpid()}\b"):
        Database.open(path, exclusive=True)


def test_second_server_through_a_link_is_refused(db: Database, path: Path) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    with pytest.raises(StoreError, match="is served by another process"):
        Database.open(link, exclusive=True)


def test_lock_file_that_cannot_be_opened_is_named(path: Path) -> None:
    path.with_name(path.name + ".lock").mkdir()
    with pytest.raises(StoreError, match=r"cannot open the lock file .*loupette\.db\.lock"):
        Database.open(path, exclusive=True)


def test_command_opens_beside_a_server_and_both_write(db: Database, path: Path) -> None:
    insert = "INSERT INTO accounts(name, created_ms) VALUES (?, 0)"
    with Database.open(path) as command:
        command.write(lambda connection: connection.execute(insert, ("command",)).close())
        db.write(lambda connection: connection.execute(insert, ("server",)).close())
        assert command.reader.execute("SELECT COUNT(*) FROM accounts").fetchone() == (2,)


def test_opening_it_once_more_leaves_the_first_its_locks(db: Database, path: Path) -> None:
    """Without them another process, as it leaves, would take the WAL for nobody's."""
    db.write(lambda connection: connection.execute("CREATE TABLE kept(x)").close())
    with Database.open(path):
        pass
    leave = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
    leave += " c.execute('SELECT COUNT(*) FROM sqlite_schema').fetchone(); c.close()"
    subprocess.run([sys.executable, "-c", leave, str(path)], check=True, timeout=30)
    assert wal_of(path).exists()
    db.write(lambda connection: connection.execute("INSERT INTO kept VALUES (1)").close())
    with closing(open_to_read(path)) as reader:
        assert reader.execute("SELECT x FROM kept").fetchall() == [(1,)]


def test_reading_alone_changes_no_file(path: Path) -> None:
    Database.open(path).close()
    before = path.read_bytes()
    path.chmod(0o400)
    with closing(open_to_read(path)) as connection:
        assert connection.execute("SELECT COUNT(*) FROM accounts").fetchone() == (0,)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("DELETE FROM _sqlite_migrations WHERE name LIKE 'm003%'", "older loupette .*m003_logs"),
        ("UPDATE _sqlite_migrations SET name = 'm999_later' WHERE name LIKE 'm003%'", "newer"),
        ("DROP TABLE _sqlite_migrations", "older loupette"),
    ],
    ids=["older", "newer", "foreign"],
)
def test_reading_alone_refuses_another_schema(path: Path, change: str, complaint: str) -> None:
    with Database.open(path) as db:
        db.write(lambda connection: connection.execute(change).close())
    with pytest.raises(StoreError, match=complaint):
        open_to_read(path)


def test_reading_alone_refuses_a_file_that_is_no_database(path: Path) -> None:
    path.write_text("dear diary, " * 1000)
    with pytest.raises(StoreError, match="not a database"):
        open_to_read(path)


def test_server_starts_after_the_one_before_was_closed(path: Path) -> None:
    Database.open(path, exclusive=True).close()
    with Database.open(path, exclusive=True) as db:
        assert db.write(lambda connection: 1) == 1


def test_command_does_not_take_the_place_of_a_server(path: Path) -> None:
    with Database.open(path), Database.open(path, exclusive=True):
        assert mode(path) == 0o600


@pytest.mark.slow
def test_server_in_another_process_is_refused_until_it_is_killed(path: Path) -> None:
    with server(path) as other:
        with pytest.raises(StoreError, match=rf"pid {other.pid}\b"):
            Database.open(path, exclusive=True)
        other.send_signal(signal.SIGKILL)
        other.wait(timeout=30)
        Database.open(path, exclusive=True).close()


def test_serving_process_is_known_to_others_without_taking_its_place(
    db: Database, path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(path)
    assert serving_pid(path) == serving_pid(link) == os.getpid()
    with pytest.raises(StoreError, match="is served by another process"):
        Database.open(path, exclusive=True)


def test_nobody_serves_a_database_that_was_closed_or_never_made(path: Path) -> None:
    assert serving_pid(path) is None
    Database.open(path, exclusive=True).close()
    assert serving_pid(path) is None
