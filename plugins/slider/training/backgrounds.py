"""Backgrounds of training scenes: crops of licensed photos, and drawn art."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from distractors import add_distractors

Image = npt.NDArray[np.uint8]
Rng = np.random.Generator

_LONGEST_SIDE = 900


def load_photos(folder: Path, keep: Callable[[str], bool] = lambda name: True) -> list[Image]:
    """Read every photo with at least 300 px on its shorter side, at most 900 px wide.

    Args:
        folder: a folder of image files, as `fetch_photos.sh` leaves it.
        keep: which file names to take.

    Returns:
        uint8, (height, width, 3), RGB each; sorted by file name.
    """
    photos = []
    for path in sorted(p for p in folder.iterdir() if keep(p.name)):
        raw = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if raw is None or min(raw.shape[:2]) < 300 or raw.std() < 12:
            continue
        scale = min(1.0, _LONGEST_SIDE / max(raw.shape[:2]))
        small = cv2.resize(raw, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        photos.append(np.ascontiguousarray(small[..., ::-1]))
    return photos


def draw_background(width: int, height: int, photos: Sequence[Image], rng: Rng) -> Image:
    """Take a photo crop (when there are photos) or draw flat, shaded or textured art.

    Args:
        width: pixels.
        height: pixels.
        photos: uint8 RGB images; may be empty.
        rng: source of randomness.

    Returns:
        uint8, (height, width, 3), RGB.
    """
    if photos and rng.random() < 0.55:
        image = _crop_photo(width, height, photos[rng.integers(len(photos))], rng)
    else:
        painters: list[Callable[[int, int, Rng], Image]] = [
            _paint_gradient,
            _paint_flat_art,
            _paint_solids,
            _paint_low_poly,
            _paint_waves,
            _paint_stripes,
        ]
        image = painters[rng.integers(len(painters))](width, height, rng)
    if rng.random() < 0.35:
        add_distractors(image, rng)
    return _jitter_colour(image, rng)


def _crop_photo(width: int, height: int, photo: Image, rng: Rng) -> Image:
    full_h, full_w = photo.shape[:2]
    largest = min(full_w / width, full_h / height)
    scale = largest * rng.uniform(0.4, 1.0)
    crop_w, crop_h = min(full_w, int(width * scale)), min(full_h, int(height * scale))
    x = int(rng.integers(0, full_w - crop_w + 1))
    y = int(rng.integers(0, full_h - crop_h + 1))
    crop = photo[y : y + crop_h, x : x + crop_w]
    if rng.random() < 0.5:
        crop = crop[:, ::-1]
    shrinks = crop_w >= width
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(crop, (width, height), interpolation=mode), np.uint8)


def _jitter_colour(image: Image, rng: Rng) -> Image:
    pixels = image.astype(np.float32)
    if rng.random() < 0.5:
        mean = pixels.mean()
        pixels = (pixels - mean) * rng.uniform(0.5, 1.3) + mean + rng.uniform(-45, 45)
    if rng.random() < 0.25:
        pixels = pixels * rng.uniform(0.7, 1.25, 3).astype(np.float32)
    if rng.random() < 0.1:
        grey = pixels.mean(axis=2, keepdims=True)
        pixels = grey + (pixels - grey) * rng.uniform(0, 0.5)
    if rng.random() < 0.1:
        pixels = cv2.GaussianBlur(pixels, (0, 0), float(rng.uniform(0.5, 2.5)))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _palette(rng: Rng, count: int) -> npt.NDArray[np.float32]:
    """Pick related colours: float32, (count, 3), 0..255."""
    base = rng.uniform(20, 235, 3)
    spread = rng.choice([25.0, 60.0, 120.0])
    colours = base + rng.normal(0, spread, (count, 3))
    return np.clip(colours, 0, 255).astype(np.float32)


def _colour(rng: Rng, palette: npt.NDArray[np.float32]) -> tuple[float, float, float]:
    r, g, b = palette[rng.integers(len(palette))]
    return float(r), float(g), float(b)


def _paint_gradient(width: int, height: int, rng: Rng) -> Image:
    first, second = _palette(rng, 2)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = np.cos(angle) * xs / width + np.sin(angle) * ys / height
    else:
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        ramp = np.hypot(xs - cx, ys - cy)
    ramp = (ramp - ramp.min()) / max(float(np.ptp(ramp)), 1e-6)
    image = first + (second - first) * ramp[..., None]
    if rng.random() < 0.5:
        image = image + rng.normal(0, rng.uniform(1, 6), (height, width, 1))
    clipped = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        _add_shadows(clipped, rng)
    if rng.random() < 0.4:
        _add_lettering(clipped, rng, _palette(rng, 2))
    return clipped


def _add_shadows(image: Image, rng: Rng) -> None:
    """Darken one or two slanted bands, as flat logos throw them."""
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 3)):
        x, band = rng.uniform(-0.3, 1) * width, rng.uniform(0.1, 0.5) * width
        slant = rng.uniform(-1.5, 1.5) * height
        points = [(x, 0), (x + band, 0), (x + band + slant, height), (x + slant, height)]
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.array(points, np.int32)], 255)
        shade = image[mask > 0].astype(np.float32) * rng.uniform(0.6, 1.2)
        image[mask > 0] = np.clip(shade, 0, 255).astype(np.uint8)


def _add_lettering(image: Image, rng: Rng, palette: npt.NDArray[np.float32]) -> None:
    height, width = image.shape[:2]
    for _ in range(rng.integers(1, 4)):
        letters = "".join(chr(rng.integers(65, 91)) for _ in range(rng.integers(2, 9)))
        at = (int(rng.uniform(0, 0.8) * width), int(rng.uniform(0.1, 1) * height))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX]))
        scale, thick = float(rng.uniform(0.4, 2.2)), int(rng.integers(1, 6))
        cv2.putText(image, letters, at, font, scale, _colour(rng, palette), thick, cv2.LINE_AA)


def _paint_flat_art(width: int, height: int, rng: Rng) -> Image:
    palette = _palette(rng, 6)
    image = _paint_gradient(width, height, rng)
    for _ in range(rng.integers(3, 26)):
        colour = _colour(rng, palette)
        cx, cy = int(rng.uniform(0, width)), int(rng.uniform(0, height))
        size = int(rng.uniform(0.03, 0.35) * height)
        _stamp(image, rng, centre=(cx, cy), size=size, colour=colour)
    if rng.random() < 0.4:
        _add_lettering(image, rng, palette)
    return image


def _stamp(
    image: Image,
    rng: Rng,
    *,
    centre: tuple[int, int],
    size: int,
    colour: tuple[float, float, float],
) -> None:
    kind = rng.integers(0, 6)
    (cx, cy), thick = centre, -1 if rng.random() < 0.7 else int(rng.integers(1, 8))
    if kind == 0:
        cv2.circle(image, centre, max(2, size), colour, thick, cv2.LINE_AA)
    elif kind == 1:
        corner = (cx + size, cy + int(size * rng.uniform(0.4, 2)))
        cv2.rectangle(image, centre, corner, colour, thick, cv2.LINE_AA)
    elif kind == 2:
        axes = (max(2, size), max(2, int(size * rng.uniform(0.2, 1))))
        cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, thick, cv2.LINE_AA)
    elif kind == 3:
        end = (int(cx + rng.normal(0, 120)), int(cy + rng.normal(0, 80)))
        cv2.line(image, centre, end, colour, int(rng.integers(1, 14)), cv2.LINE_AA)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 8)))
        radii = size * rng.uniform(0.5, 1.3, len(angles))
        points = np.stack([cx + radii * np.cos(angles), cy + radii * np.sin(angles)], 1)
        if thick < 0:
            cv2.fillPoly(image, [points.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            cv2.polylines(image, [points.astype(np.int32)], True, colour, thick, cv2.LINE_AA)


def _paint_solids(width: int, height: int, rng: Rng) -> Image:
    """Shaded balls and boxes, as in rendered three-dimensional art."""
    palette = _palette(rng, 5)
    image = _paint_gradient(width, height, rng).astype(np.float32)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    light = rng.uniform(-0.6, 0.6, 2)
    for _ in range(rng.integers(5, 22)):
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        radius = rng.uniform(0.05, 0.3) * height
        colour = palette[rng.integers(len(palette))]
        if rng.random() < 0.55:
            _add_ball(image, (xs, ys), (cx, cy, radius), colour, light)
        else:
            _add_box(image, (cx, cy, radius), colour, rng)
    return np.clip(image, 0, 255).astype(np.uint8)


def _add_ball(
    image: npt.NDArray[np.float32],
    grid: tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]],
    ball: tuple[float, float, float],
    colour: npt.NDArray[np.float32],
    light: npt.NDArray[np.float64],
) -> None:
    cx, cy, radius = ball
    x0, x1 = int(max(cx - radius, 0)), int(cx + radius) + 1
    y0, y1 = int(max(cy - radius, 0)), int(cy + radius) + 1
    dx, dy = (grid[0][y0:y1, x0:x1] - cx) / radius, (grid[1][y0:y1, x0:x1] - cy) / radius
    inside = np.clip((1 - dx**2 - dy**2) * radius / 2, 0, 1)[..., None]
    shade = np.exp(-((dx - light[0]) ** 2 + (dy - light[1]) ** 2))[..., None]
    lit = colour * (0.35 + 0.85 * shade)
    image[y0:y1, x0:x1] += inside * (lit - image[y0:y1, x0:x1])


def _add_box(
    image: npt.NDArray[np.float32],
    box: tuple[float, float, float],
    colour: npt.NDArray[np.float32],
    rng: Rng,
) -> None:
    cx, cy, radius = box
    turn = rng.uniform(0, np.pi / 2)
    lift = radius * rng.uniform(0.4, 1.2)
    angles = turn + np.arange(4) * np.pi / 2
    top = np.stack([cx + radius * np.cos(angles), cy + 0.5 * radius * np.sin(angles)], 1)
    low = top + np.array([0, lift])
    for index in range(4):
        after = (index + 1) % 4
        face = np.array([top[index], top[after], low[after], low[index]], np.int32)
        tone = colour * (0.45 + 0.12 * index)
        cv2.fillPoly(image, [face], tone.tolist(), cv2.LINE_AA)
    cv2.fillPoly(image, [top.astype(np.int32)], (colour * 1.05).tolist(), cv2.LINE_AA)


def _paint_low_poly(width: int, height: int, rng: Rng) -> Image:
    palette = _palette(rng, 3)
    nx, ny = int(rng.integers(3, 9)), int(rng.integers(2, 6))
    gx, gy = np.meshgrid(np.linspace(-0.1, 1.1, nx + 1), np.linspace(-0.1, 1.1, ny + 1))
    gx = (gx + rng.normal(0, 0.3 / nx, gx.shape)) * width
    gy = (gy + rng.normal(0, 0.3 / ny, gy.shape)) * height
    points = np.stack([gx, gy], 2).astype(np.int32)
    image = np.full((height, width, 3), palette[0], np.uint8)
    for j in range(ny):
        for i in range(nx):
            a, b = points[j, i], points[j, i + 1]
            c, d = points[j + 1, i + 1], points[j + 1, i]
            for corners in ((a, b, c), (a, c, d)):
                mix = rng.dirichlet(np.ones(3)) @ palette + rng.normal(0, 15)
                tone = np.clip(mix, 0, 255).tolist()
                cv2.fillPoly(image, [np.array(corners)], tone, cv2.LINE_AA)
    return image


def _paint_waves(width: int, height: int, rng: Rng) -> Image:
    """Smooth coloured turbulence, like abstract wallpaper."""
    first, second, third = _palette(rng, 3)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32) / height
    bend = np.zeros_like(xs)
    for _ in range(4):
        fx, fy, phase = rng.normal(0, 4), rng.normal(0, 4), rng.uniform(0, 6)
        bend = bend + np.sin(fx * xs + fy * ys + phase + bend)
    fine = np.sin(bend * rng.uniform(2, 20)) * rng.uniform(0, 0.25)
    ramp = (np.sin(bend * 1.5) * 0.5 + 0.5 + fine)[..., None]
    other = (np.cos(bend * 0.7 + 1) * 0.5 + 0.5)[..., None]
    image = first + (second - first) * ramp + (third - first) * 0.6 * other
    return np.clip(image, 0, 255).astype(np.uint8)


def _paint_stripes(width: int, height: int, rng: Rng) -> Image:
    """Repeated dots, bands or circuit-like lines over a plain ground."""
    palette = _palette(rng, 4)
    image = _paint_gradient(width, height, rng)
    step = int(rng.integers(8, 60))
    kind = rng.integers(0, 3)
    if kind == 0:
        for x in range(-height, width, step):
            top, low = (x, 0), (x + height, height)
            cv2.line(image, top, low, _colour(rng, palette), max(1, step // 2), cv2.LINE_AA)
    elif kind == 1:
        for x in range(0, width, step):
            for y in range(0, height, step):
                cv2.circle(image, (x, y), max(1, step // 6), _colour(rng, palette), -1)
    else:
        for _ in range(rng.integers(4, 20)):
            x, y = int(rng.uniform(0, width)), int(rng.uniform(0, height))
            corner, thick = (x + int(rng.normal(0, 90)), y), int(rng.integers(2, 9))
            end = (corner[0] + int(rng.normal(0, 40)), y + int(rng.normal(0, 60)))
            colour = _colour(rng, palette)
            cv2.polylines(image, [np.array([(x, y), corner, end])], False, colour, thick)
            cv2.circle(image, (x, y), int(rng.integers(4, 14)), colour, 3)
    return image
