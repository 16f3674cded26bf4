"""What a server asks of its database, on both: in memory beside SQLite, in rows of PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

import pytest
from msgspec.structs import replace

from loupette.errors import IdempotencyTaken, InsufficientBalance, StoreError
from loupette.store import idempotency, logs
from loupette.store.database import Database
from loupette.store.front import Front
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import KeyRecord, create_key, disable_key, set_rate
from loupette.store.ledger import adjust, verify
from loupette.store.logs import LogEntry
from loupette.store.opening import open_front
from loupette.store.sessions import close_session, open_session

ON_BOTH = True

PRICE = 10_000
DAY_MS = 86_400_000
Result = TypeVar("Result")


class Desk:
    """A front, an account with a yuan, and one event loop for both."""

    def __init__(self, db: Database, key: KeyRecord, secret: str, runner: asyncio.Runner) -> None:
        self.db = db
        self.key = key
        self.secret = secret
        self._runner = runner
        self.front: Front = runner.run(self._open())

    async def _open(self) -> Front:
        return open_front(self.db)

    def run(self, scenario: Awaitable[Result]) -> Result:
        async def limited() -> Result:
            async with asyncio.timeout(60):
                return await scenario

        return self._runner.run(limited())

    async def entry(self, cost_micros: int = PRICE, **changes: object) -> LogEntry:
        created_ms = 1_730_419_200_000
        return LogEntry(
            **{  # type: ignore[arg-type]  # tests name the fields
                "id": await self.front.next_log_id(created_ms),
                "account_id": self.key.account_id,
                "key_id": self.key.id,
                "created_ms": created_ms,
                "type_id": 50100,
                "code": 200,
                "outcome": "ok",
                "cost_micros": cost_micros,
                "answer": "8",
                "response_ms": 12,
            }
            | changes
        )

    async def failure(self) -> LogEntry:
        return await self.entry(0, outcome="no_gap", code=400, answer=None)

    async def charge(self, reply: IdempotentReply | None = None) -> int:
        hold = await self.front.hold(self.key.account_id, PRICE, within_s=5)
        try:
            return (await self.front.settle(hold, await self.entry(), reply)).balance_micros
        finally:
            self.front.release(hold)

    async def can_hold(self, amount_micros: int) -> bool:
        """Whether just this much is free."""
        try:
            self.front.release(await self.hold(amount_micros))
        except InsufficientBalance:
            return False
        return True

    async def hold(self, amount_micros: int = PRICE):  # type: ignore[no-untyped-def]  # Held
        return await self.front.hold(self.key.account_id, amount_micros, within_s=5)


@pytest.fixture
def desk(db: Database) -> Iterator[Desk]:
    made = create_key(db, "acme", opening_micros=1_000_000, now_ms=1)
    with asyncio.Runner() as runner:
        yield Desk(db, made.record, made.secret, runner)
        assert verify(db).problems == ()


def again(make: Callable[[int], bytes] = lambda left: str(left).encode()) -> IdempotentReply:
    return IdempotentReply("again", b"body", 200, make)


def test_key_is_found_and_an_unknown_one_is_not(desk: Desk) -> None:
    async def scenario() -> None:
        found = await desk.front.find_key(desk.secret)
        assert found
        assert replace(found, balance_micros=0) == replace(desk.key, balance_micros=0)
        assert await desk.front.find_key("ak_nobody") is None

    desk.run(scenario())


def test_disabled_key_is_seen_disabled_by_a_server_that_knew_it(desk: Desk) -> None:
    async def scenario() -> None:
        assert not await is_disabled(desk)
        await asyncio.to_thread(disable_key, desk.db, desk.key.prefix, now_ms=2)
        await until(lambda: is_disabled(desk))
        assert await is_disabled(desk)  # and stays so

    desk.run(scenario())


async def is_disabled(desk: Desk) -> bool:
    found = await desk.front.find_key(desk.secret)
    return found is not None and found.is_disabled


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Ask again until it is so; the time limit is the desk's."""
    while not await is_so():
        await asyncio.sleep(0.01)


