"""Each type in the isolation that the registry names, behind one interface."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import fakes
import hostile
from loupette.executor import Dispatcher, Executor, make_executor
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.pool import WorkerPool
from loupette.registry import build_catalogue
from loupette.settings import Settings
from pools import WHITE, until

Make = Callable[..., Settings]


def make(folder: Path, make_settings: Make, registry: str) -> Executor:
    settings = make_settings(folder, registry, plugins=("fakes", "hostile"), workers=1)
    plugins = load_plugins(settings.plugins).loaded
    return make_executor(build_catalogue(plugins, settings.registry), plugins, settings)


def table(type_id: int, isolation: str) -> str:
    return f'[types.{type_id}]\nisolation = "{isolation}"\n'


def test_each_type_runs_where_the_registry_says(tmp_path: Path, make_settings: Make) -> None:
    registry = (
        table(fakes.ECHO, "thread")
        + table(hostile.BATCHES, "process")
        + table(hostile.NO_SAMPLE, "thread")
        + table(hostile.NO_LOAD, "process")
    )

    async def main() -> None:
        executor = make(tmp_path, make_settings, registry)
        assert isinstance(executor, Dispatcher)
        assert not executor.is_ready
        executor.start()
        try:
            async with asyncio.timeout(60):
                await executor.wait_ready()
                inside, outside = [
                    (await executor.solve(Task(type_id, WHITE), deadline_s=30)).detail["pid"]
                    for type_id in (fakes.ECHO, hostile.BATCHES)
                ]
            assert inside == os.getpid() != outside
            assert executor.is_ready
            assert executor.proven == {fakes.ECHO, hostile.BATCHES}
            assert set(executor.failures) == {hostile.NO_SAMPLE, hostile.NO_LOAD}
            assert len(executor.resident_bytes()) == 1  # of the process
            assert set(executor.restarts) >= {"recycled", "died"}
        finally:
            await executor.close()

    asyncio.run(main())


def test_what_waits_is_counted_in_all_pools(tmp_path: Path, make_settings: Make) -> None:
    registry = table(fakes.ECHO, "thread") + table(fakes.CLOSED, "process")

    async def main() -> None:
        executor = make(tmp_path, make_settings, registry)  # not started, so all wait
        asked = [
            asyncio.create_task(executor.solve(Task(type_id, WHITE), deadline_s=30))
            for type_id in (fakes.ECHO, fakes.CLOSED)
        ]
        async with asyncio.timeout(30):
            await until(lambda: executor.waiting == 2)
        await executor.close()
        endings = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(ending) for ending in endings] == ["the server is stopping"] * 2

    asyncio.run(main())


def test_one_isolation_needs_one_pool(tmp_path: Path, make_settings: Make) -> None:
    for registry in ("", table(fakes.ECHO, "process"), table(fakes.ECHO, "thread")):
        assert isinstance(make(tmp_path, make_settings, registry), WorkerPool)
