"""Ten million rows of log: are pages, charges and retention as quick as with none?

``python bench/logs.py [--rows N] [--folder FOLDER] [--json FILE]`` fills a database in a new folder
under FOLDER (about 600 bytes a row; looked for before), measures, and removes it:

- the newest 50 entries of an account, all or of one outcome, and one entry by its id: through the
  store, and over HTTP from a server on loopback,
- an administrator's search of all accounts by type and outcome, also for what is not there,
- charges a second, in turns with an empty database,
- how long charges take while the oldest entries are deleted.

Times are wall-clock times of one thing after the other; the median of a round counts.
"""

import argparse
import json
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeAlias

from rich.console import Console
from rich.progress import track
from rich.table import Table

from goals import Goal, judge, print_goals
from instant import TYPE_ID
from loupette.store import logs
from loupette.store.database import Database
from loupette.store.keys import KeyRecord, NewKey, create_key
from loupette.store.ledger import Ledger
from loupette.store.logs import LogCounter, LogEntry, format_log_id
from peers import processor
from servers import serve_database

DAYS = 60
ACCOUNTS = 20
DAY_MS = 86_400_000
ROW_BYTES = 700
ROUNDS = 3
LOOKS = 200
CHARGES = 4000
AT_ONCE = 32
NO_TYPE = 60999

SEARCHES: tuple[Mapping[str, Any], ...] = (
    {"type_id": 50200},
    {"type_id": NO_TYPE},
    {"outcome": "ok"},
    {"outcome": "low_confidence"},
    {"outcome": "no_text"},
    {"type_id": 50200, "outcome": "ok"},
    {"type_id": 50200, "outcome": "low_confidence"},
    {"type_id": NO_TYPE, "outcome": "low_confidence"},
)
"""Of types and outcomes that are in the log, and that are not: those would walk all through it."""

Round: TypeAlias = Mapping[str, float]

GOALS: tuple[Goal[Round], ...] = (
    Goal("newest 50, store: ms", lambda r: r["newest_ms"], 5.0, at_most=True),
    Goal("newest 50 failures, store: ms", lambda r: r["failures_ms"], 5.0, at_most=True),
    Goal("slowest search of all accounts, store: ms", lambda r: r["search_ms"], 5.0, at_most=True),
    Goal("by id, store: ms", lambda r: r["by_id_ms"], 5.0, at_most=True),
    Goal("newest 50, HTTP: ms", lambda r: r["http_newest_ms"], 5.0, at_most=True),
    Goal("by id, HTTP: ms", lambda r: r["http_by_id_ms"], 5.0, at_most=True),
    Goal(
        "charges a second: full / empty",
        lambda r: r["charges_full"] / r["charges_empty"],
        0.8,
        at_most=False,
    ),
    Goal(
        "a charge while old entries go: p99 ms", lambda r: r["retention_p99_ms"], 50.0, at_most=True
    ),
)

_DETAIL = json.dumps(
    {
        "plugin": "loupette-alnum",
        "version": "0.1.0",
        "characters": [
            {"text": char, "confidence": 0.9996, "box": [40 + 31 * place, 0, 31, 50]}
            for place, char in enumerate("r7k4m")
        ],
        "candidates": [{"text": text, "confidence": 0.9975} for text in ("r7k4m", "r7k4")],
    },
    separators=(",", ":"),
)
# The shape of real days: three types, one request in seven refused, a detail as plugins give it.
_FILL = """
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)
INSERT INTO logs(id, account_id, key_id, created_ms, type_id, code, outcome, cost, answer,
    confidence, response_ms, detail)
SELECT :first + n - 1, 1 + n % :accounts, 1 + n % :accounts, :start_ms + n * 86400000 / :rows,
    CASE n % 3 WHEN 0 THEN 10200 WHEN 1 THEN 50100 ELSE 50200 END,
    CASE n % 7 WHEN 0 THEN 400 ELSE 200 END,
    CASE n % 7 WHEN 0 THEN 'low_confidence' ELSE 'ok' END,
    0, CASE n % 7 WHEN 0 THEN NULL ELSE 'r7k4m' END, 0.97, 5 + n % 40,
    CASE n % 7 WHEN 0 THEN '{"confidence": 0.41, "min_confidence": 0.9}' ELSE :detail END
FROM numbers
"""


