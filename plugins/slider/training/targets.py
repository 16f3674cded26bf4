"""Heatmaps and distances that the detector learns, drawn from label rows."""

import numpy as np
import numpy.typing as npt
from generate import DECOY, GAP, PIECE

from loupette_slider.detector import DISTANCE_UNIT_PX, INPUT_HEIGHT, INPUT_WIDTH, STRIDE

DECOY_HEAT = 0.3
"""A weaker false gap beside the true one: worth a candidate, never the first."""

_ROWS, _COLUMNS = INPUT_HEIGHT // STRIDE, INPUT_WIDTH // STRIDE
_GRID_Y = (np.arange(_ROWS, dtype=np.float32)[:, None] + 0.5) * STRIDE
_GRID_X = (np.arange(_COLUMNS, dtype=np.float32)[None, :] + 0.5) * STRIDE


def draw_targets(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Draw the targets of a batch.

    Args:
        labels: float32, (batch, boxes, 5): kind, x, y, w, h in input pixels; kind < 0 is empty.

    Returns:
        float32, (batch, 48, 80, 7): heat of gap and piece, left, top, right, bottom in units of
        `DISTANCE_UNIT_PX`, weight of the distances.
    """
    targets = np.zeros((len(labels), _ROWS, _COLUMNS, 7), np.float32)
    for target, rows in zip(targets, labels, strict=True):
        for kind, x, y, w, h in rows[rows[:, 0] >= 0]:
            _add_box(target, int(kind), (float(x), float(y), float(w), float(h)))
    return targets


def _add_box(
    target: npt.NDArray[np.float32], kind: int, box: tuple[float, float, float, float]
) -> None:
    x, y, w, h = box
    spread_x, spread_y = max(0.13 * w, 3.0), max(0.13 * h, 3.0)
    dx, dy = (_GRID_X - x - w / 2) / spread_x, (_GRID_Y - y - h / 2) / spread_y
    heat = np.exp(-0.5 * (dx**2 + dy**2))
    heat /= heat.max()
    channel = {GAP: 0, PIECE: 1, DECOY: 0}[kind]
    strength = DECOY_HEAT if kind == DECOY else 1.0
    target[..., channel] = np.maximum(target[..., channel], heat * strength)
    near = heat > 0.35
    sides = np.stack(
        np.broadcast_arrays(_GRID_X - x, _GRID_Y - y, x + w - _GRID_X, y + h - _GRID_Y)
    )
    distances = np.moveaxis(sides, 0, -1) / DISTANCE_UNIT_PX
    target[near, 2:6] = distances[near]
    target[near, 6] = heat[near] * (0.3 if kind == DECOY else 1.0)
