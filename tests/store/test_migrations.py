import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database as Schema

from loupette.errors import StoreError
from loupette.store.database import Database
from loupette.store.keys import list_keys
from loupette.store.migrations import MIGRATIONS, migrate

STEPS = [
    "m001_accounts_and_keys",
    "m002_ledger",
    "m003_logs",
    "m004_idempotency",
    "m005_key_scopes_and_expiry",
    "m006_sessions_and_overrides",
    "m007_topups_once",
    "m008_search_of_all_accounts",
    "m009_options",
]


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        yield opened


def applied(connection: sqlite3.Connection) -> list[str]:
    return [step.name for step in MIGRATIONS.applied(Schema(connection))]


def record_step(connection: sqlite3.Connection, name: str) -> None:
    connection.execute(
        "INSERT INTO _sqlite_migrations(migration_set, name, applied_at)"
        " VALUES ('loupette', ?, '')",
        (name,),
    )


def test_new_database_gets_every_step_in_order(connection: sqlite3.Connection) -> None:
    migrate(connection)
    assert applied(connection) == STEPS


def test_migrating_again_changes_nothing(connection: sqlite3.Connection) -> None:
    migrate(connection)
    before = connection.execute("PRAGMA schema_version").fetchone()
    migrate(connection)
    assert connection.execute("PRAGMA schema_version").fetchone() == before


@pytest.mark.parametrize("stop", STEPS[1:])
def test_older_database_is_brought_up_to_date_with_its_data(
    connection: sqlite3.Connection, stop: str
) -> None:
    MIGRATIONS.apply(Schema(connection), stop_before=stop)
    connection.execute("INSERT INTO accounts(name, created_ms) VALUES ('acme', 7)")
    migrate(connection)
    assert applied(connection) == STEPS
    assert connection.execute("SELECT name, created_ms FROM accounts").fetchone() == ("acme", 7)


def test_keys_there_are_may_do_what_they_could_and_never_expire(
    connection: sqlite3.Connection, path: Path
) -> None:
    MIGRATIONS.apply(Schema(connection), stop_before="m005_key_scopes_and_expiry")
    connection.execute("INSERT INTO accounts(name, created_ms) VALUES ('acme', 7)")
    connection.execute(
        "INSERT INTO api_keys(account_id, key_hash, prefix, rate, burst, created_ms)"
        " VALUES (1, zeroblob(32), 'ak_old', 10, 10, 7)"
    )
    with Database.open(path) as db:
        (key,) = list_keys(db.reader)
    assert (key.scopes, key.expires_ms) == ("solve read report", None)


def test_database_of_a_newer_version_is_refused_and_the_mend_named(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection)
    record_step(connection, "m999_of_the_future")
    with pytest.raises(StoreError, match=r"m999_of_the_future.*install that version"):
        Database.open(path)


def test_refused_database_is_left_as_it_was(connection: sqlite3.Connection) -> None:
    MIGRATIONS.apply(Schema(connection), stop_before="m002_ledger")
    record_step(connection, "m999_of_the_future")
    with pytest.raises(StoreError):
        migrate(connection)
    assert applied(connection) == ["m001_accounts_and_keys", "m999_of_the_future"]


def test_failing_step_undoes_the_ones_before_it(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE logs(in_the_way TEXT)")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]
    assert tables == ["logs"]
    assert not connection.in_transaction


@pytest.mark.parametrize("is_new", [True, False])
def test_several_openings_of_a_file_that_is_not_in_wal_at_once_all_succeed(
    path: Path, is_new: bool
) -> None:
    if not is_new:  # as a restored one is
        Database.open(path).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
    start, failures = threading.Barrier(4), list[Exception]()

    def open_it() -> None:
        start.wait(30)
        try:
            Database.open(path).close()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_every_table_of_ours_is_strict(db: Database) -> None:
    tables = dict(
        db.reader.execute(
            "SELECT name, strict FROM pragma_table_list"
            " WHERE schema = 'main' AND name NOT LIKE '%sqlite_%'"
        )
    )
    assert set(tables) == {
        "accounts", "api_keys", "ledger", "logs", "log_retention", "reports", "idempotency",
            "sessions", "type_overrides",
    }  # fmt: skip
    assert set(tables.values()) == {1}