def main() -> None:
    """Fill, measure, print, remove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; a temporary one else")
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < arguments.rows * ROW_BYTES * 1.5:
            raise SystemExit(f"{folder} has {free >> 20} MiB free; that is too little")
        report = measure(folder, arguments.rows)
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def measure(folder: Path, rows: int) -> dict[str, Any]:
    """Fill one database, leave the other empty, compare."""
    now_ms = time.time_ns() // 1_000_000
    with Database.open(folder / "full.db") as full, Database.open(folder / "empty.db") as empty:
        keys = {database: open_accounts(database, now_ms) for database in (full, empty)}
        seconds = fill(full, rows, now_ms)
        size = (folder / "full.db").stat().st_size
        rounds = [measure_round(full, empty, keys, number) for number in range(ROUNDS)]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": f"make bench-logs ROWS={rows}",
        "processor": processor(),
        "rows": rows,
        "bytes_a_row": round(size / rows),
        "fill_s": round(seconds, 1),
        "figures": {
            name: round(statistics.median(figures[name] for figures in rounds), 3)
            for name in rounds[0]
        },
        "goals": [judge(goal, rounds) for goal in GOALS],
    }


def open_accounts(database: Database, now_ms: int) -> list[NewKey]:
    """The accounts that the rows belong to, rich enough for every charge."""
    return [
        create_key(database, f"account-{number}", rate=1e6, opening_micros=10**12, now_ms=now_ms)
        for number in range(ACCOUNTS)
    ]


def fill(database: Database, rows: int, now_ms: int) -> float:
    """Rows of the last days, today's among them; gives the seconds it took."""
    started_s = time.monotonic()
    today_ms = now_ms // DAY_MS * DAY_MS
    for day in track(range(DAYS), description="filling"):
        start_ms = today_ms - (DAYS - 1 - day) * DAY_MS
        values = {
            "rows": rows // DAYS,
            "first": logs.parse_log_id(f"LOG{date.fromtimestamp(start_ms / 1000):%Y%m%d}000001"),
            "accounts": ACCOUNTS,
            "detail": _DETAIL,
            "start_ms": start_ms,
        }
        database.write(partial(_fill_day, values=values))
    return time.monotonic() - started_s


def _fill_day(connection: sqlite3.Connection, values: Mapping[str, object]) -> None:
    connection.execute(_FILL, values).close()


def measure_round(
    full: Database, empty: Database, keys: Mapping[Database, Sequence[NewKey]], number: int
) -> dict[str, float]:
    """Every figure once; who is charged first changes with the round."""
    accounts = [new.record for new in keys[full]]
    draw = random.Random(number)  # noqa: S311  # no secret
    found = find_ids(full, draw)
    figures = {
        "newest_ms": median_ms(
            lambda n: logs.query(full.reader, accounts[n % ACCOUNTS].account_id)
        ),
        "failures_ms": median_ms(
            lambda n: logs.query(
                full.reader, accounts[n % ACCOUNTS].account_id, outcome="low_confidence"
            )
        ),
        "search_ms": max(median_ms(partial(search, full, asked)) for asked in SEARCHES),
        "by_id_ms": median_ms(lambda n: logs.get(full.reader, *found[n])),
    }
    figures |= measure_http(full.path, keys[full], found)
    for database in (full, empty) if number % 2 else (empty, full):
        name = "charges_full" if database is full else "charges_empty"
        figures[name], figures["charge_p99_ms"] = charge(
            database, [new.record for new in keys[database]]
        )
    figures["retention_p99_ms"] = charge_while_deleting(full, accounts)
    return figures


def find_ids(database: Database, draw: random.Random) -> list[tuple[int, int]]:
    """Accounts and ids of rows from all days."""
    low, high = database.reader.execute("SELECT MIN(id), MAX(id) FROM logs").fetchone()
    next_above = "SELECT account_id, id FROM logs WHERE id >= ? ORDER BY id LIMIT 1"
    bounds = (draw.randint(low, high) for _ in range(LOOKS))
    return [database.reader.execute(next_above, (bound,)).fetchone() for bound in bounds]


