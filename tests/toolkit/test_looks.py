"""Further looks at a line in doubt, and what several looks say together."""

from collections.abc import Sequence

import numpy as np
import pytest

from loupette.plugin import Challenge, Picture, Pixels
from loupette.toolkit.ctc import Alphabet, LogProbs, Reading, average
from loupette.toolkit.looks import View, further_looks
from loupette.toolkit.text import TextSolver

ABC = Alphabet("abc")
WIDTH, HEIGHT = 200, 50


@pytest.fixture
def line() -> Pixels:
    """Each column of its own brightness, so that a cut shows where it was made."""
    columns = np.arange(WIDTH, dtype=np.uint8)
    return np.broadcast_to(columns[None, :, None], (HEIGHT, WIDTH, 3)).copy()


def picture_of(*frames: Pixels) -> Picture:
    opaque = np.full((*frames[0].shape[:2], 1), 255, np.uint8)
    return Picture(np.stack([np.concatenate([frame, opaque], axis=2) for frame in frames]), "png")


def seen(first: int, last: int, steps: int = 40) -> LogProbs:
    """Log-probabilities of a model that sees letters from one time step to another."""
    shares = np.full((steps, 3), 0.05)
    shares[:, 2] = 0.9
    shares[first : last + 1] = (0.9, 0.05, 0.05)
    return np.log(shares).astype(np.float32)


def test_text_across_the_line_is_looked_at_with_other_margins(line: Pixels) -> None:
    (narrower, less), (wider, more) = further_looks(picture_of(line), line, seen(2, 37))
    assert (less, more) == (View(6, WIDTH - 2 * 6), View(-8, WIDTH + 2 * 8))
    assert narrower.shape == (HEIGHT - 2 * 5, WIDTH - 2 * 6, 3)
    assert narrower[0, :, 0].tolist() == list(range(6, WIDTH - 6))
    assert wider.shape == (HEIGHT, WIDTH + 2 * 8, 3)
    assert wider[0, :, 0].tolist() == [*[0] * 8, *range(WIDTH), *[WIDTH - 1] * 8]


def test_little_text_is_looked_at_alone(line: Pixels) -> None:
    *_, (closer, view) = further_looks(picture_of(line), line, seen(10, 20))
    assert closer[0, :, 0].tolist() == list(range((10 - 3) * 5, (20 + 1 + 3) * 5 + 1))
    assert view == View((10 - 3) * 5, closer.shape[1])


def test_of_an_animation_what_stays_in_it_is_looked_at_too(line: Pixels) -> None:
    frames = [np.full_like(line, level) for level in (200, 210, 220)]
    *_, (still, _) = further_looks(picture_of(*frames), line, seen(2, 37))
    assert (still == 210).all()


def test_an_average_is_of_all_looks_and_a_text_that_one_has_not_is_less_likely() -> None:
    looks = [
        [Reading("ab", np.log(0.4)), Reading("a", np.log(0.3))],
        [Reading("a", np.log(0.3)), Reading("b", np.log(0.1))],
    ]
    means = average(looks)
    assert [reading.text for reading in means] == ["a", "ab", "b"]
    assert [reading.probability for reading in means] == pytest.approx([0.3, 0.2, 0.05])


class Fickle:
    """A recogniser that reads one text of the picture as it is, and another of any other look."""

    alphabet = ABC

    def __init__(self, first_share: float, other_share: float) -> None:
        self._first, self._other = first_share, other_share
        self.looks: list[tuple[int, ...]] = []

    def read(self, pictures: Sequence[Pixels]) -> LogProbs:
        """One time step: ``a`` of the picture as it is, ``b`` of others."""
        self.looks.append(pictures[0].shape)
        first = pictures[0].shape[:2] == (HEIGHT, WIDTH)
        share = self._first if first else self._other
        rest = (0.99 - share) / 2
        shares = (share, rest, rest, 0.01) if first else (rest, share, rest, 0.01)
        return np.log(np.array([[shares]], np.float32))


@pytest.mark.parametrize(
    ("first_share", "other_share", "text", "confidence", "looks"),
    [
        (0.6, 0.9, "a", 0.6, 1),  # sure enough: nothing else is asked
        (0.45, 0.8, "b", (0.27 + 0.8 + 0.8) / 3, 3),
        (0.49, 0.34, "a", (0.49 + 0.325 + 0.325) / 3, 3),
        (0.75, 0.6, "b", (0.12 + 0.6 + 0.6) / 3, 3),  # nearly sure enough: the others decide
        (0.92, 0.9, "a", 0.92, 1),
    ],
)
def test_a_text_in_doubt_is_what_all_looks_make_of_it(
    line: Pixels, first_share: float, other_share: float, text: str, confidence: float, looks: int
) -> None:
    recognizer = Fickle(first_share, other_share)
    solver = TextSolver(recognizer, least_confidence=0.0)
    # A caller that says one letter is one: short texts are not taken for noise.
    answer = solver.solve(Challenge(picture_of(line), options={"max_length": 1}))
    assert answer.result == text
    assert answer.confidence == pytest.approx(confidence, abs=0.02)
    assert len(recognizer.looks) == looks
