"""Parts of a request in one process, without HTTP: ``python loop.py PART SECONDS``.

- ``solver``: what a worker does between receiving a frame and sending one,
- ``decoder``: the first of that, opening the picture,
- ``ledger``: holding the price and charging it, with the log, all committed; 32 at once.

Over the pictures of ``servers.py``. It says when it is loaded, begins at a line on its standard
input, and writes how many requests it did that for, in how many seconds, with how much processor
time.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from loupette.calls import unix_ms
from loupette.decoding import decode_picture
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.solving import Solvers
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.logs import LogEntry
from loupette.store.opening import open_front
from servers import ALNUM, CONNECTIONS, pictures

PRICE = 1_000

Part = Callable[[float], int]
"""Does it again and again until a moment of the clock; gives how often."""


@contextmanager
def solver() -> Iterator[Part]:
    """Reads pictures."""
    solvers = Solvers(load_plugins().loaded)
    tasks = [Task(ALNUM, picture) for picture in pictures()]
    for task in tasks:
        solvers.answer(task)
    yield lambda until_s: repeat(lambda number: solvers.answer(tasks[number % len(tasks)]), until_s)


@contextmanager
def decoder() -> Iterator[Part]:
    """Opens pictures."""
    images = pictures()
    yield lambda until_s: repeat(
        lambda number: decode_picture(images[number % len(images)]), until_s
    )


@contextmanager
def ledger() -> Iterator[Part]:
    """Charges an account."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(Path(folder) / "bench.db", exclusive=True) as database,
    ):
        key = create_key(database, "bench", opening_micros=10**12, now_ms=0).record

        async def charge_all(until_s: float) -> int:
            front = open_front(database)

            async def client() -> int:
                count = 0
                while time.perf_counter() < until_s:
                    hold = await front.hold(key.account_id, PRICE, within_s=5)
                    log_id = await front.next_log_id(unix_ms())
                    await front.settle(hold, entry_of(log_id), None)
                    count += 1
                return count

            return sum(await asyncio.gather(*(client() for _ in range(CONNECTIONS))))

        def entry_of(log_id: int) -> LogEntry:
            return LogEntry(
                id=log_id,
                account_id=key.account_id,
                key_id=key.id,
                created_ms=unix_ms(),
                type_id=ALNUM,
                code=200,
                outcome="ok",
                cost_micros=PRICE,
                answer="r7k4m",
                confidence=0.99,
                response_ms=5,
            )

        yield lambda until_s: asyncio.run(charge_all(until_s))


PARTS = {"solver": solver, "decoder": decoder, "ledger": ledger}


def repeat(once: Callable[[int], object], until_s: float) -> int:
    """Do something again and again; gives how often."""
    count = 0
    while time.perf_counter() < until_s:
        once(count)
        count += 1
    return count


def main() -> None:
    """Load, wait, work until the time is over."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    with PARTS[name]() as part:
        print("loaded", flush=True)
        sys.stdin.readline()
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        count = part(started_s + seconds)
        elapsed_s = time.perf_counter() - started_s
        cpu_s = time.process_time() - started_cpu_s
        print(json.dumps({"count": count, "seconds": elapsed_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
