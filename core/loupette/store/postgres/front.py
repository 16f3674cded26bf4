"""What one of several servers asks of a PostgreSQL database while it answers."""

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from loupette.errors import (
    IdempotencyTaken,
    InsufficientBalance,
    LoupetteError,
    OutcomeUnknown,
    Overloaded,
    StoreError,
)
from loupette.limiter import Verdict, judge
from loupette.store import idempotency, keys, sessions
from loupette.store.connection import Connection
from loupette.store.front import Held
from loupette.store.idempotency import IdempotentReply, StoredReply
from loupette.store.keys import KeyRecord
from loupette.store.ledger import Settled, check_charge
from loupette.store.logs import COLUMNS, DAY_SIZE, LogEntry, check_failure, day_start, row_of
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.notices import KEYS, TYPES
from loupette.store.postgres.writer import COUNT, HOLD, RECORD, RELEASE, SETTLE, Reply, Row, Step

_MOST_KEYS = 10_000
_IDS_AT_ONCE = 100
_US = 1_000_000
_WAITS = 4
"""Deadlines that a request may take: to wait and to be read, and both again in another worker."""
_GRACE_S = 30.0
_SWEEP_EVERY_S = 5.0
_LOOK_AHEAD_EVERY_S = 3600.0
"""A month's table is made long before its first entry, when nobody reads the log for a moment."""
_AGAIN_S = 0.05
"""Between two looks whether another server has come to an end with an Idempotency-Key."""
_BALANCE = "SELECT balance FROM accounts WHERE id = ?"

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Hold:
    """A row of `holds`, made, settled and released by its front only."""

    id: int
    account_id: int
    amount_micros: int
    settlement: Step | None = None
    is_released: bool = False


