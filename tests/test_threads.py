"""Workers that are threads: apart from each other, and bounded when they hang."""

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

import fakes
import hostile
from loupette.errors import SolverCrashed, SolverTimeout
from loupette.frames import Read, Task
from loupette.isolation import load_alone
from loupette.manager import load_plugins
from loupette.pool import WorkerPool
from loupette.threads import MOST_ABANDONED, Threads
from pools import ask, echo, run, until

BLACK = fakes.draw_png(colour="black")


def threads() -> Threads:
    return Threads(load_plugins(["fakes", "hostile"]).loaded)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    hostile.HOLD.clear()
    yield
    hostile.HOLD.set()
    for thread in threading.enumerate():
        if thread.name == "loupette-worker":
            thread.join(30)
            assert not thread.is_alive()


def test_a_thread_of_this_process_answers() -> None:
    async def scenario(pool: WorkerPool) -> None:
        assert await echo(pool) == ("40x20", os.getpid())
        assert pool.resident_bytes() == {}

    run(scenario, fakes.ECHO, isolation=threads())


def test_every_thread_has_a_solver_of_its_own() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await until(lambda: len(pool._idle) == 2)
        tasks = [Task(hostile.MEETS, BLACK) for _ in range(20)]  # two at a time, or none
        reads = await asyncio.gather(*(pool.solve(task, deadline_s=60) for task in tasks))
        met = {(read.detail["thread"], read.detail["solver"]) for read in reads}
        assert len(met) == len(dict(met)) == len({solver for _, solver in met}) == 2

    run(scenario, hostile.MEETS, size=2, isolation=threads())


def test_what_waits_is_asked_at_once_in_threads_too() -> None:
    async def scenario(pool: WorkerPool) -> list[int]:
        asked = [ask(pool, hostile.BATCHES, number=number) for number in range(4)]
        reads: list[Read] = await asyncio.gather(*asked)
        assert [read.result for read in reads] == ["0", "1", "2", "3"]
        return [read.detail["size"] for read in reads]

    sizes = run(scenario, hostile.BATCHES, isolation=threads(), batched=[hostile.BATCHES])
    assert sizes == [4] * 4


@pytest.mark.parametrize("type_id", [fakes.RAISES, hostile.EXITS])
def test_a_solver_that_raises_ends_no_thread(type_id: int) -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(SolverCrashed):
            await pool.solve(Task(type_id, BLACK), deadline_s=60)
        assert (await echo(pool))[0] == "40x20"
        assert pool.restarts.total() == 0

    run(scenario, type_id, fakes.ECHO, isolation=threads())


def test_a_thread_past_its_deadline_is_left_and_another_takes_its_place() -> None:
    async def scenario(pool: WorkerPool) -> None:
        with pytest.raises(SolverTimeout):
            await pool.solve(Task(hostile.HANGS, BLACK), deadline_s=0.1)
        assert (await echo(pool))[0] == "40x20"
        assert pool.restarts["deadline"] == 1

    run(scenario, hostile.HANGS, fakes.ECHO, isolation=threads())


def test_a_type_with_too_many_threads_that_hang_is_out_until_they_end() -> None:
    async def scenario(pool: WorkerPool) -> None:
        for number in range(MOST_ABANDONED):
            image = fakes.draw_png(1 + number, colour="black")  # one alone would be refused
            for _ in range(9):  # so many answers that its share of faults takes it out never
                await ask(pool, hostile.HANGS)
            assert (number, pool.failures) == (number, {})
            with pytest.raises(SolverTimeout):
                await pool.solve(Task(hostile.HANGS, image), deadline_s=0.1)
        assert pool.failures == {hostile.HANGS: f"{MOST_ABANDONED} of its threads hang"}
        assert (await echo(pool))[0] == "40x20"
        hostile.HOLD.set()
        await until(lambda: not pool.failures)
        assert (await ask(pool, hostile.HANGS)).result == "x"

    run(scenario, hostile.HANGS, fakes.ECHO, isolation=threads())


def test_a_worker_thread_is_recycled_and_no_request_fails() -> None:
    async def scenario(pool: WorkerPool) -> None:
        while not pool.restarts["recycled"]:
            assert (await echo(pool))[0] == "40x20"

    run(scenario, fakes.ECHO, isolation=threads(), max_requests=1)


def test_at_the_limit_of_threads_a_type_stays_out_until_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(thread: threading.Thread) -> None:
        if thread.name == "loupette-worker":
            raise RuntimeError("can't start new thread")
        start(thread)

    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", fail)

    async def scenario(pool: WorkerPool) -> None:
        found = await load_alone(threads(), fakes.ECHO, load_timeout_s=60)
        assert found == "no worker can be started for it: can't start new thread"
        await until(lambda: pool.restarts["start"])
        monkeypatch.undo()
        assert (await echo(pool))[0] == "40x20"

    run(scenario, fakes.ECHO, isolation=threads())


def test_close_leaves_no_thread_but_those_that_hang() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await until(lambda: len(pool._idle) == 3)
        with pytest.raises(SolverTimeout):
            await pool.solve(Task(hostile.HANGS, BLACK), deadline_s=0.1)

    run(scenario, hostile.HANGS, size=3, isolation=threads())
    left = [thread for thread in threading.enumerate() if thread.name == "loupette-worker"]
    assert len(left) == 1
