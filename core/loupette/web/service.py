"""What every endpoint of one running server shares."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from loupette.engine import Engine
from loupette.errors import Overloaded, RateLimited
from loupette.limiter import Limiter
from loupette.settings import Settings
from loupette.store.keys import KeyRecord
from loupette.web.auth import header_key, identify, one_key, require_enabled


@dataclass
class Service:
    """Engine, settings and the limits that are counted per server."""

    settings: Settings
    engine: Engine
    limiter: Limiter = field(default_factory=Limiter)
    in_flight: int = 0

    @contextmanager
    def room(self) -> Iterator[None]:
        """Take one of the places for requests in flight.

        Raises:
            Overloaded: none is left; nothing was read or held.
        """
        if self.in_flight >= self.settings.max_in_flight:
            raise Overloaded(
                f"{self.in_flight} requests are already being answered", retry_after_s=1.0
            )
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def count(self, key: KeyRecord) -> dict[str, str]:
        """Count a request against its key's rate; gives the headers that say where it stands.

        The headers are those of draft-ietf-httpapi-ratelimit-headers.

        Raises:
            RateLimited: too many.
        """
        verdict = self.limiter.check(key.id, rate=key.rate, burst=key.burst, now_s=time.monotonic())
        if not verdict.allowed:
            raise RateLimited(
                f"this key may call {key.rate:g} times a second",
                retry_after_s=verdict.retry_after_s,
            )
        return rate_headers(key, verdict.remaining, verdict.retry_after_s)


def rate_headers(key: KeyRecord, remaining: int, retry_after_s: float) -> dict[str, str]:
    """RateLimit and RateLimit-Policy."""
    window_s = max(1, round(key.burst / key.rate))
    return {
        "RateLimit-Policy": f'"key";q={key.burst};w={window_s}',
        "RateLimit": f'"key";r={remaining};t={max(1, round(retry_after_s + 0.5))}',
    }


def service_of(connection: HTTPConnection) -> Service:
    """The service that the lifespan made."""
    service: Service = connection.app.state.service
    return service


def caller_of(connection: HTTPConnection, in_body: str | None = None) -> KeyRecord:
    """The enabled key that calls, named in the header or, where there is a body, in it.

    Raises:
        Unauthenticated: no key, two different ones, or one that may not call.
    """
    service = service_of(connection)
    secret = one_key(header_key(connection), in_body)
    key = identify(service.engine, secret)
    require_enabled(key)
    return key
