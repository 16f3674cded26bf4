"""What figures should be, and what becomes of a run whose figures are not."""

import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

from goals import Goal, judge, print_goals  # noqa: E402  # a script's, not a package's


def judged(number: float) -> dict[str, Any]:
    return judge(Goal[float]("so long: ms", lambda figure: figure, 0.5, at_most=True), [number])


def test_run_whose_goals_are_met_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    print_goals([judged(0.4)], must_be_met=True)
    assert "NOT MET" not in capsys.readouterr().out


def test_run_that_misses_a_goal_it_must_meet_ends_with_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_goals([judged(0.6)])
    with pytest.raises(SystemExit) as ended:
        print_goals([judged(0.4), judged(0.6)], must_be_met=True)
    assert ended.value.code == 1
    assert capsys.readouterr().out.count("NOT MET") == 2
