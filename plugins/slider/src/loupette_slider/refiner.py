"""The second look: where exactly the edges of a found box are, at the image's own resolution."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from loupette_slider.detector import Box, Candidate, Detections, Detector

SIDE = 80
"""The network's input is a square of this many pixels."""

BINS = 40
"""Places along a side that an edge is told apart at."""

CONTEXT = 1.6
"""Side of the square that is looked at, over the longer side of the box."""

GAP, PIECE = 0, 1
"""Kinds of box; each has its own four outputs."""

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Square:
    """The part of an image that the network looks at.

    Attributes:
        x: left edge in pixels of the image; may lie outside of it.
        y: top edge.
        side: pixels of the image.
    """

    x: int
    y: int
    side: int

    @classmethod
    def around(cls, box: Box) -> "Square":
        """The square for a box."""
        side = max(round(max(box.w, box.h) * CONTEXT), 8)
        x, y = box.centre
        return cls(round(x - side / 2), round(y - side / 2), side)

    @property
    def scale(self) -> float:
        """Input pixels per image pixel."""
        return SIDE / self.side

    def cut(self, rgb: Pixels) -> Pixels:
        """Cut it out of an image; beyond the border its last pixels are repeated.

        Args:
            rgb: uint8, (height, width, 3), RGB; the square overlaps it.

        Returns:
            uint8, (SIDE, SIDE, 3).
        """
        height, width = rgb.shape[:2]
        x0, y0 = max(self.x, 0), max(self.y, 0)
        x1, y1 = min(self.x + self.side, width), min(self.y + self.side, height)
        before, after = (
            (y0 - self.y, x0 - self.x),
            (self.y + self.side - y1, self.x + self.side - x1),
        )
        part = cv2.copyMakeBorder(
            rgb[y0:y1, x0:x1], before[0], after[0], before[1], after[1], cv2.BORDER_REPLICATE
        )
        mode = cv2.INTER_AREA if self.side > SIDE else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=mode), np.uint8)


@dataclass(frozen=True)
class Refined:
    """A box with exact edges.

    Attributes:
        box: in pixels of the image, sub-pixel.
        sure: 0..1, the share of probability within `NEAR_PX` of the left edge given.
    """

    box: Box
    sure: float


NEAR_PX = 3.0
"""Pixels of the image within which an answer counts as right."""


class Refiner:
    """The second network, loaded once.

    Args:
        model: a LiteRT flatbuffer with one uint8-valued float input (1, SIDE, SIDE, 3) and one
            output (1, 2 kinds, 4 edges, BINS) of logits.
    """

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def refine(self, rgb: Pixels, box: Box, kind: int) -> Refined:
        """Find the edges of a box.

        Args:
            rgb: uint8, (height, width, 3), RGB.
            box: from the detector, off by a sixth of its size at most.
            kind: `GAP` or `PIECE`.
        """
        square = Square.around(box)
        self._interpreter.set_tensor(self._input, square.cut(rgb)[None].astype(np.float32))
        self._interpreter.invoke()
        return read_edges(self._interpreter.get_tensor(self._output)[0, kind], square)


def read_edges(logits: Floats, square: Square) -> Refined:
    """Turn the network's output into a box.

    Args:
        logits: float32, (4, BINS): left, top, right, bottom.
        square: what was looked at.
    """
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    peaks = odds.argmax(axis=1)
    bins = np.arange(BINS)
    # The mean near the peak: exact below a bin, and not moved by a second guess far off.
    near = odds * (np.abs(bins - peaks[:, None]) <= 2)
    places = (near * (bins + 0.5)).sum(axis=1) / near.sum(axis=1) * (SIDE / BINS) / square.scale
    left, top, right, bottom = (float(place) for place in places)
    reach = NEAR_PX * square.scale * BINS / SIDE
    at = left * square.scale * BINS / SIDE - 0.5
    sure = float(odds[0][np.abs(bins - at) <= max(reach, 1.0)].sum())
    box = Box(square.x + left, square.y + top, max(right - left, 1.0), max(bottom - top, 1.0))
    return Refined(box, sure)


_LOOKED_AT = 2
"""Gaps that are looked at again; weaker ones are no answers."""

_FARTHEST = 0.3
"""Share of a box's size by which a second look may move it; farther, it saw something else."""


class TwoLooks:
    """The detector, and the refiner on what it found.

    Args:
        detector: finds boxes.
        refiner: makes them exact.
    """

    def __init__(self, detector: Detector, refiner: Refiner) -> None:
        self._detector = detector
        self._refiner = refiner

    def detect(self, rgb: Pixels) -> Detections:
        """As `Detector.detect`: the first look."""
        return self._detector.detect(rgb)

    def sharpen(self, rgb: Pixels, found: Detections) -> Detections:
        """What `detect` found, the best boxes exact."""
        gaps, pieces = found.gaps, found.pieces
        exact = tuple(self.look(rgb, gap, GAP) for gap in gaps[:_LOOKED_AT])
        drawn = tuple(self.look(rgb, piece, PIECE) for piece in pieces[:1])
        return Detections(exact + gaps[_LOOKED_AT:], drawn + pieces[1:])

    def look(self, rgb: Pixels, candidate: Candidate, kind: int) -> Candidate:
        """One box, exact.

        Args:
            rgb: uint8, (height, width, 3), RGB.
            candidate: off by a sixth of its size at most.
            kind: `GAP` or `PIECE`.

        Returns:
            The candidate with another box and `sure`; with its own where it cannot be so far off.
        """
        box = candidate.box
        refined = self._refiner.refine(rgb, box, kind)
        moved = max(
            abs(refined.box.x - box.x) / box.w,
            abs(refined.box.x + refined.box.w - box.x - box.w) / box.w,
            abs(refined.box.y - box.y) / box.h,
        )
        if moved > _FARTHEST:
            return replace(candidate, sure=min(refined.sure, 0.3))
        return replace(candidate, box=refined.box, sure=refined.sure)
