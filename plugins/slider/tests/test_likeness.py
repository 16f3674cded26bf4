"""What a drawn piece tells about gaps, on scenes of two outlines."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from loupette_slider.detector import Box, Candidate
from loupette_slider.edges import BINS, Edges
from loupette_slider.likeness import compare, seek
from loupette_slider.ranking import Ranking

PIECE = Candidate(Box(10, 40, 44, 40), 0.9)


def draw(rgb: np.ndarray, x: int, y: int, *, tab: bool, shade: int) -> None:
    """A square of 40 px, with or without a tab that begins 4 px left of it."""
    cv2.rectangle(rgb, (x + 4, y), (x + 43, y + 39), (shade,) * 3, -1)
    if tab:
        cv2.rectangle(rgb, (x, y + 12), (x + 4, y + 26), (shade,) * 3, -1)


@pytest.fixture
def scene() -> np.ndarray:
    """A bright piece with a tab; a dark gap without one at x 104, one with it at x 200."""
    rgb = np.full((120, 300, 3), 128, np.uint8)
    draw(rgb, 10, 40, tab=True, shade=210)
    draw(rgb, 100, 40, tab=False, shade=70)
    draw(rgb, 200, 40, tab=True, shade=70)
    return rgb


def edges_at(*lefts: float, width: float = 44) -> Edges:
    """A second look by which the left edge is at any of these places, all as likely."""
    step = 2.0
    columns = 150 + (np.arange(BINS * 2) + 0.5) * step
    odds = [sum(np.exp(-0.5 * ((columns - left) / 1.5) ** 2) for left in lefts)]
    right = lefts[0] + width
    rows = (np.arange(BINS * 2) + 0.5) * step
    for places, at in ((rows, 40.0), (columns, right), (rows, 80.0)):
        odds.append(np.exp(-0.5 * ((places - at) / 1.5) ** 2))
    table = np.stack(odds)
    return Edges(table / table.sum(axis=1, keepdims=True), 150.0, 0.0, step)


def test_of_two_like_gaps_the_one_with_the_outline_of_the_piece_is_first(scene: np.ndarray) -> None:
    other, true = Candidate(Box(102, 40, 42, 40), 0.6), Candidate(Box(200, 40, 44, 40), 0.55)
    ranking = compare(scene, Ranking((other, true), PIECE))
    assert [gap.box.x for gap in ranking.gaps] == [200, 102]


def test_a_far_weaker_gap_stays_behind_however_it_looks(scene: np.ndarray) -> None:
    other, true = Candidate(Box(102, 40, 42, 40), 0.9), Candidate(Box(200, 40, 44, 40), 0.3)
    ranking = compare(scene, Ranking((other, true), PIECE))
    assert ranking.gaps == (other, true)


@pytest.mark.parametrize("other", [204.0, 196.0])
def test_of_two_likely_edges_the_one_that_fits_the_piece_is_taken(
    scene: np.ndarray, other: float
) -> None:
    gap = Candidate(Box(0, 0, 1, 1), 0.6).seen(edges_at(200.0, other))
    assert abs(gap.box.x - 200) > 1
    exact = compare(scene, Ranking((gap,), PIECE)).gaps[0]
    assert exact.box.x == pytest.approx(200, abs=1)
    assert exact.sure > gap.sure


def test_an_edge_that_is_clear_is_not_moved(scene: np.ndarray) -> None:
    gap = Candidate(Box(0, 0, 1, 1), 0.6).seen(edges_at(207.0))
    exact = compare(scene, Ranking((gap,), PIECE)).gaps[0]
    assert exact.box.x == pytest.approx(207, abs=1.5)


def test_without_a_piece_or_a_second_look_nothing_changes(scene: np.ndarray) -> None:
    gap = Candidate(Box(202, 40, 44, 40), 0.6)
    for ranking in (Ranking((gap,), None), Ranking((), PIECE), Ranking((gap,), PIECE)):
        assert compare(scene, ranking) == ranking


def test_boxes_over_the_border_are_compared_all_the_same(scene: np.ndarray) -> None:
    gap = Candidate(Box(290, 100, 44, 40), 0.6).seen(edges_at(200.0))
    piece = replace(PIECE, box=Box(-6, -4, 44, 40))
    assert compare(scene, Ranking((gap,), piece)).gaps


@pytest.mark.parametrize(("x", "y"), [(200, 40), (120, 42), (90, 38)])
def test_the_outline_of_a_piece_is_found_again_in_its_row(x: int, y: int) -> None:
    rgb = np.full((120, 300, 3), 128, np.uint8)
    draw(rgb, 10, 40, tab=True, shade=210)
    draw(rgb, x, y, tab=True, shade=122)  # far too faint for the detector
    sought = seek(rgb, PIECE.box)
    assert sought is not None
    assert sought.rounded() == [x, y, 44, 40]


def test_what_is_nowhere_or_twice_in_the_row_is_not_found(scene: np.ndarray) -> None:
    alone = np.full((120, 300, 3), 128, np.uint8)
    draw(alone, 10, 40, tab=True, shade=210)
    draw(alone, 200, 75, tab=True, shade=70)  # not in the row
    twice = alone.copy()
    for x in (100, 180):
        draw(twice, x, 40, tab=True, shade=70)
    for rgb in (alone, twice):
        assert seek(rgb, PIECE.box) is None


def test_beside_a_piece_at_the_border_there_is_no_room(scene: np.ndarray) -> None:
    assert seek(scene, replace(PIECE, box=Box(220, 40, 44, 40)).box) is None
