"""Several servers on one PostgreSQL database, and what happens when one of them dies."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loupette.engine import Engine
from loupette.errors import (
    IdempotencyTaken,
    InsufficientBalance,
    LoupetteError,
    OutcomeUnknown,
    StoreError,
)
from loupette.store import logs, overrides
from loupette.store.keys import NewKey, create_key, disable_key
from loupette.store.ledger import verify
from loupette.store.logs import LogEntry
from loupette.store.overrides import Override
from loupette.store.postgres import connection as connection_module
from loupette.store.postgres import migrating
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront
from loupette.store.postgres.migrating import _steps
from loupette.store.postgres.writer import SETTLE, RequestWriter, Step
from pgfronts import DAY_MS, NOW_MS, charge, locked_accounts, until
from pgserver import Server

pytestmark = pytest.mark.cluster

OpenServer = Callable[[], PostgresDatabase]


def test_two_servers_give_ten_answers_for_the_money_of_ten(
    open_server: OpenServer, made: NewKey, runner: asyncio.Runner
) -> None:
    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        calls = (charge(fronts[number % 2], made.record) for number in range(64))
        done = await asyncio.gather(*calls, return_exceptions=True)
        entries = [one for one in done if isinstance(one, LogEntry)]
        assert len(entries) == len({entry.id for entry in entries}) == 10
        refused = {type(one) for one in done if not isinstance(one, LogEntry)}
        assert refused == {InsufficientBalance}

    runner.run(scenario())


def test_servers_give_no_log_id_twice(open_server: OpenServer, runner: asyncio.Runner) -> None:
    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        asked = [front.next_log_id(NOW_MS) for _ in range(300) for front in fronts]
        ids = await asyncio.gather(*asked)
        assert len(set(ids)) == 600

    runner.run(scenario())


def test_rate_holds_over_all_servers(
    open_server: OpenServer, server: PostgresDatabase, runner: asyncio.Runner
) -> None:
    key = create_key(server, "acme", rate=0.01, burst=5, now_ms=1).record

    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        counted = [front.count(key) for _ in range(10) for front in fronts]
        verdicts = await asyncio.gather(*counted)
        assert sum(verdict.allowed for verdict in verdicts) == 5

    runner.run(scenario())


def test_one_account_on_two_servers_in_both_orders_makes_no_deadlock(
    open_server: OpenServer, server: PostgresDatabase, runner: asyncio.Runner
) -> None:
    keys = [
        create_key(server, f"a{number}", opening_micros=10**9, now_ms=1).record
        for number in range(8)
    ]

    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        await asyncio.gather(
            *(charge(fronts[0], key, 1) for _ in range(20) for key in keys),
            *(charge(fronts[1], key, 1) for _ in range(20) for key in reversed(keys)),
        )

    runner.run(scenario())
    assert verify(server).charges == 320


def test_of_servers_that_are_asked_for_one_idempotency_key_at_once_one_charges(
    open_server: OpenServer, made: NewKey, runner: asyncio.Runner
) -> None:
    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(4)]
        calls = (charge(front, made.record, name="one") for front in fronts)
        done = await asyncio.gather(*calls, return_exceptions=True)
        (entry,) = (one for one in done if isinstance(one, LogEntry))
        assert [type(one) for one in done if one is not entry] == [IdempotencyTaken] * 3
        stored = await fronts[0].find_reply(made.record.account_id, "one")
        assert stored
        assert (stored.log_id, stored.reply) == (entry.id, b"900000")

    runner.run(scenario())


def test_settings_of_the_role_change_nothing(
    new_postgres: Callable[[], str],
    tmp_path: Path,
    postgres: Server,
    runner: asyncio.Runner,
) -> None:
    url = new_postgres()
    name = url.rpartition("/")[2]
    for setting in ("default_transaction_isolation = serializable", "synchronous_commit = off"):
        postgres.execute(f"ALTER ROLE loupette IN DATABASE {name} SET {setting}")

    async def scenario(databases: Sequence[PostgresDatabase]) -> None:
        key = create_key(databases[0], "acme", opening_micros=1_000_000, now_ms=1).record
        fronts = [SharedFront(database) for database in databases]
        await asyncio.gather(*(charge(fronts[number % 2], key, 1) for number in range(80)))
        show = "SHOW synchronous_commit"
        told = await asyncio.to_thread(
            databases[0].write, lambda connection: connection.execute(show).fetchone()
        )
        assert told == ("on",)

    with (
        PostgresDatabase(url, tmp_path / "a.db", serving=True) as one,
        PostgresDatabase(url, tmp_path / "b.db", serving=True) as other,
    ):
        runner.run(scenario([one, other]))


def test_reply_is_not_forgotten_by_a_server_whose_clock_is_ahead(
    new_postgres: Callable[[], str],
    tmp_path: Path,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = time.time_ns() // 1_000_000
    monkeypatch.setattr("loupette.engine.unix_ms", lambda: now_ms + 2 * DAY_MS)

    async def scenario(server: PostgresDatabase) -> None:
        made = create_key(server, "acme", opening_micros=1_000_000, now_ms=1)
        other: Any = None  # a purge asks neither the catalogue nor the pool
        engine = Engine(other, server, other)
        front = engine.front
        assert isinstance(front, SharedFront)
        await charge(front, made.record, name="kept", now_ms=now_ms)
        await engine.purge()
        assert await front.find_reply(made.record.account_id, "kept")

    with PostgresDatabase(new_postgres(), tmp_path / "own.db", serving=True) as server:
        runner.run(scenario(server))


@pytest.mark.parametrize("is_committed", [True, False])
def test_charge_whose_commit_was_not_heard_of_is_made_once(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    is_committed: bool,
) -> None:
    """The connection ends just after the commit, or just before it reached the database."""
    transact = RequestWriter._transact
    losses = iter(range(3))  # one for each exchange of a charge, and for each that repeats it

    def lose(writer: RequestWriter, batch: object, *, is_again: bool) -> None:
        if not is_again and next(losses, None) is not None:
            if is_committed:
                transact(writer, batch, is_again=is_again)  # type: ignore[arg-type]  # handed on
            writer._connection.close()
            raise psycopg.OperationalError("lost")
        transact(writer, batch, is_again=is_again)  # type: ignore[arg-type]  # as above

    monkeypatch.setattr(RequestWriter, "_transact", lose)
    entry = runner.run(charge(front, made.record))
    assert logs.get(server.reader, made.record.account_id, entry.id)
    found = verify(server)
    assert (found.charges, found.balance_micros) == (1, 900_000)


def test_who_waits_too_long_for_a_commit_is_told_that_it_is_unknown(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a hold it is known enough: whoever did not hear of it is not charged for it."""
    hold = runner.run(front.hold(made.record.account_id, 100_000, within_s=5))
    entry = LogEntry(
        id=runner.run(front.next_log_id(NOW_MS)), account_id=made.record.account_id,
        key_id=made.record.id, created_ms=NOW_MS, type_id=1, code=200, outcome="ok",
        cost_micros=100_000, response_ms=1,
    )  # fmt: skip

    def lose(writer: RequestWriter, batch: object, *, is_again: bool) -> None:
        writer._connection.close()
        raise psycopg.OperationalError("lost")

    with monkeypatch.context() as patch:
        patch.setattr(server._outage, "patience_s", 0.0)
        patch.setattr(RequestWriter, "_transact", lose)
        with pytest.raises(OutcomeUnknown):
            runner.run(front.settle(hold, entry, None))
        with pytest.raises(LoupetteError, match="nothing was charged"):
            runner.run(front.hold(made.record.account_id, 1, within_s=5))

    async def go_on() -> None:
        front.release(hold)
        await charge(front, made.record)

    runner.run(go_on())  # back without hands


