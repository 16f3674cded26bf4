"""How sure each character is and where it was seen, against sums over all paths."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw, ImageFont

import loupette_alnum
from loupette.plugin import Pixels
from loupette.toolkit.characters import align, describe_characters
from loupette.toolkit.ctc import LogProbs, log_probability, log_softmax
from loupette.toolkit.looks import View
from loupette.toolkit.recognizer import CtcRecognizer

BLANK = 3
WHOLE, SIZE = View(0, 100), (100, 40)
TEXTS = [[0], [1, 2], [0, 0], [2, 1, 1]]

Chances = npt.NDArray[np.float32]


def seen(path: list[int], *, sure: float = 12.0) -> LogProbs:
    return log_softmax(np.eye(BLANK + 1, dtype=np.float32)[path] * sure)


def describe(
    text: str,
    codes: list[int],
    log_probs: LogProbs,
    view: View = WHOLE,
    size: tuple[int, int] = SIZE,
) -> list[Any]:  # Any: JSON
    """Of one look."""
    return list(describe_characters(text, codes, [(log_probs, view)], size=size))


def paths_of(codes: list[int], steps: int) -> Iterator[tuple[int, ...]]:
    """All that collapse to the text."""
    for path in itertools.product(range(BLANK + 1), repeat=steps):
        if [code for code, _ in itertools.groupby(path) if code != BLANK] == codes:
            yield path


def chance(log_probs: LogProbs, path: tuple[int, ...]) -> float:
    return float(sum(log_probs[step, code] for step, code in enumerate(path)))


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (5, BLANK + 1), elements=st.floats(-20, 20, width=32)),
    st.sampled_from(TEXTS),
)
def test_the_spans_are_those_of_the_likeliest_path(logits: Chances, codes: list[int]) -> None:
    log_probs = log_softmax(logits)
    path = [BLANK] * 5
    for code, (start, end) in zip(codes, align(log_probs, codes), strict=True):
        path[start:end] = [code] * (end - start)
    best = max(chance(log_probs, each) for each in paths_of(codes, 5))
    assert chance(log_probs, tuple(path)) == pytest.approx(best, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float32, (5, BLANK + 1), elements=st.floats(-20, 20, width=32)),
    st.sampled_from([codes for codes in TEXTS if len(set(codes)) == len(codes)]),
)
def test_all_characters_together_are_no_surer_than_the_text(
    logits: Chances, codes: list[int]
) -> None:
    log_probs = log_softmax(logits)
    each = [part["confidence"] for part in describe("ab"[: len(codes)], codes, log_probs)]
    assert np.prod(np.array(each, float)) <= np.exp(log_probability(log_probs, codes, BLANK)) + 1e-3


def test_one_doubtful_character_is_told_from_its_sure_neighbours() -> None:
    log_probs = seen([BLANK, 0, BLANK, 1, BLANK, 2, BLANK])
    doubt = log_probs.copy()
    doubt[3] = np.log([1e-6, 0.6, 0.4 - 3e-6, 1e-6])
    confidences = [part["confidence"] for part in describe("abc", [0, 1, 2], doubt)]
    assert confidences == [
        pytest.approx(1, abs=1e-3),
        pytest.approx(0.6, abs=1e-3),
        pytest.approx(1, abs=1e-3),
    ]


def test_a_character_that_two_steps_may_write_is_as_sure_as_both_together() -> None:
    half = np.log([0.5, 1e-9, 1e-9, 0.5])
    log_probs = np.stack([half, half]).astype(np.float32)
    (only,) = describe("a", [0], log_probs)
    assert only["confidence"] == pytest.approx(0.75, abs=1e-3)  # all but two blanks


def test_repeated_characters_have_their_own_steps() -> None:
    log_probs = seen([0, 0, BLANK, 0, BLANK, 1])
    assert align(log_probs, [0, 0, 1]) == [(0, 2), (3, 4), (5, 6)]


@pytest.mark.parametrize("codes", [[], [0, 1, 2], [0, 0]])
def test_what_the_steps_cannot_write_has_no_characters(codes: list[int]) -> None:
    assert describe("abc"[: len(codes)], codes, seen([BLANK, 0])) == []


def test_boxes_are_in_pixels_of_the_posted_picture() -> None:
    log_probs = seen([BLANK, BLANK, 0, BLANK, BLANK, BLANK, 1, 1, BLANK, BLANK])
    boxes = [part["box"] for part in describe("AB", [0, 1], log_probs, View(30, 200), (300, 60))]
    # Steps of 20 pixels: apart at 4.5, and as far beyond the middles, 2.5 and 7, as that is within.
    assert boxes == [[40, 0, 80, 60], [120, 0, 100, 60]]


def test_a_box_ends_with_the_picture() -> None:
    log_probs = seen([0, BLANK, BLANK, BLANK, BLANK, BLANK, 1])
    boxes = [part["box"] for part in describe("ab", [0, 1], log_probs, View(0, 70), (70, 20))]
    assert boxes == [[0, 0, 35, 20], [35, 0, 35, 20]]


def test_of_several_looks_confidence_is_the_mean_and_the_place_that_of_the_surest() -> None:
    sure = seen([BLANK, 0, BLANK, BLANK, 1, BLANK])
    doubt = np.log(0.4 * np.exp(seen([0, BLANK, BLANK, BLANK, BLANK, 1])) + 0.15)
    looks = [(doubt.astype(np.float32), View(0, 60)), (sure, View(-6, 72))]
    both = describe_characters("ab", [0, 1], looks, size=(60, 20))
    alone = [describe_characters("ab", [0, 1], [look], size=(60, 20)) for look in looks]
    assert [part["box"] for part in both] == [part["box"] for part in alone[1]]
    for part, one, other in zip(both, *alone, strict=True):
        shares = [one["confidence"], other["confidence"]]
        assert part["confidence"] == pytest.approx(np.mean(np.array(shares, float)), abs=1e-3)
    # With margins of 6 pixels its steps are 12 wide; what lies in a margin is cut off.
    assert [part["box"] for part in both] == [[0, 0, 30, 20], [30, 0, 30, 20]]


@pytest.fixture(scope="module")
def recognizer() -> CtcRecognizer:
    return CtcRecognizer(Path(loupette_alnum.__file__).parent / "weights")


def drawn(text: str, font: ImageFont.FreeTypeFont, spread: int) -> tuple[Pixels, list[float]]:
    """The text in plain letters, and the middle of each letter's ink."""
    image = Image.new("RGB", (spread * len(text) + 40, 60), "white")
    draw, middles = ImageDraw.Draw(image), []
    for index, char in enumerate(text):
        place = (20 + spread * index, 12)
        left, _, right, _ = draw.textbbox(place, char, font=font)
        draw.text(place, char, font=font, fill="black")
        middles.append((left + right) / 2)
    return np.asarray(image), middles


