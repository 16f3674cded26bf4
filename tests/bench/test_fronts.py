"""Fronts on PostgreSQL are measured as they are: every charge is in the books."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import fronts  # scripts, not a package


def test_medians_are_of_each_number_of_fronts() -> None:
    rows = [
        {"per_s": rate, "front_us": 80.4, "database_us": 10 * rate}
        for rate in (900.0, 1600.0, 1500.0)
    ]
    rounds = [{"request": row, "1": row, "2": row, "4": row} for row in rows]
    found = fronts.report(rounds, seconds=4, charges=1234)
    assert found["request"] == {"per_s": 1500, "front_us": 80, "database_us": 15_000}
    assert [*found["charges"]] == ["1", "2", "4"]
    assert found["charges"]["4"]["rounds_per_s"] == [900, 1500, 1600]


@pytest.mark.cluster
def test_every_charge_of_the_bench_is_in_the_books() -> None:
    found = fronts.measure_all(0.5)  # it checks the ledger itself
    shown = [found["request"], *found["charges"].values()]
    assert all(row["per_s"] > 0 and row["front_us"] > 0 and row["database_us"] > 0 for row in shown)
    charged = sum(0.5 * row["per_s"] for row in shown) * fronts.ROUNDS
    assert found["checked_charges"] > charged / 2  # medians, and what goes on after the time
