"""What one server process asks of the database while it answers, and how SQLite answers it."""

import asyncio
import time
from typing import Protocol

from loupette.limiter import Limiter, Verdict
from loupette.store import idempotency, keys, logs, sessions
from loupette.store.connection import Store
from loupette.store.idempotency import IdempotentReply, StoredReply
from loupette.store.keys import KeyRecord
from loupette.store.ledger import Hold, Ledger, Settled
from loupette.store.logs import LogCounter, LogEntry
from loupette.store.waking import Waking


class Held(Protocol):
    """Money set aside until it is settled or released."""

    @property
    def amount_micros(self) -> int:
        """How much."""
        ...


class Front(Protocol):
    """A server's keys, rates, log ids and holds; used on the event loop, which it never blocks.

    Attributes:
        types_changed: set as soon as another server of the database may have decided on a type, and
            cleared by who reads that.
    """

    types_changed: asyncio.Event

    @property
    def open_holds(self) -> int:
        """How many of this process's holds are neither settled nor released."""
        ...

    async def find_key(self, secret: str) -> KeyRecord | None:
        """The key with this secret, disabled or not; its balance may be an old one."""
        ...

    def forget_keys(self) -> None:
        """Look keys up anew, as one was changed; safe from any thread."""
        ...

    async def find_session(self, secret: str, *, now_ms: int) -> KeyRecord | None:
        """The key that is signed in with this secret."""
        ...

    async def balance(self, key: KeyRecord) -> int:
        """What the key's account has now, in micro-yuan, holds not taken off."""
        ...

    async def now_ms(self) -> int:
        """Unix time by one clock for all servers of the database."""
        ...

    async def count(self, key: KeyRecord) -> Verdict:
        """Count a request against the rate of its key, over all servers of the database."""
        ...

    async def next_log_id(self, now_ms: int) -> int:
        """A number that no server of the database has given to another request it has logged."""
        ...

    async def find_reply(self, account_id: int, key: str) -> StoredReply | None:
        """What was stored for an Idempotency-Key."""
        ...

    async def hold(
        self,
        account_id: int,
        amount_micros: int,
        *,
        within_s: float,
        idempotency_key: str | None = None,
    ) -> Held:
        """Set money aside until it is settled or released.

        Args:
            account_id: whose.
            amount_micros: how much.
            within_s: how long the work may take; a hold of a server that died ends some time later.
            idempotency_key: of the request; while another server has a hold under it, this waits.

        Raises:
            InsufficientBalance: the balance, less what is held, is short.
            IdempotencyTaken: another server has answered a request with this key meanwhile.
            Overloaded: another server does not come to an end with it.
        """
        ...

    async def settle(self, hold: Held, log: LogEntry, reply: IdempotentReply | None) -> Settled:
        """Charge what is held: balance, ledger, log and reply, all or nothing.

        Raises:
            InsufficientBalance: the money was taken meanwhile; nothing was charged.
            IdempotencyTaken: another request with this key was stored first; nothing was charged.
        """
        ...

    def release(self, hold: Held) -> None:
        """Give the money back uncharged; does nothing to a hold whose settlement was begun."""
        ...

    async def tend(self) -> None:
        """Do what must be done again and again while serving, until it is cancelled."""
        ...

    async def record(self, entry: LogEntry, reply: IdempotentReply | None = None) -> int:
        """Log a request that was not charged; gives the account's balance."""
        ...


class LocalFront:
    """The one server of a SQLite file: holds and rates in memory, reads at once."""

    def __init__(self, db: Store) -> None:
        self._db = db
        self.ledger = Ledger(db)
        self._counter = LogCounter(db)
        self._limiter = Limiter()
        self._waking = Waking()
        self.types_changed = asyncio.Event()  # there is no other server

    @property
    def open_holds(self) -> int:
        return self.ledger.open_holds

    async def find_key(self, secret: str) -> KeyRecord | None:
        return keys.find_key(self._db.reader, secret)

    def forget_keys(self) -> None:
        """Nothing: none is remembered."""

    async def find_session(self, secret: str, *, now_ms: int) -> KeyRecord | None:
        return sessions.find_session(self._db.reader, secret, now_ms=now_ms)

    async def balance(self, key: KeyRecord) -> int:
        return key.balance_micros  # read a moment ago

    async def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    async def count(self, key: KeyRecord) -> Verdict:
        return self._limiter.check(key.id, rate=key.rate, burst=key.burst, now_s=time.monotonic())

    async def next_log_id(self, now_ms: int) -> int:
        return self._counter.next_log_id(now_ms)

    async def find_reply(self, account_id: int, key: str) -> StoredReply | None:
        return idempotency.find(self._db.reader, account_id, key)

    async def hold(
        self,
        account_id: int,
        amount_micros: int,
        *,
        within_s: float,
        idempotency_key: str | None = None,
    ) -> Hold:
        return self.ledger.hold(account_id, amount_micros)

    async def settle(self, hold: Held, log: LogEntry, reply: IdempotentReply | None) -> Settled:
        assert isinstance(hold, Hold)
        return await self._waking.wait(self.ledger.settle(hold, log, reply))

    def release(self, hold: Held) -> None:
        assert isinstance(hold, Hold)
        self.ledger.release(hold)

    async def tend(self) -> None:
        return  # a hold here dies with its server

    async def record(self, entry: LogEntry, reply: IdempotentReply | None = None) -> int:
        return await self._waking.wait(logs.record(self._db, entry, reply))
