"""What looks like a gap or a piece and is none: signs, joints, logos, mosaics, repeats."""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator
Colour = tuple[float, float, float]


def add_distractors(image: Image, rng: Rng) -> None:
    """Draw one to four of one or two kinds into a background.

    Args:
        image: uint8, (height, width, 3), RGB; drawn into.
        rng: source of randomness.
    """
    painters: list[Callable[[Image, Rng], None]] = [
        _draw_disc,
        _draw_sign,
        _draw_logo,
        _draw_route,
        _draw_mosaic,
        _draw_label,
        _repeat_part,
        _repeat_part,
    ]
    kinds = rng.integers(0, len(painters), 2)
    for _ in range(rng.integers(1, 5)):
        painters[rng.choice(kinds)](image, rng)


def _place(image: Image, rng: Rng, *, share: float = 1.0) -> tuple[int, int]:
    height, width = image.shape[:2]
    return int(rng.uniform(0, share) * width), int(rng.uniform(0, 1) * height)


def _size(image: Image, rng: Rng) -> int:
    return int(rng.uniform(0.04, 0.18) * image.shape[0]) + 3


def _flat_colour(rng: Rng) -> Colour:
    """White, black or grey as often as any other."""
    if rng.random() < 0.5:
        tone = float(rng.choice([0, 30, 90, 150, 220, 255]))
        return tone, tone, tone
    red, green, blue = rng.uniform(0, 255, 3)
    return float(red), float(green), float(blue)


def _draw_disc(image: Image, rng: Rng) -> None:
    """A disc, a ring, or a ring with a disc in it."""
    centre, radius, colour = _place(image, rng), _size(image, rng), _flat_colour(rng)
    thick = -1 if rng.random() < 0.5 else max(1, int(radius * rng.uniform(0.1, 0.5)))
    cv2.circle(image, centre, radius, colour, thick, cv2.LINE_AA)
    if rng.random() < 0.5:
        inner = int(radius * rng.uniform(0.3, 0.8))
        cv2.circle(image, centre, inner, _flat_colour(rng), -1, cv2.LINE_AA)


