"""The trained detector: where gaps and drawn pieces are, with a score each."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter

from loupette_slider.edges import Edges

INPUT_WIDTH = 320
INPUT_HEIGHT = 192
STRIDE = 4
DISTANCE_UNIT_PX = 16.0
"""The network gives box sides as distances in this many input pixels."""

_LARGEST_SCALE = 1.5
_PADDING = 128
_FAINTEST_HEAT = 0.08
_MOST_CANDIDATES = 6
_SAME_BOX_OVERLAP = 0.35

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Box:
    """A box in pixels of the posted image, edges not rounded."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> tuple[float, float]:
        """Give the middle, x and y."""
        return self.x + self.w / 2, self.y + self.h / 2

    def overlap(self, other: "Box") -> float:
        """Give the share of common area in the area of both, 0..1."""
        w = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        h = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        if w <= 0 or h <= 0:
            return 0.0
        return w * h / (self.w * self.h + other.w * other.h - w * h)

    def rounded(self) -> list[int]:
        """Give x, y, w, h in whole pixels."""
        return [round(self.x), round(self.y), round(self.w), round(self.h)]


def fit_to_input(rgb: Pixels) -> tuple[Pixels, float]:
    """Scale an image into the network's input, top left, the rest grey.

    Args:
        rgb: uint8, (height, width, 3), RGB, any size.

    Returns:
        uint8, (INPUT_HEIGHT, INPUT_WIDTH, 3), RGB; and the scale: input pixels per image pixel.
    """
    height, width = rgb.shape[:2]
    scale = min(INPUT_WIDTH / width, INPUT_HEIGHT / height, _LARGEST_SCALE)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    mode = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    canvas = np.full((INPUT_HEIGHT, INPUT_WIDTH, 3), _PADDING, np.uint8)
    canvas[: size[1], : size[0]] = cv2.resize(rgb, size, interpolation=mode)
    return canvas, scale


@dataclass(frozen=True)
class Candidate:
    """A box that may be a gap (or a piece).

    Attributes:
        box: in pixels of the posted image.
        score: the network's heat at its centre, 0..1.
        sure: probability that the left edge is within 3 px, as the second look has it, 0..1.
        edges: what the second look saw; None before it.
    """

    box: Box
    score: float
    sure: float = 0.5
    edges: Edges | None = None

    def seen(self, edges: Edges) -> "Candidate":
        """The same with the box that these edges make."""
        left, top, right, bottom = edges.sides
        box = Box(left, top, max(right - left, 1.0), max(bottom - top, 1.0))
        return replace(self, box=box, sure=edges.sure(), edges=edges)


@dataclass(frozen=True)
class Detections:
    """What the network saw in one image, best first.

    Attributes:
        gaps: candidate gaps, decoys among them.
        pieces: candidate drawn pieces.
    """

    gaps: tuple[Candidate, ...]
    pieces: tuple[Candidate, ...]


class Detector:
    """The network, loaded once.

    Args:
        model: a LiteRT flatbuffer with one uint8-valued float input (1, 192, 320, 3) and one
            output (1, 48, 80, 6), as training/export.py writes it.
    """

    def __init__(self, model: bytes) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]

    def detect(self, rgb: Pixels) -> Detections:
        """Find gaps and pieces.

        Args:
            rgb: uint8, (height, width, 3), RGB.

        Returns:
            Candidates in pixels of `rgb`.
        """
        canvas, scale = fit_to_input(rgb)
        self._interpreter.set_tensor(self._input, canvas[None].astype(np.float32))
        self._interpreter.invoke()
        return read_output(self._interpreter.get_tensor(self._output)[0], scale=scale)


def read_output(output: Floats, *, scale: float) -> Detections:
    """Turn the network's raw output into boxes.

    Args:
        output: float32, (48, 80, 6): two heatmap logits, then distances to the four sides.
        scale: input pixels per image pixel.

    Returns:
        Candidates in pixels of the image.
    """
    heat = 1.0 / (1.0 + np.exp(-output[..., :2]))
    sides = output[..., 2:] * DISTANCE_UNIT_PX
    gaps = _find_peaks(np.ascontiguousarray(heat[..., 0]), sides, scale=scale)
    pieces = _find_peaks(np.ascontiguousarray(heat[..., 1]), sides, scale=scale)
    return Detections(gaps, pieces)


def _find_peaks(heat: Floats, sides: Floats, *, scale: float) -> tuple[Candidate, ...]:
    summits = (heat >= cv2.dilate(heat, np.ones((5, 5), np.uint8))) & (heat > _FAINTEST_HEAT)
    rows, columns = np.nonzero(summits)
    found: list[Candidate] = []
    for at in np.argsort(-heat[rows, columns])[: 2 * _MOST_CANDIDATES]:
        row, column = int(rows[at]), int(columns[at])
        box = _average_box(heat, sides, row=row, column=column, scale=scale)
        if all(box.overlap(other.box) < _SAME_BOX_OVERLAP for other in found):
            found.append(Candidate(box, float(heat[row, column])))
    return tuple(found[:_MOST_CANDIDATES])


def _average_box(heat: Floats, sides: Floats, *, row: int, column: int, scale: float) -> Box:
    """Average the boxes that the cells around a peak give, by their heat: steadier than one."""
    part = slice(max(0, row - 1), row + 2), slice(max(0, column - 1), column + 2)
    weight = heat[part] / heat[part].sum()
    ys, xs = np.mgrid[part].astype(np.float32) * STRIDE + STRIDE / 2
    left, top, right, bottom = np.moveaxis(sides[part], -1, 0)
    x0, y0 = float(((xs - left) * weight).sum()), float(((ys - top) * weight).sum())
    x1, y1 = float(((xs + right) * weight).sum()), float(((ys + bottom) * weight).sum())
    return Box(x0 / scale, y0 / scale, max(x1 - x0, 1.0) / scale, max(y1 - y0, 1.0) / scale)
