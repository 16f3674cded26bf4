"""Who solves which type: one pool for each way of isolation, behind one interface."""

import asyncio
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence, Set
from importlib.util import find_spec
from typing import Protocol

from loupette.errors import RegistryError
from loupette.frames import Read, Task
from loupette.isolation import Isolation
from loupette.manager import Plugin
from loupette.member import RESTARTS
from loupette.pool import WorkerPool
from loupette.processes import Processes
from loupette.registry import Catalogue, ServedType
from loupette.settings import Settings
from loupette.threads import Threads

REMOTE_LOAD_TIMEOUT_S = 180.0
"""A machine may have to be started first, and to be sent the plugin."""


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

    def renew(self) -> None:
        """As `WorkerPool.renew`."""
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

    def renew(self) -> None:
        """Renew all pools."""
        for pool in self._pools:
            pool.renew()

    async def close(self) -> None:
        """Close all pools."""
        await asyncio.gather(*(pool.close() for pool in self._pools))


def check_executors(catalogue: Catalogue) -> None:
    """Look whether what the types need to run is installed.

    Raises:
        RegistryError: saying what to install.
    """
    remote = [str(type_id) for type_id, served in catalogue.types.items() if served.placement]
    if remote and find_spec("ray") is None:
        raise RegistryError(
            f'type {", ".join(remote)} has executor = "ray", and there is no Ray here;'
            " pip install 'loupette[cluster]'"
        )


def make_executor(catalogue: Catalogue, plugins: Iterable[Plugin], settings: Settings) -> Executor:
    """A pool for each isolation that a served type has, and one for each type on a cluster."""
    check_executors(catalogue)
    served = catalogue.types.values()
    pools = {
        _make_remote_pool(one, settings): [one.spec.type_id] for one in served if one.placement
    }
    isolations: dict[str, Isolation] = {
        "process": Processes(settings.modules, log_format=settings.log_format),
        "thread": Threads(plugins),
    }
    for name, isolation in isolations.items():
        mine = [one for one in served if not one.placement and one.isolation == name]
        if mine or (name == "process" and not served):
            pools[_make_local_pool(isolation, mine, settings)] = [one.spec.type_id for one in mine]
    return next(iter(pools)) if len(pools) == 1 else Dispatcher(pools)


def _make_local_pool(
    isolation: Isolation, types: Sequence[ServedType], settings: Settings
) -> WorkerPool:
    return WorkerPool(
        settings.workers,
        isolation,
        type_ids=[served.spec.type_id for served in types],
        batched=[served.spec.type_id for served in types if served.spec.batch],
        max_requests=settings.worker_max_requests,
        max_rss_bytes=settings.worker_max_rss_bytes,
    )


def _make_remote_pool(served: ServedType, settings: Settings) -> WorkerPool:
    # Imported here, as few servers have a cluster; nothing of Ray is, there is a process for that.
    from loupette.cluster.nodes import Nodes

    assert served.placement
    return WorkerPool(
        served.placement.replicas,
        Nodes(served, settings),
        type_ids=[served.spec.type_id],
        max_size=served.placement.max_replicas,
        batched=[served.spec.type_id] if served.spec.batch else [],
        max_batch=served.placement.batch,
        max_in_parts=served.placement.batch,
        load_timeout_s=REMOTE_LOAD_TIMEOUT_S,
        max_requests=settings.worker_max_requests,
    )
