"""Preparing the input, and reading boxes out of the raw output."""

import numpy as np
import pytest

from loupette_slider.detector import (
    DISTANCE_UNIT_PX,
    INPUT_HEIGHT,
    INPUT_WIDTH,
    STRIDE,
    Box,
    Candidate,
    Detections,
    Floats,
    fit_to_input,
    read_output,
)
from loupette_slider.ranking import rank

ROWS, COLUMNS = INPUT_HEIGHT // STRIDE, INPUT_WIDTH // STRIDE


def draw_output(boxes: list[tuple[int, Box, float]]) -> Floats:
    """Raw output of a network that sees exactly these (channel, box, logit)."""
    output = np.zeros((ROWS, COLUMNS, 6), np.float32)
    output[..., :2] = -8
    xs = (np.arange(COLUMNS) + 0.5) * STRIDE
    ys = (np.arange(ROWS)[:, None] + 0.5) * STRIDE
    for channel, box, logit in boxes:
        near = (np.abs(xs - box.centre[0]) < 6) & (np.abs(ys - box.centre[1]) < 6)
        sides = np.broadcast_arrays(xs - box.x, ys - box.y, box.x + box.w - xs, box.y + box.h - ys)
        output[near, 2:] = np.stack(sides, axis=-1)[near] / DISTANCE_UNIT_PX
        output[near, channel] = logit - 0.1
        row, column = int(box.centre[1] // STRIDE), int(box.centre[0] // STRIDE)
        output[row, column, channel] = logit
    return output


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(640, 320, 0.5), (320, 384, 0.5), (320, 160, 1.0), (160, 80, 1.5)],
)
def test_fit_to_input_keeps_the_shape(width: int, height: int, scale: float) -> None:
    canvas, used = fit_to_input(np.zeros((height, width, 3), np.uint8))
    assert canvas.shape == (INPUT_HEIGHT, INPUT_WIDTH, 3)
    assert used == pytest.approx(scale)
    assert not canvas[: round(height * scale), : round(width * scale)].any()


def test_output_gives_the_box_in_image_pixels() -> None:
    truth = Box(150.5, 40.0, 47.0, 51.0)
    found = read_output(draw_output([(0, truth, 3.0)]), scale=0.5)
    (gap,) = found.gaps
    assert (gap.box.x, gap.box.y) == (pytest.approx(301.0), pytest.approx(80.0))
    assert (gap.box.w, gap.box.h) == (pytest.approx(94.0), pytest.approx(102.0))
    assert gap.score == pytest.approx(1 / (1 + np.exp(-3)))


def test_output_keeps_gaps_and_pieces_apart_and_in_order() -> None:
    boxes = [
        (0, Box(100, 40, 48, 48), 1.0),
        (0, Box(200, 100, 48, 48), 2.0),
        (1, Box(8, 100, 48, 48), 2.0),
    ]
    found = read_output(draw_output(boxes), scale=1.0)
    assert [round(gap.box.x) for gap in found.gaps] == [200, 100]
    assert [round(piece.box.x) for piece in found.pieces] == [8]


def test_empty_output_has_no_candidates() -> None:
    found = read_output(draw_output([]), scale=1.0)
    assert found.gaps == () and found.pieces == ()


def test_overlap_of_boxes() -> None:
    box = Box(0, 0, 10, 10)
    assert box.overlap(box) == 1.0
    assert box.overlap(Box(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box.overlap(Box(20, 0, 10, 10)) == 0.0


def test_rank_leaves_out_gaps_under_the_piece() -> None:
    piece = Candidate(Box(10, 50, 50, 50), 0.9)
    under, true = Candidate(Box(12, 50, 50, 50), 0.7), Candidate(Box(200, 50, 50, 50), 0.5)
    ranking = rank(Detections((under, true), (piece,)), 320)
    assert [gap.box.x for gap in ranking.gaps] == [200]


def test_rank_prefers_the_row_and_size_of_the_piece() -> None:
    piece = Candidate(Box(10, 100, 50, 50), 0.9)
    other_row = Candidate(Box(150, 20, 50, 50), 0.9)
    other_size = Candidate(Box(90, 110, 30, 28), 0.7)
    true = Candidate(Box(220, 101, 49, 50), 0.6)
    ranking = rank(Detections((other_row, other_size, true), (piece,)), 320)
    assert ranking.gaps[0] == true


def test_rank_takes_no_piece_far_from_the_left_border() -> None:
    right = Candidate(Box(200, 100, 50, 50), 0.9)
    assert rank(Detections((), (right,)), 320).piece is None
