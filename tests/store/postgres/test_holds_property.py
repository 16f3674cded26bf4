"""Holds of two servers against a model of plain integers, under random interleavings.

Whatever is lost, cancelled, expired or refused in between: after every step what an account has,
and what is set aside of it, is in the database what it is in the model, and the sum of its holds.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    rule,
    run_state_machine_as_test,
)

from loupette.errors import IdempotencyTaken, InsufficientBalance, StoreError
from loupette.store.front import Held
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import create_key
from loupette.store.ledger import topup, verify
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront, _Hold
from loupette.store.postgres.writer import HOLD, SETTLE
from pgfronts import NOW_MS, as_server, charge, success

pytestmark = pytest.mark.cluster

Result = TypeVar("Result")

ACCOUNTS = SERVERS = 2
ACCOUNT, SERVER = st.integers(0, ACCOUNTS - 1), st.integers(0, SERVERS - 1)
AMOUNT = st.integers(0, 40)
LOSS = st.sampled_from([None, "before", "after"])
_BOOKS = """
SELECT balance, held, (SELECT COALESCE(SUM(amount), 0) FROM holds WHERE account_id = a.id)
FROM accounts a WHERE id = ?
"""


@dataclass(eq=False)
class Open:
    """A hold as the model knows it; what is gone of it is none any more in the database."""

    front: SharedFront
    which: int
    amount: int
    hold: Held
    may_be_swept: bool = False
    is_gone: bool = False


@pytest.fixture
def servers(open_server: Callable[[], PostgresDatabase]) -> list[PostgresDatabase]:
    return [open_server() for _ in range(SERVERS)]


def lose_next(front: SharedFront, loss: str | None) -> None:
    """Have the connection end with the next batch, just before its commit or just after it."""
    writer = front._requests
    if loss is None:
        return
    transact = type(writer)._transact

    def lose(batch: Any, *, is_again: bool) -> None:
        del writer._transact  # type: ignore[method-assign]
        if loss == "after":
            transact(writer, batch, is_again=is_again)
        writer._connection.close()
        raise psycopg.OperationalError("lost")

    writer._transact = lose  # type: ignore[method-assign]


def test_holds_agree_with_a_model_whatever_the_interleaving(
    servers: list[PostgresDatabase], runner: asyncio.Runner
) -> None:
    fronts = [runner.run(as_server(database)) for database in servers]
    numbers = itertools.count()

    class Machine(RuleBasedStateMachine):
        open_holds = Bundle("open_holds")

        def __init__(self) -> None:
            super().__init__()
            self.keys = [
                create_key(servers[0], f"account {next(numbers)}", now_ms=NOW_MS).record
                for _ in range(ACCOUNTS)
            ]
            self.balances = [0] * ACCOUNTS
            self.held = [0] * ACCOUNTS
            self.expired: list[Open] = []

        def free(self, which: int) -> int:
            return self.balances[which] - self.held[which]

        def run(self, what: Coroutine[Any, Any, Result]) -> Result:
            async def bounded() -> Result:
                async with asyncio.timeout(60):
                    return await what

            return runner.run(bounded())

        async def settled(self, front: SharedFront) -> None:
            """All that was submitted without waiting is done: what is given back, is given back."""
            for _ in range(2):  # what a cancelled hold gives back is submitted when it is placed
                await front.count(self.keys[0])

        @rule(which=ACCOUNT, amount=st.integers(1, 100))
        def topup(self, which: int, amount: int) -> None:
            topup(servers[1], self.keys[which].account_name, amount, now_ms=NOW_MS)
            self.balances[which] += amount

        @rule(which=ACCOUNT, server=SERVER, amount=AMOUNT, loss=LOSS, target=open_holds)
        def hold(self, which: int, server: int, amount: int, loss: str | None) -> Open | None:
            lose_next(fronts[server], loss)
            holding = fronts[server].hold(self.keys[which].account_id, amount, within_s=60)
            try:
                hold = self.run(holding)
            except InsufficientBalance:
                assert amount > self.free(which)
                return None
            assert amount <= self.free(which)
            self.held[which] += amount
            return Open(fronts[server], which, amount, hold)

        @rule(one=consumes(open_holds), is_taken=st.booleans(), loss=LOSS)
        def settle(self, one: Open | None, is_taken: bool, loss: str | None) -> None:
            """Of what was swept, only as far as the money is still free; or in vain."""
            if one is None:
                return
            key, name = self.keys[one.which], f"key {next(numbers)}"
            reply = IdempotentReply(name, b"", 200, lambda left: b"%d" % left)

            async def settle() -> None:
                if is_taken:
                    await charge(one.front, key, 0, name=name)
                log = await success(one.front, key, one.amount)
                lose_next(one.front, loss)
                await one.front.settle(one.hold, log, reply)

            freed = 0 if one.is_gone else one.amount
            try:
                self.run(settle())
            except IdempotencyTaken:
                assert is_taken
            except InsufficientBalance:
                assert one.is_gone
                assert one.amount > self.free(one.which)
            else:
                assert not is_taken
                self.balances[one.which] -= one.amount
            self.held[one.which] -= freed
            one.is_gone = True

        @rule(one=consumes(open_holds), loss=LOSS)
        def release(self, one: Open | None, loss: str | None) -> None:
            if one is None:
                return

            async def release() -> None:
                lose_next(one.front, loss)
                one.front.release(one.hold)
                one.front.release(one.hold)  # as a `finally` may, and to no effect
                await self.settled(one.front)

            self.run(release())
            self.held[one.which] -= 0 if one.is_gone else one.amount
            one.is_gone = True

        @rule(which=ACCOUNT, server=SERVER, amount=AMOUNT, turns=st.integers(0, 3))
        def cancel(self, which: int, server: int, amount: int, turns: int) -> None:
            """The caller goes while money is set aside: sooner or later, none is."""
            front = fronts[server]

            async def cancel() -> None:
                hold = front.hold(self.keys[which].account_id, amount, within_s=60)
                holding = asyncio.create_task(hold)
                for _ in range(turns):
                    await asyncio.sleep(0)
                if not holding.cancel():
                    with suppress(InsufficientBalance):
                        front.release(await holding)
                await asyncio.wait([holding])
                if not holding.cancelled() and holding.exception() is None:
                    front.release(holding.result())
                await self.settled(front)

            self.run(cancel())

        @rule(one=open_holds)
        def expire(self, one: Open | None) -> None:
            if one is None or one.may_be_swept or one.is_gone:
                return
            assert isinstance(one.hold, _Hold)
            expire, row = "UPDATE holds SET expires_ms = 0 WHERE id = ?", (one.hold.id,)
            servers[0].write(lambda connection: connection.execute(expire, row).rowcount)
            one.may_be_swept = True
            self.expired.append(one)

        @rule(server=SERVER)
        def sweep(self, server: int) -> None:
            """By either server; what was settled or released since is none to be swept."""
            servers[server].write(lambda c: c.execute("SELECT sweep_holds()").fetchone())
            for one in self.expired:
                self.held[one.which] -= 0 if one.is_gone else one.amount
                one.is_gone = True
            self.expired.clear()

        @rule(which=ACCOUNT, server=SERVER, amount=AMOUNT, verb=st.sampled_from([HOLD, SETTLE]))
        def poison(self, which: int, server: int, amount: int, verb: Any) -> None:
            """A step that the database refuses fails alone, whatever its batch does besides."""
            front, key = fronts[server], self.keys[which]

            async def poison() -> bool:
                good = asyncio.create_task(front.hold(key.account_id, amount, within_s=60))
                bad = front._requests.submit(verb, {"hold": "x"}, locks=key.account_id)
                await asyncio.sleep(0)
                with pytest.raises(StoreError, match="refused it"):
                    await bad
                try:
                    front.release(await good)
                except InsufficientBalance:
                    return False
                await self.settled(front)
                return True

            assert self.run(poison()) == (amount <= self.free(which))

        @rule(server=SERVER)
        def end_the_connection(self, server: int) -> None:
            fronts[server]._requests._connection.close()

        @invariant()
        def books_are_as_in_the_model(self) -> None:
            for key, *expected in zip(self.keys, self.balances, self.held, strict=True):
                found = servers[0].reader.execute(_BOOKS, (key.account_id,)).fetchone()
                assert found == (*expected, expected[1])

        def teardown(self) -> None:
            assert verify(servers[0]).problems == ()

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
        ),
    )
