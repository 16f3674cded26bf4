"""Whatever image or piece comes, there is an answer inside the image or a refusal."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from loupette.plugin import Challenge, Unsolvable
from loupette_slider.solver import SliderSolver

from .conftest import Pixels, picture

SIDES = st.integers(1, 340)


def draw_noise(width: int, height: int, *, seed: int, coarse: int) -> Pixels:
    """Random RGBA blocks of `coarse` pixels."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (height // coarse + 1, width // coarse + 1, 4), dtype=np.uint8)
    return np.kron(blocks, np.ones((coarse, coarse, 1), np.uint8))[:height, :width]


def check(solver: SliderSolver, challenge: Challenge) -> None:
    try:
        answer = solver.solve(challenge)
    except Unsolvable as refusal:
        assert refusal.reason.islower() and refusal.message
        return
    assert 0 <= int(answer.result) < challenge.image.width
    assert 0.0 <= answer.confidence <= 1.0


@settings(max_examples=20, deadline=None)
@given(width=SIDES, height=SIDES, seed=st.integers(0, 99), coarse=st.sampled_from([1, 7, 40]))
def test_any_background_is_answered_or_refused(
    solver: SliderSolver, width: int, height: int, seed: int, coarse: int
) -> None:
    check(solver, Challenge(picture(draw_noise(width, height, seed=seed, coarse=coarse))))


@settings(max_examples=20, deadline=None)
@given(width=SIDES, height=SIDES, seed=st.integers(0, 99), coarse=st.sampled_from([1, 7, 40]))
def test_any_piece_is_answered_or_refused(
    solver: SliderSolver, width: int, height: int, seed: int, coarse: int
) -> None:
    background = picture(draw_noise(320, 180, seed=1, coarse=23))
    piece = picture(draw_noise(width, height, seed=seed, coarse=coarse))
    check(solver, Challenge(background, piece))
