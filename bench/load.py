"""Requests a second, processor time and waiting of the endpoint, beside what it is compared with.

``python bench/load.py --peer PYTHON [--workers N] [--seconds S] [--rounds N] [--json FILE]`` starts
on loopback, all with the same pictures, which the project's own generator drew:

- ``echo``: Starlette and uvicorn sending the same body back (``echo.py``),
- ``instant``: the documented endpoint with a solver that returns at once (``instant.py``): key,
  rate, hold, a worker that decodes the picture, charge, log, all committed before the reply,
- ``alnum``: the documented endpoint with the solver of texts,
- ``loop``: that solver in bare loops, as many as there are workers, without HTTP (``loop.py``),
- ``decoder``, ``ledger``: of what ``instant`` does, opening the picture and charging, alone in a
  loop each (``loop.py``): no server that does both takes less,
- ``ddddocr``: behind FastAPI with as many workers (``ddddocr_server.py``), as its own
  ``ddddocr api`` answers every picture with 500 in the version compared; PYTHON has both, and
  ``make bench-load`` makes such an environment and throws it away.

The server's event loop, its writer and the client need processor time of the same cores. So the
goals are judged with a worker on each core but one; the last three are measured with a worker on
each core as well, where loops and workers compete with what serves them, and shown beside. With
``--workers`` that number is judged, and nothing is beside it.

Each is measured once a round, in an order that turns around with every round, so that what the
machine does besides strikes all alike; a ratio is made of figures of one round. Processor time is
that of the server's processes, never of the client's, a process of its own (``client.py``), and
told apart by the event loop's thread, the other threads of its process, and the workers.
Half load is a Poisson process at half the rate that ``alnum`` reached in the same round. A picture
that the solver refuses as too unsure, as it does with a few, is a request like any other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from client import Order, Outcome, carry_out
from goals import Goal, judge, print_goals
from instant import TYPE_ID as INSTANT
from peers import processor
from servers import ALNUM, BENCH, CONNECTIONS, Server, serve_ddddocr, serve_echo, serve_loupette

WARM_S = 1.0
ANSWERED, REFUSED = 200, 400
MOSTLY = 0.8
PARTS = ("loop_us", "threads_us", "workers_us")


@dataclass(frozen=True)
class Figure:
    """One subject in one round.

    Attributes:
        rate: requests a second.
        cpu_us: processor time for each, of all of the server's processes.
        p50_ms, p99_ms: of the time that requests took; 0 where none were sent.
        loop_us, threads_us, workers_us: `cpu_us`, by who took it; 0 where nothing was served.
    """

    rate: float
    cpu_us: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    loop_us: float = 0.0
    threads_us: float = 0.0
    workers_us: float = 0.0


Round = Mapping[str, Figure]
"""What was measured together, by subject."""


ON_ALL = " on all cores"
"""After the name of what has as many workers as there are cores."""


def _faster(than: str, bound: float, *, called: str, where: str = "") -> Goal[Round]:
    return Goal(
        f"requests a second{where}: alnum / {called}",
        lambda r: r[f"alnum{where}"].rate / r[f"{than}{where}"].rate,
        bound,
        at_most=False,
    )


def _comparisons(where: str = "") -> tuple[Goal[Round], Goal[Round]]:
    return (
        _faster("loop", 0.85, called="bare loops", where=where),
        _faster("ddddocr", 5.0, called="ddddocr", where=where),
    )


_TO_LOOPS, _TO_DDDDOCR = _comparisons()


GOALS: tuple[Goal[Round], ...] = (
    Goal(
        "processor time of a request: instant / echo",
        lambda r: r["instant"].cpu_us / r["echo"].cpu_us,
        2.2,
        at_most=True,
    ),
    _TO_LOOPS,
    Goal(
        "time of a request at half load: p99 / p50",
        lambda r: r["half"].p99_ms / r["half"].p50_ms,
        4.0,
        at_most=True,
    ),
    _TO_DDDDOCR,
)
_LEAST = Goal[Round](
    "processor time of a request: opening the picture and charging alone / echo",
    lambda r: (r["decoder"].cpu_us + r["ledger"].cpu_us) / r["echo"].cpu_us,
    2.2,
    at_most=True,
)
BESIDE: tuple[Goal[Round], ...] = _LEAST, *_comparisons(ON_ALL)
"""Shown and not judged."""


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", required=True, help="the Python that has ddddocr and FastAPI")
    parser.add_argument("--workers", type=int, help="of each server, with none beside")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    workers = count_workers(arguments.workers)
    with ExitStack() as stack:
        servers = start(stack, arguments.peer, workers)
        for server in servers:
            send(server, seconds=WARM_S)
        rounds = [
            measure_round(servers, number, workers=workers, seconds=arguments.seconds)
            for number in range(arguments.rounds)
        ]
    report = make_report(rounds, workers=workers, seconds=arguments.seconds)
    print_report(report)
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def count_workers(chosen: int | None) -> dict[str, int]:
    """How many there are, by what follows the name; first those that are judged."""
    cores = len(os.sched_getaffinity(0))
    if chosen or cores == 1:
        return {"": chosen or 1}
    return {"": cores - 1, ON_ALL: cores}


def start(stack: ExitStack, peer: str, workers: Mapping[str, int]) -> list[Server]:
    """Everything that is served."""
    servers = [serve_echo(), serve_loupette("instant", INSTANT, workers=workers[""])]
    for where, count in workers.items():
        servers.append(serve_loupette(f"alnum{where}", ALNUM, workers=count))
        servers.append(serve_ddddocr(f"ddddocr{where}", peer, workers=count))
    return [stack.enter_context(server) for server in servers]


def measure_round(
    servers: Sequence[Server], number: int, *, workers: Mapping[str, int], seconds: float
) -> dict[str, Figure]:
    """Every subject once, in an order that turns around, then half the load that was reached."""
    subjects: dict[str, Callable[[], Figure]] = {
        server.name: lambda server=server: measure(server, seconds=seconds)  # type: ignore[misc]
        for server in servers
    }
    for where, count in workers.items():
        subjects[f"loop{where}"] = lambda count=count: measure_loops(  # type: ignore[misc]
            "solver", count, seconds=seconds
        )
    for part in ("decoder", "ledger"):
        subjects[part] = lambda part=part: measure_loops(part, 1, seconds=seconds)  # type: ignore[misc]
    figures = {name: subjects[name]() for name in list(subjects)[:: -1 if number % 2 else 1]}
    (alnum,) = (server for server in servers if server.name == "alnum")
    rate = figures["alnum"].rate / 2
    figures["half"] = measure(alnum, seconds=seconds, rate=rate, seed=number)
    return figures


def measure(server: Server, *, seconds: float, rate: float = 0.0, seed: int = 0) -> Figure:
    """Load one server; if it does not read most pictures, that is a fault of the bench."""
    before = server.spent()
    outcome = send(server, seconds=seconds, rate=rate, seed=seed)
    after = server.spent()
    count = len(outcome.ms)
    unexpected = set(outcome.statuses) - {ANSWERED, REFUSED}
    if unexpected or outcome.statuses[ANSWERED] < MOSTLY * count:
        raise SystemExit(f"{server.name} answered with {outcome.statuses}")
    percentiles = statistics.quantiles(outcome.ms, n=100)
    parts_us = [(end - begin) / count * 1e6 for begin, end in zip(before, after, strict=True)]
    times_ms = percentiles[49], percentiles[98]
    return Figure(count / outcome.seconds, sum(parts_us), *times_ms, *parts_us)


def send(server: Server, *, seconds: float, rate: float = 0.0, seed: int = 0) -> Outcome:
    """Have the client's process carry out one order."""
    return carry_out(
        Order(
            port=server.port,
            requests=list(server.requests),
            connections=CONNECTIONS,
            seconds=seconds,
            rate=rate,
            seed=seed,
        )
    )


