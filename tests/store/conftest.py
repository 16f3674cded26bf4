import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from loupette.store.database import Database
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import Ledger, topup
from loupette.store.logs import LogCounter, LogEntry

NOW_MS = 1_730_419_200_000  # 2024-11-01 00:00:00 UTC


@pytest.fixture
def now_ms() -> int:
    return NOW_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "loupette.db"


@pytest.fixture
def db(path: Path) -> Iterator[Database]:
    with Database.open(path, exclusive=True) as opened:
        yield opened


@pytest.fixture
def key(db: Database) -> KeyRecord:
    """A key of the account "acme", which has 1 yuan."""
    record = create_key(db, "acme", now_ms=NOW_MS).record
    topup(db, "acme", 1_000_000, "first", now_ms=NOW_MS)
    return record


@pytest.fixture
def ledger(db: Database) -> Ledger:
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
