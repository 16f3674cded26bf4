"""The charts of the overview, of a history that is known."""

import pytest

from loupette.store.statistics import Figures, Statistics
from loupette.web.console.charts import HEIGHT, WIDTH, draw_all

HISTORY = Statistics(
    since_ms=0,
    step_ms=3_600_000,
    total=Figures(),
    steps=(
        Figures(requests=4, answered=3, spend_micros=30_000, median_ms=10, p95_ms=40),
        Figures(),
        Figures(requests=2, answered=1, spend_micros=10_000, median_ms=20, p95_ms=20),
    ),
    types={},
    is_cut=False,
)


def test_answers_and_failures_of_each_step_stand_on_one_another() -> None:
    chart = draw_all(HISTORY, "%H:%M")["requests"]
    heights = [(bar.kind, bar.height) for bar in chart.bars]
    assert heights == [
        ("good", 3 / 4 * HEIGHT),
        ("bad", 1 / 4 * HEIGHT),
        ("good", 1 / 4 * HEIGHT),
        ("bad", 1 / 4 * HEIGHT),
    ]
    good, bad, *_ = chart.bars
    assert (bad.y, good.y, good.y + good.height) == (0, 1 / 4 * HEIGHT, HEIGHT)
    assert [bar.x // (WIDTH / 3) for bar in chart.bars] == [0, 0, 2, 2]
    assert (chart.top, chart.middle) == ("4", "2")


def test_spend_is_a_bar_for_each_step_that_cost_something() -> None:
    chart = draw_all(HISTORY, "%H:%M")["spend"]
    assert [bar.height for bar in chart.bars] == [HEIGHT, pytest.approx(HEIGHT / 3, abs=0.1)]


def test_a_line_has_a_gap_where_nothing_came_in() -> None:
    charts = draw_all(HISTORY, "%H:%M")
    (success,) = charts["success"].lines
    assert success.path.count("M") == 2 and "L" not in success.path
    median, p95 = charts["latency"].lines
    assert median.path != p95.path
    assert median.path.startswith(f"M{WIDTH / 6} {HEIGHT * 3 / 4}h0")  # 10 of 40 ms
    assert p95.path.startswith(f"M{WIDTH / 6} 0.0h0")


def test_each_step_says_its_figures() -> None:
    told = [text for _, text in draw_all(HISTORY, "%H:%M")["requests"].steps]
    assert [text.partition(": ")[2] for text in told] == ["3 / 1", "0 / 0", "1 / 1"]
