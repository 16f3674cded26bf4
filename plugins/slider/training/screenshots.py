"""A slider's page round its image: margins, a caption, the bar with its handle."""

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator
Colour = tuple[float, float, float]

_WIDEST = 0.18
"""Of a margin, over the image's side."""


def draw_page(image: Image, rng: Rng) -> tuple[Image, int, int]:
    """Lay an image into a page, as a screenshot shows it.

    Args:
        image: uint8, (height, width, 3), RGB.
        rng: source of randomness.

    Returns:
        The page, and how far the image is from its left and from its top, in pixels.
    """
    height, width = image.shape[:2]
    left, right = rng.integers(0, int(_WIDEST * width) + 1, 2)
    top = int(rng.integers(0, int(_WIDEST * height) + 1))
    bar = int(rng.uniform(0.12, 0.22) * height) if rng.random() < 0.8 else 0
    below = bar + int(rng.integers(0, int(_WIDEST * height) + 1))
    # A page stays wider than tall: what is upright is no slider's background.
    below = min(below, max(0, left + width + right - top - height - 1))
    page = np.empty((top + height + below, left + width + right, 3), np.uint8)
    page[:] = _tone(rng, 225, 256) if rng.random() < 0.8 else _tone(rng, 0, 80)
    page[top : top + height, left : left + width] = image
    if top > 18 and rng.random() < 0.5:
        words = "".join(chr(rng.integers(97, 123)) for _ in range(rng.integers(6, 20)))
        at = (int(left) + 2, top - 6)
        cv2.putText(page, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (90,) * 3, 1, cv2.LINE_AA)
    if bar > 8 and below >= bar:
        _draw_bar(page[top + height : top + height + bar, left : left + width], rng)
    return page, int(left), top


def _tone(rng: Rng, low: int, high: int) -> Colour:
    tone = float(rng.integers(low, high))
    return tone, tone, tone


def _draw_bar(area: Image, rng: Rng) -> None:
    """The rail, the part of it that was gone, and the handle with its arrow."""
    height, width = area.shape[:2]
    gap = int(rng.integers(1, max(2, height // 4)))
    low, high = gap, height - 1
    side = high - low
    at = int(rng.uniform(0, 0.1) * width)
    colour = tuple(float(part) for part in rng.uniform(0, 255, 3))
    cv2.rectangle(area, (0, low), (width - 1, high), _tone(rng, 200, 250), -1)
    if rng.random() < 0.5:
        cv2.rectangle(area, (0, low), (width - 1, high), _tone(rng, 120, 200), 1)
    if rng.random() < 0.3:
        cv2.circle(area, (at + side // 2, low + side // 2), side // 2, colour, -1, cv2.LINE_AA)
    else:
        cv2.rectangle(area, (at, low), (at + int(side * 1.3), high), colour, -1)
    middle = low + side // 2
    ends = (at + side // 4, middle), (at + side, middle)
    cv2.arrowedLine(area, *ends, (255,) * 3, 2, cv2.LINE_AA, tipLength=0.4)
