import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loupette.toolkit.calibration import (
    LEAST,
    NO_ANSWER,
    THRESHOLDS,
    Bin,
    calibration_error,
    coverage,
    describe,
    draw_reliability,
    fit_temperature,
    log_loss,
    read_threshold,
    recommend,
    recommendation,
    recommended,
    reliability,
)
from loupette.toolkit.metrics import Share

ROOT = Path(__file__).parents[2]

OUTCOMES = st.lists(st.tuples(st.floats(0, 1) | st.just(NO_ANSWER), st.booleans()), min_size=1)


def honest(count: int = 4000) -> tuple[list[float], list[bool]]:
    """Answers as often right as they are sure."""
    rng = np.random.default_rng(1)
    sure = rng.uniform(0, 1, count)
    return sure.tolist(), (rng.uniform(0, 1, count) < sure).tolist()


def test_reliability_groups_answers_of_like_confidence() -> None:
    bins = reliability([0.81, 0.89, 1.0, NO_ANSWER], [True, False, True, False])
    assert [(bin.low, bin.share.right, bin.share.count) for bin in bins] == [
        (0.8, 1, 2),
        (0.9, 1, 1),
    ]
    assert bins[0].confidence == pytest.approx(0.85)


def test_calibration_error_is_zero_for_honest_confidences() -> None:
    assert calibration_error(reliability([0.75] * 4, [True, True, True, False])) == 0
    assert calibration_error(reliability([1.0, 1.0], [False, False])) == 1
    assert calibration_error([]) == 0


def test_coverage_counts_what_a_threshold_leaves() -> None:
    (point,) = coverage([0.9, 0.5, 0.7, NO_ANSWER], [True, True, False, False], [0.7])
    assert point.answered == 0.5
    assert point.share == Share(1, 2)


@given(OUTCOMES)
def test_a_higher_threshold_never_answers_more(outcomes: list[tuple[float, bool]]) -> None:
    points = coverage([sure for sure, _ in outcomes], [right for _, right in outcomes])
    answered = [point.answered for point in points]
    assert answered == sorted(answered, reverse=True)
    assert [point.threshold for point in points] == sorted(THRESHOLDS)


def test_the_recommended_threshold_is_the_smallest_that_is_right_often_enough() -> None:
    sure, right = honest()
    best = recommend(sure, right, wanted=0.9)
    assert best is not None
    below, at = coverage(sure, right, [best - 0.01, best])
    assert below.share.value < 0.9 <= at.share.value
    assert best == pytest.approx(0.8, abs=0.05)  # the mean of all above it is 0.9


def test_nothing_is_recommended_on_few_answers() -> None:
    assert recommend([0.99] * (LEAST - 1), [True] * (LEAST - 1)) is None
    assert recommend([0.99] * LEAST, [True] * LEAST) == 0
    assert recommend([0.99] * 100, [False] * 100) is None


def test_a_card_holds_table_curve_and_threshold_as_json() -> None:
    facts = describe(*honest())
    assert json.loads(json.dumps(facts)) == facts
    assert sum(row["n"] for row in facts["reliability"]) == facts["n"] == 4000
    assert facts["error"] < 0.03
    (said,) = [row for row in facts["curve"] if row["threshold"] == facts["min_confidence"]]
    assert said["precision"] >= facts["wanted"]
    easier = describe(*honest(), wanted=0.8)
    assert easier["wanted"] == 0.8
    assert easier["min_confidence"] <= facts["min_confidence"]


def test_a_card_without_calibration_recommends_to_answer_all() -> None:
    assert recommended({}) == 0
    assert recommended({"calibration": {"min_confidence": None}}) == 0


def test_the_recommendation_is_lines_for_the_registry() -> None:
    card = {"temperature": 1.1, "calibration": describe(*honest())}
    error, *lines = recommendation(card, 60001).splitlines()
    table = tomllib.loads("\n".join(lines))
    assert table == {"types": {"60001": {"min_confidence": recommended(card)}}}
    assert error.startswith("calibration error 0.0")


def test_log_loss_is_least_for_honest_confidences() -> None:
    right = [True, True, True, False]
    losses = [log_loss([sure] * 4, right) for sure in (0.6, 0.75, 0.9)]
    assert losses[1] == min(losses)
    assert log_loss([NO_ANSWER], [False]) == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize("best", [0.5, 0.85, 1.0, 1.35, 3.0])
def test_the_temperature_of_least_cost_is_found_in_few_steps(best: float) -> None:
    asked: list[float] = []

    def cost(temperature: float) -> float:
        asked.append(temperature)
        return (temperature - best) ** 2

    assert fit_temperature(cost) == pytest.approx(best, abs=0.03)
    assert len(asked) == len(set(asked)) <= 14


def test_the_threshold_of_a_type_is_read_from_the_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.toml"
    path.write_text("[types.60001]\nmin_confidence = 0.9\n[types.60002]\n")
    assert [read_threshold(path, type_id) for type_id in (60001, 60002)] == [0.9, 0]


@pytest.mark.parametrize("bins", [[], [Bin(0.9, 0.95, Share(9, 10))], reliability(*honest())])
def test_a_reliability_curve_is_drawn(tmp_path: Path, bins: list[Bin]) -> None:
    path = tmp_path / "made" / "curve.png"
    draw_reliability(bins, path)
    with Image.open(path) as image:
        blue = np.asarray(image)[..., 2].astype(int) - np.asarray(image)[..., 0]
    assert (blue.max() > 50) == bool(bins)


@pytest.mark.parametrize("type_id", [50100, 50200])
def test_the_registry_has_the_threshold_that_the_packaged_card_recommends(type_id: int) -> None:
    """`export.py` of the plugin prints the value; a new model needs a new one."""
    package = tomllib.loads((ROOT / "registry.toml").read_text())["types"][str(type_id)]["package"]
    folder = ROOT / "plugins" / package.removeprefix("loupette-") / "src"
    (path,) = folder.glob("*/weights/card.json")
    card = json.loads(path.read_text(encoding="utf-8"))
    assert read_threshold(ROOT / "registry.toml", type_id) == recommended(card)
