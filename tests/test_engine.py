"""The use case without HTTP: hold, solve, settle, log, and what ends a call early."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

import fakes
from conftest import REGISTRY, issue_key
from loupette.calls import Call, Outcome, Posted
from loupette.engine import Engine, _unless_gone
from loupette.errors import (
    BrokenImage,
    ClientGone,
    IdempotencyMismatch,
    InsufficientBalance,
    LoupetteError,
    LowConfidence,
    OptionsBroken,
    SolverTimeout,
    UnknownType,
    Unsolvable,
    UnsupportedOption,
)
from loupette.frames import Read, Task
from loupette.manager import load_plugins
from loupette.pool import WorkerPool
from loupette.processes import Processes
from loupette.registry import build_catalogue
from loupette.store import logs
from loupette.store.audit import Audit
from loupette.store.database import Database
from loupette.store.front import LocalFront
from loupette.store.keys import KeyRecord, find_key
from loupette.store.ledger import verify
from loupette.store.logs import LogRecord
from pools import black

WHITE = fakes.draw_png()
BLACK = fakes.draw_png(colour="black")


def render(outcome: Outcome) -> bytes:
    """What the web would make of it, as plain as can be."""
    return f"{outcome.log_id} {outcome.balance_micros}".encode()


class Desk:
    """An engine with one account, and what its tests ask of both."""

    def __init__(self, engine: Engine, key: KeyRecord) -> None:
        self.engine = engine
        self.key = key

    async def begin(self) -> Call:
        return await self.engine.begin(self.key, time.monotonic())

    async def solve(self, posted: Posted, *, gone: asyncio.Future[None] | None = None) -> Outcome:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return await self.engine.solve(
            await self.begin(), posted, gone=gone or never, code=200, render=render
        )

    def balance(self) -> int:
        front = self.engine.front
        assert isinstance(front, LocalFront)
        return front.ledger.available(self.key.account_id)

    def logs(self) -> list[LogRecord]:
        return logs.query(self.engine.database.reader, self.key.account_id)


Run = Callable[..., None]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a scenario for a fresh account; whatever it does, the ledger adds up afterwards.

    One engine serves the module, on one event loop, since its workers take time to start.
    """
    folder = tmp_path_factory.mktemp("engine")
    (folder / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    catalogue = build_catalogue(load_plugins(["fakes"]).loaded, folder / "registry.toml")
    path = folder / "test.db"

    async def start(database: Database) -> Engine:
        pool = WorkerPool(1, Processes(["fakes"]), type_ids=list(catalogue.types))
        pool.start()
        return Engine(catalogue, database, pool)

    with asyncio.Runner() as runner, Database.open(path, exclusive=True) as database:
        engine = runner.run(start(database))

        def run_one(scenario: Callable[[Desk], Awaitable[None]], *, balance: str = "1") -> None:
            key = find_key(database.reader, issue_key(path, balance))
            assert key
            runner.run(_limited(scenario, Desk(engine, key)))
            assert verify(database).problems == ()

        yield run_one
        runner.run(engine.pool.close())


async def _limited(scenario: Callable[[Desk], Awaitable[None]], desk: Desk) -> None:
    async with asyncio.timeout(120):
        # A free worker first: the test before may have cost the only one its life.
        await desk.engine.pool.solve(Task(fakes.ECHO, WHITE), deadline_s=60)
        await scenario(desk)


def test_an_answer_is_charged_and_logged_together(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        outcome = await desk.solve(Posted(fakes.ECHO, WHITE))
        assert outcome.answer
        assert (outcome.answer.result, outcome.cost_micros) == ("40x20", 10_000)
        assert outcome.balance_micros == desk.balance() == 990_000
        (log,) = desk.logs()
        assert (log.id, log.outcome, log.answer) == (outcome.log_id, "ok", "40x20")

    run(scenario)


def test_the_detail_begins_with_who_read_it(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        outcome = await desk.solve(Posted(fakes.ECHO, WHITE))
        assert outcome.answer
        assert list(outcome.answer.detail)[:2] == ["plugin", "version"]

    run(scenario)


@pytest.mark.parametrize(
    ("posted", "kind"),
    [
        (Posted(99999, WHITE), UnknownType),
        (Posted(fakes.CLOSED, WHITE, WHITE), UnsupportedOption),
        (Posted(fakes.CLOSED, WHITE, options={"colour": "red"}), UnsupportedOption),
        (Posted(fakes.CLOSED, WHITE, options={"charset": "0"}), OptionsBroken),
        (Posted(fakes.CLOSED, WHITE, options={"min_confidence": 1}), LowConfidence),
        (Posted(fakes.ECHO, WHITE[:50]), BrokenImage),
        (Posted(fakes.REFUSES, BLACK), Unsolvable),
        (Posted(fakes.SLOW, black()), SolverTimeout),
    ],
)
def test_a_failure_leaves_no_hold_and_no_charge(
    run: Run, posted: Posted, kind: type[LoupetteError]
) -> None:
    async def scenario(desk: Desk) -> None:
        with pytest.raises(kind):
            await desk.solve(posted)
        assert desk.balance() == 1_000_000

    run(scenario)


def test_money_is_held_while_a_solver_works(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        slow = asyncio.create_task(desk.solve(Posted(fakes.SLOW, black())))
        await asyncio.sleep(0)
        assert desk.balance() == 0
        with pytest.raises(InsufficientBalance):
            await desk.solve(Posted(fakes.ECHO, WHITE))
        with pytest.raises(SolverTimeout):
            await slow
        assert desk.balance() == 10_000

    run(scenario, balance="0.01")


def test_a_caller_that_hangs_up_before_the_answer_pays_nothing(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        slow = asyncio.create_task(desk.solve(Posted(fakes.SLOW, black()), gone=gone))
        await asyncio.sleep(0)
        gone.set_result(None)
        with pytest.raises(ClientGone):
            await slow
        assert desk.balance() == 1_000_000

    run(scenario)


def test_a_caller_that_goes_in_the_moment_of_the_answer_goes_too_late() -> None:
    async def scenario() -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def read() -> Read:
            gone.set_result(None)
            return Read("x", 0.9, {})

        assert (await _unless_gone(read(), gone)).result == "x"
        for _ in range(3):
            await asyncio.sleep(0)  # here a charge would be under way; nothing cancels it

    asyncio.run(scenario())


def test_a_caller_gone_before_the_start_pays_nothing(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        gone.set_result(None)
        with pytest.raises(ClientGone):
            await desk.solve(Posted(fakes.ECHO, WHITE), gone=gone)
        assert desk.balance() == 1_000_000

    run(scenario)


def test_a_cancelled_call_leaves_no_hold(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        for turns in range(12):
            call = asyncio.create_task(desk.solve(Posted(fakes.ECHO, WHITE)))
            for _ in range(turns):
                await asyncio.sleep(0)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        # What is charged when the call is cancelled is written in turn: this one comes after all.
        await desk.solve(Posted(fakes.ECHO, WHITE))
        charged = sum(log.outcome == "ok" for log in desk.logs())
        assert desk.balance() == 1_000_000 - 10_000 * charged

    run(scenario)


def test_a_failure_is_logged_with_its_reason_and_costs_nothing(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        error = UnknownType("no such type")
        outcome = await desk.engine.fail(
            await desk.begin(), error, type_id=99999, code=400, render=render
        )
        assert (outcome.error, outcome.cost_micros) == (error, 0)
        assert outcome.balance_micros == 1_000_000
        (log,) = desk.logs()
        assert (log.outcome, log.type_id, log.code) == ("unknown_type", 99999, 400)

    run(scenario)


def test_log_ids_go_up_in_the_order_of_arrival(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        first, second = await desk.begin(), await desk.begin()
        assert second.log_id == first.log_id + 1

    run(scenario)


async def named(desk: Desk, digest: bytes = b"d") -> Call:
    call = await desk.begin()
    return Call(call.key, call.log_id, call.started_s, ("name", digest))


def test_one_request_for_a_name_goes_through_at_a_time(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        inside = 0

        async def enter() -> None:
            nonlocal inside
            async with desk.engine.repeats.once(await named(desk)) as stored:
                assert stored is None
                inside += 1
                assert inside == 1
                await asyncio.sleep(0)
                inside -= 1

        await asyncio.gather(*(enter() for _ in range(10)))

    run(scenario)


def test_a_stored_answer_is_given_to_the_next_and_logged(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        call = await named(desk)
        async with desk.engine.repeats.once(call):
            posted = Posted(fakes.ECHO, WHITE)
            await desk.engine.solve(call, posted, gone=never, code=200, render=render)
        async with desk.engine.repeats.once(await named(desk)) as stored:
            assert stored
            assert (stored.status, stored.reply) == (200, f"{call.log_id} 990000".encode())
        assert [log.outcome for log in desk.logs()] == ["replayed", "ok"]
        with pytest.raises(IdempotencyMismatch):
            async with desk.engine.repeats.once(await named(desk, b"another")):
                pass

    run(scenario)


def test_logs_are_read_beside_the_event_loop(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        outcome = await desk.solve(Posted(fakes.ECHO, WHITE))
        account_id, seen = desk.key.account_id, list[str]()
        desk.engine.database.reader.set_trace_callback(seen.append)
        assert [log.id for log in await desk.engine.logs(account_id, limit=5)] == [outcome.log_id]
        assert await desk.engine.log(account_id, outcome.log_id)
        desk.engine.database.reader.set_trace_callback(None)
        assert seen == []

    run(scenario)


def test_what_a_plugin_says_of_itself_does_not_hide_who_read_it(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        outcome = await desk.solve(Posted(fakes.CLOSED, WHITE))
        assert outcome.answer
        assert outcome.answer.detail["plugin"] == "fakes"
        assert outcome.answer.detail["note"] == "kept"

    run(scenario)


def test_the_ledger_is_verified_beside_the_event_loop(run: Run) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.solve(Posted(fakes.ECHO, WHITE))
        found = await desk.engine.verify_ledger()
        assert (found.problems, found.charges > 0) == ((), True)

    run(scenario)


def test_a_cancel_interrupts_the_verification(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, ended = threading.Event(), threading.Event()

    def count_for_ever(reader: sqlite3.Connection) -> Audit:
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT MAX(i) FROM n"
        runs.set()
        try:
            raise AssertionError(reader.execute(endless).fetchone())
        except sqlite3.OperationalError as error:
            assert str(error) == "interrupted"
            ended.set()
            raise

    async def scenario(desk: Desk) -> None:
        verifying = asyncio.create_task(desk.engine.verify_ledger())
        await asyncio.to_thread(runs.wait)
        verifying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await verifying
        assert ended.is_set()

    monkeypatch.setattr("loupette.engine.audit", count_for_ever)
    run(scenario)
