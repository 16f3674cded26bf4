"""Batches over real processes: made of what waits, and no picture harms its neighbours."""

import asyncio
from collections.abc import Iterable, Sequence

import pytest

import fakes
import hostile
from loupette.errors import SolverCrashed, SolverTimeout, Unsolvable
from loupette.frames import Read, Task
from loupette.plugin.types import MAX_BATCH
from loupette.pool import WorkerPool
from loupette.queueing import MAX_AHEAD
from pools import WHITE, ask, echo, run, until

BATCHED = (hostile.BATCHES, hostile.BREAKS_BATCHES)


async def ask_at_once(
    pool: WorkerPool, told: Iterable[str], *, type_id: int = hostile.BATCHES, deadline_s: float = 60
) -> list[Read | BaseException]:
    """Ask while the only worker is busy, so that all wait; each has its number and its picture."""
    await ask(pool, type_id)
    tasks = [
        Task(type_id, fakes.draw_png(100 + number), options={"number": number, "do": do})
        for number, do in enumerate(told)
    ]
    _, *endings = await asyncio.gather(
        ask(pool, type_id),  # takes the worker, before a reply can be read
        *(pool.solve(task, deadline_s=deadline_s) for task in tasks),
        return_exceptions=True,
    )
    return endings


def results(endings: Sequence[Read | BaseException]) -> list[str]:
    """What was read, or the name of the error."""
    return [end.result if isinstance(end, Read) else type(end).__name__ for end in endings]


def test_what_waits_is_asked_at_once_and_each_caller_gets_its_own_answer() -> None:
    async def scenario(pool: WorkerPool) -> None:
        endings = await ask_at_once(pool, [""] * (MAX_BATCH + 4))
        assert results(endings) == [str(number) for number in range(MAX_BATCH + 4)]
        sizes = [end.detail["size"] for end in endings if isinstance(end, Read)]
        assert sizes == [MAX_BATCH] * MAX_BATCH + [4] * 4

    run(scenario, hostile.BATCHES, batched=BATCHED)


def test_who_comes_to_a_free_worker_waits_for_nobody() -> None:
    async def scenario(pool: WorkerPool) -> list[int]:
        return [(await ask(pool, hostile.BATCHES)).detail["size"] for _ in range(3)]

    assert run(scenario, hostile.BATCHES, batched=BATCHED) == [1, 1, 1]


def test_a_type_that_does_not_declare_batches_gets_none() -> None:
    async def scenario(pool: WorkerPool) -> None:
        endings = await ask_at_once(pool, [""] * (MAX_AHEAD + 4), type_id=hostile.ONE_BY_ONE)
        assert results(endings) == [str(number) for number in range(MAX_AHEAD + 4)]
        assert {end.detail["size"] for end in endings if isinstance(end, Read)} == {1}

    run(scenario, hostile.ONE_BY_ONE)


@pytest.mark.parametrize(
    ("type_id", "do", "deadline_s", "ending"),
    [
        (hostile.BATCHES, "segfault", 60, SolverCrashed),
        (hostile.BATCHES, "hang", 2, SolverTimeout),
        (hostile.BATCHES, "raise", 60, SolverCrashed),
        (hostile.BATCHES, "refuse", 60, Unsolvable),
        (hostile.ONE_BY_ONE, "segfault", 60, SolverCrashed),
        (hostile.ONE_BY_ONE, "raise", 60, SolverCrashed),
        (hostile.ONE_BY_ONE, "refuse", 60, Unsolvable),
    ],
)
def test_one_bad_picture_fails_alone(
    type_id: int, do: str, deadline_s: float, ending: type[Exception]
) -> None:
    async def scenario(pool: WorkerPool) -> None:
        endings = await ask_at_once(pool, ["", "", do, ""], type_id=type_id, deadline_s=deadline_s)
        assert results(endings) == ["0", "1", ending.__name__, "3"]
        assert pool.failures == {}

    run(scenario, type_id, batched=BATCHED)


