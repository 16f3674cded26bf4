"""False gaps beside the true one: fainter, turned, larger, smaller, in another row or shape."""

from collections.abc import Sequence

import cv2
import numpy as np
from gaps import Box, Floats, GapStyle, Rng, blend_gap, cut_gap
from shapes import draw_shape


def add_false_gaps(
    canvas: Floats, shape: Floats, style: GapStyle, rng: Rng, *, gap: Box, piece_x: int | None
) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Cut second gaps: twins in another row; fainter, turned, larger and smaller ones anywhere.

    One of another shape in the same row is as strong as the true one half of the time: only a
    piece that is drawn tells which it is.
    """
    twins: list[Box] = []
    decoys: list[Box] = []
    if rng.random() < 0.68:
        return (), ()
    taken = [gap] if piece_x is None else [gap, (piece_x, gap[1], gap[2], gap[3])]
    for _ in range(rng.integers(1, 3)):
        kind = rng.choice(
            ["twin", "copy", "turned", "scaled", "other"], p=[0.36, 0.2, 0.2, 0.1, 0.14]
        )
        false = _alter(shape, str(kind), rng)
        h, w = false.shape
        box = _free_box(canvas.shape, (w, h), taken, rng, y=gap[1] if kind == "other" else None)
        if box is None or (kind == "twin" and abs(box[1] - gap[1]) < 8):
            continue
        taken.append(box)
        strong = kind == "twin" or (kind == "other" and rng.random() < 0.5)
        if strong:
            cut_gap(canvas, false, box, style, rng)
        else:
            blend_gap(canvas, false, box, style.weaker(rng), rng)
        alike = kind == "twin" or (strong and piece_x is None)
        (twins if alike else decoys).append(box)
    return tuple(twins), tuple(decoys)


def _alter(shape: Floats, kind: str, rng: Rng) -> Floats:
    """The shape of a false gap."""
    h, w = shape.shape
    if kind == "turned":
        return np.ascontiguousarray(np.rot90(shape))
    if kind == "scaled":
        scale = rng.uniform(0.6, 0.82) if rng.random() < 0.5 else rng.uniform(1.2, 1.5)
        size = max(12, round(w * scale)), max(12, round(h * scale))
        return np.asarray(cv2.resize(shape, size, interpolation=cv2.INTER_AREA), np.float32)
    return draw_shape(w, h, rng) if kind == "other" else shape


def _free_box(
    canvas_shape: tuple[int, ...],
    size: tuple[int, int],
    taken: Sequence[Box],
    rng: Rng,
    *,
    y: int | None = None,
) -> Box | None:
    height, width = canvas_shape[:2]
    w, h = size
    if w >= width or h >= height:
        return None
    for _ in range(12):
        row = int(rng.integers(0, height - h)) if y is None else y
        box = (int(rng.integers(0, width - w)), row, w, h)
        if not _overlaps(box, taken, 3):
            return box
    return None


def _overlaps(box: Box, others: Sequence[Box], margin: int) -> bool:
    x, y, w, h = box
    return any(
        x < ox + ow + margin
        and ox < x + w + margin
        and y < oy + oh + margin
        and oy < y + h + margin
        for ox, oy, ow, oh in others
    )
