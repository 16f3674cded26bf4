"""Servers of one PostgreSQL database, without HTTP: charges through them, and waiting for them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager

from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import KeyRecord
from loupette.store.logs import LogEntry
from loupette.store.postgres.connection import connect
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront

NOW_MS = 1_730_419_200_000  # 2024-11-01 00:00:00 UTC
DAY_MS = 86_400_000


async def as_server(database: PostgresDatabase) -> SharedFront:
    return SharedFront(database)


async def success(
    front: SharedFront, key: KeyRecord, price: int = 100_000, *, now_ms: int = NOW_MS
) -> LogEntry:
    return LogEntry(
        id=await front.next_log_id(now_ms),
        account_id=key.account_id,
        key_id=key.id,
        created_ms=now_ms,
        type_id=50100,
        code=200,
        outcome="ok",
        cost_micros=price,
        answer="8",
        response_ms=1,
    )


async def charge(
    front: SharedFront,
    key: KeyRecord,
    price: int = 100_000,
    *,
    name: str | None = None,
    now_ms: int = NOW_MS,
) -> LogEntry:
    hold = await front.hold(key.account_id, price, within_s=5, idempotency_key=name)
    reply = IdempotentReply(name, b"body", 200, lambda left: b"%d" % left) if name else None
    try:
        entry = await success(front, key, price, now_ms=now_ms)
        await front.settle(hold, entry, reply)
        return entry
    finally:
        front.release(hold)


async def until(is_so: Callable[[], Awaitable[bool]], *, within_s: float = 30) -> None:
    async with asyncio.timeout(within_s):
        while not await is_so():
            await asyncio.sleep(0.01)


@contextmanager
def locked_accounts(url: str) -> Iterator[Callable[[], object]]:
    """Keep all accounts from being written, until what this gives is called."""
    with closing(connect(url)) as other:
        other.execute("BEGIN")
        other.execute("SELECT FROM accounts FOR UPDATE")
        yield lambda: other.execute("ROLLBACK")
