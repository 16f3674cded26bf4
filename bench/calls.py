"""What one request of the documented endpoint costs: function calls, and processor time.

``python bench/calls.py [--seconds S] [--rounds N] [--top N]`` serves ``instant.py`` in this very
process with one worker, loads it as ``load.py`` does, and prints what a request takes of the event
loop's thread, of the server's other threads and of the worker; then, with ``--top``, the function
calls of a request on the event loop, those that take longest first. How many calls there are does
not depend on what else the machine does; how long they take does.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn
import uvloop

from client import Order, Outcome, carry_out
from instant import TYPE_ID as INSTANT
from loupette.settings import Settings
from loupette.store.database import Database
from loupette.store.keys import create_key
from loupette.web.app import create_app
from servers import CONNECTIONS, ENDPOINT, body, cpu_s, environment, pictures, request
from smoke import free_port

WARM_S = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--top", type=int, default=0, help="functions to show; profiles if above 0")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.db"
        with Database.open(path) as database:
            key = create_key(database, "bench", rate=1e6, opening_micros=10**12, now_ms=0).secret
        os.environ |= environment(path, INSTANT) | {"LOUPETTE_WORKERS": "1"}
        uvloop.run(measure(key, arguments.seconds, arguments.rounds, arguments.top))


async def measure(key: str, seconds: float, rounds: int, top: int) -> None:
    """Serve, load, print, stop."""
    app = create_app(Settings.from_environment())
    config = uvicorn.Config(
        app, port=free_port(), ws="none", access_log=False, server_header=False, log_level="error"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)  # a poll
    await app.state.service.engine.pool.wait_ready()
    bodies = [body(picture, type=INSTANT) for picture in pictures()]
    requests = [request(ENDPOINT, one, config.port, {"X-API-Key": key}) for one in bodies]
    await send(config.port, requests, WARM_S)
    for _ in range(rounds):
        print(await measure_round(config.port, requests, seconds))
    if top:
        await profile(config.port, requests, seconds, top)
    server.should_exit = True
    await serving


async def measure_round(port: int, requests: Sequence[bytes], seconds: float) -> str:
    """Load the server for a while; what each thread took for a request, in words."""
    (worker,) = children()
    before = time.thread_time(), time.process_time(), cpu_s(worker)
    outcome = await send(port, requests, seconds)
    after = time.thread_time(), time.process_time(), cpu_s(worker)
    count = len(outcome.ms)
    loop, front, solver = (
        (end - begin) / count * 1e6 for begin, end in zip(before, after, strict=True)
    )
    return (
        f"{count / outcome.seconds:.0f} requests/s {outcome.statuses}: CPU us of a request:"
        f" event loop {loop:.0f}, other threads {front - loop:.0f}, worker {solver:.0f}"
    )


async def profile(port: int, requests: Sequence[bytes], seconds: float, top: int) -> None:
    """Load the server once more, and print the calls of a request on the event loop."""
    profiler = cProfile.Profile(time.thread_time)
    profiler.enable()
    outcome = await send(port, requests, seconds)
    profiler.disable()
    count = len(outcome.ms)
    found = pstats.Stats(profiler)
    rows = [
        (own, calls, where)
        for where, (_, calls, own, _, _) in found.stats.items()  # type: ignore[attr-defined]
    ]
    print(f"{sum(calls for _, calls, _ in rows) / count:.0f} calls of a request on the event loop")
    print("  calls   CPU us, profiler's own with it")
    for own, calls, (file, line, name) in sorted(rows, reverse=True)[:top]:
        print(f"{calls / count:7.2f} {own / count * 1e6:7.1f}  {Path(file).name}:{line} {name}")


def children() -> list[int]:
    """Processes of this one: before a client is started, the worker."""
    return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]


async def send(port: int, requests: Sequence[bytes], seconds: float) -> Outcome:
    """Have the client's process carry out one order."""
    order = Order(port=port, requests=list(requests), connections=CONNECTIONS, seconds=seconds)
    return await asyncio.to_thread(carry_out, order)


if __name__ == "__main__":
    main()
