"""What a Ray cluster costs beside a worker of this machine, in processor time for each image.

``python bench/remote.py [--rounds N] [--seconds S] [--json FILE]`` starts a cluster of two nodes on
loopback and lets the same pictures be read, by a solver that returns at once (``instant.py``), in
pools as the server has them: one with a process of this machine, one with an actor of the cluster.
So many ask at once that sixteen images wait whenever a call goes out; and then one asks alone. Each
is measured once a round, in an order that turns around. Counted are all processes: this one, which
is the server's part, the worker, the bridge, and everything of Ray, less what Ray takes when nobody
asks.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goals import Goal, judge, print_goals
from instant import TYPE_ID
from loupette.cluster.trial import Trial, read_trial
from loupette.executor import Executor, make_executor
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.plugin.types import MAX_BATCH
from loupette.registry import Catalogue, Placement, ServedType
from loupette.settings import Settings
from peers import processor
from servers import BENCH, cpu_s, pictures, with_children

DEADLINE_S = 60.0
IDLE_S = 10.0

Round = Mapping[str, float]
"""Processor time of an image in µs, by what had it read."""

GOALS: tuple[Goal[Round], ...] = (
    Goal(
        "processor time of an image beyond the local worker's: ms",
        lambda r: (r["ray"] - r["local"]) / 1000,
        0.5,
        at_most=True,
    ),
)


def main() -> None:
    """Measure, print, judge; ends with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures, with date and command, here")
    arguments = parser.parse_args()
    # The worker and the bridge import the solver, too.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(BENCH), os.getenv("PYTHONPATH")]))
    with trial() as running:
        report = asyncio.run(measure(running, arguments.rounds, seconds=arguments.seconds))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print_goals(report["goals"], must_be_met=True)


@contextmanager
def trial() -> Iterator[Trial]:
    """A cluster as ``loupette cluster up`` starts it."""
    command = [sys.executable, "-m", "loupette", "cluster"]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cluster.json"
        subprocess.run([*command, "up", "--file", str(file)], check=True)
        try:
            running = read_trial(file)
            assert running
            yield running
        finally:
            subprocess.run([*command, "down", "--file", str(file)], check=True)


async def measure(running: Trial, count: int, *, seconds: float) -> dict[str, Any]:
    """Both pools, once a round."""
    rounds = []
    async with pool(running, None) as local, pool(running, Placement(1, 1, 0.1)) as ray:
        idle = await measure_idle(running)
        for number in range(count):
            order = [("local", local), ("ray", ray)][:: -1 if number % 2 else 1]
            rounds.append(
                {
                    name + suffix: await measure_pool(
                        one, running, askers=askers, seconds=seconds, idle=idle
                    )
                    for name, one in order
                    for suffix, askers in (("", 2 * MAX_BATCH), ("_alone", 1))
                }
            )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": "make bench-remote",
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "batch": MAX_BATCH,
        "image_bytes": round(statistics.mean(map(len, pictures()))),
        "idle_us_a_second": round(idle * 1e6),
        "us": {name: round(statistics.median(r[name] for r in rounds)) for name in rounds[0]},
        "goals": [judge(goal, rounds) for goal in GOALS],
    }


@asynccontextmanager
async def pool(running: Trial, placement: Placement | None) -> AsyncIterator[Executor]:
    """A pool as a server has it, ready."""
    settings = Settings(plugins=("instant",), workers=1, ray_address=running.address)
    plugins = load_plugins(settings.modules).loaded
    (plugin,) = (one for one in plugins if one.module == "instant")
    (spec,) = plugin.specs
    served = ServedType(spec, plugin.name, plugin.version, 0, module=plugin.module)
    types = {TYPE_ID: replace(served, placement=placement)}
    executor = make_executor(Catalogue(types), plugins, settings)
    executor.start()
    try:
        await executor.wait_ready()
        assert not executor.failures, executor.failures
        yield executor
    finally:
        await executor.close()


async def measure_idle(running: Trial) -> float:
    """Seconds of processor time that all of it takes each second, when nobody asks."""
    before_s = total_s(running)
    await asyncio.sleep(IDLE_S)
    return (total_s(running) - before_s) / IDLE_S


async def measure_pool(
    executor: Executor, running: Trial, *, askers: int, seconds: float, idle: float
) -> float:
    """Processor time of an image, in µs."""
    tasks = [Task(TYPE_ID, picture) for picture in pictures()]
    before_s, started_s = total_s(running), time.monotonic()
    counts = await asyncio.gather(
        *(ask(executor, tasks, until_s=started_s + seconds) for _ in range(askers))
    )
    elapsed_s = time.monotonic() - started_s
    return (total_s(running) - before_s - idle * elapsed_s) / sum(counts) * 1e6


async def ask(executor: Executor, tasks: list[Task], *, until_s: float) -> int:
    """Ask without pause; gives how many were answered."""
    count = 0
    while time.monotonic() < until_s:
        await executor.solve(tasks[count % len(tasks)], deadline_s=DEADLINE_S)
        count += 1
    return count


def total_s(running: Trial) -> float:
    """Processor time of this process, of the cluster, and of all that they have started."""
    return sum(cpu_s(pid) for root in (os.getpid(), running.pid) for pid in with_children(root))


if __name__ == "__main__":
    main()
