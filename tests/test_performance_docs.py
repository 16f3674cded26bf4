"""The tables of performance.md, from figures as the benches write them."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))

import performance  # a script beside the documents, not a package

FIGURE = {
    "rate": 4321.6,
    "cpu_us": 99.7,
    "p50_ms": 3.25,
    "p99_ms": 9.0,
    "loop_us": 60.2,
    "threads_us": 30.0,
    "workers_us": 9.5,
}
GOAL = {
    "text": "as quick as it should be",
    "bound": 2.2,
    "at_most": True,
    "numbers": [2.0, 1.5, 2.1],
    "median": 2.0,
    "is_met": True,
}


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subjects = dict.fromkeys(performance._SUBJECTS, FIGURE)
    subjects["loop"] = FIGURE | {"p50_ms": 0.0, "p99_ms": 0.0}
    del subjects["loop on all cores"]
    missed = GOAL | {"at_most": False, "is_met": False, "bound": 5}
    (tmp_path / "load.json").write_text(
        json.dumps(
            {
                "date": "2026-01-02",
                "command": "make bench-load",
                "processor": "a processor",
                "cores": 2,
                "workers": 1,
                "seconds": 5.0,
                "connections": 32,
                "subjects": subjects,
                "goals": [GOAL, missed],
                "beside": [missed],
            }
        )
    )
    monkeypatch.setattr(performance, "LOAD", tmp_path / "load.json")
    return tmp_path / "load.json"


def test_what_was_loaded_is_shown_without_times_that_were_not_taken(measured: Path) -> None:
    rows = performance.load_subjects().splitlines()[2:]
    assert len(rows) == len(performance._SUBJECTS) - 1
    assert rows[0].endswith("| 4322 | 100 | 3.2 | 9.0 |")
    (loop,) = (row for row in rows if "loops" in row)
    assert loop.endswith("| 4322 | 100 |  |  |")
    assert "1 worker, 2 cores (a processor), 32 connections, 5 s each" in performance.load_when()


def test_goals_say_whether_they_are_met(measured: Path) -> None:
    met, missed = performance.goals(measured).splitlines()[2:]
    assert met == "| as quick as it should be | ≤ 2.2 | 2.00 | 1.50–2.10 | met |"
    assert missed.endswith("| ≥ 5 | 2.00 | 1.50–2.10 | not met |")


def test_what_is_not_judged_has_no_verdict(measured: Path) -> None:
    (row,) = performance.load_beside().splitlines()[2:]
    assert row == "| as quick as it should be | 2.00 | 1.50–2.10 |"


def test_processor_time_is_told_apart_of_what_is_served(measured: Path) -> None:
    rows = performance.load_parts().splitlines()[2:]
    assert len(rows) == len(performance._OURS)
    assert rows[0].endswith(" | 60 | 30 | 10 |")
