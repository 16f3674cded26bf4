"""Capacity on paper: the queues are queues, and the plans keep what they promise."""

import json
import random
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bench"))

import capacity  # noqa: E402  # scripts, not a package
from capacity import BUSY, MONTH_S, RATES, YUAN_A_CORE_MONTH, Costs, Station  # noqa: E402

COSTS = Costs(front=0.0001, solver=0.004, remote=0.0002, charge=0.00015, database=0.0003)


def test_one_server_takes_work_one_after_the_other() -> None:
    station = Station(1)
    assert [station.serve(at, 2.0) for at in (0.0, 1.0, 10.0)] == [2.0, 4.0, 12.0]
    assert station.busy(12.0) == 0.5


def test_a_second_server_takes_what_would_wait() -> None:
    station = Station(2)
    assert [station.serve(at, 2.0) for at in (0.0, 1.0, 1.5)] == [2.0, 3.0, 4.0]


def test_one_server_waits_as_queueing_theory_says() -> None:
    """Random arrivals, fixed work, half busy: waiting is a half of the work on average."""
    rng, station, now_s = random.Random(1), Station(1), 0.0
    waits = []
    for _ in range(50_000):
        now_s += rng.expovariate(0.5)
        waits.append(station.serve(now_s, 1.0) - now_s - 1.0)
    assert statistics.fmean(waits) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("rate", RATES)
def test_a_plan_keeps_every_part_below_its_bound_with_the_fewest(rate: int) -> None:
    plan = capacity.plan(rate, COSTS)
    for servers, busy in (
        (plan.fronts, plan.front_busy),
        (plan.solvers, plan.solver_busy),
        (plan.writers, plan.writer_busy),
    ):
        assert busy <= BUSY * 1.05  # what arrives is random
        assert servers == 1 or busy * servers / (servers - 1) > BUSY * 0.95
    assert plan.p50_ms >= 1000 * 0.5 * (COSTS.front + COSTS.solver)
    assert plan.p99_ms < 100


def test_the_rent_is_that_of_the_cores() -> None:
    plan = capacity.plan(1000, COSTS)
    cores = plan.fronts + plan.solvers + capacity.CORES_OF_DATABASE * plan.writers
    assert plan.yuan_a_million == pytest.approx(
        cores * YUAN_A_CORE_MONTH * 1e6 / (1000 * MONTH_S), abs=0.01
    )


def test_a_part_is_full_where_its_time_is_used_up() -> None:
    full = capacity.full_at(COSTS)
    assert full["solver"] == pytest.approx(1 / 0.0042)
    assert min(full, key=full.__getitem__) == "solver"


def test_costs_are_what_the_other_benches_measured(tmp_path: Path) -> None:
    files: dict[str, object] = {
        "load": {"subjects": {"instant": {"cpu_us": 300.0}, "loop": {"cpu_us": 3500.0}}},
        "remote": {"us": {"local": 400, "ray": 650}},
        "fronts": {
            "request": {"front_us": 900, "database_us": 500},
            "charges": {"2": {"per_s": 1500}, "10": {"per_s": 2000}, "4": {"per_s": 1800}},
        },
    }
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    costs = capacity.read_costs(tmp_path)
    assert (costs.front, costs.solver, costs.remote) == pytest.approx((9e-4, 3.5e-3, 2.5e-4))
    assert (costs.charge, costs.database) == pytest.approx((1 / 2000, 5e-4))
