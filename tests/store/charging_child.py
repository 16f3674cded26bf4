"""Charges as fast as it can and says so on stdout, until it is killed (see test_ledger_crash)."""

import asyncio
import os
import sys
from pathlib import Path

from loupette.store.database import Database
from loupette.store.idempotency import IdempotentReply
from loupette.store.keys import list_keys
from loupette.store.ledger import Ledger
from loupette.store.logs import LogCounter, LogEntry

PRICE_MICROS = 1_000
CALLERS = 16


async def charge_for_ever(db: Database, now_ms: int) -> None:
    ledger, counter, key = Ledger(db), LogCounter(db), list_keys(db.reader)[0]

    async def call() -> None:
        while True:
            log_id = counter.next_log_id(now_ms)
            log = LogEntry(
                id=log_id,
                account_id=key.account_id,
                key_id=key.id,
                created_ms=now_ms,
                type_id=50200,
                code=200,
                outcome="ok",
                cost_micros=PRICE_MICROS,
                answer="abcd",
                response_ms=2,
            )
            reply = IdempotentReply(str(log_id), b"", 200, lambda left: str(left).encode())
            hold = ledger.hold(key.account_id, PRICE_MICROS)
            await asyncio.wrap_future(ledger.settle(hold, log, reply))
            os.write(1, f"{log_id}\n".encode())

    await asyncio.gather(*(call() for _ in range(CALLERS)))


if __name__ == "__main__":
    with Database.open(Path(sys.argv[1]), exclusive=True) as opened:
        asyncio.run(charge_for_ever(opened, int(sys.argv[2])))
