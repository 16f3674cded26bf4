"""Money that servers set aside, until they settle, release, or die."""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import psycopg
import pytest

from loupette.errors import IdempotencyTaken, InsufficientBalance, Overloaded, StoreError
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import NewKey
from loupette.store.ledger import verify
from loupette.store.logs import LogEntry
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront
from loupette.store.postgres.writer import HOLD, SETTLE, RequestWriter, Step
from pgfronts import NOW_MS, charge, locked_accounts, success, until

pytestmark = pytest.mark.cluster

OpenServer = Callable[[], PostgresDatabase]


async def nothing_is_held(server: PostgresDatabase) -> bool:
    held = "SELECT COUNT(*), (SELECT SUM(held) FROM accounts) FROM holds"
    found = await asyncio.to_thread(server.write, lambda c: c.execute(held).fetchone())
    return bool(found == (0, 0))


def test_hold_under_an_idempotency_key_waits_for_the_other_server_not_for_its_money(
    open_server: OpenServer, made: NewKey, runner: asyncio.Runner
) -> None:
    """All the account has is held: whoever asks under the same key waits, under another is told."""
    account = made.record.account_id

    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        first = await fronts[0].hold(account, 1_000_000, within_s=5, idempotency_key="one")
        again = fronts[1].hold(account, 1_000_000, within_s=5, idempotency_key="one")
        waiting = asyncio.create_task(again)
        with pytest.raises(InsufficientBalance):
            await fronts[1].hold(account, 1, within_s=5, idempotency_key="other")
        assert not waiting.done()
        fronts[0].release(first)  # it failed, so the retry is an attempt of its own
        fronts[1].release(await waiting)

    runner.run(scenario())


def test_hold_under_the_idempotency_key_of_a_server_that_died_waits_for_nobody(
    open_server: OpenServer, made: NewKey, runner: asyncio.Runner
) -> None:
    async def scenario() -> None:
        dying = open_server()
        account = made.record.account_id
        await SharedFront(dying).hold(account, 1, within_s=60, idempotency_key="one")
        await asyncio.to_thread(dying.close)
        await SharedFront(open_server()).hold(account, 1, within_s=60, idempotency_key="one")

    started_s = time.monotonic()
    runner.run(scenario())
    assert time.monotonic() - started_s < 30  # its hold would last minutes


