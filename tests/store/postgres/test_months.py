"""The log's tables, one a month, beside whoever else reads them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from loupette.errors import StoreError
from loupette.store import logs
from loupette.store.keys import NewKey, create_key
from loupette.store.ledger import verify
from loupette.store.logs import LogEntry
from loupette.store.postgres.connection import connect
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront
from pgfronts import DAY_MS, NOW_MS, as_server, charge, until
from pgserver import Server

pytestmark = pytest.mark.cluster


@pytest.fixture
def own(new_postgres: Callable[[], str], tmp_path: Path) -> Iterator[PostgresDatabase]:
    """Opened to be served; no other test has made months in it."""
    with PostgresDatabase(new_postgres(), tmp_path / "own.db", serving=True) as opened:
        yield opened


@contextmanager
def reading(database: PostgresDatabase, table: str = "logs_other") -> Iterator[None]:
    """As a backup does until it ends: nobody gets the table alone."""
    with closing(connect(database._url, is_long=True)) as backup:
        backup.execute("BEGIN")
        backup.execute(f"LOCK TABLE {table} IN ACCESS SHARE MODE")
        yield


def is_waiting(database: PostgresDatabase, statement: str) -> bool:
    """Whether one is waiting for a lock."""
    found = database.reader.execute(
        "SELECT EXISTS (SELECT FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND strpos(query, ?) > 0)",
        (statement,),
    )
    return bool(found.fetchone()[0])


def months(server: PostgresDatabase) -> list[str]:
    found = server.reader.execute(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^logs_[0-9]+$' ORDER BY 1"
    )
    return [name for (name,) in found if not name.startswith("logs_1970")]


def test_months_that_are_over_are_dropped_and_their_charges_kept(
    server: PostgresDatabase, front: SharedFront, made: NewKey, runner: asyncio.Runner
) -> None:
    runner.run(charge(front, made.record))
    newer_ms = NOW_MS + 60 * DAY_MS
    newer = runner.run(front.next_log_id(newer_ms))
    failed = LogEntry(
        id=newer, account_id=made.record.account_id, key_id=made.record.id, created_ms=newer_ms,
        type_id=1, code=400, outcome="no_gap", response_ms=1,
    )  # fmt: skip
    runner.run(front.record(failed))
    assert months(server) == ["logs_202411", "logs_202412"]
    assert logs.delete_older_than(server, NOW_MS + 40 * DAY_MS) == 1
    assert months(server) == ["logs_202412"]
    assert [entry.id for entry in logs.query(server.reader, None)] == [newer]
    assert verify(server).charges == 1


def test_month_that_begins_during_a_backup_keeps_no_request_waiting(
    own: PostgresDatabase, runner: asyncio.Runner
) -> None:
    made = create_key(own, "acme", opening_micros=1_000_000, now_ms=1)

    async def scenario() -> LogEntry:
        front = SharedFront(own)
        with reading(own):
            async with asyncio.timeout(5):  # where the statement may take thirty
                return await charge(front, made.record)

    entry = runner.run(scenario())
    assert months(own) == []
    assert [one.id for one in logs.query(own.reader, None)] == [entry.id]


def test_month_that_is_in_the_other_table_is_not_made_again_each_day(
    own: PostgresDatabase, postgres: Server, runner: asyncio.Runner
) -> None:
    """As to find that it cannot be made takes the whole log from everybody meanwhile."""
    made = create_key(own, "acme", opening_micros=1_000_000, now_ms=1).record
    name = own._url.rpartition("/")[2]

    async def scenario() -> None:
        front = await as_server(own)
        with reading(own):
            await charge(front, made)
        postgres.execute(
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'a table is made'; END $$;"
            "CREATE EVENT TRIGGER refuse ON ddl_command_start EXECUTE FUNCTION refuse()",
            name,
        )
        await charge(front, made, now_ms=NOW_MS + DAY_MS)

    runner.run(scenario())
    assert "logs_202411" not in months(own)


def test_month_has_its_table_before_it_begins(
    own: PostgresDatabase, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a backup was in the way at first."""
    monkeypatch.setattr("loupette.store.postgres.front._LOOK_AHEAD_EVERY_S", 0.01)
    next_month = "SELECT 'logs_' || to_char(now() + interval '1 month', 'YYYYMM')"

    async def scenario() -> None:
        tending = asyncio.create_task(SharedFront(own).tend())
        with reading(own):
            await until(lambda: asyncio.to_thread(is_waiting, own, "add_log_month"))
        await until(lambda: asyncio.to_thread(lambda: months(own) == look()))
        tending.cancel()
        await asyncio.wait([tending])

    def look() -> list[object]:
        return list(own.reader.execute(next_month).fetchone())

    assert months(own) == []
    runner.run(scenario())
    assert months(own) == look()


def test_purge_waits_for_a_backup_and_no_request_for_the_purge(
    own: PostgresDatabase, runner: asyncio.Runner
) -> None:
    made = create_key(own, "acme", opening_micros=1_000_000, now_ms=1)
    front = runner.run(as_server(own))
    runner.run(charge(front, made.record))

    async def scenario() -> int:
        with reading(own, "logs_202411"):
            purging = asyncio.create_task(
                asyncio.to_thread(logs.delete_older_than, own, NOW_MS + 40 * DAY_MS)
            )
            await until(lambda: asyncio.to_thread(is_waiting, own, "drop_log_month"))
            async with asyncio.timeout(5):  # where the statement may take thirty
                await charge(front, made.record, now_ms=NOW_MS + 60 * DAY_MS)
            assert not purging.done()
        async with asyncio.timeout(30):
            return await purging

    assert runner.run(scenario()) == 1
    assert months(own) == ["logs_202412"]


def test_purge_that_never_has_the_log_alone_says_so(
    own: PostgresDatabase, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_key(own, "acme", opening_micros=1_000_000, now_ms=1)
    runner.run(charge(runner.run(as_server(own)), made.record))
    monkeypatch.setattr("loupette.store.postgres.database._DROP_TRIES", 2)
    with reading(own), pytest.raises(StoreError, match="the log is in use"):
        logs.delete_older_than(own, NOW_MS + 40 * DAY_MS)
    assert logs.delete_older_than(own, NOW_MS + 40 * DAY_MS) == 1
