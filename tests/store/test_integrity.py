"""A file is told whole, damaged, older or newer, and is only read."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loupette.store.database import Database
from loupette.store.integrity import inspect
from loupette.store.keys import KeyRecord


@pytest.fixture
def closed(path: Path) -> Path:
    with Database.open(path):
        pass
    return path


def change(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_whole_database_has_no_problems(db: Database, key: KeyRecord, path: Path) -> None:
    found = inspect(path)
    assert (found.problems, found.missing_steps, found.unknown_steps) == ((), (), ())
    assert found.checked is not None
    assert found.checked.balance_micros == 1_000_000


def test_looking_leaves_nothing_beside_the_file(closed: Path) -> None:
    before = {file: file.stat().st_mtime_ns for file in closed.parent.iterdir()}
    inspect(closed)
    assert {file: file.stat().st_mtime_ns for file in closed.parent.iterdir()} == before


def test_what_is_only_in_the_wal_is_seen(db: Database, key: KeyRecord, path: Path) -> None:
    assert path.with_name("loupette.db-wal").stat().st_size > 0
    found = inspect(path)
    assert found.checked is not None
    assert found.checked.accounts == 1


def test_newer_database_is_told_by_its_steps(closed: Path) -> None:
    change(closed, "UPDATE _sqlite_migrations SET name = 'm999_later' WHERE name LIKE 'm003%'")
    assert inspect(closed).unknown_steps == ("m999_later",)


def test_older_database_is_told_by_what_it_lacks_and_its_money_is_checked(closed: Path) -> None:
    change(closed, "DELETE FROM _sqlite_migrations WHERE name LIKE 'm004%'")
    found = inspect(closed)
    assert found.missing_steps == ("m004_idempotency",)
    assert found.problems == ()


def test_money_that_does_not_add_up_is_a_problem(db: Database, key: KeyRecord, path: Path) -> None:
    change(path, "UPDATE accounts SET balance = 5")
    (problem, *_) = inspect(path).problems
    assert "the balance is ¥0.000005, its ledger sums to ¥1.0000" in problem


@pytest.mark.parametrize("content", [b"", b"dear diary, " * 1000], ids=["empty", "text"])
def test_file_that_is_no_database_is_a_problem(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    (problem,) = inspect(path).problems
    assert "cannot be read as a database of loupette" in problem


def test_damaged_pages_are_a_problem(closed: Path) -> None:
    content = bytearray(closed.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    closed.write_bytes(content)
    assert inspect(closed).problems
