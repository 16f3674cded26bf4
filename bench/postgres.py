"""Charges a second on PostgreSQL: through the batching writer, and as a textbook would write them.

``make bench-postgres`` starts a PostgreSQL on loopback, and both ways write on that one, with the
same promises to the disk: fsync and synchronous_commit are on. Both do the same for a request: set
its price aside in one transaction; then move balance, ledger and log in another. The textbook's
begins a transaction, locks the account with ``SELECT ... FOR UPDATE``, writes and commits, over as
many connections as a pool would have, with prepared statements. Rounds of both alternate; medians
count.

Three times the textbook's must be both the charges a second and those for a second of processor
time, of client and database together: beside other programs, whoever has more processes is given
more of the machine, and the textbook has sixteen.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pgserver
from charges import NOW_MS, PRICE, charge, entry_of
from loupette.store.batches import BATCH
from loupette.store.keys import KeyRecord, create_key
from loupette.store.ledger import verify
from loupette.store.logs import COLUMNS, row_of
from loupette.store.postgres.connection import PostgresConnection, connect
from loupette.store.postgres.database import PostgresDatabase
from loupette.store.postgres.front import SharedFront

ACCOUNTS, POOL = 50, 16
CLIENTS = BATCH  # as many requests as one commit takes; a pool makes the others wait
ROUNDS = 5

# S608: of constants
_LOG = f"INSERT INTO logs({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608


async def batched(database: PostgresDatabase, keys: Sequence[KeyRecord], seconds: float) -> float:
    """Charges a second of one server's event loop."""
    started_s = time.perf_counter()
    done = await charge(SharedFront(database), keys, clients=CLIENTS, seconds=seconds)
    return done / (time.perf_counter() - started_s)


def textbook(
    url: str, keys: Sequence[KeyRecord], seconds: float, log_ids: Callable[[], int]
) -> float:
    """Charges a second over a pool of connections, each used by a thread."""
    done: list[int] = []
    until_s = time.perf_counter() + seconds

    def worker(number: int) -> None:
        rng = random.Random(number)  # noqa: S311  # which account is charged
        connection = connect(url)
        count = 0
        while time.perf_counter() < until_s:
            key = rng.choice(keys)
            _hold(connection, key, hold_id := rng.getrandbits(62))
            _charge(connection, key, hold_id, log_ids())
            count += 1
        connection.close()
        done.append(count)

    threads = [threading.Thread(target=worker, args=[number]) for number in range(POOL)]
    started_s = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - started_s)


def _hold(connection: PostgresConnection, key: KeyRecord, hold_id: int) -> None:
    account = (key.account_id,)
    connection.execute("BEGIN")
    locked = "SELECT balance, held FROM accounts WHERE id = ? FOR UPDATE"
    balance, held = connection.execute(locked, account).fetchone()
    assert balance - held >= PRICE
    connection.execute("UPDATE accounts SET held = held + ? WHERE id = ?", (PRICE, key.account_id))
    connection.execute(
        "INSERT INTO holds VALUES (?, ?, ?, ?)", (hold_id, key.account_id, PRICE, NOW_MS)
    )
    connection.execute("COMMIT")


def _charge(connection: PostgresConnection, key: KeyRecord, hold_id: int, log_id: int) -> None:
    account = (key.account_id,)
    connection.execute("BEGIN")
    locked = "SELECT balance FROM accounts WHERE id = ? FOR UPDATE"
    (balance,) = connection.execute(locked, account).fetchone()
    connection.execute("DELETE FROM holds WHERE id = ?", (hold_id,))
    connection.execute(
        "UPDATE accounts SET balance = balance - ?1, held = held - ?1 WHERE id = ?2",
        (PRICE, key.account_id),
    )
    connection.execute(
        "INSERT INTO ledger(account_id, kind, amount, balance_after, log_id, created_ms)"
        " VALUES (?, 'charge', ?, ?, ?, ?)",
        (key.account_id, -PRICE, balance - PRICE, log_id, NOW_MS),
    )
    connection.execute(_LOG, row_of(entry_of(key, log_id)))
    connection.execute("COMMIT")


def measure(seconds: float) -> dict[str, Any]:
    """Alternate both ways on one database; the books must add up after all of it."""
    rates: dict[str, list[float]] = {"batched": [], "textbook": []}
    cpu_us: dict[str, list[float]] = {"batched": [], "textbook": []}
    with (
        pgserver.running() as server,
        tempfile.TemporaryDirectory() as folder,
        PostgresDatabase(server.url(), Path(folder) / "bench.db", serving=True) as database,
    ):
        keys = [
            create_key(database, f"bench-{number}", opening_micros=10**12, now_ms=0).record
            for number in range(ACCOUNTS)
        ]
        numbers = itertools.count(202412010000000001)  # of another month than the server's own
        database.write(lambda connection: connection.execute("SELECT add_log_month(202412)"))
        ways: dict[str, Callable[[], float]] = {
            "textbook": lambda: textbook(server.url(), keys, seconds, lambda: next(numbers)),
            "batched": lambda: asyncio.run(batched(database, keys, seconds)),
        }
        for name in list(ways) * ROUNDS:
            started_s, before_s = time.perf_counter(), time.process_time() + server.cpu_s()
            rates[name].append(ways[name]())
            took_s = time.process_time() + server.cpu_s() - before_s
            charges = rates[name][-1] * (time.perf_counter() - started_s)
            cpu_us[name].append(took_s / charges * 1e6)
        found = verify(database)
        assert found.ok, found.problems
        shown = ("server_version", "fsync", "synchronous_commit")
        (version, *promises) = [server.execute(f"SHOW {name}")[0][0] for name in shown]
        assert promises == ["on", "on"], promises
    medians = {name: round(statistics.median(found)) for name, found in rates.items()}
    return {
        "command": "make bench-postgres",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cores": len(os.sched_getaffinity(0)),
        "postgres": str(version).split()[0],
        "clients": CLIENTS,
        "pool_of_the_textbook": POOL,
        "seconds": seconds,
        "charges_per_s": medians,
        "cpu_us_per_charge": {
            name: round(statistics.median(found)) for name, found in cpu_us.items()
        },
        "rounds": {name: [round(rate) for rate in found] for name, found in rates.items()},
        "batched_over_textbook": {
            "charges_per_s": round(medians["batched"] / medians["textbook"], 2),
            "charges_per_processor_s": round(
                statistics.median(cpu_us["textbook"]) / statistics.median(cpu_us["batched"]), 2
            ),
        },
        "checked_charges": found.charges,
    }


def main() -> None:
    """Measure, print, and fail where batching gains less than it must."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--at-least", type=float, default=3.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.seconds)
    text = json.dumps(found, indent=2)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    if min(found["batched_over_textbook"].values()) < options.at_least:
        raise SystemExit(f"batching gains less than {options.at_least:g} times")


if __name__ == "__main__":
    main()