class SharedFront:
    """One of the servers of a database: holds are rows that expire, rates are counted there.

    Keys are remembered, and forgotten as soon as the database says that one changed; while that
    cannot be heard, they are looked up anew for each request.
    """

    def __init__(self, db: PostgresDatabase) -> None:
        assert db.requests and db.notices, "opened to be served"
        self._db = db
        self._requests = db.requests
        self._notices = db.notices
        self._keys: dict[bytes, KeyRecord] = {}
        self._next_id, self._last_id = 1, 0
        self._taking_ids: asyncio.Task[None] | None = None
        self._holds: set[_Hold] = set()
        self.types_changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        db.notices.on(KEYS, self.forget_keys)
        db.notices.on(TYPES, self._tell_of_types)

    @property
    def open_holds(self) -> int:
        return len(self._holds)

    async def find_key(self, secret: str) -> KeyRecord | None:
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
        if (known := self._keys.get(digest)) is not None and self._notices.is_listening:
            return known
        remembered = self._keys  # another one where something changes while this is read
        found = await asyncio.to_thread(lambda: keys.find_key(self._db.reader, secret))
        if found is not None:
            remembered[digest] = found
            if len(remembered) > _MOST_KEYS:
                del remembered[next(iter(remembered))]
        return found

    def forget_keys(self) -> None:
        self._keys = {}

    def _tell_of_types(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self.types_changed.set)

    async def find_session(self, secret: str, *, now_ms: int) -> KeyRecord | None:
        return await asyncio.to_thread(
            lambda: sessions.find_session(self._db.reader, secret, now_ms=now_ms)
        )

    async def balance(self, key: KeyRecord) -> int:
        row = await asyncio.to_thread(
            lambda: self._db.reader.execute(_BALANCE, (key.account_id,)).fetchone()
        )
        return int(row[0])

    async def now_ms(self) -> int:
        row = await asyncio.to_thread(lambda: self._db.reader.execute("SELECT now_ms()").fetchone())
        return int(row[0])

    async def count(self, key: KeyRecord) -> Verdict:
        interval_us = max(1, round(_US / key.rate))
        row = {
            "key_id": key.id,
            "interval_us": interval_us,
            "tolerance_us": interval_us * key.burst,
        }
        (ahead_us,) = await self._requests.submit(COUNT, row, order=key.id)
        return judge(ahead_us / _US, interval_us / _US, burst=key.burst)

    async def next_log_id(self, now_ms: int) -> int:
        day = day_start(now_ms)
        while self._next_id > self._last_id or self._next_id < day:
            if self._taking_ids is None or self._taking_ids.done():
                # A clock set back takes none of its own.
                beginning = max(day, self._last_id // DAY_SIZE * DAY_SIZE)
                self._taking_ids = asyncio.create_task(self._take_ids(beginning))
            await asyncio.shield(self._taking_ids)  # with all others; they fail with it, too
        self._next_id += 1
        return self._next_id - 1

    async def _take_ids(self, day: int) -> None:
        def take(connection: Connection) -> int:
            sql = "SELECT take_log_ids(?, ?)"
            return int(connection.execute(sql, (day, _IDS_AT_ONCE)).fetchone()[0])

        try:
            above = await asyncio.wrap_future(self._db.submit(take))
        except StoreError:  # the connection was lost in it; at worst nobody uses some
            above = await asyncio.wrap_future(self._db.submit(take))
        self._next_id, self._last_id = above + 1, above + _IDS_AT_ONCE

    async def find_reply(self, account_id: int, key: str) -> StoredReply | None:
        return await asyncio.to_thread(lambda: idempotency.find(self._db.reader, account_id, key))

    async def hold(
        self,
        account_id: int,
        amount_micros: int,
        *,
        within_s: float,
        idempotency_key: str | None = None,
    ) -> _Hold:
        if amount_micros < 0:
            raise ValueError(f"a hold must not be negative, as {amount_micros} is")
        hold = _Hold(secrets.randbits(63), account_id, amount_micros)
        lasts_s = within_s * _WAITS + _GRACE_S
        row = {
            "hold": hold.id,
            "account_id": account_id,
            "amount": amount_micros,
            "lasts_ms": round(lasts_s * 1000),
            "idempotency_key": idempotency_key,
            "server": self._db.server,
        }
        until_s = time.monotonic() + lasts_s
        while (outcome := await self._place(hold, row)) == "busy":
            if time.monotonic() > until_s:
                raise Overloaded(
                    "another server still has a request with this Idempotency-Key", retry_after_s=1
                )
            await asyncio.sleep(_AGAIN_S)
        if outcome == "short":
            # No figures: what is available tells what the account's other keys are doing.
            raise InsufficientBalance(
                "the balance, less what requests in progress may cost, is below the price"
            )
        if outcome == "unknown":
            raise StoreError(f"there is no account with the id {account_id}")
        _refuse_taken(outcome)
        self._holds.add(hold)
        return hold

    async def _place(self, hold: _Hold, row: Row) -> str:
        placed = self._requests.submit(HOLD, row, locks=hold.account_id)
        try:
            (outcome,) = await placed
        except BaseException:
            if not placed.was_taken_out:  # it may have been placed, and nobody will settle it
                placed.afterwards(lambda: self._give_back(hold))
            raise
        return str(outcome)

    async def settle(self, hold: Held, log: LogEntry, reply: IdempotentReply | None) -> Settled:
        assert isinstance(hold, _Hold)
        if hold.settlement is not None or hold.is_released:
            raise ValueError("the hold was settled or released before")
        check_charge(log, hold.account_id, hold.amount_micros)
        row = {"hold": hold.id, **_logged(log, reply)}
        hold.settlement = self._requests.submit(
            SETTLE, row, locks=log.account_id, reply=_to_store(reply)
        )
        outcome, balance_micros = await hold.settlement
        self._holds.discard(hold)  # what is refused is released with it
        if outcome == "short":
            raise InsufficientBalance("the balance would fall below zero")
        _refuse_taken(outcome)
        return Settled(balance_micros)

    def release(self, hold: Held) -> None:
        assert isinstance(hold, _Hold)
        if hold.is_released:
            return
        hold.is_released = True
        self._holds.discard(hold)
        if hold.settlement is None:
            self._give_back(hold)
        else:  # which goes on where its caller was cancelled, and may fail yet
            hold.settlement.afterwards(lambda: self._give_back(hold))

    def _give_back(self, hold: _Hold) -> None:
        if hold.settlement is not None and not hold.settlement.has_failed:
            return
        with suppress(LoupetteError):  # where this cannot be done now, the hold expires
            self._requests.submit(RELEASE, {"hold": hold.id}, locks=hold.account_id)

    async def record(self, entry: LogEntry, reply: IdempotentReply | None = None) -> int:
        check_failure(entry)
        locks = entry.account_id if reply else None
        submitted = self._requests.submit(
            RECORD, _logged(entry, reply), locks=locks, reply=_to_store(reply)
        )
        outcome, balance_micros = await submitted
        if outcome == "charged":
            raise OutcomeUnknown("this request was charged before it failed")
        _refuse_taken(outcome)
        return int(balance_micros)

    async def tend(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._repeat(_sweep, every_s=_SWEEP_EVERY_S))
            group.create_task(self._repeat(_add_next_month, every_s=_LOOK_AHEAD_EVERY_S))

    async def _repeat(self, chore: Callable[[Connection], None], *, every_s: float) -> None:
        while True:
            try:
                await asyncio.wrap_future(self._db.submit(chore))
            except (LoupetteError, psycopg.Error) as error:
                _log.warning("the database was not tended: %s", error)
            await asyncio.sleep(every_s)


def _sweep(connection: Connection) -> None:
    (swept,) = connection.execute("SELECT sweep_holds()").fetchone()
    if swept:
        _log.warning("%s holds of servers that ended were released", swept)


def _add_next_month(connection: Connection) -> None:
    connection.execute(
        "SELECT add_log_month(to_char(now() + interval '1 month', 'YYYYMM')::bigint)"
    )


def _logged(entry: LogEntry, reply: IdempotentReply | None) -> dict[str, object]:
    """The columns of `SETTLE` and `RECORD`."""
    columns = dict(zip(COLUMNS, row_of(entry), strict=True))
    columns["image_hash"] = _to_hex(entry.image_hash)
    if entry.answer is not None:  # PostgreSQL keeps no NUL in a text
        columns["answer"] = entry.answer.replace("\0", "\ufffd")
    row: dict[str, object] = {"entry": columns}
    if reply is not None:
        row |= {"idempotency_key": reply.key, "body_hash": _to_hex(reply.body_hash)}
    return row


def _to_hex(value: bytes | None) -> str | None:
    return None if value is None else f"\\x{value.hex()}"


def _to_store(reply: IdempotentReply | None) -> Reply | None:
    return None if reply is None else Reply(reply.key, reply.make_reply)


def _refuse_taken(outcome: str) -> None:
    if outcome == "taken":
        raise IdempotencyTaken("another request with this Idempotency-Key was answered meanwhile")
