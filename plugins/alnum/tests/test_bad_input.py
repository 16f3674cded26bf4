"""What shows no text, or more of it than the model takes, is refused with its reason."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from loupette.plugin import Answer, Challenge, Picture, Pixels, Unsolvable
from loupette.toolkit.text import TextSolver
from loupette_alnum.solver import load

CONFIDENT = 0.5


@pytest.fixture(scope="module")
def solver() -> TextSolver:
    return load()


def read(solver: TextSolver, rgb: Pixels) -> Answer | Unsolvable:
    frames = np.full((1, *rgb.shape[:2], 4), 255, np.uint8)
    frames[0, ..., :3] = rgb
    try:
        return solver.solve(Challenge(Picture(frames, "png")))
    except Unsolvable as refusal:
        return refusal


def photo(seed: int, *, width: int = 200, height: int = 100) -> Pixels:
    """Coarse and fine patches, the finer the fainter, as in a photograph."""
    rng = np.random.default_rng(seed)
    sum_of_patches = np.zeros((height, width, 3))
    for cells in (3, 6, 12, 25, 50):
        patches = Image.fromarray(rng.integers(0, 256, (cells, 2 * cells, 3), dtype=np.uint8))
        smooth = patches.resize((width, height), Image.Resampling.BICUBIC)
        sum_of_patches += np.asarray(smooth, float) / cells
    lowest, highest = sum_of_patches.min(), sum_of_patches.max()
    return ((sum_of_patches - lowest) / (highest - lowest) * 255).astype(np.uint8)


def ramp(*, width: int = 160, height: int = 50, across: bool) -> Pixels:
    levels = np.linspace(0, 255, width if across else height).astype(np.uint8)
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = levels[None, :, None] if across else levels[:, None, None]
    return rgb


def written(text: str) -> Pixels:
    font = ImageFont.load_default(24)
    image = Image.new("RGB", (int(font.getlength(text)) + 20, 40), "white")
    ImageDraw.Draw(image).text((10, 6), text, font=font, fill="black")
    return np.asarray(image)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (4000, 30), (30, 4000), (1, 40), (40, 1)])
def test_sizes_of_no_line_are_refused_whatever_they_show(
    solver: TextSolver, width: int, height: int
) -> None:
    for rgb in (photo(1, width=width, height=height), np.zeros((height, width, 3), np.uint8)):
        refusal = read(solver, rgb)
        assert isinstance(refusal, Unsolvable)
        assert refusal.reason == "bad_shape"


@pytest.mark.parametrize("across", [True, False])
def test_a_gradient_is_no_text(solver: TextSolver, across: bool) -> None:
    refusal = read(solver, ramp(across=across))
    assert isinstance(refusal, Unsolvable)
    assert refusal.reason in {"no_text", "unsure"}


def test_photos_without_text_are_refused_or_doubted(solver: TextSolver) -> None:
    answers = [read(solver, photo(seed)) for seed in range(20)]
    given = [answer for answer in answers if isinstance(answer, Answer)]
    assert len(given) <= 4
    assert all(answer.confidence < CONFIDENT for answer in given)


@pytest.mark.parametrize("count", [25, 30, 38])
def test_text_longer_than_the_model_takes_is_refused(solver: TextSolver, count: int) -> None:
    text = ("k3m7p9rw2xh5tn8vbq4gj6cdfz" * 2)[:count]
    answer = read(solver, written(text))
    if isinstance(answer, Answer):
        assert answer.result == text
    else:
        assert answer.reason in {"unsure", "no_text", "bad_shape"}
