"""A pool over real actors: what no server can be made to do on purpose."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

import hostile
from cluster.arena import Running
from loupette.breaker import FAULTS
from loupette.cluster.link import Alive, Gone, News, Open, Plan, decode_news, encode
from loupette.cluster.nodes import BRIDGE
from loupette.executor import make_executor
from loupette.frames import Read, Task, decode_replies, encode_list
from loupette.manager import load_plugins
from loupette.plugin import Placement
from loupette.pool import WorkerPool
from loupette.processes import start_process
from loupette.registry import Catalogue, ServedType
from loupette.settings import Settings
from pools import PATIENCE_S, WHITE, until

Result = TypeVar("Result")
WITHIN_S = 240.0
PLUGIN = """
import os
import signal
import time
from decimal import Decimal
from pathlib import Path

import fakes
from loupette.plugin import Answer, SolverSpec, hookimpl

DEADLY = Path({deadly!r})


def load():
    if DEADLY.exists():
        DEADLY.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return fakes.Fake(read)


def read(challenge):
    time.sleep(challenge.options.get("takes_s", 0.0))
    return Answer("read", 1.0)


@hookimpl
def loupette_solvers():
    return [SolverSpec(60001, "名", "name", Decimal(0), load, fakes.draw_png, "read")]
"""


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forget_modules: None) -> Path:
    """A file that ends the worker that loads next, and there is the plugin that looks for it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]]))
    flag = tmp_path / "deadly"
    (tmp_path / "actors_plugin.py").write_text(PLUGIN.format(deadly=str(flag)))
    return flag


def run(
    scenario: Callable[[WorkerPool], Awaitable[Result]],
    trial: Running,
    *,
    size: int,
    cpus: float = 0.1,
) -> Result:
    """Run a scenario over a pool whose first workers, so many, are ready."""
    settings = Settings(plugins=("actors_plugin",), ray_address=trial.address)
    (plugin,) = (
        one for one in load_plugins(settings.modules).loaded if one.module in settings.plugins
    )
    (spec,) = plugin.specs
    placement = Placement(size, 99, cpus)
    served = ServedType(spec, plugin.name, "", 0, module=plugin.module, placement=placement)

    async def main() -> Result:
        pool = make_executor(Catalogue({spec.type_id: served}), [plugin], settings)
        assert isinstance(pool, WorkerPool)
        pool.start()
        try:
            async with asyncio.timeout(WITHIN_S):
                await until(lambda: len(pool._members) == size)
                return await scenario(pool)
        finally:
            await pool.close()

    return asyncio.run(main())


async def read(pool: WorkerPool) -> str:
    return (await pool.solve(Task(60001, WHITE), deadline_s=PATIENCE_S)).result


def test_workers_for_whose_cores_there_is_no_room_leave_the_type_in(
    trial: Running, deadly: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(pool: WorkerPool) -> str:
        pool._load_timeout_s = 1.0
        pool._scale.wanted += FAULTS + 1
        await until(lambda: pool.restarts["load"] > FAULTS)
        return await read(pool)

    nodes = len(trial.now.raylets)
    one_a_node = 0.6 * len(os.sched_getaffinity(0))
    assert run(scenario, trial, size=nodes, cpus=one_a_node) == "read"
    assert "out of order" not in caplog.text


def test_a_worker_that_dies_while_it_loads_leaves_a_proven_type_in(
    trial: Running, deadly: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(pool: WorkerPool) -> str:
        deadly.touch()
        pool._scale.wanted = 2
        await until(lambda: len(pool._members) == 2)
        assert pool.restarts["load"] == 1
        return await read(pool)

    assert run(scenario, trial, size=1) == "read"
    assert "out of order" not in caplog.text


def test_each_of_one_call_has_a_deadline_of_its_own(trial: Running, deadly: Path) -> None:
    slow = Task(60001, WHITE, options={"takes_s": 0.5})

    async def scenario(pool: WorkerPool) -> tuple[list[str], int]:
        call = [pool.solve(slow, deadline_s=deadline_s) for deadline_s in [4.0] * 8]
        endings = await asyncio.gather(read(pool), *call, return_exceptions=True)
        told = [end.result if isinstance(end, Read) else type(end).__name__ for end in endings[1:]]
        return told, pool.restarts.total()

    told, restarts = run(scenario, trial, size=1)
    assert told[:4] == ["read"] * 4
    assert set(told[4:]) <= {"read", "Overloaded"}  # a slow machine has the last ones wait long
    assert restarts == 0


def test_replies_go_out_as_soon_as_the_next_ones_take_long() -> None:
    from loupette.cluster.remote import RemoteSolvers  # as below

    solvers = RemoteSolvers(hostile.ONE_BY_ONE, ["hostile"], "text", 0.3)
    told = ["", "", "work", "", "work"]
    tasks = [Task(hostile.ONE_BY_ONE, WHITE, options={"do": do}) for do in told]
    assert [len(decode_replies(part)) for part in solvers.answer(encode_list(tasks))] == [3, 2]
    assert [len(decode_replies(part)) for part in solvers.answer(encode_list(tasks[:2]))] == [2]


def test_without_a_node_that_lives_a_worker_is_said_to_be_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from loupette.cluster import (
        bridge,  # it imports Ray, which is not where all tests are
    )

    monkeypatch.setattr("ray.nodes", list)

    async def main() -> News:
        ours, theirs = socket.socketpair()
        reader, kept = await asyncio.open_unix_connection(sock=ours)
        _, writer = await asyncio.open_unix_connection(sock=theirs)
        try:
            async with asyncio.timeout(30):
                its_bridge = bridge._Bridge(Plan("", "", 60001, (), 1.0, 0.0, "text", 0.05), writer)
                its_bridge.obey(Open(7))
                return decode_news(await bridge._receive(reader))
        finally:
            kept.close()
            writer.close()

    assert asyncio.run(main()) == Gone(7, "no node of the cluster is alive", lost=True)


def test_a_bridge_says_that_it_lives_while_it_looks_for_a_cluster() -> None:
    async def main() -> News:
        process = await start_process(BRIDGE)
        try:
            process.send(encode(Plan("127.0.0.2:1", "", 60001, (), 1.0, 0.0, "text", 0.05)))
            async with asyncio.timeout(PATIENCE_S):
                return decode_news(await process.receive())
        finally:
            await process.end()

    assert asyncio.run(main()) == Alive()