def _draw_sign(image: Image, rng: Rng) -> None:
    """An arrow, a triangle, a cross or a window of panes."""
    (x, y), size, colour = _place(image, rng), _size(image, rng), _flat_colour(rng)
    kind, thick = rng.integers(0, 4), max(2, size // int(rng.integers(2, 7)))
    if kind == 0:
        tip = (x + int(rng.normal(0, 2) * size), y + int(rng.normal(0, 1) * size))
        cv2.arrowedLine(image, (x, y), tip, colour, thick, cv2.LINE_AA, tipLength=0.4)
    elif kind == 1:
        turn = rng.choice([0, 90, 180, 270]) + rng.uniform(-8, 8)
        corners = cv2.ellipse2Poly((x, y), (size, size), int(turn), 0, 360, 120)
        cv2.fillPoly(image, [corners], colour, cv2.LINE_AA)
    elif kind == 2:
        cv2.line(image, (x - size, y), (x + size, y), colour, thick, cv2.LINE_AA)
        cv2.line(image, (x, y - size), (x, y + size), colour, thick, cv2.LINE_AA)
    else:
        for row in range(int(rng.integers(1, 4))):
            for column in range(int(rng.integers(1, 5))):
                corner = (x + int(column * size * 1.3), y + int(row * size * 1.3))
                end = (corner[0] + size, corner[1] + size)
                cv2.rectangle(image, corner, end, colour, -1, cv2.LINE_AA)


def _draw_logo(image: Image, rng: Rng) -> None:
    """A letter in a ring, most often at the left, where pieces are."""
    centre = _place(image, rng, share=0.25 if rng.random() < 0.6 else 1.0)
    radius, colour = _size(image, rng), _flat_colour(rng)
    cv2.circle(image, centre, radius, colour, max(1, radius // 8), cv2.LINE_AA)
    if rng.random() < 0.5:
        cv2.circle(image, centre, int(radius * 0.7), colour, max(1, radius // 6), cv2.LINE_AA)
    letter, scale = chr(rng.integers(65, 91)), radius / 18
    at = (centre[0] - int(9 * scale), centre[1] + int(9 * scale))
    cv2.putText(image, letter, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 2, cv2.LINE_AA)


def _draw_route(image: Image, rng: Rng) -> None:
    """A bent line of even width with joints, as on plans and circuit boards."""
    colour, thick = _flat_colour(rng), int(rng.integers(2, 16))
    points = [_place(image, rng)]
    for _ in range(rng.integers(2, 5)):
        x, y = points[-1]
        step = int(rng.normal(0, 0.25) * image.shape[1])
        points.append((x + step, y) if rng.random() < 0.5 else (x + step, y + abs(step)))
    cv2.polylines(image, [np.array(points)], False, colour, thick, cv2.LINE_AA)
    for point in points:
        if rng.random() < 0.6:
            radius = thick + int(rng.integers(1, 8))
            cv2.circle(image, point, radius, colour, -1, cv2.LINE_AA)
            cv2.circle(image, point, max(1, radius - 4), _flat_colour(rng), -1, cv2.LINE_AA)


def _draw_mosaic(image: Image, rng: Rng) -> None:
    """A part in large squares, as what is made unreadable."""
    height, width = image.shape[:2]
    (x, y), cell = _place(image, rng, share=0.8), int(rng.integers(4, 14))
    part = image[y : y + int(height * 0.2), x : x + int(width * rng.uniform(0.1, 0.5))]
    if min(part.shape[:2]) < 2 * cell:
        return
    rows, columns = part.shape[0] // cell, part.shape[1] // cell
    coarse = np.clip(
        cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
        + rng.normal(0, 30, (rows, columns, 1)),
        0,
        255,
    ).astype(np.uint8)
    part[:] = cv2.resize(coarse, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _draw_label(image: Image, rng: Rng) -> None:
    """Words on a bar or a button."""
    (x, y), size = _place(image, rng, share=0.8), _size(image, rng)
    words = "".join(chr(rng.integers(97, 123)) for _ in range(rng.integers(3, 12)))
    scale = size / 22
    wide = int(len(words) * 18 * scale)
    if rng.random() < 0.7:
        end = (x + wide + size, y + size + 4)
        cv2.rectangle(image, (x, y), end, _flat_colour(rng), -1, cv2.LINE_AA)
    at = (x + size // 2, y + size)
    cv2.putText(
        image, words, at, cv2.FONT_HERSHEY_SIMPLEX, scale, _flat_colour(rng), 1, cv2.LINE_AA
    )


def _repeat_part(image: Image, rng: Rng) -> None:
    """A part of the picture several times in a row: chairs, windows, petals."""
    height, width = image.shape[:2]
    side = int(rng.uniform(0.12, 0.32) * height)
    tall = min(int(side * rng.uniform(0.7, 1.4)), height)
    y, x = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - side + 1))
    part = image[y : y + tall, x : x + side].astype(np.float32)
    mask = np.zeros((tall, side), np.float32)
    axes = (max(1, side // 2 - 2), max(1, tall // 2 - 2))
    if rng.random() < 0.5:
        cv2.ellipse(mask, (side // 2, tall // 2), axes, 0, 0, 360, 1.0, -1)
    else:
        cv2.rectangle(mask, (2, 2), (side - 3, tall - 3), 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), float(rng.uniform(0.6, 4)))[..., None]
    pitch = int(side * rng.uniform(1.1, 2.0))
    top = int(np.clip(y + rng.normal(0, 0.5) * tall, 0, height - tall))
    for left in range(x % pitch, width - side, pitch):
        area = image[top : top + tall, left : left + side]
        area[:] = (mask * part + (1 - mask) * area).astype(np.uint8)