def test_first_request_after_a_long_time_without_the_database_is_answered(
    front: SharedFront, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    """The connection was lost a minute ago, and nobody has asked since."""
    assert server.requests
    server.requests._connection.close()
    server._outage._since_s = time.monotonic() - 60
    runner.run(charge(front, made.record))
    assert verify(server).charges == 1


def test_charge_that_ends_every_connection_fails_in_bounded_time(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transact = RequestWriter._transact

    def lose(writer: RequestWriter, batch: Sequence[Step], *, is_again: bool) -> None:
        if any(step.verb is SETTLE for step in batch):
            writer._connection.close()
            raise psycopg.OperationalError("lost")
        transact(writer, batch, is_again=is_again)

    async def scenario() -> None:
        async with asyncio.timeout(15):
            with pytest.raises(OutcomeUnknown):
                await charge(front, made.record)

    monkeypatch.setattr(server._outage, "patience_s", 0.5)
    monkeypatch.setattr(RequestWriter, "_transact", lose)
    runner.run(scenario())


def test_account_that_stays_locked_fails_its_batch_in_the_time_of_one_statement(
    url: str,
    open_server: OpenServer,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By a server that hangs, say; and when that is over, charges are made as before."""
    monkeypatch.setitem(connection_module._USUAL, "statement_timeout", "500ms")

    async def scenario() -> None:
        front = SharedFront(open_server())
        holds = [front.hold(made.record.account_id, 1, within_s=5) for _ in range(40)]
        started_s = time.monotonic()
        done = await asyncio.gather(*holds, return_exceptions=True)
        assert all(isinstance(one, StoreError) for one in done)
        assert time.monotonic() - started_s < 15  # forty alone would take twenty seconds
        unlock()
        await charge(front, made.record)

    with locked_accounts(url) as unlock:
        runner.run(scenario())


def test_keys_are_forgotten_where_nothing_can_be_heard(
    front: SharedFront, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    """The listening connection is ended by the database, a key is disabled before it is back."""

    async def is_disabled() -> bool:
        found = await front.find_key(made.secret)
        return found is not None and found.is_disabled

    async def scenario() -> None:
        await until(lambda: asyncio.to_thread(lambda: server.notices.is_listening))  # type: ignore[union-attr]  # it serves
        assert not await is_disabled()
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"
        await asyncio.to_thread(server.write, lambda c: c.execute(end).fetchall())
        await asyncio.to_thread(disable_key, server, made.record.prefix, now_ms=2)
        await until(is_disabled)

    runner.run(scenario())


def test_a_server_needs_no_notice_of_its_own_change(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def is_disabled() -> bool:
        found = await front.find_key(made.secret)
        return found is not None and found.is_disabled

    async def scenario() -> None:
        await until(lambda: asyncio.to_thread(lambda: server.notices.is_listening))  # type: ignore[union-attr]  # it serves
        monkeypatch.setattr(server.notices, "_listeners", [])
        assert not await is_disabled()
        await asyncio.to_thread(disable_key, server, made.record.prefix, now_ms=2)
        assert not await is_disabled()
        front.forget_keys()
        assert await is_disabled()

    runner.run(scenario())


def test_decision_on_a_type_is_heard_by_the_other_server_whatever_that_does(
    open_server: OpenServer, server: PostgresDatabase, runner: asyncio.Runner
) -> None:
    """It need not wait for one just then: it may be reading the decision before."""

    async def scenario() -> None:
        other = open_server()
        front = SharedFront(other)
        assert other.notices
        await until(lambda: asyncio.to_thread(lambda: other.notices.is_listening))  # type: ignore[union-attr]  # it serves
        front.types_changed.clear()
        for price in (5, 9):
            decision = Override(50100, price, False, 1, "ak_x")
            await asyncio.to_thread(overrides.set_override, server, decision)
            async with asyncio.timeout(30):
                await front.types_changed.wait()
            front.types_changed.clear()

    runner.run(scenario())


def test_pages_of_the_log_are_read_from_an_index(server: PostgresDatabase, made: NewKey) -> None:
    """In every month's table, in order, so that a page costs the same however long the log is."""

    def explain(where: str) -> str:
        server_side = f"EXPLAIN SELECT * FROM logs l WHERE {where} ORDER BY l.id DESC LIMIT 50"
        with server.snapshot_reader() as reader:
            for other in ("seqscan", "bitmapscan", "sort"):  # which few rows are read faster by
                reader.execute(f"SET enable_{other} = off")
            return "\n".join(line for (line,) in reader.execute(server_side))

    for where in ("l.account_id = 1", "l.account_id = 1 AND l.type_id = 2"):
        plan = explain(where)
        assert "Index Scan Backward" in plan
        assert "Sort  (" not in plan  # the months are merged, which a Sort Key belongs to, too


def test_unknown_step_of_the_schema_is_refused(server: PostgresDatabase, url: str) -> None:
    insert = "INSERT INTO migrations(name, applied_ms) VALUES ('m999_future', 0)"
    remove = "DELETE FROM migrations WHERE name = 'm999_future'"
    server.write(lambda connection: connection.execute(insert).rowcount)
    try:
        with pytest.raises(LoupetteError, match="newer loupette"):
            PostgresDatabase(url, server.path, serving=False)
    finally:
        server.write(lambda connection: connection.execute(remove).rowcount)


def test_servers_that_start_at_once_make_the_schema_once(
    new_postgres: Callable[[], str], server: PostgresDatabase, runner: asyncio.Runner
) -> None:
    empty = new_postgres()

    def open_and_close(_: int) -> int:
        with PostgresDatabase(empty, server.path, serving=False) as opened:
            count = "SELECT COUNT(*) FROM migrations"
            return int(opened.reader.execute(count).fetchone()[0])

    async def scenario() -> list[int]:
        return await asyncio.gather(
            *(asyncio.to_thread(open_and_close, number) for number in range(4))
        )

    assert runner.run(scenario()) == [len(_steps())] * 4


def test_step_of_the_schema_may_take_longer_than_a_statement(
    new_postgres: Callable[[], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index over a long log, say."""
    steps = _steps() | {"m999_slow": "SELECT pg_sleep(2)"}
    monkeypatch.setattr(migrating, "_steps", lambda: steps)
    monkeypatch.setitem(connection_module._USUAL, "statement_timeout", "1s")
    with PostgresDatabase(new_postgres(), tmp_path / "x.db", serving=False) as opened:
        assert migrating.missing_steps(opened.reader) == []


def test_password_is_in_no_message(url: str, server: PostgresDatabase) -> None:
    wrong = url.replace("loupette@", "loupette:very-secret@").replace("/test", "/absent")
    with pytest.raises(LoupetteError) as refused:
        PostgresDatabase(wrong, server.path, serving=False)
    assert "very-secret" not in refused.value.message
    assert "very-secret" not in str(server.name)


def test_database_that_is_away_is_said_to_be_so_within_seconds(server: PostgresDatabase) -> None:
    started_s = time.monotonic()
    with pytest.raises(LoupetteError, match="cannot use the database"):
        PostgresDatabase("postgresql://x@127.0.0.1:1/x", server.path, serving=False)
    assert time.monotonic() - started_s < 10
