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
    costs = {"front": 100, "solver": 3500, "remote": 200, "charge": 150, "store": "SQLite"}
    full = {"front": 10_000, "solver": 270, "writer": 6667}
    write(tmp_path, monkeypatch, "CAPACITY", {"costs_us": costs, "full_at": full})
    front, solver, remote, charge = scaling.costs().splitlines()[2:6]
    assert front.endswith("| 100 | 10000 a second |")
    assert solver.endswith("| 3500 | 270 a second |")
    assert remote.endswith("| 200 |  |")
    assert charge.endswith("| 150 | 6667 a second |")
    assert "The database that was measured: SQLite." in scaling.costs()


def test_a_fault_is_shown_with_what_it_cost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"fault": "node", "silence_s": 0.53, "whole_s": 69.9, "answered": 846, "failed": 0}
    report = {"date": "2026-01-02", "command": "make bench-cluster", "clients": 8, "replicas": 2}
    rounds = {"rounds": [row | {"breaches": ["LOG1 was charged twice"]}]}
    write(tmp_path, monkeypatch, "CLUSTER", report | rounds)
    assert "| 0.5 s | 69.9 s | 846 | 0 | 1 |" in scaling.faults()
    assert "8 clients without pause, 2 workers on two nodes" in scaling.faults()


@pytest.mark.parametrize(("median", "verdict"), [(0.31, "is met"), (0.72, "is not met")])
def test_the_clusters_price_is_told_whether_it_is_met_or_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, median: float, verdict: str
) -> None:
    numbers = [median - 0.1, median, median + 0.1]
    goal = {"median": median, "numbers": numbers, "bound": 0.5, "is_met": median <= 0.5}
    report = {"date": "2026-01-02", "command": "make bench-remote", "processor": "a processor"}
    figures = {"image_bytes": 5000, "us": US, "goals": [goal]}
    write(tmp_path, monkeypatch, "REMOTE", report | figures)
    assert f"at most 0.5 ms {verdict}." in scaling.remote()
    assert f"less this machine's is {median:.2f} ms" in scaling.remote()
    assert "| one at a time | 500 | 2500 |" in scaling.remote()
