"""Runs scenarios over a fresh pool of real workers."""

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import fakes
from loupette.frames import Read, Task
from loupette.isolation import Isolation
from loupette.plugin import OptionValue
from loupette.pool import WorkerPool
from loupette.processes import Processes

Result = TypeVar("Result")

PROCESSES = Processes(["fakes", "hostile"])
WHITE = fakes.draw_png()
_WIDTHS = itertools.count(1)
PATIENCE_S = 60.0


def run(
    scenario: Callable[[WorkerPool], Awaitable[Result]],
    *types: int,
    size: int = 1,
    isolation: Isolation = PROCESSES,
    **named: Any,  # for WorkerPool
) -> Result:
    """Run a scenario over a fresh pool, with a limit in time, and close the pool."""

    async def main() -> Result:
        pool = WorkerPool(size, isolation, type_ids=types, **named)
        pool.start()
        try:
            async with asyncio.timeout(120):
                return await scenario(pool)
        finally:
            await pool.close()

    return asyncio.run(main())


def black() -> bytes:
    """A picture that was never sent: one that ended two workers is refused."""
    return fakes.draw_png(next(_WIDTHS), colour="black")


async def ask(pool: WorkerPool, type_id: int, **options: OptionValue) -> Read:
    """What a type makes of a white picture."""
    return await pool.solve(Task(type_id, WHITE, options=options), deadline_s=PATIENCE_S)


async def echo(pool: WorkerPool, **options: OptionValue) -> tuple[str, int]:
    """What the echo answers, and the process that did."""
    read = await ask(pool, fakes.ECHO, **options)
    return read.result, read.detail["pid"]


async def until(condition: Callable[[], object]) -> None:
    """Wait for something; the scenario's limit decides how long."""
    while not condition():
        await asyncio.sleep(0.01)


def children() -> set[int]:
    """The processes that threads of this one have started, and that have not ended."""
    found: set[int] = set()
    for thread in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            found |= {int(pid) for pid in (thread / "children").read_text().split()}
    return found