def measure_loops(part: str, count: int, *, seconds: float) -> Figure:
    """So many bare loops of a part of ``loop.py``, all at once."""
    command = [sys.executable, str(BENCH / "loop.py"), part, str(seconds)]
    with ExitStack() as stack:
        loops = [
            stack.enter_context(subprocess.Popen(command, stdin=-1, stdout=-1, text=True))
            for _ in range(count)
        ]
        for loop in loops:
            assert loop.stdout and loop.stdout.readline() == "loaded\n"
        for loop in loops:
            assert loop.stdin
            loop.stdin.write("begin\n")
            loop.stdin.flush()
        done = [json.loads(loop.communicate()[0]) for loop in loops]
    cpu_us = sum(loop["cpu_s"] for loop in done) / sum(loop["count"] for loop in done) * 1e6
    return Figure(sum(loop["count"] / loop["seconds"] for loop in done), cpu_us)


def make_report(
    rounds: Sequence[Round], *, workers: Mapping[str, int], seconds: float
) -> dict[str, Any]:
    """What the documents quote: medians, ratios of each round, and whether each goal is met."""
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-load",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "workers": workers[""],
        "seconds": seconds,
        "connections": CONNECTIONS,
        "subjects": {name: summarise(figure[name] for figure in rounds) for name in rounds[0]},
        "goals": [judge(goal, rounds) for goal in GOALS],
        "beside": [judge(goal, rounds) for goal in (BESIDE if ON_ALL in workers else [_LEAST])],
    }
    rounded: dict[str, Any] = json.loads(
        json.dumps(report), parse_float=lambda text: round(float(text), 3)
    )
    return rounded


def summarise(figures: Iterable[Figure]) -> dict[str, float]:
    """The median of each figure over the rounds."""
    rows = [asdict(figure) for figure in figures]
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def print_report(report: Mapping[str, Any]) -> None:
    """Figures, then goals."""
    console = Console(width=110)
    heads = ("", "requests/s", "CPU µs", "p50 ms", "p99 ms", "loop µs", "threads µs", "workers µs")
    table = Table(*heads, title="medians of the rounds")
    for name, figure in report["subjects"].items():
        times = [f"{figure[key]:.1f}" if figure[key] else "" for key in ("p50_ms", "p99_ms")]
        parts = [f"{figure[key]:.0f}" for key in PARTS]
        table.add_row(name, f"{figure['rate']:.0f}", f"{figure['cpu_us']:.0f}", *times, *parts)
    console.print(table)
    print_goals(report["goals"])
    for ratio in report["beside"]:
        console.print(f"beside, not judged: {ratio['text']} {ratio['median']:.2f}")


if __name__ == "__main__":
    main()
