"""Workers behind a bridge, as the pool has them; the cluster is a fake, see `fake_bridge`."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

import fakes
import hostile
from fake_bridge import LOSSES
from loupette.breaker import FAULTS
from loupette.cluster.link import SILENCE_S
from loupette.cluster.nodes import Nodes
from loupette.errors import SolverCrashed, Unsolvable
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.plugin import Placement
from loupette.plugin.types import MAX_BATCH
from loupette.pool import WorkerPool
from loupette.registry import ServedType
from loupette.settings import Settings
from pools import PATIENCE_S, WHITE, ask, children, echo, until
from serving import wait_until_gone

Result = TypeVar("Result")
BLACK = fakes.draw_png(colour="black")


def served(type_id: int, module: str = "fakes") -> ServedType:
    plugin = next(one for one in load_plugins([module]).loaded if one.module == module)
    spec = next(spec for spec in plugin.specs if spec.type_id == type_id)
    return ServedType(spec, plugin.name, "", 0, module=module, placement=Placement())


def run(
    scenario: Callable[[WorkerPool], Awaitable[Result]],
    *,
    address: str = "somewhere",
    type_id: int = fakes.ECHO,
    module: str = "fakes",
    size: int = 1,
    max_size: int = 0,
    silence_s: float = SILENCE_S,
) -> Result:
    """Run a scenario over a pool of workers behind a bridge; no process may outlive it."""
    settings = Settings(plugins=(module,), ray_address=address)

    async def main() -> tuple[Result, set[int]]:
        nodes = Nodes(served(type_id, module), settings, bridge="fake_bridge", silence_s=silence_s)
        pool = WorkerPool(
            size, nodes, type_ids=[type_id], max_size=max_size, max_in_parts=MAX_BATCH
        )
        pool.start()
        try:
            async with asyncio.timeout(120):
                return await scenario(pool), children()
        finally:
            await pool.close()

    result, bridges = asyncio.run(main())
    assert all(wait_until_gone(bridge) for bridge in bridges)
    return result


def bridge() -> int:
    (found,) = children()
    return found


def test_a_task_is_solved_behind_the_bridge() -> None:
    async def scenario(pool: WorkerPool) -> tuple[tuple[str, int], int, set[int]]:
        return await echo(pool), bridge(), pool.proven

    (result, pid), its_bridge, proven = run(scenario)
    assert (result, pid, proven) == ("40x20", its_bridge, {fakes.ECHO})


def test_what_waits_goes_in_one_call_and_each_has_its_own_reply() -> None:
    async def scenario(pool: WorkerPool) -> list[str]:
        images = [fakes.draw_png(width=width) for width in range(40, 60)]
        tasks = [pool.solve(Task(fakes.ECHO, one), deadline_s=PATIENCE_S) for one in images]
        return [read.result for read in await asyncio.gather(*tasks)]

    assert run(scenario) == [f"{width}x20" for width in range(40, 60)]


def test_who_is_read_one_by_one_has_a_deadline_of_its_own() -> None:
    # All of them take longer than the deadline, and the last one begins within it.
    count, deadline_s = 4, 1.55

    async def scenario(pool: WorkerPool) -> tuple[list[str], int]:
        await ask(pool, hostile.ONE_BY_ONE)
        options = [{"do": "work", "number": number} for number in range(count)]
        tasks = [Task(hostile.ONE_BY_ONE, WHITE, options=one) for one in options]
        _, *reads = await asyncio.gather(
            ask(pool, hostile.ONE_BY_ONE),  # takes the worker, so that the others wait
            *(pool.solve(task, deadline_s=deadline_s) for task in tasks),
        )
        return [read.result for read in reads], pool.restarts["deadline"]

    numbers = [str(number) for number in range(count)]
    assert run(scenario, type_id=hostile.ONE_BY_ONE, module="hostile") == (numbers, 0)


def test_refusals_come_back_as_from_any_worker() -> None:
    async def scenario(pool: WorkerPool) -> None:
        grey = fakes.draw_png(colour="grey")
        with pytest.raises(Unsolvable, match="there is nothing to read"):
            await pool.solve(Task(fakes.REFUSES, grey), deadline_s=PATIENCE_S)

    run(scenario, type_id=fakes.REFUSES)


def test_several_workers_share_a_bridge() -> None:
    async def scenario(pool: WorkerPool) -> int:
        await until(lambda: len(pool._members) == 3)
        return len(children())

    assert run(scenario, size=3) == 1


def test_a_bridge_that_is_killed_is_started_again_and_no_type_is_blamed() -> None:
    async def scenario(pool: WorkerPool) -> tuple[bool, str, dict[int, str]]:
        await echo(pool)
        first = bridge()
        os.kill(first, signal.SIGKILL)
        result, pid = await echo(pool)
        return pid != first, result, pool.failures

    assert run(scenario) == (True, "40x20", {})


def test_a_bridge_that_hangs_is_ended_and_another_started() -> None:
    async def scenario(pool: WorkerPool) -> tuple[bool, str, dict[int, str]]:
        await echo(pool)
        first = bridge()
        os.kill(first, signal.SIGSTOP)
        await until(lambda: first not in children())
        result, pid = await echo(pool)
        return pid != first, result, pool.failures

    assert run(scenario, silence_s=3.0) == (True, "40x20", {})


def test_a_bridge_that_has_no_news_but_that_it_lives_is_kept() -> None:
    async def scenario(pool: WorkerPool) -> tuple[int, int]:
        _, first = await echo(pool)
        await asyncio.sleep(4.0)  # what is tested is that time passes
        return first, (await echo(pool))[1]

    first, second = run(scenario, silence_s=3.0)
    assert first == second


def test_an_image_that_ends_its_worker_is_tried_once_more_and_refused() -> None:
    async def scenario(pool: WorkerPool) -> str:
        with pytest.raises(SolverCrashed, match="died twice on this image"):
            await pool.solve(Task(fakes.ECHO, BLACK), deadline_s=PATIENCE_S)
        return (await echo(pool))[0]

    assert run(scenario) == "40x20"


def test_an_image_whose_machines_are_lost_is_tried_longer_and_the_type_stays_in() -> None:
    async def scenario(pool: WorkerPool) -> dict[int, str]:
        for _ in range(3):
            with pytest.raises(SolverCrashed, match="was lost 4 times"):
                await pool.solve(Task(fakes.ECHO, BLACK), deadline_s=PATIENCE_S)
        await echo(pool)
        return pool.failures

    assert run(scenario, address="losing") == {}


def test_workers_whose_machines_are_lost_while_they_load_leave_a_proven_type_in(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("loupette.pool.LONGEST_PAUSE_S", 0.01)
    assert LOSSES > FAULTS

    async def scenario(pool: WorkerPool) -> str:
        await echo(pool)
        black = asyncio.create_task(pool.solve(Task(fakes.ECHO, BLACK), deadline_s=PATIENCE_S))
        await until(lambda: pool.restarts["load"])
        black.cancel()
        return (await echo(pool))[0]

    assert run(scenario, address="unsteady") == "40x20"
    assert "out of order" not in caplog.text


def test_why_a_worker_ended_before_it_had_loaded_is_told() -> None:
    async def scenario(pool: WorkerPool) -> dict[int, str]:
        await until(lambda: pool.failures)
        return dict(pool.failures)

    assert run(scenario, address="ending") == {fakes.ECHO: "it has no memory"}


def test_without_a_cluster_the_type_is_out_of_order_and_says_why() -> None:
    async def scenario(pool: WorkerPool) -> tuple[bool, dict[int, str]]:
        await pool.wait_ready()
        with pytest.raises(SolverCrashed, match="out of order"):
            await echo(pool)
        return pool.is_ready, dict(pool.failures)

    assert run(scenario, address="nowhere") == (True, {fakes.ECHO: "no Ray cluster at nowhere"})


async def crowd(pool: WorkerPool, size: int) -> None:
    """Have more workers wanted than there is room for, each of which gives up soon."""
    await pool.wait_ready()
    pool._load_timeout_s = 0.05
    pool._scale.wanted = size


def test_workers_that_find_no_room_leave_the_type_to_those_that_have_it() -> None:
    async def scenario(pool: WorkerPool) -> tuple[list[str], dict[int, str]]:
        await crowd(pool, 8)
        await until(lambda: pool.restarts["load"] >= 3 * FAULTS)
        return [(await echo(pool))[0] for _ in range(5)], pool.failures

    answers, failures = run(scenario, address="full", max_size=8)
    assert (answers, failures) == (["40x20"] * 5, {})


def test_a_type_that_is_out_comes_back_where_there_is_no_room_for_its_trial() -> None:
    async def scenario(pool: WorkerPool) -> str:
        await crowd(pool, 2)
        await until(lambda: pool.restarts["load"])
        pool._breaker.take_out(fakes.ECHO, "as if five images had ended its workers")
        await until(lambda: not pool.failures)
        return (await echo(pool))[0]

    assert run(scenario, address="full", max_size=2) == "40x20"


def test_a_worker_too_many_leaves_while_another_waits_for_room_to_be_renewed() -> None:
    async def scenario(pool: WorkerPool) -> bool:
        await pool.wait_ready()
        pool._scale.wanted = 2
        await until(lambda: len(pool._members) == 2)
        pool.renew()
        await until(lambda: pool._recycling.locked())
        pool._scale.wanted = 1
        await until(lambda: pool.restarts["recycled"] == 2)
        return pool._recycling.locked()

    assert not run(scenario, address="fuller", max_size=2)


def test_the_room_of_a_worker_that_ended_is_left_to_the_trial() -> None:
    async def scenario(pool: WorkerPool) -> str:
        for width in range(40, 40 + FAULTS):
            with pytest.raises(SolverCrashed):
                black = fakes.draw_png(width, colour="black")
                await pool.solve(Task(fakes.ECHO, black), deadline_s=PATIENCE_S)
        assert fakes.ECHO in pool.failures
        await until(lambda: not pool.failures)
        return (await echo(pool))[0]

    assert run(scenario, address="full") == "40x20"


def test_the_room_of_a_worker_that_could_not_load_is_left_to_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mended = tmp_path / "mended"
    monkeypatch.setenv("HOSTILE_MENDED", str(mended))

    async def scenario(pool: WorkerPool) -> str:
        await pool.wait_ready()
        assert hostile.MENDED in pool.failures
        mended.touch()
        await until(lambda: not pool.failures)
        return (await ask(pool, hostile.MENDED)).result

    assert run(scenario, address="full", type_id=hostile.MENDED, module="hostile") == "x"


PLUGIN = """
from decimal import Decimal
from loupette.plugin import Answer, SolverSpec, hookimpl
import fakes

@hookimpl
def loupette_solvers():
    solver = fakes.Fake(lambda challenge: Answer("{answer}", 1.0))
    return [SolverSpec(60001, "名", "name", Decimal(0), lambda: solver, fakes.draw_png, "{answer}")]
"""


def test_a_renewed_pool_reads_with_the_plugin_that_is_installed_now_and_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_modules: None
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    file = tmp_path / "updated_plugin.py"
    file.write_text(PLUGIN.format(answer="old"))

    async def read(pool: WorkerPool) -> str:
        return (await pool.solve(Task(60001, WHITE), deadline_s=PATIENCE_S)).result

    async def scenario(pool: WorkerPool) -> tuple[list[str], int]:
        answers = [await read(pool)]
        file.write_text(PLUGIN.format(answer="renewed"))
        pool.renew()
        while answers[-1] == "old":
            answers.append(await read(pool))
        await until(lambda: pool.restarts["recycled"] == 2)
        answers.append(await read(pool))
        return answers, pool.restarts["died"]

    answers, died = run(scenario, module="updated_plugin", size=2)
    assert set(answers) == {"old", "renewed"}
    assert (answers[0], answers[-1], died) == ("old", "renewed", 0)
