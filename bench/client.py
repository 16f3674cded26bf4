"""The client of the load benches: `carry_out` an `Order` in a process of its own.

Its work counts for no server then. The process, this file, takes the order as JSON on standard
input and gives the `Outcome` on the output. Requests are prepared bytes, sent
in turns over connections that are kept alive; of a reply, parsed by httptools, only the status is
looked at.

Without a rate each connection sends again as soon as it was answered. With one, requests come at
moments drawn beforehand, whatever the server does, and are timed from the moment they were due:
when a server stalls, all that come meanwhile count against it (no coordinated omission).
"""

import asyncio
import random
import selectors
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import cast

import httptools
import msgspec
import uvloop

ENDS_S = 30.0
"""Requests that are on their way when the time is over have this long to be answered."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send.

    Attributes:
        port: of the server on loopback.
        requests: whole requests, head and body.
        connections: at most this many requests at once.
        rate: requests a second, at random moments; 0 for each as soon as the last one was answered.
        seed: of the random moments.
    """

    port: int
    requests: list[bytes]
    connections: int
    seconds: float
    rate: float = 0.0
    seed: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What came back.

    Attributes:
        seconds: from the first request to the last reply.
        ms: that each request took.
        statuses: and how many replies had each.
    """

    seconds: float
    ms: list[float]
    statuses: dict[int, int]


def carry_out(order: Order) -> Outcome:
    """Have a process of its own carry out an order.

    Raises:
        subprocess.CalledProcessError: it failed, and has said why on standard error.
    """
    done = subprocess.run(
        [sys.executable, __file__],
        input=msgspec.json.encode(order),
        stdout=subprocess.PIPE,
        check=True,
        timeout=2 * (order.seconds + ENDS_S),
    )
    return msgspec.json.decode(done.stdout, type=Outcome)


class Connection(asyncio.Protocol):
    """One connection, kept alive, with one request at a time."""

    def __init__(self, answered: Callable[["Connection", int], None]) -> None:
        self._answered = answered
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport
        self._due_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Parse; what is complete is reported by the parser."""
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """A whole reply was parsed; a parser takes one."""
        status = self._parser.get_status_code()
        self._parser = httptools.HttpResponseParser(self)
        self._answered(self, status)

    def send(self, request: bytes, *, due_s: float) -> None:
        """Send one that was due at that moment."""
        self._due_s = due_s
        self._transport.write(request)

    def elapsed_ms(self) -> float:
        """Since the request was due."""
        return (time.perf_counter() - self._due_s) * 1000

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Load:
    """One order while it is carried out."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._sent = 0
        self._idle: list[Connection] = []
        self._late: deque[float] = deque()
        self._ms: list[float] = []
        self._statuses: Counter[int] = Counter()
        self._ends_s = 0.0
        self._all_idle = asyncio.Event()

    async def carry_out(self) -> Outcome:
        """Connect, send until the time is over, wait for the last replies."""
        loop = asyncio.get_running_loop()
        for _ in range(self._order.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._note), "127.0.0.1", self._order.port
            )
            self._idle.append(connection)
        connections = self._idle[:]
        started_s = time.perf_counter()
        self._ends_s = started_s + self._order.seconds
        if self._order.rate:
            await self._send_when_due(started_s)
        else:
            while self._idle:
                self._send(self._idle.pop(), time.perf_counter())
        await self._finish(started_s)
        for connection in connections:
            connection.close()
        return Outcome(time.perf_counter() - started_s, self._ms, dict(self._statuses))

    async def _finish(self, started_s: float) -> None:
        async with asyncio.timeout(self._order.seconds + ENDS_S):
            while len(self._idle) < self._order.connections or self._late:
                self._all_idle.clear()
                await self._all_idle.wait()

    async def _send_when_due(self, started_s: float) -> None:
        for due_s in self._moments(started_s):
            await asyncio.sleep(due_s - time.perf_counter())
            self._late.append(due_s)
            if self._idle:
                self._send(self._idle.pop(), self._late.popleft())

    def _moments(self, started_s: float) -> Iterator[float]:
        """A Poisson process: what many callers who know nothing of each other make."""
        moments = random.Random(self._order.seed)  # noqa: S311  # no secret
        due_s = started_s
        while (due_s := due_s + moments.expovariate(self._order.rate)) < self._ends_s:
            yield due_s

    def _send(self, connection: Connection, due_s: float) -> None:
        requests = self._order.requests
        connection.send(requests[self._sent % len(requests)], due_s=due_s)
        self._sent += 1

    def _note(self, connection: Connection, status: int) -> None:
        self._ms.append(connection.elapsed_ms())
        self._statuses[status] += 1
        now_s = time.perf_counter()
        if self._late:
            self._send(connection, self._late.popleft())
        elif not self._order.rate and now_s < self._ends_s:
            self._send(connection, now_s)
        else:
            self._idle.append(connection)
            if len(self._idle) == self._order.connections:
                self._all_idle.set()


def main() -> None:
    """Carry one order out."""
    try:
        order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    except msgspec.DecodeError as error:  # half an order: whoever sent it was ended meanwhile
        raise SystemExit(f"the order is not complete: {error}") from None
    # uvloop costs the least for each reply; only select() wakes to the microsecond.
    with asyncio.Runner(
        loop_factory=_exact_loop if order.rate else uvloop.new_event_loop
    ) as runner:
        outcome = runner.run(Load(order).carry_out())
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    main()