def test_session_is_found_until_it_is_closed(desk: Desk) -> None:
    secret = open_session(desk.db, desk.key.id, expires_ms=10, now_ms=1)

    async def find(now_ms: int) -> bool:
        return await desk.front.find_session(secret, now_ms=now_ms) is not None

    assert desk.run(find(9))
    assert not desk.run(find(10))
    close_session(desk.db, secret)
    assert not desk.run(find(9))


def test_burst_passes_at_once_and_the_next_request_must_wait(desk: Desk) -> None:
    key = set_rate(desk.db, desk.key.prefix, rate=0.01, burst=3, now_ms=1)

    async def scenario() -> None:
        verdicts = [await desk.front.count(key) for _ in range(4)]
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
        assert 90 < verdicts[3].retry_after_s <= 100

    desk.run(scenario())


def test_rate_of_one_key_leaves_another_alone(desk: Desk) -> None:
    other = create_key(desk.db, "acme", rate=0.01, burst=1, now_ms=1).record

    async def scenario() -> None:
        assert (await desk.front.count(other)).allowed
        assert not (await desk.front.count(other)).allowed
        assert (await desk.front.count(desk.key)).allowed

    desk.run(scenario())


def test_log_ids_go_up_and_begin_anew_each_day(desk: Desk) -> None:
    async def scenario() -> None:
        first = [await desk.front.next_log_id(DAY_MS) for _ in range(250)]
        assert first == list(range(197001020000000001, 197001020000000251))
        assert await desk.front.next_log_id(2 * DAY_MS) == 197001030000000001
        assert await desk.front.next_log_id(DAY_MS) == 197001030000000002  # the clock was set back

    desk.run(scenario())


def test_hold_is_taken_off_until_it_is_released(desk: Desk) -> None:
    async def scenario() -> None:
        hold = await desk.hold(600_000)
        assert (await desk.can_hold(400_000), await desk.can_hold(400_001)) == (True, False)
        assert desk.front.open_holds == 1
        desk.front.release(hold)
        desk.front.release(hold)
        assert await desk.can_hold(1_000_000)
        assert desk.front.open_holds == 0

    desk.run(scenario())


def test_hold_refuses_what_is_not_there(desk: Desk) -> None:
    async def scenario() -> None:
        with pytest.raises(InsufficientBalance):
            await desk.hold(1_000_001)
        with pytest.raises(ValueError, match="negative"):
            await desk.hold(-1)
        with pytest.raises(StoreError, match="no account"):
            await desk.front.hold(77, 1, within_s=5)

    desk.run(scenario())


def test_charge_moves_the_balance_and_is_logged(desk: Desk) -> None:
    async def scenario() -> None:
        assert await desk.charge() == 990_000
        assert await desk.charge() == 980_000
        assert (await desk.can_hold(980_000), await desk.can_hold(980_001)) == (True, False)

    desk.run(scenario())
    newest = logs.query(desk.db.reader, desk.key.account_id)[0]
    assert (newest.outcome, newest.cost_micros, newest.answer) == ("ok", PRICE, "8")


def test_hold_is_settled_once_and_for_what_it_holds(desk: Desk) -> None:
    async def scenario() -> None:
        hold = await desk.hold()
        with pytest.raises(ValueError, match="not of a success"):
            await desk.front.settle(hold, await desk.entry(1), None)
        await desk.front.settle(hold, await desk.entry(), None)
        with pytest.raises(ValueError, match="before"):
            await desk.front.settle(hold, await desk.entry(), None)

    desk.run(scenario())