def search(database: Database, asked: Mapping[str, Any], _: int) -> object:
    """As the console and the command look through all accounts."""
    return logs.query(database.reader, None, **asked)


def median_ms(look: Callable[[int], object]) -> float:
    """Of many looks."""
    times = []
    for number in range(LOOKS):
        started_s = time.perf_counter()
        look(number)
        times.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(times)


def measure_http(
    path: Path, keys: Sequence[NewKey], found: Sequence[tuple[int, int]]
) -> dict[str, float]:
    """The same over a connection that is kept alive."""
    secrets = {new.record.account_id: new.secret for new in keys}
    accounts = list(secrets)
    with serve_database(path, TYPE_ID, workers=1) as (_, port):
        connection = HTTPConnection("127.0.0.1", port)

        def get(target: str, account_id: int) -> None:
            connection.request("GET", target, headers={"X-API-Key": secrets[account_id]})
            reply = connection.getresponse()
            assert reply.status == 200, reply.read()
            reply.read()

        figures = {
            "http_newest_ms": median_ms(lambda n: get("/api/v1/logs", accounts[n % ACCOUNTS])),
            "http_by_id_ms": median_ms(
                lambda n: get(f"/api/v1/logs/{format_log_id(found[n][1])}", found[n][0])
            ),
        }
        connection.close()
    return figures


def charge(database: Database, accounts: Sequence[KeyRecord]) -> tuple[float, float]:
    """Charges a second, with many in flight, as a busy server has them; and the p99 in ms."""
    started_s = time.perf_counter()
    times = list(settle(database, accounts, CHARGES))
    return CHARGES / (time.perf_counter() - started_s), statistics.quantiles(times, n=100)[98]


def charge_while_deleting(database: Database, accounts: Sequence[KeyRecord]) -> float:
    """The 99th percentile of what charges take while the oldest day is deleted, in ms."""
    oldest_ms = database.reader.execute("SELECT created_ms FROM logs ORDER BY id").fetchone()[0]
    # A connection of its own, as `loupette logs purge` has beside a server.
    with ThreadPoolExecutor(1) as thread, Database.open(database.path) as other:
        deleting = thread.submit(logs.delete_older_than, other, oldest_ms + DAY_MS)
        times: list[float] = []
        while not deleting.done():
            times += settle(database, accounts, AT_ONCE)
        assert deleting.result() > 0
    return statistics.quantiles(times, n=100)[98]


def settle(database: Database, accounts: Sequence[KeyRecord], count: int) -> Iterator[float]:
    """Charge, each as soon as one of those in flight is committed; gives the ms of each."""
    ledger, counter = Ledger(database), LogCounter(database)
    in_flight: list[tuple[float, Future[Any]]] = []
    for number in range(count):
        if len(in_flight) == AT_ONCE:
            yield _wait(*in_flight.pop(0))
        key = accounts[number % len(accounts)]
        now_ms = time.time_ns() // 1_000_000
        entry = LogEntry(
            id=counter.next_log_id(now_ms),
            account_id=key.account_id,
            key_id=key.id,
            created_ms=now_ms,
            type_id=50200,
            code=200,
            outcome="ok",
            cost_micros=1000,
            answer="r7k4m",
            confidence=0.97,
            response_ms=5,
        )
        hold = ledger.hold(key.account_id, 1000)
        in_flight.append((time.perf_counter(), ledger.settle(hold, entry)))
    yield from (_wait(*each) for each in in_flight)


def _wait(started_s: float, settled: "Future[Any]") -> float:
    settled.result()
    return (time.perf_counter() - started_s) * 1000


def print_report(report: Mapping[str, Any]) -> None:
    """Figures, then goals."""
    table = Table("", "median", title=f"{report['rows']} rows, {report['bytes_a_row']} bytes each")
    for name, value in report["figures"].items():
        table.add_row(name, f"{value:.2f}")
    Console(width=110).print(table)
    print_goals(report["goals"])


if __name__ == "__main__":
    main()
