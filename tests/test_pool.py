"""The pool over real processes: deadlines, deaths, order, and nothing left behind."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fakes
import hostile
from loupette.errors import (
    BrokenImage,
    NotAnImage,
    Overloaded,
    SolverCrashed,
    SolverTimeout,
    Unsolvable,
)
from loupette.frames import Task
from loupette.pool import WorkerPool
from loupette.processes import Processes, WorkerProcess
from pools import PATIENCE_S, PROCESSES, WHITE, black, children, echo, run
from serving import wait_until_gone

TYPES = (
    *(fakes.ECHO, fakes.SLOW, fakes.DIES, fakes.REFUSES, fakes.RAISES, fakes.WRONG),
    *(hostile.GARBLES, hostile.FLOODS, hostile.ODD_KEYS, hostile.VAST),
)


Run = Callable[[Callable[[WorkerPool], Awaitable[Any]]], Any]  # Any: what the scenario gives


@pytest.fixture(scope="module")
def shared() -> Iterator[Run]:
    """Runs a scenario over one pool of one worker, which tests that end no pool can share."""

    async def start() -> WorkerPool:
        pool = WorkerPool(1, PROCESSES, type_ids=TYPES)
        pool.start()
        return pool

    async def limited(scenario: Callable[[WorkerPool], Awaitable[Any]], pool: WorkerPool) -> Any:
        async with asyncio.timeout(120):
            await echo(pool)  # a worker is free, whatever the test before did
            return await scenario(pool)

    with asyncio.Runner() as runner:
        pool = runner.run(start())
        yield lambda scenario: runner.run(limited(scenario, pool))
        runner.run(pool.close())


def test_a_task_is_solved_in_another_process() -> None:
    result, pid = run(echo, fakes.ECHO)
    assert result == "40x20"
    assert pid != os.getpid()


def test_the_server_opens_no_image(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **named: object) -> None:
        raise AssertionError("an image is opened in the server's process")

    monkeypatch.setattr("PIL.Image.open", refuse)
    assert shared(echo)[0] == "40x20"


def test_the_pool_is_ready_when_a_worker_has_read_every_sample() -> None:
    async def scenario(pool: WorkerPool) -> tuple[bool, bool, dict[int, str]]:
        before = pool.is_ready
        await pool.wait_ready()
        return before, pool.is_ready, pool.failures

    assert run(scenario, *TYPES) == (False, True, {})


def test_a_type_that_fails_its_sample_is_named_and_the_others_work() -> None:
    async def scenario(pool: WorkerPool) -> tuple[dict[int, str], str]:
        await pool.wait_ready()
        return pool.failures, (await echo(pool))[0]

    types = (hostile.NO_SAMPLE, hostile.NO_LOAD, hostile.MISREADS, 69999, fakes.ECHO)
    failures, result = run(scenario, *types)
    assert set(failures) == {hostile.NO_SAMPLE, hostile.NO_LOAD, hostile.MISREADS, 69999}
    assert "no sample today" in failures[hostile.NO_SAMPLE]
    assert result == "40x20"


@pytest.mark.parametrize(
    ("type_id", "load_timeout_s", "reason"),
    [
        (hostile.DIES_IN_LOAD, 30, "the worker ended while it loaded"),
        (hostile.HANGS_IN_LOAD, 3, "not loaded within 3 s"),
        (hostile.GARBLES_IN_LOAD, 30, "the worker ended while it loaded"),
    ],
    ids=["dies", "hangs", "garbles"],
)
def test_a_type_that_ends_its_worker_in_load_is_named_left_out_and_refused_at_once(
    caplog: pytest.LogCaptureFixture, type_id: int, load_timeout_s: float, reason: str
) -> None:
    async def scenario(pool: WorkerPool) -> tuple[dict[int, str], str]:
        result, _ = await echo(pool)
        with pytest.raises(SolverCrashed, match=f"type {type_id} is out of order"):
            await pool.solve(Task(type_id, WHITE), deadline_s=0.001)  # no wait for a worker
        return pool.failures, result

    failures, result = run(
        scenario, fakes.ECHO, type_id, fakes.DIES, size=2, load_timeout_s=load_timeout_s
    )
    assert (failures, result) == ({type_id: reason}, "40x20")
    assert f"type {type_id} is out of order" in caplog.text


def test_a_worker_killed_while_it_loads_takes_no_type_that_loaded_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTILE_LOADS", str(tmp_path / "loads"))

    async def scenario(pool: WorkerPool) -> tuple[Counter[str], dict[int, str]]:
        _, first = await echo(pool)
        os.kill(first, signal.SIGKILL)
        await pool.solve(Task(hostile.DIES_IN_SECOND_LOAD, WHITE), deadline_s=PATIENCE_S)
        return pool.restarts, pool.failures

    restarts, failures = run(scenario, fakes.ECHO, hostile.DIES_IN_SECOND_LOAD)
    assert (restarts, failures) == (Counter(died=1, load=1), {})


def test_a_task_that_waited_for_a_type_found_broken_ends_no_other_worker() -> None:
    async def scenario(pool: WorkerPool) -> tuple[str, Counter[str]]:
        waiting = asyncio.create_task(
            pool.solve(Task(hostile.DIES_IN_LOAD, WHITE), deadline_s=PATIENCE_S)
        )
        result, _ = await echo(pool)
        with pytest.raises(SolverCrashed):
            await waiting
        return result, pool.restarts

    result, restarts = run(scenario, hostile.DIES_IN_LOAD, fakes.ECHO)
    assert (result, restarts) == ("40x20", Counter(load=1))


@pytest.mark.parametrize(
    ("task", "kind"),
    [
        (Task(fakes.REFUSES, black()), Unsolvable),
        (Task(fakes.RAISES, black()), SolverCrashed),
        (Task(fakes.WRONG, black()), SolverCrashed),
        (Task(fakes.DIES, black()), SolverCrashed),
        (Task(hostile.GARBLES, black()), SolverCrashed),
        (Task(hostile.FLOODS, black()), SolverCrashed),
        (Task(hostile.VAST, black(), options={"number": 10_000_000}), SolverCrashed),
        (Task(hostile.ODD_KEYS, black()), SolverCrashed),
        (Task(fakes.ECHO, b"no image"), NotAnImage),
        (Task(fakes.ECHO, WHITE[:50]), BrokenImage),
    ],
    ids=lambda value: str(value.type_id) if isinstance(value, Task) else value.__name__,
)
def test_a_task_fails_with_its_own_error_and_the_pool_goes_on(
    shared: Run, task: Task, kind: type[Exception]
) -> None:
    async def scenario(pool: WorkerPool) -> str:
        with pytest.raises(kind) as caught:
            await pool.solve(task, deadline_s=PATIENCE_S)
        assert type(caught.value) is kind
        return (await echo(pool))[0]

    assert shared(scenario) == "40x20"


def test_a_refusal_comes_through_whole(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> Unsolvable:
        with pytest.raises(Unsolvable) as caught:
            await pool.solve(Task(fakes.REFUSES, black()), deadline_s=PATIENCE_S)
        return caught.value

    refusal = shared(scenario)
    assert (refusal.reason, refusal.detail) == ("no_text", {"candidates": [1, 2]})


def test_a_crash_does_not_tell_the_caller_what_the_plugin_said(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> str:
        with pytest.raises(SolverCrashed) as caught:
            await pool.solve(Task(fakes.RAISES, black()), deadline_s=PATIENCE_S)
        return caught.value.message

    assert "own mistake" not in shared(scenario)


def test_the_deadline_kills_the_worker_and_a_new_one_comes(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> tuple[int, int]:
        _, old = await echo(pool)
        with pytest.raises(SolverTimeout, match=r"within 0\.3 s"):
            await pool.solve(Task(fakes.SLOW, black()), deadline_s=0.3)
        _, new = await echo(pool)
        assert await asyncio.to_thread(wait_until_gone, old)
        return old, new

    old, new = shared(scenario)
    assert old != new


def test_a_restart_is_counted_by_its_reason(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> list[Counter[str]]:
        counts = [pool.restarts.copy()]
        with pytest.raises(SolverTimeout):
            await pool.solve(Task(fakes.SLOW, black()), deadline_s=0.3)
        _, pid = await echo(pool)
        counts.append(pool.restarts.copy())
        os.kill(pid, signal.SIGKILL)
        await echo(pool)
        return [*counts, pool.restarts.copy()]

    before, after_deadline, after_kill = shared(scenario)
    assert after_deadline - before == Counter(deadline=1)
    assert after_kill - after_deadline == Counter(died=1)


@pytest.mark.parametrize("error", [OSError("no memory"), RuntimeError("can't start new thread")])
def test_a_process_that_cannot_be_started_is_counted(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    spawn = Processes.spawn
    failures = iter([error])

    async def fail_once(*arguments: Any, **named: Any) -> WorkerProcess:
        for error in failures:
            raise error
        return await spawn(*arguments, **named)

    async def scenario(pool: WorkerPool) -> Counter[str]:
        await echo(pool)
        return pool.restarts

    monkeypatch.setattr(Processes, "spawn", fail_once)
    assert run(scenario, fakes.ECHO) == Counter(start=1)


def test_tasks_without_a_free_worker_are_counted_while_they_wait(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> tuple[int, int]:
        slow = asyncio.create_task(pool.solve(Task(fakes.SLOW, black()), deadline_s=1))
        while pool._idle:
            await asyncio.sleep(0)
        waiting = [asyncio.create_task(echo(pool)) for _ in range(3)]
        while pool.waiting < 3:
            await asyncio.sleep(0)  # a poll; the scenario's limit decides
        most = pool.waiting
        await asyncio.gather(slow, *waiting, return_exceptions=True)
        return most, pool.waiting

    assert shared(scenario) == (3, 0)


def test_memory_of_each_worker_is_known_by_its_place(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> list[dict[int, int]]:
        _, pid = await echo(pool)
        before = pool.resident_bytes()
        os.kill(pid, signal.SIGKILL)
        await echo(pool)
        return [before, pool.resident_bytes()]

    for known in shared(scenario):
        assert list(known) == [0]
        assert 10_000_000 < known[0] < 1_000_000_000


def test_a_task_whose_worker_dies_is_solved_once_more_on_another(tmp_path: Path) -> None:
    flag = tmp_path / "died"
    task = Task(hostile.DIES_ONCE, WHITE, options={"flag": str(flag)})

    async def scenario(pool: WorkerPool) -> int:
        read = await pool.solve(task, deadline_s=PATIENCE_S)
        assert read.result == "x"
        return int(read.detail["pid"])

    assert run(scenario, hostile.DIES_ONCE) != int(flag.read_text())


def test_a_worker_killed_while_idle_costs_no_task(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> tuple[str, int, int]:
        _, old = await echo(pool)
        os.kill(old, signal.SIGKILL)
        result, new = await echo(pool)
        return result, old, new

    result, old, new = shared(scenario)
    assert result == "40x20"
    assert old != new


def test_options_of_callers_never_mix() -> None:
    async def scenario(pool: WorkerPool) -> list[str]:
        while len(pool._idle) < 2:
            await asyncio.sleep(0.01)  # a poll; the scenario's limit decides
        texts = [f"caller-{number}" for number in range(100)]
        answers = await asyncio.gather(*(echo(pool, charset=text) for text in texts))
        assert [result for result, _ in answers] == texts
        return [str(pid) for _, pid in answers]

    assert len(set(run(scenario, fakes.ECHO, size=2))) == 2


def test_a_caller_that_goes_away_leaves_no_reply_for_the_next_one(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> None:
        await pool.wait_ready()
        for number in range(30):
            gone = asyncio.create_task(echo(pool, charset=f"gone-{number}"))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            gone.cancel()
            assert (await echo(pool, charset=f"here-{number}"))[0] == f"here-{number}"

    shared(scenario)


def test_a_task_that_gets_no_worker_in_time_is_told_to_come_again(shared: Run) -> None:
    async def scenario(pool: WorkerPool) -> float:
        await pool.wait_ready()
        slow = asyncio.create_task(pool.solve(Task(fakes.SLOW, black()), deadline_s=2))
        await asyncio.sleep(0)  # let it take the only worker
        with pytest.raises(Overloaded) as caught:
            await pool.solve(Task(fakes.ECHO, WHITE), deadline_s=0.1)
        with pytest.raises(SolverTimeout):
            await slow
        return caught.value.retry_after_s

    assert shared(scenario) > 0


def test_workers_work_at_the_same_time() -> None:
    async def scenario(pool: WorkerPool) -> str:
        await pool.wait_ready()
        slow = asyncio.create_task(pool.solve(Task(fakes.SLOW, black()), deadline_s=PATIENCE_S))
        await asyncio.sleep(0)
        answer = (await echo(pool))[0]
        assert not slow.done()
        slow.cancel()
        return answer

    assert run(scenario, fakes.ECHO, fakes.SLOW, size=2) == "40x20"


def test_close_leaves_no_child_process() -> None:
    before = children()

    async def scenario(pool: WorkerPool) -> set[int]:
        await pool.wait_ready()
        busy = asyncio.create_task(pool.solve(Task(fakes.SLOW, black()), deadline_s=1))
        await asyncio.sleep(0)
        started = children() - before
        busy.cancel()
        return started

    started = run(scenario, fakes.SLOW, size=2)
    assert len(started) == 2
    assert children() == before


def test_close_while_the_workers_start_leaves_no_child_process() -> None:
    before = children()

    async def scenario(pool: WorkerPool) -> None:
        while not children() - before:
            await asyncio.sleep(0)

    run(scenario, fakes.ECHO, size=2)
    assert children() == before


def test_close_right_after_start_leaves_no_child_process() -> None:
    before = children()

    async def scenario(pool: WorkerPool) -> None:
        await asyncio.sleep(0)

    run(scenario, fakes.ECHO, size=2)
    assert children() == before
