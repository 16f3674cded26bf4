"""Second looks at a line of text: what is read of one picture alone is less likely."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from loupette.plugin import Picture, Pixels
from loupette.toolkit.ctc import LogProbs
from loupette.toolkit.images import median_frame

MOSTLY = 0.5
"""Share of probability that makes something the case."""

_NEARLY_SURE = (0.7, 0.9)
"""Of readings as likely as this, some are sure enough to be answered and some are not, and looking
again tells them apart; chosen on held-out own pictures. What is likelier is not looked at again, as
then wrong readings come out likelier; what is less likely is hardly ever answered, and seldom
another text."""

_MARGINS = ((-0.03, -0.1), (0.04, 0.0))
"""What is added at the sides, and above and below, over width and height; chosen on held-out own
pictures."""

_WIDE_ENOUGH = 0.65
"""Text that takes this share of the width is read as it is; a narrower one is looked at closer."""

_STEPS_BESIDE = 3
"""Time steps (of 40) left on both sides of the letters when looking closer."""


@dataclass(frozen=True)
class View:
    """The columns of a posted picture that a model looks at.

    Attributes:
        left: the first, in pixels of the posted picture; below 0 where a margin was added.
        width: how many, the margins among them.
    """

    left: int
    width: int


def is_in_doubt(probability: float) -> bool:
    """Whether further looks are worth their time: they may find another text, or decide an answer.

    Args:
        probability: 0..1, of the likeliest reading.
    """
    least, most = _NEARLY_SURE
    return probability < MOSTLY or least <= probability < most


def further_looks(
    picture: Picture, line: Pixels, log_probs: LogProbs
) -> Iterator[tuple[Pixels, View]]:
    """Other pictures of the same text, for a reading in doubt.

    Args:
        picture: all frames.
        line: uint8, (height, width, 3), what was read of it.
        log_probs: float32, (steps, symbols + 1), what the model gave for that, the blank last.

    Yields:
        uint8, (any height, any width, 3), and its columns: with other margins, the letters alone
        where they take little of the width, and what stays in an animation.
    """
    for across, down in _MARGINS:
        yield _reframe(line, across, down)
    closer = _text_part(line, log_probs)
    if closer is not None:
        yield line[:, closer.left : closer.left + closer.width], closer
    if len(picture.frames) > 1:
        yield median_frame(picture.rgb_frames), View(0, picture.width)


def _reframe(line: Pixels, across: float, down: float) -> tuple[Pixels, View]:
    """A picture with margins added, or taken off where they are below 0."""
    height, width = line.shape[:2]
    x, y = round(across * width), round(down * height)
    cut = line[max(-y, 0) : height - max(-y, 0), max(-x, 0) : width - max(-x, 0)]
    margins = (max(y, 0),) * 2, (max(x, 0),) * 2, (0, 0)
    return np.pad(cut, margins, mode="edge"), View(-x, width + 2 * x)


def _text_part(line: Pixels, log_probs: LogProbs) -> View | None:
    """The columns where the model saw letters, if much of the picture is beside them.

    Small letters on a wide canvas are read better when looked at again, larger: .13 to .23 on
    8-digit numbers that take half of the width.
    """
    steps = len(log_probs)
    lettered = np.flatnonzero(log_probs[:, -1] < np.log(MOSTLY))
    if len(lettered) < 2 or lettered[-1] - lettered[0] + 1 > _WIDE_ENOUGH * steps:
        return None
    width = line.shape[1]
    left = max(0, int((lettered[0] - _STEPS_BESIDE) / steps * width))
    right = min(width, int((lettered[-1] + 1 + _STEPS_BESIDE) / steps * width) + 1)
    return View(left, right - left)
