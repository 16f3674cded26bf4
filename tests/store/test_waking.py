"""Waiting on the event loop for what another thread does."""

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from loupette.store.waking import Waking


async def start_waiting(futures: list["Future[int]"]) -> list["asyncio.Task[int]"]:
    waking = Waking()
    waiting = [asyncio.create_task(waking.wait(future)) for future in futures]
    await asyncio.sleep(0)  # each has begun to wait then
    return waiting


def test_results_and_errors_reach_those_who_wait() -> None:
    async def scenario() -> None:
        futures: list[Future[int]] = [Future(), Future(), Future()]
        futures[0].set_result(0)  # before anybody waits
        waiting = await start_waiting(futures)
        futures[1].set_exception(ValueError("no"))
        futures[2].set_result(2)
        async with asyncio.timeout(10):
            results = await asyncio.gather(*waiting, return_exceptions=True)
        assert (results[0], str(results[1]), results[2]) == (0, "no", 2)

    asyncio.run(scenario())


def test_the_loop_is_called_once_for_all_that_is_done_in_a_row() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        calls = 0
        call_soon = loop.call_soon_threadsafe

        def count(*arguments: object) -> asyncio.Handle:
            nonlocal calls
            calls += 1
            return call_soon(*arguments)  # type: ignore[arg-type]  # passed on as they are

        loop.call_soon_threadsafe = count  # type: ignore[method-assign, assignment]
        futures: list[Future[int]] = [Future() for _ in range(100)]
        waiting = await start_waiting(futures)
        for number, future in enumerate(futures):
            future.set_result(number)
        async with asyncio.timeout(10):
            assert await asyncio.gather(*waiting) == [*range(100)]
        assert calls == 1

    asyncio.run(scenario())


def test_nobody_is_forgotten_while_the_loop_wakes_others() -> None:
    async def scenario() -> None:
        futures: list[Future[int]] = [Future() for _ in range(5000)]
        waiting = await start_waiting(futures)

        def finish() -> None:
            for number, future in enumerate(futures):
                future.set_result(number)

        thread = threading.Thread(target=finish)
        thread.start()
        async with asyncio.timeout(30):
            assert await asyncio.gather(*waiting) == [*range(5000)]
        thread.join()

    asyncio.run(scenario())


def test_who_stops_waiting_takes_out_what_has_not_begun() -> None:
    async def scenario() -> None:
        queued: Future[int] = Future()
        begun: Future[int] = Future()
        begun.set_running_or_notify_cancel()
        waiting = await start_waiting([queued, begun])
        for task in waiting:
            task.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait(waiting)
        assert all(task.cancelled() for task in waiting)
        assert queued.cancelled()
        begun.set_result(1)  # tells nobody, and harms nothing
        await asyncio.sleep(0)

    asyncio.run(scenario())


def test_what_was_taken_out_elsewhere_is_no_result() -> None:
    async def scenario() -> None:
        future: Future[int] = Future()
        (waiting,) = await start_waiting([future])
        future.cancel()
        async with asyncio.timeout(10):
            with pytest.raises(CancelledError):
                await waiting

    asyncio.run(scenario())
