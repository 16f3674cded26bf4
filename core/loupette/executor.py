"""Who solves which type: one pool for each way of isolation, behind one interface."""

import asyncio
from collections import ChainMap
from collections.abc import Iterable, Mapping, Set
from typing import Protocol

from loupette.frames import Read, Task
from loupette.isolation import Isolation
from loupette.manager import Plugin
from loupette.pool import RESTARTS, WorkerPool
from loupette.processes import Processes
from loupette.registry import Catalogue
from loupette.settings import Settings
from loupette.threads import Threads


class Executor(Protocol):
    """What the engine asks for answers; a `WorkerPool` is one, and so are several together."""

    @property
    def is_ready(self) -> bool:
        """Every type was loaded once, or it is known why not."""
        ...

    @property
    def proven(self) -> Set[int]:
        """Types that have read their own sample at least once."""
        ...

    @property
    def failures(self) -> Mapping[int, str]:
        """Types that are out of order, and why."""
        ...

    @property
    def waiting(self) -> int:
        """Tasks for which no worker is free."""
        ...

    @property
    def restarts(self) -> Mapping[str, int]:
        """Workers replaced, by reason."""
        ...

    def resident_bytes(self) -> dict[int, int]:
        """Memory of each worker that has its own."""
        ...

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """As `WorkerPool.solve`."""
        ...

    async def wait_ready(self) -> None:
        """Wait until `is_ready`."""
        ...

    def start(self) -> None:
        """Begin to start the workers."""
        ...

    async def close(self) -> None:
        """End all workers."""
        ...


class Dispatcher:
    """Gives each task to the pool that has its type; the members are those of `Executor`.

    Args:
        pools: each with the types that are its own.
    """

    def __init__(self, pools: Mapping[WorkerPool, Iterable[int]]) -> None:
        self._pools = tuple(pools)
        self._by_type = {type_id: pool for pool, mine in pools.items() for type_id in mine}

    @property
    def is_ready(self) -> bool:
        """Whether all pools are."""
        return all(pool.is_ready for pool in self._pools)

    @property
    def proven(self) -> set[int]:
        """Of all pools."""
        return set().union(*(pool.proven for pool in self._pools))

    @property
    def failures(self) -> Mapping[int, str]:
        """Of all pools."""
        return ChainMap(*(pool.failures for pool in self._pools))

    @property
    def waiting(self) -> int:
        """In all pools."""
        return sum(pool.waiting for pool in self._pools)

    @property
    def restarts(self) -> dict[str, int]:
        """In all pools."""
        return {reason: sum(pool.restarts[reason] for pool in self._pools) for reason in RESTARTS}

    def resident_bytes(self) -> dict[int, int]:
        """Of the one pool whose workers have memory of their own."""
        return dict(ChainMap(*(pool.resident_bytes() for pool in self._pools)))

    async def solve(self, task: Task, *, deadline_s: float) -> Read:
        """As `WorkerPool.solve`, in the pool that has the type."""
        return await self._by_type[task.type_id].solve(task, deadline_s=deadline_s)

    async def wait_ready(self) -> None:
        """Wait for all pools."""
        for pool in self._pools:
            await pool.wait_ready()

    def start(self) -> None:
        """Start all pools."""
        for pool in self._pools:
            pool.start()

    async def close(self) -> None:
        """Close all pools."""
        await asyncio.gather(*(pool.close() for pool in self._pools))


def make_executor(catalogue: Catalogue, plugins: Iterable[Plugin], settings: Settings) -> Executor:
    """A pool of `settings.workers` workers for each isolation that a served type has."""
    isolations: dict[str, Isolation] = {
        "process": Processes(settings.modules, log_format=settings.log_format),
        "thread": Threads(plugins),
    }
    types: dict[str, list[int]] = {}
    for type_id, served in catalogue.types.items():
        types.setdefault(served.isolation, []).append(type_id)
    pools = {
        WorkerPool(
            settings.workers,
            isolations[name],
            type_ids=mine,
            batched=[type_id for type_id in mine if catalogue.types[type_id].spec.batch],
            max_requests=settings.worker_max_requests,
            max_rss_bytes=settings.worker_max_rss_bytes,
        ): mine
        for name, mine in (types or {"process": []}).items()
    }
    return next(iter(pools)) if len(pools) == 1 else Dispatcher(pools)
