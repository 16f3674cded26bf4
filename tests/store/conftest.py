import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, topup
from loupette.store.logs import LogCounter, LogEntry
from loupette.store.opening import open_database

if TYPE_CHECKING:
    from pgserver import Server  # not imported before it is used: it needs psycopg

NOW_MS = 1_730_419_200_000  # 2024-11-01 00:00:00 UTC


@pytest.fixture
def now_ms() -> int:
    return NOW_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "loupette.db"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what a module says is ON_BOTH on both databases, but for what only SQLite has."""
    is_on_both = getattr(metafunc.module, "ON_BOTH", False)
    if is_on_both and "kind" in metafunc.fixturenames:
        kinds = [pytest.param("postgres", marks=pytest.mark.cluster)]
        only = any(mark.name == "sqlite" for mark in metafunc.definition.iter_markers())
        metafunc.parametrize("kind", ["sqlite"] if only else ["sqlite", *kinds])


@pytest.fixture
def kind() -> str:
    """Which database; see above."""
    return "sqlite"


@pytest.fixture(scope="session")
def emptied_postgres(new_postgres: Callable[[], str], postgres: "Server") -> Callable[[], str]:
    """Gives the URL of one database again and again, as if it had just been made."""
    url = new_postgres()
    name = url.rpartition("/")[2]
    tables = "accounts, api_keys, holds, ledger, logs, log_days, reports, idempotency, sessions"

    def empty() -> str:
        if postgres.execute("SELECT to_regclass('accounts') IS NOT NULL", name) == [(True,)]:
            postgres.execute(
                "SET session_replication_role = replica;"  # the ledger refuses to be emptied
                f"TRUNCATE {tables}, type_overrides, rates RESTART IDENTITY CASCADE;"
                "UPDATE log_retention SET deleted_below = 0",
                name,
            )
        return url

    return empty


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str | None:
    """Of an empty PostgreSQL database; None where the test runs on SQLite."""
    if kind != "postgres":
        return None
    # What takes the guards off leaves a database that is of no use to other tests.
    tampers = getattr(request.module, "TAMPERS", False)
    made: str = request.getfixturevalue("new_postgres" if tampers else "emptied_postgres")()
    return made


@pytest.fixture
def db(path: Path, url: str | None) -> Iterator[Database]:
    """Typed as SQLite, which some tests look into; those of both use what both have."""
    with open_database(path, url, exclusive=True) as opened:
        yield cast("Database", opened)


@pytest.fixture
def key(db: Database) -> KeyRecord:
    """A key of the account "acme", which has 1 yuan."""
    record = create_key(db, "acme", now_ms=NOW_MS).record
    topup(db, "acme", 1_000_000, "first", now_ms=NOW_MS)
    return record


@pytest.fixture
def ledger(db: Database) -> Ledger:
    """Of one process, with its holds in memory; it works over either database."""
    return Ledger(db)


MakeLog = Callable[..., LogEntry]


@pytest.fixture
def make_log(db: Database, key: KeyRecord) -> MakeLog:
    """Builds log entries of the key, by default successes, each with the next id."""
    counter = LogCounter(db)

    def make(cost_micros: int = 0, *, created_ms: int = NOW_MS, **changes: object) -> LogEntry:
        values: dict[str, object] = {
            "id": counter.next_log_id(created_ms),
            "account_id": key.account_id,
            "key_id": key.id,
            "created_ms": created_ms,
            "type_id": 50100,
            "code": 200,
            "outcome": "ok",
            "cost_micros": cost_micros,
            "answer": "8",
            "response_ms": 12,
        }
        return LogEntry(**(values | changes))  # type: ignore[arg-type]  # tests name the fields

    return make


@pytest.fixture
def paused_writer() -> Callable[[Database], AbstractContextManager[None]]:
    """Keeps the writer inside an operation; what is submitted meanwhile is its next batch."""

    @contextmanager
    def pause(db: Database) -> Iterator[None]:
        is_inside, may_leave = threading.Event(), threading.Event()

        def wait(_: sqlite3.Connection) -> None:
            is_inside.set()
            assert may_leave.wait(30)

        done = db.submit(wait)
        assert is_inside.wait(30)
        try:
            yield
        finally:
            may_leave.set()
            done.result()

    return pause