def test_who_was_sent_ahead_behind_one_that_hangs_is_told_to_come_again() -> None:
    async def scenario(pool: WorkerPool) -> None:
        endings = await ask_at_once(
            pool, ["", "hang", ""], type_id=hostile.ONE_BY_ONE, deadline_s=2
        )
        assert results(endings) == ["0", "SolverTimeout", "Overloaded"]
        await until(lambda: pool.restarts["deadline"] == 1)

    run(scenario, hostile.ONE_BY_ONE)


def test_a_picture_that_cannot_be_decoded_fails_alone() -> None:
    async def scenario(pool: WorkerPool) -> None:
        good, broken = (
            pool.solve(Task(hostile.BATCHES, image), deadline_s=60) for image in (WHITE, WHITE[:50])
        )
        endings = await asyncio.gather(good, broken, return_exceptions=True)
        assert results(endings) == ["x", "BrokenImage"]

    run(scenario, hostile.BATCHES, batched=BATCHED)


def test_a_solver_that_gives_too_few_answers_is_asked_one_by_one() -> None:
    async def scenario(pool: WorkerPool) -> list[str]:
        return results(await ask_at_once(pool, ["", ""], type_id=hostile.BREAKS_BATCHES))

    assert run(scenario, hostile.BREAKS_BATCHES, batched=BATCHED) == ["0", "1"]


@pytest.mark.parametrize(
    ("type_id", "killed"),
    [(hostile.BATCHES, 1), (hostile.BREAKS_BATCHES, 0), (hostile.ONE_BY_ONE, 0)],
)
def test_a_batch_has_the_deadline_of_one_and_who_is_asked_alone_has_its_own(
    type_id: int, killed: int
) -> None:
    async def scenario(pool: WorkerPool) -> None:
        endings = await ask_at_once(pool, ["work"] * 3, type_id=type_id, deadline_s=1)
        assert results(endings) == ["0", "1", "2"]
        await until(lambda: pool.restarts["deadline"] == killed)
        assert pool.restarts.total() == killed

    run(scenario, type_id, batched=BATCHED)


def test_a_caller_that_left_takes_no_place_and_no_neighbours_answer() -> None:
    async def scenario(pool: WorkerPool) -> None:
        async def number(value: int) -> Read:
            return await ask(pool, hostile.BATCHES, number=value)

        callers = [asyncio.create_task(number(value)) for value in range(6)]
        await asyncio.sleep(0)
        for gone in callers[::2]:
            gone.cancel()
        stayed = await asyncio.gather(*callers[1::2])
        assert [(read.result, read.detail["size"]) for read in stayed] == [
            ("1", 3),
            ("3", 3),
            ("5", 3),
        ]

    run(scenario, hostile.BATCHES, batched=BATCHED)


def test_a_caller_that_leaves_while_its_batch_is_solved_harms_nobody() -> None:
    async def scenario(pool: WorkerPool) -> None:
        await pool.wait_ready()
        for left in range(1, 12):
            callers = [asyncio.create_task(ask(pool, hostile.BATCHES, number=n)) for n in range(4)]
            for _ in range(left):
                await asyncio.sleep(0)
            callers[2].cancel()
            read = await asyncio.gather(*callers, return_exceptions=True)
            assert [results(read)[n] for n in (0, 1, 3)] == ["0", "1", "3"]

    run(scenario, hostile.BATCHES, batched=BATCHED)


def test_options_of_callers_in_batches_never_mix() -> None:
    async def scenario(pool: WorkerPool) -> None:
        async def call(number: int) -> None:
            for turn in range(5):
                mine = 1000 * number + turn
                read = await ask(pool, hostile.BATCHES, number=mine)
                assert read.result == str(mine)
                sizes.add(read.detail["size"])

        sizes: set[int] = set()
        await asyncio.gather(*(call(number) for number in range(40)), echo(pool))
        assert max(sizes) > 1

    run(scenario, hostile.BATCHES, fakes.ECHO, size=2, batched=BATCHED)
