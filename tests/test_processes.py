"""Workers that are processes: what they say, and when they end."""

import asyncio
import os
import signal

import pytest

import fakes
from loupette.frames import Loading, Ready, Task
from loupette.isolation import WorkerDied
from loupette.processes import Processes, WorkerProcess

WHITE = fakes.draw_png()
BLACK = fakes.draw_png(colour="black")


async def start_worker(*types: int) -> WorkerProcess:
    worker = await Processes(["fakes"]).spawn(types)
    starts = [await worker.receive_start() for _ in range(len(types) + 1)]
    assert starts == [*map(Loading, types), Ready({})]
    return worker


def test_a_busy_worker_ends_when_its_server_hangs_up() -> None:
    async def scenario() -> bool:
        worker = await start_worker(fakes.SLOW)
        asking = asyncio.create_task(anext(worker.ask([Task(fakes.SLOW, BLACK)])))
        await asyncio.sleep(0)
        worker._writer.close()  # as the kernel does for a server that was killed
        with pytest.raises(WorkerDied):
            await asking
        try:
            async with asyncio.timeout(20):  # the solver itself would take 30
                await worker.process.wait()
        finally:
            await worker.end()
        return True

    assert asyncio.run(scenario())


def test_an_idle_worker_ends_when_its_server_hangs_up() -> None:
    async def scenario() -> int:
        worker = await start_worker(fakes.ECHO)
        worker._writer.close()
        async with asyncio.timeout(20):
            return await worker.process.wait()

    assert asyncio.run(scenario()) == 0


def test_an_interrupt_from_the_terminal_does_not_end_a_worker() -> None:
    """Ctrl-C reaches the whole process group; answers in progress must still come."""

    async def scenario() -> object:
        worker = await start_worker(fakes.ECHO)
        os.kill(worker.process.pid, signal.SIGINT)
        try:
            return await anext(worker.ask([Task(fakes.ECHO, WHITE)]))
        finally:
            await worker.end()

    assert "40x20" in repr(asyncio.run(scenario()))


def test_a_process_that_has_ended_has_no_memory() -> None:
    async def scenario() -> int:
        worker = await Processes().spawn(())
        await worker.end()
        return worker.resident_bytes()

    assert asyncio.run(scenario()) == 0


def test_a_worker_gives_the_memory_of_large_pictures_back() -> None:
    async def scenario() -> int:
        worker = await start_worker(fakes.ECHO)
        try:
            small = worker.resident_bytes()
            for side in (600, 1200, 1800, 2400, 40):
                picture = fakes.draw_png(side, side)
                async for reply in worker.ask([Task(fakes.ECHO, picture)]):
                    assert f"{side}x{side}" in repr(reply)
            return worker.resident_bytes() - small
        finally:
            await worker.end()

    assert asyncio.run(scenario()) < 12 * 2**20  # the largest picture alone has 22
