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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from charges import charge
from loupette.decoding import decode_picture
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.solving import Solvers
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.store.opening import open_front
from servers import ALNUM, CONNECTIONS, pictures

Given = TypeVar("Given")
Part = Callable[[float], int]
"""Does it again and again for so many seconds; gives how often."""


@contextmanager
def solver() -> Iterator[Part]:
    """Reads pictures."""
    solvers = Solvers(load_plugins().loaded)
    tasks = [Task(ALNUM, picture) for picture in pictures()]
    for task in tasks:
        solvers.answer(task)
    yield lambda seconds: repeat(solvers.answer, tasks, seconds)


@contextmanager
def decoder() -> Iterator[Part]:
    """Opens pictures."""
    yield lambda seconds: repeat(decode_picture, pictures(), seconds)


@contextmanager
def ledger() -> Iterator[Part]:
    """Charges an account."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Database.open(Path(folder) / "bench.db", exclusive=True) as database,
    ):
        key = create_key(database, "bench", opening_micros=10**12, now_ms=0).record

        async def charge_all(seconds: float) -> int:
            # Made here, as it belongs to the loop that waits on it.
            return await charge(open_front(database), [key], clients=CONNECTIONS, seconds=seconds)

        yield lambda seconds: asyncio.run(charge_all(seconds))


PARTS = {"solver": solver, "decoder": decoder, "ledger": ledger}


def repeat(once: Callable[[Given], object], given: Sequence[Given], seconds: float) -> int:
    """Do something with each in turn, again and again; gives how often."""
    until_s, count = time.perf_counter() + seconds, 0
    while time.perf_counter() < until_s:
        once(given[count % len(given)])
        count += 1
    return count


def main() -> None:
    """Load, wait, work until the time is over."""
    name, seconds = sys.argv[1], float(sys.argv[2])
    with PARTS[name]() as part:
        print("loaded", flush=True)
        sys.stdin.readline()
        started_s, started_cpu_s = time.perf_counter(), time.process_time()
        count = part(seconds)
        elapsed_s = time.perf_counter() - started_s
        cpu_s = time.process_time() - started_cpu_s
        print(json.dumps({"count": count, "seconds": elapsed_s, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
