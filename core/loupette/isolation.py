"""What the pool asks of its workers, by whatever they are kept apart from the server."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from loupette.frames import Loading, Ready, Reply, Start, Task

START_TIMEOUT_S = 60.0
"""A worker that has not begun to load by then is ended and started again."""


CANNOT_START = (OSError, RuntimeError)
"""No memory, no descriptors, no process; and, as RuntimeError, no thread. That may pass."""


class WorkerDied(Exception):
    """The worker ended, or was ended, before it replied; it may say how."""


class WorkerLost(WorkerDied):
    """It went with the machine it was on: no image is to blame."""


class Worker(Protocol):
    """Solves tasks, one list at a time."""

    @property
    def has_ended(self) -> bool:
        """It takes no more tasks."""
        ...

    @property
    def is_lost(self) -> bool:
        """It has ended with the machine it was on, so nothing that it loaded is to blame."""
        ...

    async def receive_start(self) -> Start:
        """Wait for the next word of a worker that is starting.

        Raises:
            WorkerDied: it will never come.
        """
        ...

    def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        """Send tasks of one type and give the reply to each, in their order, as it comes.

        Raises:
            WorkerDied: the next one will never come.
        """
        ...

    async def wait_ended(self) -> str:
        """Wait until it has ended; gives how."""
        ...

    def resident_bytes(self) -> int:
        """Memory of its own that it has in RAM; 0 if it has ended or has none."""
        ...

    def kill(self) -> None:
        """Be done with it, whatever it is at; its keeper starts another."""
        ...

    async def end(self) -> None:
        """Kill it and wait until it is gone; a second call does nothing."""
        ...


class Isolation(Protocol):
    """A way to keep workers apart from the server and from each other."""

    async def spawn(self, type_ids: Sequence[int]) -> Worker:
        """Start a worker; it says `Loading` before each type and `Ready` after the last.

        Raises:
            CANNOT_START: it cannot be started.
        """
        ...

    def obstacle(self, type_id: int) -> str | None:
        """Why no worker may have this type now, if that is so."""
        ...

    async def close(self) -> None:
        """End what its workers share, after the last of them has ended."""
        ...


class NotReady(Exception):
    """A worker did not start.

    Attributes:
        type_id: what it was loading.
        reason: what happened.
        is_lost: it went with its machine.
    """

    def __init__(self, type_id: int | None, reason: str, *, is_lost: bool = False) -> None:
        super().__init__(reason)
        self.type_id = type_id
        self.reason = reason
        self.is_lost = is_lost


async def wait_ready(worker: Worker, *, load_timeout_s: float) -> Ready:
    """Wait until a worker that was spawned has loaded its types.

    Args:
        worker: has said nothing yet.
        load_timeout_s: for each type.

    Raises:
        NotReady: it ended, or took too long.
    """
    loading: int | None = None
    limit_s = START_TIMEOUT_S
    try:
        async with asyncio.timeout(limit_s) as limit:
            while isinstance(start := await worker.receive_start(), Loading):
                loading, limit_s = start.type_id, load_timeout_s
                limit.reschedule(asyncio.get_running_loop().time() + limit_s)
            return start
    except TimeoutError:
        raise NotReady(loading, f"not loaded within {limit_s:g} s") from None
    except WorkerDied as death:
        reason = str(death) or "the worker ended while it loaded"
        raise NotReady(loading, reason, is_lost=isinstance(death, WorkerLost)) from None


async def load_alone(
    isolation: Isolation, type_id: int, *, load_timeout_s: float, watch_s: float = 0.0
) -> str | None:
    """Let a type read its sample in a worker of its own; gives what failed, if it did.

    Args:
        isolation: what the worker is.
        type_id: which.
        load_timeout_s: for the type.
        watch_s: so long the worker must stay alive then.

    Raises:
        NotReady: the worker ended or took too long, for which there may be other reasons.
    """
    if obstacle := isolation.obstacle(type_id):
        return obstacle
    try:
        worker = await isolation.spawn([type_id])
    except CANNOT_START as error:
        return f"no worker can be started for it: {error}"
    try:
        ready = await wait_ready(worker, load_timeout_s=load_timeout_s)
        return ready.failures.get(type_id) or await _see_end(worker, within_s=watch_s)
    finally:
        await worker.end()


async def _see_end(worker: Worker, *, within_s: float) -> str | None:
    try:
        async with asyncio.timeout(within_s):
            how = await worker.wait_ended()
            return f"asked nothing, its worker ended within {within_s:g} s: {how}"
    except TimeoutError:
        return None
