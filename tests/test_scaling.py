"""When there should be more workers, and when fewer."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

import fakes
from loupette.errors import SolverCrashed
from loupette.frames import Reply, Task
from loupette.isolation import WorkerLost
from loupette.pool import MOST_LOSSES, WorkerPool
from loupette.processes import Processes, WorkerProcess
from loupette.scaling import GROW_AFTER_S, SHRINK_AFTER_S, Scale
from pools import PATIENCE_S, PROCESSES, WHITE, ask, echo, run, until


def look(scale: Scale, waiting: int, *, at_s: Sequence[float]) -> list[int]:
    wanted = []
    for now_s in at_s:
        scale.look(waiting, now_s=now_s)
        wanted.append(scale.wanted)
    return wanted


def test_what_waits_without_a_pause_gets_one_worker_more_at_a_time_up_to_the_bound() -> None:
    scale = Scale(1, 3)
    times = [0, GROW_AFTER_S / 2, GROW_AFTER_S, 2 * GROW_AFTER_S, 3 * GROW_AFTER_S]
    assert look(scale, 5, at_s=times) == [1, 1, 2, 3, 3]


def test_a_pause_begins_the_waiting_anew() -> None:
    scale = Scale(1, 3)
    look(scale, 5, at_s=[0])
    look(scale, 0, at_s=[GROW_AFTER_S - 0.1])
    assert look(scale, 5, at_s=[GROW_AFTER_S, 2 * GROW_AFTER_S - 0.1]) == [1, 1]


def test_quiet_takes_one_worker_away_at_a_time_down_to_the_bound() -> None:
    scale = Scale(1, 3)
    look(scale, 5, at_s=[0, GROW_AFTER_S, 2 * GROW_AFTER_S])
    times = [100, 100 + SHRINK_AFTER_S, 100 + 2 * SHRINK_AFTER_S, 100 + 3 * SHRINK_AFTER_S]
    assert look(scale, 0, at_s=times) == [3, 2, 1, 1]


def test_equal_bounds_never_change() -> None:
    scale = Scale(2, 2)
    assert look(scale, 5, at_s=[0, 100, 200]) == [2, 2, 2]
    assert look(scale, 0, at_s=[300, 400, 500]) == [2, 2, 2]


def test_a_pool_under_load_starts_a_worker_and_ends_it_when_it_is_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("loupette.pool.LOOK_EVERY_S", 0.02)
    monkeypatch.setattr("loupette.scaling.GROW_AFTER_S", 0.1)
    monkeypatch.setattr("loupette.scaling.SHRINK_AFTER_S", 0.1)

    async def scenario(pool: WorkerPool) -> tuple[int, int, int]:
        await pool.wait_ready()
        first = len(pool.resident_bytes())
        asking = [asyncio.create_task(keep_asking(pool)) for _ in range(8)]
        await until(lambda: len(pool.resident_bytes()) == 2)
        grown = len(pool.resident_bytes())
        for one in asking:
            one.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
        await until(lambda: pool.restarts["recycled"] == 1)
        await echo(pool)
        return first, grown, len(pool.resident_bytes())

    assert run(scenario, fakes.ECHO, max_size=2) == (1, 2, 1)


async def keep_asking(pool: WorkerPool) -> None:
    while True:
        await ask(pool, fakes.ECHO)


class Lost(WorkerProcess):
    """Its machine goes away as soon as it is asked."""

    async def ask(self, tasks: Sequence[Task]) -> AsyncIterator[Reply]:
        raise WorkerLost
        yield  # never reached, but it makes this a generator, as `Worker.ask` is


class Losing(Processes):
    """Processes on machines of which so many go away."""

    def __init__(self, losses: int) -> None:
        super().__init__(["fakes"])
        self._left = losses

    async def spawn(self, type_ids: Sequence[int]) -> WorkerProcess:
        worker = await super().spawn(type_ids)
        if self._left:
            self._left -= 1
            return Lost(worker.process, worker._frames)
        return worker


@pytest.mark.parametrize("losses", [1, MOST_LOSSES - 1])
def test_a_challenge_outlives_the_machines_that_are_lost_and_no_type_is_blamed(losses: int) -> None:
    async def scenario(pool: WorkerPool) -> tuple[str, dict[int, str]]:
        result, _ = await echo(pool)
        return result, pool.failures

    assert run(scenario, fakes.ECHO, isolation=Losing(losses)) == ("40x20", {})


def test_a_challenge_for_which_every_machine_is_lost_fails_in_the_end() -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(SolverCrashed, match=f"lost {MOST_LOSSES} times"):
            await pool.solve(Task(fakes.ECHO, WHITE), deadline_s=PATIENCE_S)

    run(scenario, fakes.ECHO, isolation=Losing(99))


def test_a_renewed_pool_replaces_every_worker_and_fails_nothing() -> None:
    async def scenario(pool: WorkerPool) -> tuple[set[int], set[int]]:
        await until(lambda: len(pool.resident_bytes()) == 2)
        before = {(await echo(pool))[1] for _ in range(8)}
        pool.renew()
        while pool.restarts["recycled"] < 2:
            await echo(pool)
        return before, {(await echo(pool))[1] for _ in range(8)}

    before, after = run(scenario, fakes.ECHO, size=2, isolation=PROCESSES)
    assert before.isdisjoint(after)
