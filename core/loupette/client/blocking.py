"""The client that waits."""

import time
from collections.abc import Callable, Iterator, Mapping
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


class Client:
    """Calls one server with one key; may be shared by threads, and closed or used in ``with``.

    Every method raises a class of `loupette.errors` when the server refuses, `NoReply` when
    nothing came back at any attempt, and `BadReply` when something else than a Loupette server
    answers. Passing failures are tried again; no call is charged twice.

    Args:
        url: the server, such as ``http://127.0.0.1:8000``; else ``LOUPETTE_URL``.
        key: an API key; else ``LOUPETTE_KEY``. It is neither shown nor logged.
        timeout_s: for connecting, and for each wait for the server: more than twice the largest
            ``deadline_s`` of the types that are asked.
        retries: how often and how long apart.
        transport: in the place of a network connection, for proxies, certificates and tests.
        sleep: how it waits.

    Raises:
        SettingsError: no URL or key, or one that cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: Retries = Retries(),  # noqa: B008  # frozen
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address = find_address(url, key)
        self._retries = retries
        self._sleep = sleep
        self._http = httpx2.Client(
            transport=transport, **connection_options(self._address, timeout_s)
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def solve(
        self,
        image: Picture,
        type: int,
        image2: Picture | None = None,
        *,
        idempotency_key: str | None = None,
        **options: str | int | float,
    ) -> Answer:
        """Have one challenge read; only an answer is charged.

        Args:
            image: a path, the bytes of an image file, or a Pillow image.
            type: the type ID.
            image2: the slider's piece.
            idempotency_key: of an earlier call whose reply was lost (`NoReply.idempotency_key`).
            options: such as ``charset="0123456789"`` or ``min_confidence=0.5``.

        Raises:
            Unsolvable: it was not read; free.
            LoupetteError: any other reason.
        """
        return self._do(
            calls.solve(image, type, image2, options=options, idempotency_key=idempotency_key)
        )

    def balance(self) -> Balance:
        """What the account has."""
        return self._do(calls.balance())

    def logs(
        self,
        *,
        limit: int | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        type: int | None = None,
        outcome: str | None = None,
    ) -> Iterator[Log]:
        """The account's requests, newest first; pages are fetched as they are needed.

        Args:
            limit: how many at most; all unless said.
            since: from this time on: Unix seconds, or a datetime (in UTC if it names no zone).
            until: before this time.
            type: of this type ID.
            outcome: ``"ok"``, ``"replayed"`` or an error's reason.
        """
        wanted: LogFilter | None = LogFilter(limit, since, until, type, outcome)
        while wanted:
            page = self._do(calls.logs(wanted))
            yield from page.logs
            wanted = wanted.after(page)

    def log(self, log_id: str) -> Log:
        """One request of the account."""
        return self._do(calls.log(log_id))

    def report(
        self, log_id: str, verdict: Literal["correct", "wrong"], *, answer: str | None = None
    ) -> Reported:
        """Say whether an answer was right.

        Args:
            log_id: of the answer.
            verdict: whether it was.
            answer: the true one.
        """
        return self._do(calls.report(log_id, verdict=verdict, answer=answer))

    def types(self) -> Mapping[int, ServedType]:
        """What the server reads, by type ID."""
        return self._do(calls.types())

    def sample(self, type: int) -> bytes:
        """An image of a type, a PNG file; its answer is the type's `sample_answer`."""
        return self._do(calls.sample(type))

    def _do(self, call: Call[T]) -> T:
        tried = 0
        while True:
            tried += 1
            outcome = self._attempt(call)
            wait_s = self._retries.wait_s(call, outcome, tried=tried)
            if wait_s is None:
                return finish(call, outcome, tried=tried)
            self._sleep(wait_s)

    def _attempt(self, call: Call[T]) -> Outcome:
        try:
            return reply_of(self._http.request(call.method, call.path, **send_options(call)))
        except httpx2.RequestError as error:
            return error
