"""What a running server counts, for Prometheus: each metric's name, labels and meaning."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from loupette import __version__
from loupette.engine import Engine
from loupette.errors import LoupetteError, Unsolvable, by_reason

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

_OUTCOMES = {"ok", "replayed", *by_reason(LoupetteError)}
"""What becomes a label; a plugin may make up any number of reasons of its own."""


@dataclass(frozen=True)
class LedgerCheck:
    """What the last check of all the money found.

    Attributes:
        problems: how many; those of one kind are counted up to 20.
        ended_s: Unix time of its end.
        took_s: how long it took.
    """

    problems: int
    ended_s: float
    took_s: float


class Metrics(Collector):
    """The metrics of one server, in a registry of their own; used on the event loop's thread.

    What happens is counted when it happens; what merely is, is looked at when somebody asks.

    Args:
        engine: whose pool, holds and catalogue are looked at.
        in_flight: how many requests of known keys are in progress.

    Attributes:
        ledger_check: the last one, set by whoever makes them.
    """

    def __init__(self, engine: Engine, in_flight: Callable[[], int]) -> None:
        self._engine = engine
        self._in_flight = in_flight
        self._types = {type_id: str(type_id) for type_id in engine.catalogue.types}
        self.ledger_check: LedgerCheck | None = None
        self._registry = CollectorRegistry()
        requests = Counter(
            "loupette_requests_total",
            "Requests for an answer that were replied to, by type and outcome.",
            ["type", "outcome"],
            registry=self._registry,
        )
        seconds = Histogram(
            "loupette_request_seconds",
            "Time from the arrival of a request for an answer to its reply, by type.",
            ["type"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        # Labels are few and looked up at every request, which takes longer than to count.
        self._requests_of = cache(requests.labels)
        self._seconds_of = cache(seconds.labels)
        for name in self._types.values():  # so that rates know the time before the first request
            self._requests_of(name, "ok")
            self._seconds_of(name)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def count(self, type_id: int | None, outcome: str, *, seconds: float) -> None:
        """Count a request that was replied to.

        Args:
            type_id: what was asked for; all that are not served here are one label value.
            outcome: ``"ok"``, ``"replayed"`` or a reason; all of plugins' own are one label value.
            seconds: since its arrival.
        """
        name = "none" if type_id is None else self._types.get(type_id, "none")
        known = outcome if outcome in _OUTCOMES else Unsolvable.reason
        self._requests_of(name, known).inc()
        self._seconds_of(name).observe(seconds)

    def expose(self) -> bytes:
        """All metrics as they are now, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Look at what is not counted; called by the registry."""
        yield GaugeMetricFamily(
            "loupette_in_flight",
            "Requests of known keys in progress; at most LOUPETTE_MAX_IN_FLIGHT.",
            self._in_flight(),
        )
        yield GaugeMetricFamily(
            "loupette_queue_depth",
            "Challenges for which no worker is free.",
            self._engine.pool.waiting,
        )
        yield GaugeMetricFamily(
            "loupette_open_holds",
            "Prices held for requests that are neither answered nor refused.",
            self._engine.open_holds,
        )
        yield from self._workers()
        yield from self._ledger()
        build = GaugeMetricFamily(
            "loupette_build_info", "Always 1; the label is the version.", labels=["version"]
        )
        build.add_metric([__version__], 1)
        yield build

    def _workers(self) -> Iterator[Metric]:
        restarts = CounterMetricFamily(
            "loupette_worker_restarts",
            "Workers that were replaced, by reason: start (could not be started), load (ended"
            " before it was ready), deadline (killed at a type's deadline), recycled (had served"
            " its time), died (all else).",
            labels=["reason"],
        )
        for reason, count in self._engine.pool.restarts.items():
            restarts.add_metric([reason], count)
        yield restarts
        resident = GaugeMetricFamily(
            "loupette_worker_rss_bytes",
            "Memory that a worker has in RAM, by its place in the pool.",
            labels=["worker"],
        )
        for place, size in self._engine.pool.resident_bytes().items():
            resident.add_metric([str(place)], size)
        yield resident
        in_order = GaugeMetricFamily(
            "loupette_type_up", "1, or 0 while the type is out of order.", labels=["type"]
        )
        for type_id, name in self._types.items():
            in_order.add_metric([name], type_id not in self._engine.pool.failures)
        yield in_order

    def _ledger(self) -> Iterator[Metric]:
        """The last check of the money, once there was one."""
        if (check := self.ledger_check) is None:
            return
        yield GaugeMetricFamily(
            "loupette_ledger_mismatch",
            "Problems that the last check of all the money found; must be 0.",
            check.problems,
        )
        yield GaugeMetricFamily(
            "loupette_ledger_check_timestamp_seconds",
            "When that check ended, in Unix time; its age is time() less this.",
            check.ended_s,
        )
        yield GaugeMetricFamily(
            "loupette_ledger_check_seconds", "How long that check took.", check.took_s
        )
