"""Workers that end by themselves: not without a pause, and not for long by the same type."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence

import pytest

import fakes
import hostile
from loupette.errors import SolverCrashed
from loupette.frames import Ready, Reply, Start, Task
from loupette.pool import WorkerPool
from loupette.unrest import ENDS
from pools import ask, echo, run, until


class Fleeting:
    """A worker that ends as soon as it is ready."""

    has_ended = True

    def __init__(self, *, is_lost: bool = False) -> None:
        self.is_lost = is_lost

    async def receive_start(self) -> Start:
        return Ready({})

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        raise AssertionError("it has ended")
        yield

    async def wait_ended(self) -> str:
        return "it ended"

    def resident_bytes(self) -> int:
        return 0

    def kill(self) -> None:
        return None

    async def end(self) -> None:
        return None


class FleetingWorkers:
    """Counts how many were started."""

    def __init__(self, *, are_lost: bool = False) -> None:
        self.count = 0
        self._are_lost = are_lost

    async def spawn(self, type_ids: Sequence[int]) -> Fleeting:
        self.count += 1
        await asyncio.sleep(0)
        return Fleeting(is_lost=self._are_lost)

    def obstacle(self, type_id: int) -> str | None:
        return None

    async def close(self) -> None:
        return None


def test_a_worker_that_ends_by_itself_is_replaced_after_ever_longer_pauses() -> None:
    workers = FleetingWorkers()

    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.2):
                await asyncio.Event().wait()

    run(scenario, isolation=workers)  # of no type, so that none is tried alone
    assert 3 <= workers.count <= 5  # after 0.1, 0.2, 0.4 and 0.8 s more


def test_workers_that_go_with_their_machine_put_no_type_to_the_test() -> None:
    workers = FleetingWorkers(are_lost=True)

    async def scenario(pool: WorkerPool) -> None:
        await until(lambda: workers.count > 2 * ENDS)
        assert pool._unrest._search is None
        assert pool.failures == {}

    run(scenario, fakes.ECHO, isolation=workers)


def test_a_type_that_ends_its_worker_a_while_after_it_was_loaded_is_found_and_taken_out() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await until(lambda: pool.failures)
        (reason,) = pool.failures.values()
        assert pool.failures.keys() == {hostile.ENDS_LATER}
        assert reason.startswith("asked nothing, its worker ended within 2 s: the process ended")
        with pytest.raises(SolverCrashed, match="out of order"):
            await ask(pool, hostile.ENDS_LATER)
        await until(lambda: pool._members and hostile.ENDS_LATER not in pool._members[0].loaded)
        _, pid = await echo(pool)
        ended = pool.restarts["died"]
        await until(lambda: pool._breaker._pauses[hostile.ENDS_LATER] > 2)  # it was tried again
        assert pool.failures.keys() == {hostile.ENDS_LATER}
        assert ((await echo(pool))[1], pool.restarts["died"]) == (pid, ended)

    run(scenario, fakes.ECHO, hostile.ENDS_LATER, settled_s=2)


def test_workers_that_are_killed_from_outside_take_no_type_out() -> None:
    async def scenario(pool: WorkerPool) -> None:
        for count in range(1, 4):
            os.kill((await echo(pool))[1], signal.SIGKILL)
            await until(lambda count=count: pool.restarts["died"] == count)  # and nothing is asked
        assert pool._unrest._search
        await pool._unrest._search
        assert pool.failures == {}
        assert (await echo(pool))[0] == "40x20"

    run(scenario, fakes.ECHO, settled_s=3)
