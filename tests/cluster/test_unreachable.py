"""No cluster where the server looks for one: the type says so, and the server lives."""

import asyncio
from pathlib import Path

import pytest

import fakes
from cluster.arena import on_ray
from loupette.errors import SolverCrashed
from loupette.executor import make_executor
from loupette.frames import Task
from loupette.manager import load_plugins
from loupette.registry import build_catalogue
from loupette.settings import Settings


def test_a_type_without_its_cluster_is_out_of_order_and_says_where_it_looked(
    tmp_path: Path,
) -> None:
    registry = tmp_path / "registry.toml"
    registry.write_text(on_ray(fakes.ECHO), encoding="utf-8")
    settings = Settings(registry=registry, plugins=("fakes",), ray_address="nowhere")
    plugins = load_plugins(settings.modules).loaded

    async def main() -> None:
        executor = make_executor(build_catalogue(plugins, registry), plugins, settings)
        executor.start()
        try:
            async with asyncio.timeout(120):
                await executor.wait_ready()
            assert executor.failures[fakes.ECHO].startswith("no Ray cluster at nowhere")
            with pytest.raises(SolverCrashed, match="out of order"):
                await executor.solve(Task(fakes.ECHO, fakes.draw_png()), deadline_s=30)
        finally:
            await executor.close()

    asyncio.run(main())
