"""Where the second network's answers lie in the image."""

import numpy as np
import pytest

from loupette_slider.detector import Box, Candidate, Detections
from loupette_slider.refiner import (
    BINS,
    CONTEXT,
    SIDE,
    Refined,
    Square,
    TwoLooks,
    read_edges,
)


def logits_at(*places: float) -> np.ndarray:
    """Logits that peak at places given in input pixels."""
    bins = (np.arange(BINS) + 0.5) * SIDE / BINS
    return np.array([-0.5 * ((bins - place) / 1.5) ** 2 for place in places], np.float32)


def test_a_square_is_centred_on_the_box_with_room_around() -> None:
    square = Square.around(Box(100, 50, 40, 30))
    assert square.side == 40 * CONTEXT
    assert square.x + square.side / 2 == pytest.approx(120, abs=0.5)
    assert square.y + square.side / 2 == pytest.approx(65, abs=0.5)


@pytest.mark.parametrize("box", [Box(-10, -8, 30, 30), Box(180, 90, 40, 40), Box(0, 0, 3, 3)])
def test_a_square_over_the_border_repeats_the_last_pixels(box: Box) -> None:
    rgb = np.full((100, 200, 3), 77, np.uint8)
    cut = Square.around(box).cut(rgb)
    assert cut.shape == (SIDE, SIDE, 3)
    assert (cut == 77).all()


@pytest.mark.parametrize("side", [40, 80, 163])
def test_an_edge_seen_in_a_square_is_where_it_is_in_the_image(side: int) -> None:
    square = Square(31, 17, side)
    rgb = np.zeros((200, 300, 3), np.uint8)
    rgb[:, 60:] = 255
    row = square.cut(rgb)[SIDE // 2, :, 0].astype(float)
    seen = SIDE - row.sum() / 255
    found = read_edges(logits_at(seen, 10, SIDE - 10, SIDE - 10), square).box
    assert found.x == pytest.approx(60, abs=0.4)


def test_confidence_is_the_probability_near_the_edge_given() -> None:
    square = Square(0, 0, SIDE)
    sharp = read_edges(logits_at(20, 20, 60, 60), square)
    assert (sharp.box.x, sharp.box.w) == (pytest.approx(20, abs=0.1), pytest.approx(40, abs=0.2))
    assert sharp.sure > 0.9
    twofold = logits_at(20, 20, 60, 60)
    twofold[0] = np.maximum(twofold[0], logits_at(40, 0, 0, 0)[0])
    assert read_edges(twofold, square).sure == pytest.approx(0.5, abs=0.05)


class Fixed:
    """Stands in for both networks: one gap and one piece, and what a second look makes of them."""

    def __init__(self, refined: Refined) -> None:
        self.refined = refined

    def detect(self, rgb: object) -> Detections:
        return Detections((Candidate(Box(100, 50, 40, 40), 0.9),) * 3, ())

    def refine(self, rgb: object, box: Box, kind: int) -> Refined:
        return self.refined


def second_look(refined: Refined) -> tuple[Candidate, ...]:
    looks, rgb = TwoLooks(Fixed(refined), Fixed(refined)), np.zeros((9, 9, 3), np.uint8)
    return looks.sharpen(rgb, looks.detect(rgb)).gaps


def test_a_second_look_makes_the_best_boxes_exact_and_keeps_their_scores() -> None:
    exact = Refined(Box(103.4, 51, 38, 41), 0.97)
    gaps = second_look(exact)
    assert [gap.box for gap in gaps] == [exact.box, exact.box, Box(100, 50, 40, 40)]
    assert [gap.score for gap in gaps] == [0.9] * 3
    assert gaps[0].sure == 0.97


def test_a_second_look_that_lands_elsewhere_is_not_believed() -> None:
    far = Refined(Box(120, 50, 40, 40), 0.97)
    gap = second_look(far)[0]
    assert gap.box == Box(100, 50, 40, 40)
    assert gap.sure < 0.5
