"""Charges alone, as an answered request makes them: held, then settled with what is logged."""

import asyncio
import random
import time
from collections.abc import Sequence

from loupette.store.front import Front
from loupette.store.keys import KeyRecord
from loupette.store.logs import LogEntry

PRICE = 1_000
NOW_MS = 1_730_419_200_000  # 2024-11-01 00:00:00 UTC


def entry_of(key: KeyRecord, log_id: int) -> LogEntry:
    """What is logged of a success."""
    return LogEntry(
        id=log_id,
        account_id=key.account_id,
        key_id=key.id,
        created_ms=NOW_MS,
        type_id=50200,
        code=200,
        outcome="ok",
        cost_micros=PRICE,
        answer="ab12",
        confidence=0.99,
        response_ms=5,
        detail={"plugin": "bench", "version": "1"},
    )


async def charge(front: Front, keys: Sequence[KeyRecord], *, clients: int, seconds: float) -> int:
    """Charge accounts for a while, so many at once; gives how often."""
    until_s = time.perf_counter() + seconds

    async def client(number: int) -> int:
        rng = random.Random(number)  # noqa: S311  # which account is charged
        done = 0
        while time.perf_counter() < until_s:
            key = rng.choice(keys)
            hold = await front.hold(key.account_id, PRICE, within_s=5)
            await front.settle(hold, entry_of(key, await front.next_log_id(NOW_MS)), None)
            done += 1
        return done

    return sum(await asyncio.gather(*(client(number) for number in range(clients))))
