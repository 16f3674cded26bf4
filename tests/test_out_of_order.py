"""A type that ends its workers again and again goes out, harms no other, and comes back."""

import asyncio
from pathlib import Path

import pytest

import fakes
import hostile
from loupette.breaker import DEADLY, FAULTS
from loupette.errors import SolverCrashed, SolverTimeout
from loupette.frames import Task
from loupette.pool import WorkerPool
from pools import ask, echo, run, until

BLACK = fakes.draw_png(colour="black")
MANY = [fakes.draw_png(width, colour="black") for width in range(40, 70)]


async def ask_badly(pool: WorkerPool, task: Task, deadline_s: float) -> None:
    with pytest.raises((SolverCrashed, SolverTimeout)):
        await pool.solve(task, deadline_s=deadline_s)


@pytest.mark.parametrize(
    ("type_id", "do", "deadline_s"),
    [(fakes.SLOW, "", 0.1), (hostile.BATCHES, "segfault", 60)],
    ids=["hangs", "segfaults"],
)
def test_a_type_that_keeps_ending_workers_is_refused_at_once_until_its_trial(
    caplog: pytest.LogCaptureFixture, type_id: int, do: str, deadline_s: float
) -> None:
    async def scenario(pool: WorkerPool) -> None:
        tasks = (Task(type_id, image, options={"do": do}) for image in MANY)
        while type_id not in pool.failures:
            assert pool.restarts.total() < DEADLY * FAULTS
            await echo(pool)  # until a worker is free
            await ask_badly(pool, next(tasks), deadline_s)
        with pytest.raises(SolverCrashed, match="is out of order"):
            pool.solve(next(tasks), deadline_s=deadline_s).send(None)  # which waits for nothing
        assert (await echo(pool))[0] == "40x20"
        await until(lambda: not pool.failures)
        assert (await ask(pool, type_id)).result in ("slow", "x")  # on its sample it is well

    run(scenario, fakes.ECHO, type_id, size=2)
    assert f"type {type_id} is back" in caplog.text


@pytest.mark.parametrize(
    ("type_id", "deadline_s", "ended"), [(fakes.SLOW, 0.1, "deadline"), (fakes.DIES, 60, "died")]
)
def test_one_picture_sent_again_and_again_takes_a_type_from_nobody(
    type_id: int, deadline_s: float, ended: str
) -> None:
    async def scenario(pool: WorkerPool) -> None:
        for number in range(2 * FAULTS):
            await echo(pool)  # until a worker is free
            task = Task(type_id, BLACK, options={"width": 1 + number % 9})
            await ask_badly(pool, task, deadline_s)
        assert pool.restarts[ended] == DEADLY
        with pytest.raises(SolverCrashed, match="on this image a moment ago"):
            await pool.solve(Task(type_id, BLACK), deadline_s=deadline_s)
        assert (await ask(pool, type_id)).result in ("slow", "alive")
        assert pool.failures == {}

    run(scenario, fakes.ECHO, type_id)


def test_one_picture_sent_often_at_once_ends_few_workers_more() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await pool.wait_ready()
        await asyncio.gather(*(ask_badly(pool, Task(fakes.DIES, BLACK), 60) for _ in range(30)))
        assert pool.restarts["died"] <= DEADLY + 1  # two workers may be at it at once
        assert pool.failures == {}
        assert (await ask(pool, fakes.DIES)).result == "alive"

    run(scenario, fakes.DIES, size=2)


def test_those_that_wait_are_refused_with_the_type_and_the_others_are_served() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await pool.wait_ready()
        deadly = [
            asyncio.create_task(ask_badly(pool, Task(fakes.DIES, image), 60)) for image in MANY
        ]
        await asyncio.gather(*deadly)
        assert pool.restarts["died"] <= DEADLY * FAULTS
        assert (await echo(pool))[0] == "40x20"

    run(scenario, fakes.ECHO, fakes.DIES)


@pytest.mark.parametrize("type_id", [fakes.RAISES, fakes.REFUSES, fakes.WRONG])
def test_a_type_whose_solver_fails_without_ending_its_worker_stays_in(type_id: int) -> None:
    async def scenario(pool: WorkerPool) -> None:
        for _ in range(2 * FAULTS):
            with pytest.raises(Exception, match=f"type {type_id} failed|nothing to read"):
                await pool.solve(Task(type_id, BLACK), deadline_s=60)
        assert (pool.failures, pool.restarts.total()) == ({}, 0)

    run(scenario, type_id)


def test_a_type_left_out_at_the_start_comes_back_once_it_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTILE_MENDED", str(tmp_path / "mended"))

    async def scenario(pool: WorkerPool) -> None:
        _, old = await echo(pool)
        assert set(pool.failures) == {hostile.MENDED}
        assert pool.proven == {fakes.ECHO}
        (tmp_path / "mended").touch()
        await until(lambda: not pool.failures)
        assert pool.proven == {fakes.ECHO, hostile.MENDED}
        assert (await ask(pool, hostile.MENDED)).result == "x"
        _, new = await echo(pool)
        assert new != old  # a worker that has loaded it; none loads it while a caller waits

    run(scenario, fakes.ECHO, hostile.MENDED)


def test_a_type_that_no_longer_loads_goes_out_and_the_others_get_their_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "mended"
    monkeypatch.setenv("HOSTILE_MENDED", str(flag))
    flag.touch()

    async def scenario(pool: WorkerPool) -> None:
        await echo(pool)
        flag.unlink()
        await ask_badly(pool, Task(fakes.DIES, BLACK), 60)
        assert (await echo(pool))[0] == "40x20"
        assert set(pool.failures) == {hostile.MENDED}

    run(scenario, fakes.ECHO, fakes.DIES, hostile.MENDED)
