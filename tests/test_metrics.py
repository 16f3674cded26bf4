"""What is counted, what is looked at, and how few label values there can be."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import fakes
from conftest import REGISTRY
from loupette import __version__
from loupette.engine import Engine
from loupette.manager import load_plugins
from loupette.metrics import LedgerCheck, Metrics
from loupette.pool import WorkerPool
from loupette.processes import Processes
from loupette.registry import build_catalogue
from loupette.store.database import Database
from loupette.store.keys import create_key


@pytest.fixture
def pool() -> WorkerPool:
    """Of two workers, not started."""
    return WorkerPool(2, Processes(), type_ids=list(range(fakes.ECHO, fakes.CLOSED + 1)))


@pytest.fixture
def engine(tmp_path: Path, pool: WorkerPool) -> Iterator[Engine]:
    (tmp_path / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    catalogue = build_catalogue(load_plugins(["fakes"]).loaded, tmp_path / "registry.toml")
    with Database.open(tmp_path / "test.db") as database:
        yield Engine(catalogue, database, pool)


@pytest.fixture
def metrics(engine: Engine) -> Metrics:
    return Metrics(engine, in_flight=lambda: 7)


def read(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample of what is exposed."""
    for family in text_string_to_metric_families(metrics.expose().decode()):
        for sample in family.samples:
            if (sample.name, sample.labels) == (name, labels):
                return float(sample.value)
    return None


def label_values(metrics: Metrics, name: str, label: str) -> set[str]:
    return {
        sample.labels[label]
        for family in text_string_to_metric_families(metrics.expose().decode())
        for sample in family.samples
        if sample.name == name
    }


def test_a_request_is_counted_by_type_and_outcome(metrics: Metrics) -> None:
    for outcome in ("ok", "ok", "rate_limited"):
        metrics.count(fakes.ECHO, outcome, seconds=0.1)
    echo = {"type": str(fakes.ECHO)}
    assert read(metrics, "loupette_requests_total", **echo, outcome="ok") == 2
    assert read(metrics, "loupette_requests_total", **echo, outcome="rate_limited") == 1


def test_time_falls_into_the_buckets_of_its_type(metrics: Metrics) -> None:
    for seconds in (0.0015, 0.4, 60):
        metrics.count(fakes.ECHO, "ok", seconds=seconds)
    counts = {
        bound: read(metrics, "loupette_request_seconds_bucket", type=str(fakes.ECHO), le=bound)
        for bound in ("0.001", "0.002", "0.5", "10.0", "+Inf")
    }
    assert counts == {"0.001": 0, "0.002": 1, "0.5": 2, "10.0": 2, "+Inf": 3}
    assert read(metrics, "loupette_request_seconds_sum", type=str(fakes.ECHO)) == 60.4015
    assert read(metrics, "loupette_request_seconds_count", type=str(fakes.SLOW)) == 0


def test_a_served_type_is_there_before_its_first_request(metrics: Metrics) -> None:
    assert read(metrics, "loupette_requests_total", type=str(fakes.ECHO), outcome="ok") == 0


def test_types_that_are_not_served_share_one_label_value(metrics: Metrics) -> None:
    for type_id in (None, *range(1, 200)):
        metrics.count(type_id, "unknown_type", seconds=0.001)
    served = {str(type_id) for type_id in range(fakes.ECHO, fakes.CLOSED + 1)}
    for name in ("loupette_requests_total", "loupette_request_seconds_count"):
        assert label_values(metrics, name, "type") == served | {"none"}
    assert read(metrics, "loupette_requests_total", type="none", outcome="unknown_type") == 200


def test_reasons_that_plugins_make_up_share_one_label_value(metrics: Metrics) -> None:
    for reason in (*(f"no_text_{number}" for number in range(200)), "low_confidence"):
        metrics.count(fakes.ECHO, reason, seconds=0.001)
    outcomes = label_values(metrics, "loupette_requests_total", "outcome")
    assert outcomes == {"ok", "unsolvable", "low_confidence"}


def test_what_is_held_in_flight_and_waiting_is_looked_at(
    metrics: Metrics, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkerPool, "waiting", 3)
    account_id = create_key(engine.database, "acme", now_ms=0).record.account_id
    hold = asyncio.run(engine.front.hold(account_id, 0, within_s=1))
    assert read(metrics, "loupette_in_flight") == 7
    assert read(metrics, "loupette_queue_depth") == 3
    assert read(metrics, "loupette_open_holds") == 1
    engine.front.release(hold)
    assert read(metrics, "loupette_open_holds") == 0


def test_restarts_are_told_by_reason_from_the_first_on(metrics: Metrics, pool: WorkerPool) -> None:
    reasons = {"start", "load", "deadline", "died", "recycled"}
    assert label_values(metrics, "loupette_worker_restarts_total", "reason") == reasons
    pool.restarts["deadline"] += 1
    assert read(metrics, "loupette_worker_restarts_total", reason="deadline") == 1
    assert read(metrics, "loupette_worker_restarts_total", reason="died") == 0


def test_memory_is_told_by_a_workers_place_not_by_its_process(
    metrics: Metrics, engine: Engine
) -> None:
    async def scenario() -> None:
        engine.pool.start()
        async with asyncio.timeout(60):
            while len(engine.pool.resident_bytes()) < 2:
                await asyncio.sleep(0.01)  # a poll; the limit decides
        assert label_values(metrics, "loupette_worker_rss_bytes", "worker") == {"0", "1"}
        assert (read(metrics, "loupette_worker_rss_bytes", worker="0") or 0) > 1_000_000
        await engine.pool.close()

    asyncio.run(scenario())


def test_a_type_out_of_order_is_told(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WorkerPool, "failures", {fakes.DIES: "it dies"})
    assert read(metrics, "loupette_type_up", type=str(fakes.DIES)) == 0
    assert read(metrics, "loupette_type_up", type=str(fakes.ECHO)) == 1


def test_the_ledger_is_told_once_it_was_checked(metrics: Metrics) -> None:
    assert read(metrics, "loupette_ledger_mismatch") is None
    metrics.ledger_check = LedgerCheck(problems=2, ended_s=1e9, took_s=0.25)
    assert read(metrics, "loupette_ledger_mismatch") == 2
    assert read(metrics, "loupette_ledger_check_timestamp_seconds") == 1e9
    assert read(metrics, "loupette_ledger_check_seconds") == 0.25


def test_the_version_and_the_servers_own_memory_are_told(metrics: Metrics) -> None:
    assert read(metrics, "loupette_build_info", version=__version__) == 1
    assert (read(metrics, "process_resident_memory_bytes") or 0) > 1_000_000


def test_two_servers_in_one_process_share_nothing(engine: Engine) -> None:
    first, second = (Metrics(engine, in_flight=lambda: 0) for _ in range(2))
    first.count(fakes.ECHO, "ok", seconds=0.1)
    labels = {"type": str(fakes.ECHO), "outcome": "ok"}
    assert read(first, "loupette_requests_total", **labels) == 1
    assert read(second, "loupette_requests_total", **labels) == 0
