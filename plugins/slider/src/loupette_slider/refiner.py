"""The second look: where exactly the edges of a found box are, at the image's own resolution."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from loupette_slider.detector import Box, Candidate, Detections, Detector
from loupette_slider.edges import Edges

SIDE = 80
"""The network's input is a square of this many pixels."""

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

    def refine(self, rgb: Pixels, box: Box, kind: int) -> Edges:
        """Find the edges of a box.

        Args:
            rgb: uint8, (height, width, 3), RGB.
            box: from the detector, off by a sixth of its size at most.
            kind: `GAP` or `PIECE`.
        """
        square = Square.around(box)
        self._interpreter.set_tensor(self._input, square.cut(rgb)[None].astype(np.float32))
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._output)[0, kind]
        return Edges.read(logits, x=square.x, y=square.y, side=square.side)


_LOOKED_AT = 2
"""Gaps that are looked at again; weaker ones are no answers."""

_FARTHEST = 0.3
"""Share of a box's size by which a second look may move it; farther, it saw something else."""

_FAR = 0.1
"""Share from which on it is looked at again from where it then is: its edge was hardly in sight."""


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
            The candidate with another box, `sure` and `edges`; with its own box and no edges where
            it cannot be so far off.
        """
        exact = self._look_once(rgb, candidate, kind)
        if _moved(candidate.box, exact.box) <= _FAR:
            return exact
        again = self._look_once(rgb, replace(candidate, box=exact.box), kind)
        return exact if again.edges is None else again

    def _look_once(self, rgb: Pixels, candidate: Candidate, kind: int) -> Candidate:
        exact = candidate.seen(self._refiner.refine(rgb, candidate.box, kind))
        if _moved(candidate.box, exact.box) > _FARTHEST:
            return replace(candidate, sure=min(exact.sure, 0.3))
        return exact


def _moved(box: Box, exact: Box) -> float:
    """How far a box's left, right or top was moved, over its size."""
    return max(
        abs(exact.x - box.x) / box.w,
        abs(exact.x + exact.w - box.x - box.w) / box.w,
        abs(exact.y - box.y) / box.h,
    )
