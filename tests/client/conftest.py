"""Both clients behind one face, on a transport that a test makes up."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest

from flaky import KEY
from loupette.client import AsyncClient, Client

Handler = Callable[[httpx2.Request], httpx2.Response]


class Waited:
    """An `AsyncClient` whose calls are waited for, each on one event loop."""

    def __init__(self, client: AsyncClient, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def __repr__(self) -> str:
        return repr(self._client)

    def __getattr__(self, name: str) -> Callable[..., Any]:  # as the client's own methods
        method = getattr(self._client, name)

        def call(*arguments: Any, **named: Any) -> Any:
            made = method(*arguments, **named)
            if inspect.isasyncgen(made):
                return iter(self._runner.run(collect(made)))
            return self._runner.run(made)

        return call


async def collect(made: AsyncIterator[Any]) -> list[Any]:
    return [each async for each in made]


@pytest.fixture(params=["blocking", "asyncio"])
def connect(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Makes a client that talks to a function; it notes in `slept_s` what it would have waited."""
    with asyncio.Runner() as runner:
        if request.param == "blocking":
            yield connect_blocking
        else:
            yield lambda *arguments, **options: Waited(connect_async(*arguments, **options), runner)


def connect_blocking(
    handler: Handler, slept_s: list[float] | None = None, **options: Any
) -> Client:
    transport = httpx2.MockTransport(handler)
    waits = [] if slept_s is None else slept_s
    named = {"url": "http://server", "key": KEY, **options}
    return Client(**named, transport=transport, sleep=waits.append)


def connect_async(
    handler: Handler, slept_s: list[float] | None = None, **options: Any
) -> AsyncClient:
    waits = [] if slept_s is None else slept_s

    async def sleep(wait_s: float) -> None:
        waits.append(wait_s)

    transport = httpx2.MockTransport(handler)
    named = {"url": "http://server", "key": KEY, **options}
    return AsyncClient(**named, transport=transport, sleep=sleep)
