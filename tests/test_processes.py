"""Workers that are processes: what they say, and when they end."""

import asyncio
import gc
import os
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

import fakes
from loupette.frames import LENGTH, Loading, Ready, Task
from loupette.isolation import WorkerDied
from loupette.processes import Processes, WorkerProcess, _Frames

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
        worker._frames.transport.close()  # as the kernel does for a server that was killed
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
        worker._frames.transport.close()
        async with asyncio.timeout(20):
            return await worker.process.wait()

    assert asyncio.run(scenario()) == 0


def test_waiting_for_an_end_again_and_again_keeps_nothing() -> None:
    """A pool does so every second for as long as it runs."""

    def futures() -> int:
        gc.collect()
        return sum(isinstance(each, asyncio.Future) for each in gc.get_objects())

    async def scenario() -> tuple[int, int, str]:
        worker = await start_worker(fakes.ECHO)
        before = futures()
        for _ in range(50):
            with suppress(TimeoutError):
                await asyncio.wait_for(worker.wait_ended(), 0.001)
        after = futures()
        await worker.end()
        return before, after, await worker.wait_ended()

    before, after, reason = asyncio.run(scenario())
    assert after < before + 10
    assert reason == f"the process ended with code -{signal.SIGKILL.value}"


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


@asynccontextmanager
async def connect() -> AsyncIterator[tuple[_Frames, socket.socket]]:
    """What the server has of a process, and the process's end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with theirs:
        _, frames = await asyncio.get_running_loop().create_unix_connection(_Frames, sock=ours)
        async with asyncio.timeout(30):
            yield frames, theirs
        frames.transport.close()


def frame(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


@pytest.mark.parametrize("seed", range(5))
def test_frames_are_told_apart_however_they_arrive(seed: int) -> None:
    rng = random.Random(seed)
    bodies = [rng.randbytes(rng.choice([0, 1, 3, 4, 200, 9000])) for _ in range(40)]

    async def scenario() -> None:
        async with connect() as (frames, theirs):
            reading = asyncio.create_task(read(frames, len(bodies)))
            sent = b"".join(map(frame, bodies))
            while sent:
                part = rng.choice([1, 2, 5, 300, 20_000])
                await asyncio.get_running_loop().sock_sendall(theirs, sent[:part])
                sent = sent[part:]
            assert await reading == bodies

    asyncio.run(scenario())


async def read(frames: _Frames, count: int) -> list[bytes]:
    return [await frames.next() for _ in range(count)]


def test_what_came_before_the_end_is_read_and_half_a_frame_is_not() -> None:
    async def scenario() -> None:
        async with connect() as (frames, theirs):
            theirs.sendall(frame(b"whole") + frame(b"half")[:-1])
            theirs.close()
            assert await frames.next() == b"whole"
            with pytest.raises(ConnectionError):
                await frames.next()
            frames.send(b"lost with it")

    asyncio.run(scenario())


def test_a_process_that_writes_on_and_on_is_not_read_on_and_on() -> None:
    """Whatever a plugin does to its socket, the server's memory does not grow with it."""
    body = bytes(10_000)

    async def scenario() -> None:
        async with connect() as (frames, theirs):
            loop = asyncio.get_running_loop()
            flood = asyncio.create_task(loop.sock_sendall(theirs, frame(body) * 5000))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.shield(flood)
            assert await read(frames, 5000) == [body] * 5000
            await flood

    asyncio.run(scenario())
