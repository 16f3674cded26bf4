"""A database that is away: requests wait for it together, and no longer than they may."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from loupette.errors import LoupetteError, StoreError
from loupette.store.keys import create_key
from loupette.store.postgres.connection import PostgresConnection
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront
from loupette.store.postgres.outage import Outage
from pgfronts import NOW_MS, charge
from pgserver import Server, running

pytestmark = pytest.mark.cluster

CONNECTION = cast("PostgresConnection", object())


def refuse() -> PostgresConnection:
    raise StoreError("it is away")


@pytest.fixture
def mortal() -> Iterator[Server]:
    """One of its own, to be killed."""
    with running(is_durable=False) as server:
        yield server


def test_requests_wait_for_a_database_together_however_many_they_are(
    mortal: Server, tmp_path: Path, runner: asyncio.Runner
) -> None:
    async def scenario() -> None:
        front = SharedFront(database)
        database._outage.patience_s = 2.0
        await asyncio.to_thread(mortal.kill)
        front.forget_keys()
        asked_s = time.monotonic()
        done = await asyncio.gather(
            *(front.find_key(made.secret) for _ in range(60)),
            *(front.next_log_id(NOW_MS) for _ in range(20)),
            *(front.count(made.record) for _ in range(20)),
            return_exceptions=True,
        )
        assert all(isinstance(one, LoupetteError) for one in done)
        assert time.monotonic() - asked_s < 10  # one after another it would be 40 s and more
        await asyncio.to_thread(mortal.start)
        await charge(front, made.record)

    with PostgresDatabase(mortal.url(), tmp_path / "front.db", serving=True) as database:
        made = create_key(database, "acme", opening_micros=1_000_000, now_ms=1)
        runner.run(scenario())


def test_who_asks_within_the_patience_is_waited_for() -> None:
    outage = Outage(30.0, threading.Event())
    answers = iter([refuse, refuse, lambda: CONNECTION])
    assert outage.reconnect(lambda: next(answers)()) is CONNECTION


def test_after_that_one_tries_and_the_others_fail_at_once() -> None:
    """As a machine that is gone is tried for seconds."""
    outage = Outage(0.0, threading.Event())
    is_trying, may_end = threading.Event(), threading.Event()

    def connect() -> PostgresConnection:
        is_trying.set()
        assert may_end.wait(30)
        return CONNECTION

    found: list[PostgresConnection] = []
    first = threading.Thread(target=lambda: found.append(outage.reconnect(connect)))
    first.start()
    assert is_trying.wait(30)
    try:
        with pytest.raises(StoreError, match="cannot be reached"):
            outage.reconnect(refuse)
    finally:
        may_end.set()
        first.join(30)
    assert found == [CONNECTION]
    with pytest.raises(StoreError, match="it is away"):
        outage.reconnect(refuse)


def test_patience_begins_anew_when_the_database_was_there() -> None:
    outage = Outage(30.0, threading.Event())
    assert outage.begin()
    assert not outage.begin()
    outage.end()
    assert outage.begin()


def test_nobody_waits_for_it_once_all_is_closed() -> None:
    closing = threading.Event()
    closing.set()
    asked_s = time.monotonic()
    with pytest.raises(StoreError, match="it is away"):
        Outage(30.0, closing).reconnect(refuse)
    assert time.monotonic() - asked_s < 10


def test_log_ids_are_taken_again_where_the_connection_was_lost(
    front: SharedFront, server: PostgresDatabase, runner: asyncio.Runner
) -> None:
    """While the statement was on its way; it is no harm to take too many."""
    run = server._run
    losses = iter([True])

    def lose(operation: object) -> object:
        if next(losses, False):
            raise StoreError("the connection to the database was lost")
        return run(operation)  # type: ignore[arg-type]  # handed on

    server._run = lose  # type: ignore[method-assign, assignment]
    assert runner.run(front.next_log_id(NOW_MS)) > 0
