"""Fronts, database and solvers on paper: at how many requests a second each is full.

``python bench/capacity.py [--json FILE]`` takes what one request costs each part from the JSON
files that other commands of this folder have written, and lets requests arrive at random, at up to
10 000 a second. They pass fronts, solvers and writers of databases, each a queue with several
servers: the fewest that are at most `BUSY` of their time at work.

Assumed, and not measured: rents, see `YUAN_A_CORE_MONTH`; the cores of a database's machine, see
`CORES_OF_DATABASE`; that a database takes from any number of fronts what it took from the most that
were measured; and that what one core does, so many do so many times.
"""

import argparse
import heapq
import json
import math
import random
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

BENCH = Path(__file__).parent
RATES = (50, 100, 300, 1000, 3000, 10_000)
REQUESTS = 20_000
BUSY = 0.7
"""Fuller than this, waiting grows faster than the load."""
YUAN_A_CORE_MONTH = 60.0
"""For a rented core with 2 GiB; an assumption, so put your own here."""
CORES_OF_DATABASE = 2
"""More than its part of the requests takes; the reads of callers' logs go beside it."""
MONTH_S = 30 * 86_400
SEED = 1


@dataclass(frozen=True)
class Costs:
    """Seconds that one request takes, by part.

    Attributes:
        front: processor time of HTTP, key, rate, hold and settling, on PostgreSQL.
        solver: processor time of reading the image, with what the worker does besides.
        remote: processor time that a cluster adds to that.
        charge: of the database, all of whose fronts charge at once, in transactions with others.
        database: processor time of its processes.
    """

    front: float
    solver: float
    remote: float
    charge: float
    database: float


@dataclass(frozen=True)
class Plan:
    """What a rate takes.

    Attributes:
        rate: requests a second.
        fronts, solvers, writers: cores, or databases.
        front_busy, solver_busy, writer_busy: shares of their time.
        p50_ms, p99_ms: of a request, simulated.
        yuan_a_million: rent of the cores for a million requests, at this rate day and night.
    """

    rate: int
    fronts: int
    solvers: int
    writers: int
    front_busy: float
    solver_busy: float
    writer_busy: float
    p50_ms: float
    p99_ms: float
    yuan_a_million: float


class Station:
    """A queue with several servers; first come, first served."""

    def __init__(self, servers: int) -> None:
        self.servers = servers
        self._free_s = [0.0] * servers
        self._worked_s = 0.0

    def serve(self, at_s: float, work_s: float) -> float:
        """When work that arrives now is done; calls come in the order of arrival."""
        done_s = max(at_s, heapq.heappop(self._free_s)) + work_s
        heapq.heappush(self._free_s, done_s)
        self._worked_s += work_s
        return done_s

    def busy(self, until_s: float) -> float:
        """The share of the servers' time that was used."""
        return self._worked_s / (until_s * self.servers)


def main() -> None:
    """Simulate every rate, print, write down."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    costs = read_costs()
    plans = [plan(rate, costs) for rate in RATES]
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-capacity",
        "yuan_a_core_month": YUAN_A_CORE_MONTH,
        "busy": BUSY,
        "cores_of_database": CORES_OF_DATABASE,
        "costs_us": {name: round(cost_s * 1e6) for name, cost_s in asdict(costs).items()},
        "full_at": {part: round(rate) for part, rate in full_at(costs).items()},
        "plans": [asdict(one) for one in plans],
    }
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def read_costs(folder: Path = BENCH) -> Costs:
    """What the other commands have measured."""
    loop = _read(folder / "load.json")["subjects"]["loop"]
    remote = _read(folder / "remote.json")["us"]
    fronts = _read(folder / "fronts.json")
    request, charges = fronts["request"], fronts["charges"]
    return Costs(
        front=request["front_us"] / 1e6,  # its worker decodes the image, too: a little much
        solver=loop["cpu_us"] / 1e6,
        remote=max(0.0, remote["ray"] - remote["local"]) / 1e6,
        charge=1 / charges[max(charges, key=int)]["per_s"],
        database=request["database_us"] / 1e6,
    )


def _read(file: Path) -> Mapping[str, Any]:
    read: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return read


def full_at(costs: Costs) -> dict[str, float]:
    """Requests a second at which one of each part has no time left."""
    return {
        "front": 1 / costs.front,
        "solver": 1 / (costs.solver + costs.remote),
        "writer": 1 / costs.charge,
    }


def plan(rate: int, costs: Costs) -> Plan:
    """The fewest of each part that keep below `BUSY`, and how long requests take with them.

    Several databases each have their own accounts: the ledger is partitioned by account.
    """
    solving = costs.solver + costs.remote
    fronts, solvers, writers = (
        Station(math.ceil(rate * each / BUSY)) for each in (costs.front, solving, costs.charge)
    )
    times, until_s = simulate(rate, costs, fronts, solvers, writers)
    percentiles = statistics.quantiles(times, n=100)
    # A writer is a database with a machine of its own.
    cores = fronts.servers + solvers.servers + CORES_OF_DATABASE * writers.servers
    return Plan(
        rate,
        fronts.servers,
        solvers.servers,
        writers.servers,
        *(round(one.busy(until_s), 3) for one in (fronts, solvers, writers)),
        p50_ms=round(percentiles[49] * 1000, 2),
        p99_ms=round(percentiles[98] * 1000, 2),
        yuan_a_million=round(cores * YUAN_A_CORE_MONTH / (rate * MONTH_S) * 1e6, 2),
    )


def simulate(
    rate: int, costs: Costs, fronts: Station, solvers: Station, writers: Station
) -> tuple[list[float], float]:
    """Let requests arrive at random; gives how long each took, and when the last was done.

    Each passes a front, a solver and a writer, and takes a time at each that scatters as half of
    it were fixed and half were exponential.
    """
    rng = random.Random(SEED)  # noqa: S311  # no secret
    arrived_s, now_s = [], 0.0
    for _ in range(REQUESTS):
        now_s += rng.expovariate(rate)
        arrived_s.append(now_s)
    at_s = list(arrived_s)
    stages = (
        (fronts, costs.front),
        (solvers, costs.solver + costs.remote),
        (writers, costs.charge),
    )
    for station, work_s in stages:
        order = sorted(range(REQUESTS), key=at_s.__getitem__)
        for number in order:
            work = work_s * (0.5 + 0.5 * rng.expovariate(1))
            at_s[number] = station.serve(at_s[number], work)
    times = [done - came for done, came in zip(at_s, arrived_s, strict=True)]
    return times, max(at_s)


def print_report(report: Mapping[str, Any]) -> None:
    """What each part takes, where it is full, and the plans."""
    console = Console(width=110)
    console.print(report["costs_us"], report["full_at"])
    table = Table(*report["plans"][0])
    for row in report["plans"]:
        table.add_row(*map(str, row.values()))
    console.print(table)


if __name__ == "__main__":
    main()