def test_what_a_log_entry_says_is_kept_as_it_was(desk: Desk) -> None:
    detail = {"candidates": ["8", "9"], "说明": "两个答案", "share": 0.1}
    options = {"charset": "a\0数", "max_length": 4, "min_confidence": 0.25}
    facts = {"detail": detail, "options": options, "image_hash": b"\x00\xff" * 16}

    async def scenario() -> LogEntry:
        entry = await desk.entry(confidence=0.4, **facts)
        await desk.front.settle(await desk.hold(), entry, None)
        return entry

    entry = desk.run(scenario())
    found = logs.get(desk.db.reader, desk.key.account_id, entry.id)
    assert found
    assert {name: getattr(found, name) for name in facts} == facts
    assert found.confidence == 0.4


def test_settlement_is_refused_where_the_money_was_taken(desk: Desk) -> None:
    async def scenario() -> None:
        hold = await desk.hold(800_000)
        await asyncio.to_thread(adjust, desk.db, "acme", -900_000, "chargeback", now_ms=1)
        with pytest.raises(InsufficientBalance):
            await desk.front.settle(hold, await desk.entry(800_000), None)
        desk.front.release(hold)
        assert await desk.can_hold(100_000)

    desk.run(scenario())


def test_reply_is_stored_with_the_balance_in_it(desk: Desk) -> None:
    async def scenario() -> None:
        await desk.charge(again(lambda left: f"left: {left}".encode()))
        stored = await desk.front.find_reply(desk.key.account_id, "again")
        assert stored
        assert (stored.reply, stored.body_hash, stored.status) == (b"left: 990000", b"body", 200)
        assert await desk.front.find_reply(desk.key.account_id, "other") is None

    desk.run(scenario())


def test_one_idempotency_key_is_charged_once(desk: Desk) -> None:
    async def scenario() -> None:
        done = await asyncio.gather(
            *(desk.charge(again()) for _ in range(5)), return_exceptions=True
        )
        refused = [type(one) for one in done if not isinstance(one, int)]
        assert refused == [IdempotencyTaken] * 4
        assert await desk.can_hold(990_000)

    desk.run(scenario())


def test_reply_that_cannot_be_made_charges_nothing_and_fails_alone(desk: Desk) -> None:
    def fail(_: int) -> bytes:
        raise RuntimeError("no reply")

    async def scenario() -> None:
        done = await asyncio.gather(
            desk.charge(), desk.charge(again(fail)), desk.charge(), return_exceptions=True
        )
        assert [isinstance(one, int) for one in done] == [True, False, True]
        assert str(done[1]) == "no reply"
        assert await desk.can_hold(980_000)
        assert desk.front.open_holds == 0

    desk.run(scenario())
    assert idempotency.find(desk.db.reader, desk.key.account_id, "again") is None


def test_failure_is_logged_and_may_keep_its_reply(desk: Desk) -> None:
    async def scenario() -> LogEntry:
        entry = await desk.failure()
        assert await desk.front.record(entry, again()) == 1_000_000
        with pytest.raises(IdempotencyTaken):
            await desk.front.record(await desk.failure(), again())
        with pytest.raises(ValueError, match="settling its hold"):
            await desk.front.record(await desk.entry())
        return entry

    entry = desk.run(scenario())
    (found,) = logs.query(desk.db.reader, desk.key.account_id)
    assert (found.id, found.outcome, found.cost_micros) == (entry.id, "no_gap", 0)


def test_concurrent_calls_spend_exactly_the_balance(desk: Desk) -> None:
    async def scenario() -> None:
        done = await asyncio.gather(*(desk.charge() for _ in range(150)), return_exceptions=True)
        refused = [one for one in done if not isinstance(one, int)]
        assert {type(one) for one in refused} == {InsufficientBalance}
        assert len(refused) == 50
        assert not await desk.can_hold(1)

    desk.run(scenario())


def test_cancelled_hold_is_given_back(desk: Desk) -> None:
    async def scenario() -> None:
        holding = asyncio.create_task(desk.hold(1_000_000))
        await asyncio.sleep(0)
        holding.cancel()
        with suppress(asyncio.CancelledError):
            desk.front.release(await holding)
        await until(lambda: desk.can_hold(1_000_000))
        assert not await desk.can_hold(1_000_001)  # and given back once

    desk.run(scenario())