@pytest.mark.parametrize("spread", [24, 32, 48])
@pytest.mark.parametrize("text", ["k7m4", "3hw8r", "x2b9v4n"])
def test_each_letter_is_in_its_box(recognizer: CtcRecognizer, text: str, spread: int) -> None:
    font = ImageFont.load_default(34)
    assert isinstance(font, ImageFont.FreeTypeFont)
    rgb, middles = drawn(text, font, spread)
    codes = recognizer.alphabet.encode(text)
    height, width, _ = rgb.shape
    found = describe(text, codes, recognizer.read([rgb])[0], View(0, width), (width, height))
    boxes = np.array([part["box"] for part in found])
    assert (boxes[:, 0] <= middles).all() and (middles <= boxes[:, 0] + boxes[:, 2]).all()


def test_it_takes_less_than_a_tenth_of_the_models_time(recognizer: CtcRecognizer) -> None:
    rgb, _ = drawn("3hw8r", ImageFont.load_default(34), 32)  # type: ignore[arg-type]
    log_probs, codes = recognizer.read([rgb])[0], recognizer.alphabet.encode("3hw8r")

    def least_s(times: int, *, reads: bool) -> float:
        """Of many runs the quickest: others use the processor too."""
        found = []
        for _ in range(times):
            started_s = time.perf_counter()
            if reads:
                recognizer.read([rgb])
            else:
                describe("3hw8r", codes, log_probs)
            found.append(time.perf_counter() - started_s)
        return min(found)

    assert least_s(500, reads=False) < least_s(50, reads=True) / 10