def test_hold_under_an_idempotency_key_waits_no_longer_than_the_other_hold_lasts(
    open_server: OpenServer,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def hold(within_s: float) -> None:
        front = SharedFront(open_server())
        await front.hold(made.record.account_id, 1, within_s=within_s, idempotency_key="one")

    monkeypatch.setattr("loupette.store.postgres.front._GRACE_S", 0.0)
    runner.run(hold(0.25))
    runner.run(hold(60))  # within the second of the first
    with pytest.raises(Overloaded):
        runner.run(hold(0.01))


def test_charge_under_an_idempotency_key_whose_hold_expired_is_not_made_twice(
    open_server: OpenServer, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    async def scenario() -> None:
        slow, quick = (SharedFront(open_server()) for _ in range(2))
        late = await slow.hold(made.record.account_id, 1, within_s=5, idempotency_key="one")
        expire = "UPDATE holds SET expires_ms = 0"
        await asyncio.to_thread(server.write, lambda c: c.execute(expire).rowcount)
        await charge(quick, made.record, 1, name="one")
        reply = IdempotentReply("one", b"body", 200, lambda left: b"late")
        with pytest.raises(IdempotencyTaken):
            await slow.settle(late, await success(slow, made.record, 1), reply)

    runner.run(scenario())
    assert verify(server).charges == 1


def test_hold_of_a_server_that_died_is_swept_when_it_is_over(
    server: PostgresDatabase, front: SharedFront, made: NewKey, runner: asyncio.Runner
) -> None:
    def sweep() -> int:
        statement = "SELECT sweep_holds()"
        return server.write(lambda connection: connection.execute(statement).fetchone()[0])

    async def hold(within_s: float) -> None:
        await front.hold(made.record.account_id, 1_000_000, within_s=within_s)

    runner.run(hold(5))
    assert sweep() == 0
    with pytest.raises(InsufficientBalance):
        runner.run(hold(5))
    server.write(lambda connection: connection.execute("UPDATE holds SET expires_ms = 0").rowcount)
    assert sweep() == 1
    runner.run(hold(5))


def test_answer_after_its_hold_expired_is_charged_if_the_money_is_free(
    server: PostgresDatabase, front: SharedFront, made: NewKey, runner: asyncio.Runner
) -> None:
    async def late(*, others: int) -> None:
        hold = await front.hold(made.record.account_id, 600_000, within_s=5)
        expire = "UPDATE holds SET expires_ms = 0"
        await asyncio.to_thread(server.write, lambda c: c.execute(expire).rowcount)
        await asyncio.to_thread(server.write, lambda c: c.execute("SELECT sweep_holds()").rowcount)
        held = await front.hold(made.record.account_id, others, within_s=5)
        entry = LogEntry(
            id=await front.next_log_id(NOW_MS), account_id=made.record.account_id,
            key_id=made.record.id, created_ms=NOW_MS, type_id=1, code=200, outcome="ok",
            cost_micros=600_000, response_ms=1,
        )  # fmt: skip
        try:
            await front.settle(hold, entry, None)
        finally:
            front.release(held)

    with pytest.raises(InsufficientBalance):
        runner.run(late(others=400_001))
    runner.run(late(others=400_000))


def test_hold_of_a_server_that_was_cut_off_and_is_back_is_waited_for(
    open_server: OpenServer, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    account = made.record.account_id
    end = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def scenario() -> None:
        fronts = [SharedFront(open_server()) for _ in range(2)]
        first = await fronts[0].hold(account, 1_000_000, within_s=5, idempotency_key="one")
        await asyncio.to_thread(server.write, lambda c: c.execute(end).fetchall())
        await fronts[0].count(made.record)  # connects again
        again = fronts[1].hold(account, 1_000_000, within_s=5, idempotency_key="one")
        waiting = asyncio.create_task(again)
        with pytest.raises(InsufficientBalance):
            await fronts[1].hold(account, 1, within_s=5, idempotency_key="other")
        assert not waiting.done()
        fronts[0].release(first)
        fronts[1].release(await waiting)

    runner.run(scenario())


def test_hold_is_not_taken_for_that_of_whoever_has_its_servers_process_number_now(
    front: SharedFront, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    leave = "INSERT INTO holds SELECT 7, id, 1, 10^15, 'one', pg_backend_pid() FROM accounts"
    server.write(lambda connection: connection.execute(leave).rowcount)
    server.write(lambda connection: connection.execute("UPDATE accounts SET held = 1").rowcount)

    async def scenario() -> None:
        async with asyncio.timeout(10):
            await front.hold(made.record.account_id, 1, within_s=60, idempotency_key="one")

    runner.run(scenario())
    under_it = "SELECT COUNT(*) FROM holds WHERE idempotency_key = 'one'"
    assert server.reader.execute(under_it).fetchone()[0] == 2


def test_holds_of_callers_that_go_while_they_are_placed_or_queued_leave_nothing_held(
    url: str, front: SharedFront, server: PostgresDatabase, made: NewKey, runner: asyncio.Runner
) -> None:
    blocked = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock')"

    async def is_blocked() -> bool:
        found = await asyncio.to_thread(server.write, lambda c: c.execute(blocked).fetchone())
        return bool(found[0])

    async def scenario() -> None:
        placed = asyncio.create_task(front.hold(made.record.account_id, 1, within_s=5))
        await until(is_blocked)
        queued = asyncio.create_task(front.hold(made.record.account_id, 1, within_s=5))
        await asyncio.sleep(0)  # it is submitted
        for task in (placed, queued):
            task.cancel()
        await asyncio.wait([placed, queued])
        assert placed.cancelled() and queued.cancelled()
        unlock()
        await charge(front, made.record)  # after both
        await until(lambda: nothing_is_held(server))

    with locked_accounts(url) as unlock:
        runner.run(scenario())
    assert front.open_holds == 0
    assert verify(server).charges == 1


def test_hold_of_a_caller_who_goes_when_it_is_placed_but_is_not_yet_woken_is_given_back(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tell = Step.tell

    async def scenario() -> None:
        def tell_and_go(step: Step) -> None:
            tell(step)
            if step.verb is HOLD:
                placing.cancel()

        monkeypatch.setattr(Step, "tell", tell_and_go)
        placing = asyncio.create_task(front.hold(made.record.account_id, 1, within_s=60))
        await asyncio.wait([placing])
        assert placing.cancelled()
        await until(lambda: nothing_is_held(server))

    runner.run(scenario())


def test_hold_whose_settlement_fails_after_its_caller_went_is_given_back(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transact = RequestWriter._transact
    has_begun, has_gone = threading.Event(), threading.Event()

    def refuse(writer: RequestWriter, batch: Sequence[Step], *, is_again: bool) -> None:
        if any(step.verb is SETTLE for step in batch):
            has_begun.set()
            assert has_gone.wait(30)
            raise psycopg.DataError("refused")
        transact(writer, batch, is_again=is_again)

    async def scenario() -> None:
        charging = asyncio.create_task(charge(front, made.record))
        assert await asyncio.to_thread(has_begun.wait, 30)
        charging.cancel()
        await asyncio.wait([charging])
        assert charging.cancelled()
        has_gone.set()
        await until(lambda: nothing_is_held(server))

    monkeypatch.setattr(RequestWriter, "_transact", refuse)
    runner.run(scenario())
    assert verify(server).charges == 0


def test_hold_that_was_committed_but_not_heard_of_is_given_back(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transact = RequestWriter._transact

    def lose(writer: RequestWriter, batch: Sequence[Step], *, is_again: bool) -> None:
        transact(writer, batch, is_again=is_again)
        if any(step.verb is HOLD for step in batch):
            writer._connection.close()
            raise psycopg.OperationalError("lost")

    async def scenario() -> None:
        with pytest.raises(StoreError, match="cannot be reached"):
            await front.hold(made.record.account_id, 1, within_s=60)
        await until(lambda: nothing_is_held(server))

    monkeypatch.setattr(server._outage, "patience_s", 0.0)
    monkeypatch.setattr(RequestWriter, "_transact", lose)
    runner.run(scenario())


def test_release_while_too_much_waits_hides_no_other_error(
    front: SharedFront,
    server: PostgresDatabase,
    made: NewKey,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        hold = await front.hold(made.record.account_id, 1, within_s=5)
        try:
            monkeypatch.setattr("loupette.store.batches.QUEUE", 0)
            with pytest.raises(Overloaded):
                await front.count(made.record)
            raise LookupError("the other error")
        finally:
            front.release(hold)

    with pytest.raises(LookupError):
        runner.run(scenario())
    assert front.open_holds == 0


def test_money_that_no_hold_sets_aside_is_found_by_the_audit(
    server: PostgresDatabase, made: NewKey
) -> None:
    def drift(micros: int) -> None:
        drifted = "UPDATE accounts SET held = held + ?"
        server.write(lambda connection: connection.execute(drifted, (micros,)).rowcount)

    drift(777)
    (problem,) = verify(server).problems
    drift(-777)
    assert problem.en == "account acme: ¥0.000777 is set aside, its holds sum to ¥0.0000"
    assert verify(server).ok
