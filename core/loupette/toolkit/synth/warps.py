"""Bending a picture or the layer of its letters."""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from skimage.transform import swirl

from loupette.toolkit.synth.letters import Layer
from loupette.toolkit.synth.style import Style


def warp(
    image: npt.NDArray[Any], style: Style, cap: float, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Bend a picture or a layer.

    Args:
        image: (height, width, channels), uint8 or float32.
        style: kind and strength.
        cap: cap height in pixels; bends are measured against it.
        rng: source of phases.

    Returns:
        The same shape and type; what comes in from outside repeats the border of a picture and is
        empty in a layer.
    """
    if style.warp == "none":
        return image
    if style.warp == "swirl":
        return _swirl(image, cap * style.warp_strength, rng)
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width), dtype=np.float32)
    move_x, move_y = _FIELD[style.warp](rows, columns, cap * style.warp_strength, rng)
    border = cv2.BORDER_REPLICATE if image.dtype == np.uint8 else cv2.BORDER_CONSTANT
    bent: npt.NDArray[Any] = cv2.remap(
        image,
        (columns + move_x).astype(np.float32),
        (rows + move_y).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=border,
    )
    return bent


Field = tuple[Layer, Layer]


def _wave(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    height = rows.shape[0]
    length = height * rng.uniform(0.9, 3.5)
    move_y = reach * 0.22 * np.sin(columns * (6.283 / length) + rng.uniform(0, 6.3))
    length = height * rng.uniform(0.6, 2.0)
    move_x = reach * rng.uniform(0, 0.25) * np.sin(rows * (6.283 / length) + rng.uniform(0, 6.3))
    return move_x, move_y


def _ripple(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """Short waves in both directions, as water makes them."""
    length = max(8.0, rows.shape[0] * rng.uniform(0.25, 0.7))
    phase = rng.uniform(0, 6.3, 2)
    move_x = reach * 0.10 * np.sin(rows * (6.283 / length) + phase[0])
    move_y = reach * 0.12 * np.sin(columns * (6.283 / length) + phase[1])
    return move_x, move_y


def _perspective(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    height, width = rows.shape
    lean = reach * rng.uniform(-0.5, 0.5)
    grow = reach / max(height, 1) * rng.uniform(-0.5, 0.5)
    move_x = lean * (rows / height - 0.5)
    move_y = (rows - height / 2) * grow * (columns / width - 0.5) * 2
    tilt = reach * rng.uniform(-0.3, 0.3) * (columns / width - 0.5)
    return move_x, move_y + tilt


def _lens(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """A bulge or a pinch at some place in the text."""
    height, width = rows.shape
    y, x = height * rng.uniform(0.3, 0.7), width * rng.uniform(0.25, 0.75)
    radius = height * rng.uniform(0.6, 1.6)
    dy, dx = rows - y, columns - x
    near = np.clip(1 - np.hypot(dy, dx) / radius, 0, 1)
    force = rng.choice([-1.0, 0.8]) * min(0.75, reach / max(height, 1) * 1.3)
    return (dx * near * force).astype(np.float32), (dy * near * force).astype(np.float32)


def _elastic(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    height, width = rows.shape
    cells = (max(2, int(rng.integers(2, 5))), max(3, int(rng.integers(4, 12))), 2)
    coarse = rng.normal(0, reach * 0.12, cells).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return field[..., 0], field[..., 1]


def _swirl(image: npt.NDArray[Any], reach: float, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Turned about a place in the text, the more the nearer to it."""
    height, width = image.shape[:2]
    turned = swirl(  # type: ignore[no-untyped-call]  # scikit-image has no types
        image,
        center=(width * rng.uniform(0.25, 0.75), height * rng.uniform(0.3, 0.7)),
        strength=rng.choice([-1.0, 1.0]) * min(1.5, 2.5 * reach / max(height, 1)),
        radius=height * rng.uniform(0.8, 2.0),
        order=1,
        mode="edge" if image.dtype == np.uint8 else "constant",
        preserve_range=True,
    )
    return np.asarray(turned).astype(image.dtype)


def _rings(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """Short rings about a point, strongest there, as a drop in water makes them."""
    height, width = rows.shape
    down, right = rows - height * rng.uniform(0.3, 0.7), columns - width * rng.uniform(0.2, 0.8)
    distance = np.hypot(down, right) + 1e-3
    length = rng.uniform(3.0, 12.0)
    swing = length * min(0.45, 0.02 * reach) * np.exp(-distance / (width * rng.uniform(0.15, 0.6)))
    move = swing * np.sin(distance * (6.283 / length)) / distance
    return right * move, down * move


def _bulge(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """A fisheye over the middle of the picture: large there, pressed together at its rim."""
    height, width = rows.shape
    y, x = height * rng.uniform(0.4, 0.6), width * rng.uniform(0.35, 0.65)
    radius = rng.uniform(0.25, 0.6) * max(height, width / 2)
    dy, dx = rows - y, columns - x
    near = np.clip(np.hypot(dy, dx) / radius, 0, 1)
    force = min(0.6, 0.03 * reach) * (near - 1)
    return dx * force, dy * force


def _rows(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """Rows and columns moved by whole pixels along a wave, with its jagged edges."""
    height = rows.shape[0]
    phase = rng.uniform(0, 6.3, 2)
    lengths = rng.uniform(0.5, 2.0), rng.uniform(1.0, 4.0)
    move_x = reach * 0.10 * np.sin(rows * (6.283 / (height * lengths[0])) + phase[0])
    move_y = reach * 0.16 * np.sin(columns * (6.283 / (height * lengths[1])) + phase[1])
    return np.rint(move_x), np.rint(move_y)


def _diffuse(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """Each pixel taken from a random one close by."""
    far = min(2.0, 0.08 * reach)
    return rng.uniform(-far, far, rows.shape), rng.uniform(-far, far, rows.shape)


def _split(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """The picture cut along one or two lines, the parts moved against each other."""
    height = rows.shape[0]
    shift = np.zeros_like(rows)
    for cut in rng.uniform(0.3, 0.7, int(rng.integers(1, 3))):
        slope = rng.uniform(-0.1, 0.1)
        below = rows > height * cut + slope * (columns - columns.mean())
        shift += below * reach * rng.uniform(-0.22, 0.22)
    return shift, np.zeros_like(rows)


def _arch(rows: Layer, columns: Layer, reach: float, rng: np.random.Generator) -> Field:
    """The line of text bent to one arch, up or down."""
    width = rows.shape[1]
    arch = np.sin(columns * (3.1416 / width))
    return np.zeros_like(rows), arch * reach * rng.choice([-1.0, 1.0]) * rng.uniform(0.15, 0.4)


_FIELD: dict[str, Callable[[Layer, Layer, float, np.random.Generator], Field]] = {
    "wave": _wave,
    "ripple": _ripple,
    "perspective": _perspective,
    "lens": _lens,
    "elastic": _elastic,
    "rings": _rings,
    "bulge": _bulge,
    "rows": _rows,
    "diffuse": _diffuse,
    "split": _split,
    "arch": _arch,
}
