"""The client of the load bench against servers of a few lines; its times, above all."""

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from serving import find_port

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from client import Load, Order, Outcome, carry_out  # noqa: E402  # a script, not a package

STALL_S = 0.3
Serve = Callable[[int], Awaitable[int]]
"""From a request's number to the status that it is answered with."""


def load(serve: Serve, *, connections: int = 4, seconds: float = 0.5, rate: float = 0.0) -> Outcome:
    """Load a server that reads requests of one line and an empty one."""
    count = 0
    answering = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        answering.append(asyncio.current_task())
        while await reader.readline():
            await reader.readline()
            count += 1
            status = await serve(count)
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok".encode())
        writer.close()
        await writer.wait_closed()

    async def run() -> Outcome:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            order = Order(
                port=server.sockets[0].getsockname()[1],
                requests=[b"GET / HTTP/1.1\r\n\r\n"],
                connections=connections,
                seconds=seconds,
                rate=rate,
            )
            async with asyncio.timeout(30):
                outcome = await Load(order).carry_out()
                await asyncio.gather(*filter(None, answering))
            return outcome

    return asyncio.run(run())


def test_every_reply_is_counted_by_its_status() -> None:
    async def serve(number: int) -> int:
        await asyncio.sleep(0.001)
        return 400 if number % 2 else 200

    outcome = load(serve, connections=1)
    assert sum(outcome.statuses.values()) == len(outcome.ms) > 10
    assert abs(outcome.statuses[200] - outcome.statuses[400]) <= 1
    assert outcome.seconds >= 0.5


def test_without_a_rate_a_connection_has_one_request_at_a_time() -> None:
    at_once = most = 0

    async def serve(number: int) -> int:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.005)
        at_once -= 1
        return 200

    outcome = load(serve, connections=3)
    assert most == 3
    assert min(outcome.ms) >= 4


def test_requests_come_at_the_rate_whatever_the_server_does() -> None:
    async def serve(number: int) -> int:
        await asyncio.sleep(0.02)
        return 200

    outcome = load(serve, connections=64, seconds=1.0, rate=200)
    assert 130 < len(outcome.ms) < 270  # of a Poisson process, five deviations either way


def test_a_stall_counts_against_all_that_were_due_meanwhile() -> None:
    """One connection: a client that waited for its reply would see one slow request of many."""

    async def serve(number: int) -> int:
        if number == 20:
            await asyncio.sleep(STALL_S)
        return 200

    outcome = load(serve, connections=1, seconds=1.0, rate=200)
    slow = [ms for ms in outcome.ms if ms > STALL_S * 1000 / 3]
    assert len(slow) > 15


def test_what_is_on_its_way_at_the_end_is_waited_for() -> None:
    async def serve(number: int) -> int:
        await asyncio.sleep(0.4)
        return 200

    outcome = load(serve, connections=5, seconds=0.1)
    assert outcome.statuses == {200: 5}
    assert outcome.seconds > 0.38


def test_a_client_that_fails_is_an_error_and_not_half_an_outcome() -> None:
    order = Order(port=find_port(), requests=[b"GET / HTTP/1.1\r\n\r\n"], connections=1, seconds=0)
    with pytest.raises(subprocess.CalledProcessError):
        carry_out(order)  # nobody listens there


def test_a_client_whose_bench_was_ended_says_so_and_sends_nothing() -> None:
    """Of an order larger than a pipe, half arrives where the bench is killed while it sends."""
    order = Order(port=find_port(), requests=[b"x" * 100_000], connections=1, seconds=0)
    half = msgspec.json.encode(order)[:70_000]
    done = subprocess.run(
        [sys.executable, BENCH / "client.py"], input=half, capture_output=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.splitlines() == [b"the order is not complete: Input data was truncated"]
