"""Balances: hold before the work, settle after it, top up, refund."""

from collections import defaultdict
from concurrent.futures import Future
from dataclasses import dataclass, field

import msgspec

from loupette.errors import InsufficientBalance, StoreError
from loupette.store import logs
from loupette.store.audit import Audit, audit
from loupette.store.connection import Connection, Store
from loupette.store.entries import Entry, post
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import account_id_of
from loupette.store.logs import LogEntry

_SNAPSHOT = """
SELECT balance, COALESCE((SELECT MAX(id) FROM ledger WHERE account_id = a.id), 0)
FROM accounts a WHERE id = ?
"""
_TOPUP_BEFORE = "SELECT account_id, amount, balance_after FROM ledger WHERE idempotency_key = ?"


class Settled(msgspec.Struct, frozen=True):
    """A charge that is committed."""

    balance_micros: int


@dataclass(eq=False, slots=True)
class Hold:
    """Money set aside in memory; made, settled and released by its `Ledger` only."""

    account_id: int
    amount_micros: int
    _is_released: bool = False
    _settlement: "Future[Settled] | None" = None
    _entry_id: int | None = None

    def _is_over(self) -> bool:
        """Whether it was settled, well or not."""
        return self._settlement is not None and self._settlement.done()

    def _counts(self, last_entry_id: int) -> bool:
        """Whether, while it is settled, to take it off a snapshot that ends with that entry."""
        assert self._settlement
        if self._entry_id is not None and self._entry_id <= last_entry_id:
            return False
        return not _has_failed(self._settlement)


@dataclass(eq=False, slots=True)
class _Held:
    """What is held of one account.

    Attributes:
        amount_micros: of all its holds.
        waiting: how many of them are neither released nor being settled.
        settling: the others, until a look at the account finds that they count no more.
    """

    amount_micros: int = 0
    waiting: int = 0
    settling: list[Hold] = field(default_factory=list)

    @property
    def has_holds(self) -> bool:
        """Whether there are any."""
        return bool(self.waiting or self.settling)

    def count(self, last_entry_id: int) -> int:
        """What to take off the balance of a snapshot that ends with that entry."""
        for hold in [hold for hold in self.settling if not hold._counts(last_entry_id)]:
            self.settling.remove(hold)
            self.amount_micros -= hold.amount_micros
        return self.amount_micros


class Ledger:
    """The holds of the one server process, exact beside its writer and beside other processes.

    What an account can spend is its balance less the holds on it. A charge moves from the second
    into the first when the writer thread commits, which the event loop learns only later, so
    "balance less all holds" would take it off twice for a moment, and forgetting a hold as soon as
    the writer is done would miss it once if the balance had been read just before. So each hold
    carries the id of the ledger entry that charged it, and each balance is read together with the
    account's newest entry id, in one SELECT and thus one snapshot. A hold counts unless its entry
    is in that snapshot: ``entry_id <= last_entry_id``.

    That comparison decides it, because entries are numbered under the write lock in the order of
    commits and are never deleted: an entry still uncommitted has an id above every id of the
    snapshot. If the commit then fails, another entry may take that id and the hold stop counting a
    moment before its future fails; it is charged nothing, so either is right.

    Only the event loop's thread may call this class, so it needs no lock. Holds that were settled
    leave its memory on its next look at the account; all that the writer thread does to a hold is
    to set its entry id.
    """

    def __init__(self, db: Store) -> None:
        self._db = db
        self._held: defaultdict[int, _Held] = defaultdict(_Held)

    @property
    def open_holds(self) -> int:
        """How many holds are neither settled nor released."""
        return sum(
            held.waiting + sum(not hold._is_over() for hold in held.settling)
            for held in self._held.values()
        )

    def available(self, account_id: int) -> int:
        """What the account can spend now: its balance less what is held, in micro-yuan.

        Raises:
            StoreError: there is no such account.
        """
        row = self._db.reader.execute(_SNAPSHOT, (account_id,)).fetchone()
        if row is None:
            raise StoreError(f"there is no account with the id {account_id}")
        balance, last_entry_id = row
        # After the snapshot, never before: an entry id set in between is above its last one.
        held_micros = self._held[account_id].count(last_entry_id)
        if not self._held[account_id].has_holds:
            del self._held[account_id]
        return int(balance) - held_micros

    def hold(self, account_id: int, amount_micros: int) -> Hold:
        """Set money aside until it is settled or released.

        It reads the balance anew: the one of a `KeyRecord` may be older than a hold dropped since.

        Raises:
            InsufficientBalance: the balance, less what is held, is short.
        """
        if amount_micros < 0:
            raise ValueError(f"a hold must not be negative, as {amount_micros} is")
        if self.available(account_id) < amount_micros:
            # No figures: what is available tells what the account's other keys are doing.
            raise InsufficientBalance(
                "the balance, less what requests in progress may cost, is below the price"
            )
        held = self._held[account_id]
        held.amount_micros += amount_micros
        held.waiting += 1
        return Hold(account_id, amount_micros)

    def settle(
        self, hold: Hold, log: LogEntry, reply: IdempotentReply | None = None
    ) -> "Future[Settled]":
        """Charge what is held: balance, ledger, log and reply, all or nothing.

        The hold ends with the future, whether that succeeds or not. When this call itself raises,
        the hold stays, and is to be released.

        Args:
            hold: an open hold.
            log: the request's log entry; its outcome is ``"ok"`` and it costs what is held.
            reply: what to store when the request carried an Idempotency-Key.

        Raises:
            ValueError: the hold is not open, or the log entry is of another charge.
            Overloaded: the writer's queue is full.
        """
        _check_settle(hold, log)
        hold._settlement = self._db.submit(lambda connection: _charge(connection, hold, log, reply))
        held = self._held[hold.account_id]
        held.waiting -= 1
        held.settling.append(hold)
        return hold._settlement

    def release(self, hold: Hold) -> None:
        """Give the money back uncharged; does nothing to a hold that was settled or released.

        So it can stand in a `finally`, also where the wait for the settlement may be cancelled.
        """
        if hold._settlement is None and not hold._is_released:
            hold._is_released = True
            held = self._held[hold.account_id]
            held.waiting -= 1
            held.amount_micros -= hold.amount_micros


