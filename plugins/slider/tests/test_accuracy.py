"""Accuracy on the bundled scenes (drawn by training/draw_samples.py, never trained on).

Floors lie below what was measured, so that a worse model fails and a lucky pixel does not.
"""

import time

import numpy as np

from loupette.plugin import Challenge, Picture, Unsolvable
from loupette_slider.solver import SliderSolver

from .conftest import LabelledScene, Pixels, picture

SINGLE_FLOOR = 0.7
SINGLE_LIMIT_S = 0.2


def miss(solver: SliderSolver, scene: LabelledScene, piece: Picture | None) -> float:
    try:
        answer = solver.solve(Challenge(scene.image, piece))
    except Unsolvable:
        return float("inf")
    return abs(int(answer.result) - scene.gap[0])


def strip(scene: LabelledScene, piece: Pixels) -> Pixels:
    x, y, (h, w) = 6, scene.gap[1], piece.shape[:2]
    tall = np.zeros((scene.image.height, w + 12, 4), np.uint8)
    tall[y : y + h, x : x + w] = piece
    return tall


def opaque(piece: Pixels) -> Pixels:
    alpha = piece[..., 3:].astype(np.float32) / 255
    flat = piece[..., :3] * alpha + 255 * (1 - alpha)
    return np.pad(flat.astype(np.uint8), ((3, 3), (3, 3), (0, 0)), constant_values=255)


def test_single_images_are_read_within_5_px(
    solver: SliderSolver, scenes: list[LabelledScene]
) -> None:
    misses = np.array([miss(solver, scene, None) for scene in scenes])
    assert len(misses) == 30
    assert (misses <= 5).mean() >= SINGLE_FLOOR


def test_tight_crop_finds_its_place(solver: SliderSolver, scenes: list[LabelledScene]) -> None:
    pieced = [scene for scene in scenes if scene.piece is not None]
    misses = [miss(solver, scene, picture(scene.piece)) for scene in pieced]
    assert np.mean(np.array(misses) <= 3) >= 0.8


def test_strip_finds_its_place(solver: SliderSolver, scenes: list[LabelledScene]) -> None:
    pieced = [scene for scene in scenes if scene.piece is not None]
    misses = [miss(solver, scene, picture(strip(scene, scene.piece))) for scene in pieced]
    assert np.mean(np.array(misses) <= 3) >= 0.8


def test_opaque_piece_on_white_finds_its_place(
    solver: SliderSolver, scenes: list[LabelledScene]
) -> None:
    pieced = [scene for scene in scenes if scene.piece is not None]
    misses = [miss(solver, scene, picture(opaque(scene.piece))) for scene in pieced]
    assert np.mean(np.array(misses) <= 5) >= 0.8


def test_one_image_takes_no_longer_than_a_tenth_of_the_deadline(
    solver: SliderSolver, scenes: list[LabelledScene]
) -> None:
    spent = []
    for scene in scenes[:10]:
        started = time.process_time()
        miss(solver, scene, None)
        spent.append(time.process_time() - started)
    assert np.median(spent) < SINGLE_LIMIT_S
