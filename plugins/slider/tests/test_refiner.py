"""Where the second network's answers lie in the image."""

import numpy as np
import pytest

from loupette_slider.detector import Box, Candidate, Detections
from loupette_slider.edges import BINS, Edges, agree
from loupette_slider.refiner import CONTEXT, SIDE, Square, TwoLooks


def logits_at(*places: float) -> np.ndarray:
    """Logits that peak at places given in input pixels."""
    bins = (np.arange(BINS) + 0.5) * SIDE / BINS
    return np.array([-0.5 * ((bins - place) / 1.5) ** 2 for place in places], np.float32)


def read(logits: np.ndarray, square: Square) -> Edges:
    return Edges.read(logits, x=square.x, y=square.y, side=square.side)


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
    edges = read(logits_at(seen, 10, SIDE - 10, SIDE - 10), square)
    assert edges.sides[0] == pytest.approx(60, abs=0.4)


def test_confidence_is_the_probability_near_the_edge_given() -> None:
    square = Square(0, 0, SIDE)
    sharp = read(logits_at(20, 20, 60, 60), square)
    assert sharp.sides == pytest.approx((20, 20, 60, 60), abs=0.1)
    assert sharp.sure() > 0.9
    twofold = logits_at(20, 20, 60, 60)
    twofold[0] = np.maximum(twofold[0], logits_at(40, 0, 0, 0)[0])
    assert read(twofold, square).sure() == pytest.approx(0.5, abs=0.05)


def test_a_clear_side_and_the_size_of_the_piece_tell_a_faint_side() -> None:
    faint = logits_at(28, 20, 60, 60)
    faint[0] = np.maximum(faint[0], logits_at(20, 0, 0, 0)[0] - 0.7)
    gap = read(faint, Square(100, 40, 160))
    assert gap.sides[0] == pytest.approx(156, abs=1)
    piece = read(logits_at(10, 8, 50, 48), Square(3, 38, 160))
    exact = agree(gap, piece)
    assert exact.sides == pytest.approx((140, 80, 220, 160), abs=0.6)
    assert exact.sure() > gap.sure()


@pytest.mark.parametrize("side", [60, 200])
def test_two_looks_that_contradict_leave_a_clear_side_where_it_is(side: int) -> None:
    gap = read(30 * logits_at(20, 20, 60, 60), Square(0, 0, 80))
    piece = read(30 * logits_at(5, 5, 75, 75), Square(0, 0, side))
    assert agree(gap, piece).sides == pytest.approx((20, 20, 60, 60), abs=1.5)


class Fixed:
    """Stands in for both networks: one gap and one piece, and what a second look makes of them."""

    def __init__(self, edges: Edges) -> None:
        self.edges = edges

    def detect(self, rgb: object) -> Detections:
        return Detections((Candidate(Box(100, 50, 40, 40), 0.9),) * 3, ())

    def refine(self, rgb: object, box: Box, kind: int) -> Edges:
        return self.edges


def second_look(edges: Edges) -> tuple[Candidate, ...]:
    looks, rgb = TwoLooks(Fixed(edges), Fixed(edges)), np.zeros((9, 9, 3), np.uint8)
    return looks.sharpen(rgb, looks.detect(rgb)).gaps


def test_a_second_look_makes_the_best_boxes_exact_and_keeps_their_scores() -> None:
    gaps = second_look(read(logits_at(23.4, 21, 61.4, 62), Square(80, 30, 80)))
    assert gaps[0].box.rounded() == gaps[1].box.rounded() == [103, 51, 38, 41]
    assert gaps[2].box == Box(100, 50, 40, 40)
    assert [gap.score for gap in gaps] == [0.9] * 3
    assert gaps[0].sure > 0.9


def test_a_second_look_that_lands_elsewhere_is_not_believed() -> None:
    gap = second_look(read(logits_at(40, 20, 80, 60), Square(80, 30, 80)))[0]
    assert gap.box == Box(100, 50, 40, 40)
    assert gap.sure < 0.5
    assert gap.edges is None


def test_a_box_that_moved_far_is_looked_at_again_from_where_it_is() -> None:
    class Nearsighted(Fixed):
        """Sees edges at most 6 px off."""

        def refine(self, rgb: object, box: Box, kind: int) -> Edges:
            shift = min(max(90 - box.x, -6), 6)
            square = Square(round(box.x) - 20, 30, 80)
            return read(logits_at(20 + shift, 20, 60 + shift, 60), square)

    nearsighted = Nearsighted(read(logits_at(20, 20, 60, 60), Square(80, 30, 80)))
    gap = TwoLooks(nearsighted, nearsighted).look(
        np.zeros((9, 9, 3), np.uint8), Candidate(Box(100, 50, 40, 40), 0.9), 0
    )
    assert gap.box.x == pytest.approx(90, abs=1)
