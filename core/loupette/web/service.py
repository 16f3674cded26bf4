"""What every endpoint of one running server shares."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from starlette.requests import HTTPConnection

from loupette.card import Card, read_card
from loupette.engine import Engine
from loupette.errors import Overloaded, RateLimited, SolverTimeout
from loupette.limiter import Limiter
from loupette.management import Management
from loupette.metrics import Metrics
from loupette.registry import ServedType
from loupette.settings import Settings
from loupette.store.keys import KeyRecord
from loupette.tiers import Tier, read_tiers
from loupette.web.auth import identify, permit
from loupette.web.responses import rate_headers

State: TypeAlias = Literal["ready", "starting", "out_of_order"]

_CARD_WITHIN_S = 2.0
_SAMPLE_WITHIN_S = 10.0
_VISITS_PER_S = 10.0
_VISITS_AT_ONCE = 60


@dataclass
class Service:
    """Engine, settings, metrics and the limits that are counted per server."""

    settings: Settings
    engine: Engine
    management: Management
    refusals: Limiter = field(default_factory=Limiter)
    visits: Limiter = field(default_factory=Limiter)
    sign_ins: Limiter = field(default_factory=Limiter)
    in_flight: int = 0
    strangers: int = 0
    metrics: Metrics = field(init=False)
    _bodies: Counter[int] = field(default_factory=Counter)
    _samples: dict[int, asyncio.Task[bytes]] = field(default_factory=dict)
    _cards: dict[int, asyncio.Task[Card | None]] = field(default_factory=dict)
    _tiers: dict[int, asyncio.Task[Tier | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.metrics = Metrics(self.engine, in_flight=lambda: self.in_flight)

    @contextmanager
    def room(self) -> Iterator[None]:
        """Take one of the places for requests of known keys.

        Raises:
            Overloaded: none is left; nothing was held.
        """
        self.refuse_when_full()
        self.in_flight += 1
        try:
            yield
        finally:
            self.in_flight -= 1

    def refuse_when_full(self) -> None:
        """Refuse what there would be no place for, before anything is done for it.

        Raises:
            Overloaded: no place is left.
        """
        if self.in_flight >= self.settings.max_in_flight:
            raise Overloaded(
                f"{self.in_flight} requests are already being answered", retry_after_s=1.0
            )

    @contextmanager
    def reading(self, key: KeyRecord) -> Iterator[None]:
        """Count a body that an account is sending: as many at once as there are places left.

        So accounts that hold their bodies back, however many they are, leave places for others.

        Raises:
            Overloaded: it sends more than that.
        """
        account = key.account_id
        if self._bodies[account] > self.settings.max_in_flight - self.in_flight:
            raise Overloaded(
                f"{self._bodies[account]} bodies of this account are already awaited",
                retry_after_s=1.0,
            )
        self._bodies[account] += 1
        try:
            yield
        finally:
            self._bodies[account] -= 1

    @contextmanager
    def stranger(self) -> Iterator[None]:
        """Take one of the few places for bodies whose sender is not known before they are read.

        Raises:
            Overloaded: none is left; nothing was read.
        """
        if self.strangers >= max(1, self.settings.max_in_flight // 4):
            raise Overloaded(
                "too many bodies are being read; with the key in X-API-Key there is more room",
                retry_after_s=1.0,
            )
        self.strangers += 1
        try:
            yield
        finally:
            self.strangers -= 1

    async def count(self, key: KeyRecord) -> dict[str, str]:
        """Count a request against its key's rate; gives the headers that say where it stands.

        Raises:
            RateLimited: too many.
        """
        verdict = await self.engine.front.count(key)
        if not verdict.allowed:
            raise RateLimited(
                f"this key may call {key.rate:g} times a second",
                retry_after_s=verdict.retry_after_s,
                quota=(key.rate, key.burst),
            )
        return rate_headers(
            key.rate,
            key.burst,
            remaining=verdict.remaining,
            retry_after_s=verdict.retry_after_s,
        )

    def count_visit(self, key: KeyRecord) -> None:
        """Count a look at the console, apart from the key's calls: nobody clicks this fast.

        Raises:
            RateLimited: too many.
        """
        verdict = self.visits.check(
            key.id, rate=_VISITS_PER_S, burst=_VISITS_AT_ONCE, now_s=time.monotonic()
        )
        if not verdict.allowed:
            raise RateLimited(
                f"the console shows {_VISITS_PER_S:g} pages a second",
                retry_after_s=verdict.retry_after_s,
            )

    def logs_refusal(self, key: KeyRecord) -> bool:
        """Whether a request over the rate is logged: as many of them as the rate itself allows."""
        now_s = time.monotonic()
        return self.refusals.check(key.id, rate=key.rate, burst=key.burst, now_s=now_s).allowed

    async def sample(self, served: ServedType) -> bytes:
        """The sample image of a type, drawn by its plugin once in the server's life.

        Raises:
            SolverTimeout: it is still being drawn; whoever comes later gets it, once it is there.
        """
        type_id = served.spec.type_id
        if type_id not in self._samples:
            self._samples[type_id] = asyncio.create_task(asyncio.to_thread(served.spec.sample))
        drawing = self._samples[type_id]
        done, _ = await asyncio.wait([drawing], timeout=_SAMPLE_WITHIN_S)
        if not done:
            raise SolverTimeout(f"no sample of type {type_id} within {_SAMPLE_WITHIN_S:g} s")
        if drawing.exception():
            self._samples.pop(type_id, None)  # the next visitor has it tried again
        return drawing.result()

    async def card(self, served: ServedType) -> Card | None:
        """The card of a type, read once; none where the plugin has none, or is slow to give it."""
        type_id = served.spec.type_id
        if type_id not in self._cards:
            self._cards[type_id] = asyncio.create_task(asyncio.to_thread(read_card, served.spec))
        done, _ = await asyncio.wait([self._cards[type_id]], timeout=_CARD_WITHIN_S)
        return self._cards[type_id].result() if done else None

    async def tier(self, served: ServedType) -> Tier | None:
        """How far a type conforms, if its package says so of the files it has; read once."""
        type_id = served.spec.type_id
        if type_id not in self._tiers:
            self._tiers[type_id] = asyncio.create_task(asyncio.to_thread(_read_tier, served))
        return await asyncio.shield(self._tiers[type_id])

    def state(self, type_id: int) -> State:
        """Whether a type answers now."""
        pool = self.engine.pool
        if type_id in pool.failures:
            return "out_of_order"
        return "ready" if pool.is_ready else "starting"


def _read_tier(served: ServedType) -> Tier | None:
    return read_tiers(served.module).get(served.spec.type_id)


def service_of(connection: HTTPConnection) -> Service:
    """The service that the lifespan made."""
    service: Service = connection.app.state.service
    return service


async def admit(service: Service, secret: str, scope: str) -> tuple[KeyRecord, dict[str, str]]:
    """The key that calls and may, counted against its rate, with the headers that say so.

    Raises:
        Unauthenticated: an unknown key, or one that may not do this.
        RateLimited: too many requests, also of a key that may not call.
    """
    key = await identify(service.engine, secret)
    headers = await service.count(key)
    permit(key, scope)
    return key, headers