def topup(
    db: Store,
    account: str,
    amount_micros: int,
    note: str = "",
    *,
    now_ms: int,
    idempotency_key: str | None = None,
) -> int:
    """Add to an account's balance and return the new one.

    Args:
        db: the database.
        account: its name.
        amount_micros: above 0.
        note: kept in the ledger.
        now_ms: the time.
        idempotency_key: of an order that may come twice, and adds once.

    Raises:
        StoreError: the amount is not above 0, there is no such account, or the key came before
            with another order.
    """
    if amount_micros <= 0:
        raise StoreError(f"a top-up must be above 0, not {amount_micros} micro-yuan")

    def operation(connection: Connection) -> int:
        account_id = account_id_of(connection, account)
        done = connection.execute(_TOPUP_BEFORE, (idempotency_key,)).fetchone()
        if done is None:
            entry = post(
                connection, account_id, "topup", amount_micros, None, note=note, now_ms=now_ms,
                idempotency_key=idempotency_key,
            )  # fmt: skip
            return entry.balance_micros
        if done[:2] != (account_id, amount_micros):
            raise StoreError("this form was sent before, for another top-up; open the page anew")
        return int(done[2])

    return db.write(operation)


def adjust(db: Store, account: str, amount_micros: int, note: str, *, now_ms: int) -> int:
    """Correct a balance up or down, never below zero, and return the new one."""

    def operation(connection: Connection) -> int:
        account_id = account_id_of(connection, account)
        entry = post(
            connection, account_id, "adjust", amount_micros, None, note=note, now_ms=now_ms
        )
        return entry.balance_micros

    return db.write(operation)


def refund(db: Store, log_id: int, note: str = "", *, now_ms: int) -> int:
    """Give back the whole charge of a request, once, and return the new balance.

    Raises:
        StoreError: it was not charged, or was refunded already.
    """

    def operation(connection: Connection) -> int:
        return post_refund(connection, log_id, note=note, now_ms=now_ms).balance_micros

    return db.write(operation)


def post_refund(connection: Connection, log_id: int, *, note: str, now_ms: int) -> Entry:
    """Write the refund of a charge, inside the operation of whoever calls."""
    charge = connection.execute(
        "SELECT account_id, -amount FROM ledger WHERE log_id = ? AND kind = 'charge'", (log_id,)
    ).fetchone()
    if charge is None or charge[1] == 0:
        raise StoreError(f"nothing was charged for {logs.format_log_id(log_id)}")
    return post(connection, charge[0], "refund", charge[1], log_id, note=note, now_ms=now_ms)


def verify(db: Store) -> Audit:
    """Recompute every balance and match every charge with its log row."""
    with db.snapshot_reader() as reader:
        return audit(reader)


def _check_settle(hold: Hold, log: LogEntry) -> None:
    if hold._settlement is not None or hold._is_released:
        raise ValueError("the hold was settled or released before")
    check_charge(log, hold.account_id, hold.amount_micros)


def check_charge(log: LogEntry, account_id: int, amount_micros: int) -> None:
    """Refuse to charge what is held for something else than what is logged."""
    if (log.account_id, log.cost_micros, log.outcome) != (account_id, amount_micros, "ok"):
        raise ValueError("the log entry is not of a success that costs what is held")


def _charge(
    connection: Connection, hold: Hold, log: LogEntry, reply: IdempotentReply | None
) -> Settled:
    entry = post(
        connection, hold.account_id, "charge", -hold.amount_micros, log.id, now_ms=log.created_ms
    )
    logs.insert(connection, log)
    if reply is not None:
        reply.store(connection, log.account_id, log.id, entry.balance_micros, log.created_ms)
    hold._entry_id = entry.id  # last: nothing in this savepoint can fail any more
    return Settled(entry.balance_micros)


def _has_failed(settlement: "Future[Settled]") -> bool:
    if not settlement.done():
        return False
    return settlement.cancelled() or settlement.exception() is not None
