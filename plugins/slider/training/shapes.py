"""Outlines of slider pieces (jigsaw, polygons, stars) as soft masks."""

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.float32]
Rng = np.random.Generator

_OVERSAMPLING = 4


def draw_shape(width: int, height: int, rng: Rng) -> Mask:
    """Draw one random piece outline that fills its box.

    Args:
        width: width of the box in pixels.
        height: height of the box in pixels.
        rng: source of randomness.

    Returns:
        float32, (height, width), 0 outside, 1 inside, anti-aliased or hard at the edge.
    """
    side = 4 * _OVERSAMPLING * max(width, height)
    canvas = np.zeros((side, side), np.uint8)
    if rng.random() < 0.66:
        _draw_jigsaw(canvas, rng)
    else:
        _draw_figure(canvas, rng)
    mask = _cut_to_box(canvas, width, height)
    if rng.random() < 0.15:
        mask = (mask > 0.5).astype(np.float32)
    return mask


def turn_shape(shape: Mask, rng: Rng) -> Mask:
    """Turn an outline by some degrees about its centre, and make it fill its box again.

    Args:
        shape: float32, (height, width), 0..1.
        rng: source of randomness.
    """
    h, w = shape.shape
    margin = max(h, w) // 4
    degrees = float(rng.uniform(1, 8) * rng.choice([-1, 1]))
    centre = ((w - 1) / 2 + margin, (h - 1) / 2 + margin)
    turned = cv2.warpAffine(
        np.pad(shape, margin),
        cv2.getRotationMatrix2D(centre, degrees, 1.0),
        (w + 2 * margin, h + 2 * margin),
    )
    x, y, wide, tall = cv2.boundingRect((turned > 0.5).astype(np.uint8))
    part = turned[y : y + tall, x : x + wide]
    return np.asarray(cv2.resize(part, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def _cut_to_box(canvas: npt.NDArray[np.uint8], width: int, height: int) -> Mask:
    x, y, w, h = cv2.boundingRect(canvas)
    cut = canvas[y : y + h, x : x + w]
    size = (width, height)
    fine = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.float32) / 255.0


def _draw_jigsaw(canvas: npt.NDArray[np.uint8], rng: Rng) -> None:
    side = canvas.shape[0]
    low, high = int(side * 0.3), int(side * 0.7)
    aspect = rng.uniform(0.85, 1.15)
    x0, x1 = low, int(low + (high - low) * aspect)
    y0, y1 = low, high
    _fill_rounded(canvas, (x0, y0, x1, y1), radius=_corner(high - low, rng))
    kinds = rng.choice([-1, 0, 1], size=4, p=_side_odds(rng))
    radius = (high - low) * rng.uniform(0.07, 0.2)
    reach = radius * (0.0 if rng.random() < 0.2 else rng.uniform(0.0, 0.85))
    along = rng.uniform(0.38, 0.62) if rng.random() < 0.25 else 0.5
    xm, ym = x0 + (x1 - x0) * along, y0 + (y1 - y0) * along
    centres = [
        (xm, y0 - reach, xm, y0 + reach),
        (x1 + reach, ym, x1 - reach, ym),
        (xm, y1 + reach, xm, y1 - reach),
        (x0 - reach, ym, x0 + reach, ym),
    ]
    for kind, (tab_x, tab_y, hole_x, hole_y) in zip(kinds, centres, strict=True):
        if kind > 0:
            cv2.circle(canvas, (int(tab_x), int(tab_y)), int(radius), 255, -1)
        elif kind < 0:
            cv2.circle(canvas, (int(hole_x), int(hole_y)), int(radius), 0, -1)


def _side_odds(rng: Rng) -> tuple[float, float, float]:
    return (0.25, 0.35, 0.4) if rng.random() < 0.7 else (0.4, 0.2, 0.4)


def _corner(side: int, rng: Rng) -> int:
    return int(side * rng.uniform(0.02, 0.2)) if rng.random() < 0.3 else 0


def _fill_rounded(
    canvas: npt.NDArray[np.uint8], box: tuple[int, int, int, int], *, radius: int
) -> None:
    x0, y0, x1, y1 = box
    cv2.rectangle(canvas, (x0 + radius, y0), (x1 - radius, y1), 255, -1)
    cv2.rectangle(canvas, (x0, y0 + radius), (x1, y1 - radius), 255, -1)
    for x in (x0 + radius, x1 - radius):
        for y in (y0 + radius, y1 - radius):
            cv2.circle(canvas, (x, y), radius, 255, -1)


def _draw_figure(canvas: npt.NDArray[np.uint8], rng: Rng) -> None:
    side = canvas.shape[0]
    centre, radius = side / 2, side * 0.3
    kind = rng.integers(0, 6)
    if kind == 0:
        cv2.circle(canvas, (side // 2, side // 2), int(radius), 255, -1)
    elif kind == 1:
        low, high = int(centre - radius), int(centre + radius)
        _fill_rounded(canvas, (low, low, high, high), radius=_corner(high - low, rng))
    elif kind == 2:
        _draw_heart(canvas)
    else:
        _fill_star(canvas, rng, radius=radius)


def _fill_star(canvas: npt.NDArray[np.uint8], rng: Rng, *, radius: float) -> None:
    corners = int(rng.integers(3, 9))
    star = corners >= 4 and rng.random() < 0.55
    count = corners * 2 if star else corners
    inner = rng.uniform(0.4, 0.8) if star else 1.0
    turn = rng.choice([0.0, np.pi / 2, np.pi / 4, rng.uniform(0, 2 * np.pi)])
    angles = turn + np.arange(count) * 2 * np.pi / count
    radii = np.where(np.arange(count) % 2 == 0, radius, radius * inner)
    centre = canvas.shape[0] / 2
    points = np.stack([centre + radii * np.cos(angles), centre + radii * np.sin(angles)], axis=1)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 255)


def _draw_heart(canvas: npt.NDArray[np.uint8]) -> None:
    side = canvas.shape[0]
    t = np.linspace(0, 2 * np.pi, 80)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    points = np.stack([side / 2 + x * side / 60, side / 2 + y * side / 60], axis=1)
    cv2.fillPoly(canvas, [points.astype(np.int32)], 255)
