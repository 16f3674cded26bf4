"""The client that does not wait: the same calls for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Literal, Self, TypeVar

import httpx2

from loupette.client import calls
from loupette.client.address import find_address
from loupette.client.calls import Call, LogFilter, Moment
from loupette.client.connection import TIMEOUT_S, connection_options, reply_of, send_options
from loupette.client.images import Picture
from loupette.client.results import Answer, Balance, Log, Reported, ServedType
from loupette.client.retries import Outcome, Retries, finish

T = TypeVar("T")


class AsyncClient:
    """`Client` for asyncio: the same arguments, results and errors; its methods are awaited.

    Args:
        url: as `Client`.
        key: as `Client`.
        timeout_s: as `Client`.
        retries: as `Client`.
        transport: as `Client`.
        sleep: as `Client`.

    Raises:
        SettingsError: as `Client`.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = Retries(),  # noqa: B008  # frozen
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._address = find_address(url, key)
        self._retries = retries
        self._sleep = sleep
        self._http = httpx2.AsyncClient(
            transport=transport, **connection_options(self._address, timeout_s)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def solve(
        self,
        image: Picture,
        type: int,
        image2: Picture | None = None,
        *,
        idempotency_key: str | None = None,
        **options: str | int | float,
    ) -> Answer:
        """Have one challenge read; only an answer is charged."""
        return await self._do(
            calls.solve(image, type, image2, options=options, idempotency_key=idempotency_key)
        )

    async def balance(self) -> Balance:
        """What the account has."""
        return await self._do(calls.balance())

    async def logs(
        self,
        *,
        limit: int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        type: int | None = None,
        outcome: str | None = None,
    ) -> AsyncIterator[Log]:
        """The account's requests, newest first; pages are fetched as they are needed."""
        wanted: LogFilter | None = LogFilter(limit, since, until, type, outcome)
        while wanted:
            page = await self._do(calls.logs(wanted))
            for log in page.logs:
                yield log
            wanted = wanted.after(page)

    async def log(self, log_id: str) -> Log:
        """One request of the account."""
        return await self._do(calls.log(log_id))

    async def report(
        self, log_id: str, verdict: Literal["correct", "wrong"], *, answer: str | None = None
    ) -> Reported:
        """Say whether an answer was right."""
        return await self._do(calls.report(log_id, verdict=verdict, answer=answer))

    async def types(self) -> Mapping[int, ServedType]:
        """What the server reads, by type ID."""
        return await self._do(calls.types())

    async def sample(self, type: int) -> bytes:
        """An image of a type, a PNG file; its answer is the type's `sample_answer`."""
        return await self._do(calls.sample(type))

    async def _do(self, call: Call[T]) -> T:
        tried = 0
        while True:
            tried += 1
            outcome = await self._attempt(call)
            wait_s = self._retries.wait_s(call, outcome, tried=tried)
            if wait_s is None:
                return finish(call, outcome, tried=tried)
            await self._sleep(wait_s)

    async def _attempt(self, call: Call[T]) -> Outcome:
        try:
            return reply_of(await self._http.request(call.method, call.path, **send_options(call)))
        except httpx2.RequestError as error:
            return error
