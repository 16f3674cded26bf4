"""The tables of scaling.md, from figures as the benches write them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

import scaling  # a script beside the documents, not a package

US = {"local": 400, "ray": 700, "local_alone": 500, "ray_alone": 2500}


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: object) -> None:
    file = folder / "figures.json"
    file.write_text(json.dumps(content))
    monkeypatch.setattr(scaling, name, file)


def test_each_part_is_shown_with_where_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs = {"front": 100, "solver": 3500, "remote": 200, "charge": 150, "database": 300}
    full = {"front": 10_000, "solver": 270, "writer": 6667}
    report = {"costs_us": costs, "full_at": full, "busy": 0.7, "cores_of_database": 2}
    write(tmp_path, monkeypatch, "CAPACITY", report)
    front, solver, remote, database, charge = scaling.costs().splitlines()[2:]
    assert front.endswith("| 100 | 10000 a second |")
    assert solver.endswith("| 3500 | 270 a second |")
    assert remote.endswith("| 200 |  |")
    assert database.endswith("| 300 |  |")
    assert charge.endswith("| 150 | 6667 a second |")
    assert "at 70% of its charges its processes take 1.4 cores" in scaling.database_cores()


def test_the_charges_of_several_fronts_are_shown_with_their_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"per_s": 1500, "front_us": 80, "database_us": 160, "rounds_per_s": [1100, 1500, 1600]}
    report = {"date": "2026-01-02", "command": "make bench-fronts", "processor": "a processor"}
    figures = {"cores": 1, "clients_of_each_front": 256, "charges": {"1": row, "4": row}}
    request = {"per_s": 600, "front_us": 1200, "database_us": 500}
    more = {"connections": 32, "request": request}
    write(tmp_path, monkeypatch, "FRONTS", report | figures | more)
    assert "`make bench-fronts` on one core (a processor)" in scaling.fronts()
    assert "takes 1200 µs a request and PostgreSQL 500 µs, at 600 requests/s" in scaling.fronts()
    assert "| 4 | 1500 | 1100–1600 | 80 | 160 |" in scaling.fronts()


def test_a_fault_is_shown_with_what_it_cost_in_all_of_its_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"fault": "node", "silence_s": 0.53, "whole_s": 69.9, "answered": 846, "failed": 0}
    other = row | {"silence_s": 0.91, "whole_s": 40.1, "failed": 2, "breaches": []}
    third = other | {"silence_s": 0.6, "answered": 8}
    report = {"date": "2026-01-02", "command": "make bench-cluster", "clients": 8, "replicas": 2}
    rounds = [row | {"breaches": ["LOG1 was charged twice"]}, other, third]
    write(tmp_path, monkeypatch, "CLUSTER", report | {"cores": 1, "rounds": rounds})
    shown = scaling.faults()
    assert "| 3 | 0.6 s (0.5–0.9) | 40.1 s (40.1–69.9) | 1700 | 4 | 1 |" in shown
    assert "on one core: 8 clients without pause, 2 workers on two nodes" in shown
    assert len(shown.splitlines()) == 5  # nothing is said of faults that were not played


def test_the_death_of_a_front_is_shown_with_how_all_requests_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"rounds": 5, "back_s_median": 4.38, "back_s_longest": 5.71}
    report = {
        "command": "make chaos-postgres",
        "clients": 8,
        "acknowledged_charges": 2623,
        "lost_or_doubled": 1,
        "replies": {"200": 2623, "429": 3, "503": 4},
        "faults": {"server killed": row, "PostgreSQL killed": row | {"rounds": 6}},
    }
    write(tmp_path, monkeypatch, "DEATHS", report)
    front, postgres = scaling.deaths().splitlines()[2:4]
    assert front == "| `kill -9` of one of the fronts | 5 | 4.4 s | 5.7 s |"
    assert postgres.startswith("| `kill -9` of PostgreSQL") and "| 6 |" in postgres
    assert "2623 answered, 7 failed, 1 charges lost" in scaling.deaths()


@pytest.mark.parametrize(("median", "verdict"), [(0.31, "is met"), (0.72, "is not met")])
def test_the_clusters_price_is_told_whether_it_is_met_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, median: float, verdict: str
) -> None:
    numbers = [median - 0.1, median, median + 0.1]
    goal = {"median": median, "numbers": numbers, "bound": 0.5, "is_met": median <= 0.5}
    report = {"date": "2026-01-02", "command": "make bench-remote", "processor": "a processor"}
    figures = {"cores": 2, "image_bytes": 5000, "us": US, "goals": [goal]}
    write(tmp_path, monkeypatch, "REMOTE", report | figures)
    assert f"at most 0.5 ms {verdict}." in scaling.remote()
    assert f"less this machine's is {median:.2f} ms" in scaling.remote()
    assert "`make bench-remote` on 2 cores (a processor)" in scaling.remote()
    assert "| one at a time | 500 | 2500 |" in scaling.remote()
