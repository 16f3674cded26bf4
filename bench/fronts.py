"""What fronts on one PostgreSQL cost: a request through one, and charges a second of 1, 2 and 4.

``make bench-fronts`` starts a PostgreSQL on loopback, with fsync and synchronous_commit on.

- A request: the documented endpoint with a solver that returns at once (``instant.py``), as
  ``load.py`` measures it on SQLite, on PostgreSQL. Processor time is that of the server and its
  worker, and apart from it that of all processes of PostgreSQL; never of the client.
- Charges: what a front asks of the database for a request, without HTTP, as ``postgres.py`` does
  it, from processes that each are a front with as many requests at once. All of them charge
  the same accounts, as behind a balancer that sends a request anywhere.

Rounds of all of them alternate; medians count, and the books must add up after all of it.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pgserver
from instant import TYPE_ID as INSTANT
from load import measure, send
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import verify
from loupette.store.postgres.database import PostgresDatabase
from peers import processor
from postgres import ACCOUNTS, CLIENTS, batched
from servers import CONNECTIONS, Server, serve_loupette

FRONTS = (1, 2, 4)
ROUNDS = 3
WARM_S = 1.0


def main() -> None:
    """Measure, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    options = parser.parse_args()
    text = json.dumps(measure_all(options.seconds), indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")


def measure_all(seconds: float) -> dict[str, Any]:
    """Rounds of everything on one database."""
    with (
        pgserver.running() as postgres,
        tempfile.TemporaryDirectory() as folder,
        PostgresDatabase(postgres.url(), Path(folder) / "bench.db", serving=False) as database,
        ProcessPoolExecutor(max(FRONTS), multiprocessing.get_context("spawn")) as processes,
        serve_loupette("instant", INSTANT, workers=1, database_url=postgres.url()) as server,
    ):
        keys = [
            create_key(database, f"front-{number}", opening_micros=10**12, now_ms=0).record
            for number in range(ACCOUNTS)
        ]
        send(server, seconds=WARM_S)
        charge_from(processes, max(FRONTS), postgres, keys, seconds=WARM_S)  # starts them all
        rounds = [
            {"request": ask(server, postgres, seconds=seconds)}
            | {
                str(count): charge_from(processes, count, postgres, keys, seconds=seconds)
                for count in FRONTS[:: -1 if number % 2 else 1]
            }
            for number in range(ROUNDS)
        ]
        found = verify(database)
        assert found.ok, found.problems
    return report(rounds, seconds=seconds, charges=found.charges)


def ask(server: Server, postgres: pgserver.Server, *, seconds: float) -> dict[str, float]:
    """Load one front over HTTP."""
    before_s, started_s = postgres.cpu_s(), time.perf_counter()
    figure = measure(server, seconds=seconds)
    requests = figure.rate * (time.perf_counter() - started_s)
    return {
        "per_s": figure.rate,
        "front_us": figure.cpu_us,
        "database_us": (postgres.cpu_s() - before_s) / requests * 1e6,
    }


def charge_from(
    processes: ProcessPoolExecutor,
    count: int,
    postgres: pgserver.Server,
    keys: Sequence[KeyRecord],
    *,
    seconds: float,
) -> dict[str, float]:
    """Have so many fronts charge at once; each of the processes takes one."""
    before_s = postgres.cpu_s()
    futures = [processes.submit(charge, postgres.url(), keys, seconds) for _ in range(count)]
    done = [future.result(timeout=seconds + 60) for future in futures]
    charges = sum(charged for charged, _, _ in done)
    return {
        "per_s": sum(charged / took_s for charged, took_s, _ in done),
        "front_us": sum(cpu_s for *_, cpu_s in done) / charges * 1e6,
        "database_us": (postgres.cpu_s() - before_s) / charges * 1e6,
    }


def charge(url: str, keys: Sequence[KeyRecord], seconds: float) -> tuple[float, float, float]:
    """One front in a process of its own: charges, the seconds they took, and of the processor."""
    with (
        tempfile.TemporaryDirectory() as folder,
        PostgresDatabase(url, Path(folder) / "bench.db", serving=True) as database,
    ):
        before_s, started_s = time.process_time(), time.perf_counter()
        rate = asyncio.run(batched(database, keys, seconds))
        took_s = time.perf_counter() - started_s
        return rate * took_s, took_s, time.process_time() - before_s


def report(
    rounds: Sequence[Mapping[str, Mapping[str, float]]], *, seconds: float, charges: int
) -> dict[str, Any]:
    """Medians of the rounds, and how far the charges a second are apart."""
    medians = {
        name: {key: round(statistics.median(one[name][key] for one in rounds)) for key in figure}
        for name, figure in rounds[0].items()
    }
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-fronts",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "seconds": seconds,
        "connections": CONNECTIONS,
        "clients_of_each_front": CLIENTS,
        "request": medians["request"],
        "charges": {
            str(count): medians[str(count)]
            | {"rounds_per_s": sorted(round(one[str(count)]["per_s"]) for one in rounds)}
            for count in FRONTS
        },
        "checked_charges": charges,
    }


if __name__ == "__main__":
    main()
