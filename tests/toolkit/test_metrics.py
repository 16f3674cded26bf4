import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupette.toolkit.metrics import (
    Share,
    character_error,
    edit_distance,
    precision_at,
    read_labels,
    wilson,
)


def test_wilson_agrees_with_the_textbook():
    low, high = wilson(8, 10)
    assert low == pytest.approx(0.4902, abs=1e-4)
    assert high == pytest.approx(0.9433, abs=1e-4)


@given(st.integers(0, 400), st.integers(0, 400))
def test_wilson_holds_the_share_and_stays_in_range(right, wrong):
    low, high = wilson(right, right + wrong)
    assert 0 <= low <= high <= 1
    if right + wrong:
        assert low - 1e-9 <= right / (right + wrong) <= high + 1e-9


def test_share_prints_its_interval_and_count():
    assert str(Share(5, 10)) == "0.500 [0.237, 0.763] n=10"


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "ac", 1), ("", "ab", 2)],
)
def test_edit_distance(one, other, edits):
    assert edit_distance(one, other) == edits


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_edit_distance_is_the_same_both_ways(one, other):
    assert edit_distance(one, other) == edit_distance(other, one)


def test_character_error_counts_over_all_texts():
    assert character_error(["12", "3456"], ["12", "3457"]) == pytest.approx(1 / 6)


def test_precision_at_looks_at_the_surest_only():
    share = precision_at([0.9, 0.1, 0.8, 0.2], [True, False, True, True], answered=0.5)
    assert (share.right, share.count) == (2, 2)


def test_read_labels_gives_paths_and_answers(tmp_path):
    (tmp_path / "labels.csv").write_text("file,answer\n0.png,a1\n")
    (item,) = read_labels(tmp_path)
    assert item.path == tmp_path / "0.png"
    assert item.answer == "a1"
