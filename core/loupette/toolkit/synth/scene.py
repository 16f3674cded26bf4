"""What is behind and over the letters: colours, backgrounds, clutter, warps and wear."""

import io
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from skimage.transform import swirl

from loupette.toolkit.synth.letters import Colour, Ink, Layer
from loupette.toolkit.synth.style import Style

Pixels: TypeAlias = npt.NDArray[Any]
"""uint8; OpenCV's stubs promise no more than some number, hence Any."""


def load_photos(folder: Path) -> list[Pixels]:
    """All photos of a folder: uint8, (height, width, 3), RGB."""
    return [np.asarray(Image.open(path).convert("RGB")) for path in sorted(folder.glob("*.jpg"))]


def draw_background(
    style: Style, width: int, photos: list[Pixels], rng: np.random.Generator
) -> Pixels:
    """Paint the canvas.

    Args:
        style: height and kind.
        width: pixels.
        photos: crops of these are one kind of background.
        rng: source of colours and crops.

    Returns:
        uint8, (height, width, 3).
    """
    shape = (style.height, width, 3)
    paper = np.array(_paper(style.background, rng), np.float32)
    flat: Layer = np.broadcast_to(paper, shape).astype(np.float32)
    if style.background == "gradient":
        other = np.clip(paper + rng.uniform(-70, 70, 3), 0, 255)
        along = np.linspace(0, 1, width if rng.random() < 0.6 else style.height)
        ramp = along if len(along) == width else along[:, None]
        weight = np.broadcast_to(ramp, shape[:2])[..., None]
        flat = flat * (1 - weight) + other * weight
    elif style.background == "clouds":
        small = rng.normal(0, 28, (rng.integers(2, 8), rng.integers(3, 14), 3)).astype(np.float32)
        flat = flat + cv2.resize(small, (width, style.height), interpolation=cv2.INTER_CUBIC)
    elif style.background == "grain":
        flat = flat + rng.normal(0, rng.uniform(5, 25), shape)
    elif style.background == "photo" and photos:
        flat = _photo_crop(photos, shape, rng)
    return np.ascontiguousarray(np.clip(flat, 0, 255).astype(np.uint8))


def _paper(kind: str, rng: np.random.Generator) -> Colour:
    """The colour of the paper."""
    if kind == "white":
        level = 255.0 if rng.random() < 0.7 else float(rng.uniform(240, 255))
        return (level, level, level)
    low, high = {"dark": (0, 80), "mid": (90, 200)}.get(kind, (195, 255))
    base = rng.uniform(low, high)
    if kind == "dark" and rng.random() < 0.5:
        base = 0.0
    tint = rng.uniform(-1, 1, 3) * (8 if rng.random() < 0.4 else 45)
    red, green, blue = np.clip(base + tint, 0, 255)
    return float(red), float(green), float(blue)


def _photo_crop(
    photos: list[Pixels], shape: tuple[int, int, int], rng: np.random.Generator
) -> Layer:
    """A crop of a photo, pulled toward white or black so that ink of the other side stands out."""
    photo = photos[int(rng.integers(len(photos)))]
    height = int(rng.integers(40, photo.shape[0] - 20))
    width = min(photo.shape[1] - 1, int(height * shape[1] / shape[0]) + 1)
    top = int(rng.integers(photo.shape[0] - height))
    left = int(rng.integers(photo.shape[1] - width))
    crop = cv2.resize(photo[top : top + height, left : left + width], (shape[1], shape[0]))
    side = 255.0 if rng.random() < 0.75 else 0.0
    share = rng.uniform(0.1, 0.7)
    pulled: Layer = crop.astype(np.float32) * (1 - share) + side * share
    return pulled


def mix_inks(style: Style, canvas: Pixels, count: int, rng: np.random.Generator) -> list[Ink]:
    """Colours for `count` letters that stand out from the canvas.

    Args:
        style: contrast, sides and whether each letter has its own.
        canvas: the background, uint8, (height, width, 3).
        count: letters.
        rng: source of colours.

    Returns:
        One `Ink` a letter.
    """
    paper = np.median(canvas[::3, ::3].reshape(-1, 3), axis=0)
    light = paper.mean() > 127
    inks: list[Ink] = []
    for index in range(count):
        if index and not style.many_inks:
            inks.append(inks[0])
            continue
        main = _ink(paper, style, light if not style.two_sided else rng.random() < 0.5, rng)
        second = _ink(paper, style, light, rng) if rng.random() < 0.4 else _toward(main, paper, rng)
        inks.append(Ink(main, second, (float(paper[0]), float(paper[1]), float(paper[2]))))
    return inks


def _ink(
    paper: npt.NDArray[np.float64], style: Style, darker: bool, rng: np.random.Generator
) -> Colour:
    """A colour at least `style.contrast` from the paper in its strongest channel."""
    if not style.grey and not style.many_inks and rng.random() < 0.35:
        value = 0.0 if darker else 255.0
        if abs(value - paper.mean()) > style.contrast:
            return (value, value, value)
    pale = style.contrast < 75
    for attempt in range(30):
        colour = rng.uniform(0, 255, 3)
        if style.grey or rng.random() < 0.12:
            colour[:] = colour[0]
        gap = paper - colour if darker else colour - paper
        enough = style.contrast * (1 - attempt / 60)
        if gap.max() >= enough and (not pale or gap.max() <= 130) and gap.mean() > -20:
            return float(colour[0]), float(colour[1]), float(colour[2])
    value = 0.0 if paper.mean() > 127 else 255.0
    return (value, value, value)


def _toward(main: Colour, paper: npt.NDArray[np.float64], rng: np.random.Generator) -> Colour:
    """A colour between ink and paper, or darker than the ink."""
    share = rng.uniform(0.3, 0.75)
    goal = paper if rng.random() < 0.75 else np.zeros(3)
    red, green, blue = np.array(main) * (1 - share) + goal * share
    return float(red), float(green), float(blue)


def draw_overlays(
    canvas: Pixels, style: Style, inks: list[Ink], cap: float, rng: np.random.Generator
) -> None:
    """Draw all of a style's clutter.

    Args:
        canvas: uint8, (height, width, 3), changed in place.
        style: kinds and load.
        inks: colours of the letters.
        cap: cap height in pixels; strokes are kept thin against it.
        rng: source of places.
    """
    for kind in style.overlays:
        own = style.ink_overlays or rng.random() < 0.2
        _OVERLAY[kind](canvas, style.load, _palette(inks, own, canvas, rng), cap, rng)


def _palette(
    inks: list[Ink], own: bool, canvas: Pixels, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Colours that overlays take turns with."""
    if own:
        return np.array([ink.main for ink in inks])
    count = 1 if rng.random() < 0.4 else 8
    colours = rng.uniform(0, 255, (count, 3))
    if rng.random() < 0.4:  # pale clutter
        colours = 0.45 * colours + 0.55 * np.array(inks[0].paper)
    return np.clip(colours, 0, 255)


def _any(palette: npt.NDArray[np.float64], rng: np.random.Generator) -> Colour:
    red, green, blue = palette[int(rng.integers(len(palette)))]
    return float(red), float(green), float(blue)


def _point(canvas: Pixels, rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(-4, canvas.shape[1] + 4)), int(rng.integers(-2, canvas.shape[0] + 2))


def _edge(rng: np.random.Generator) -> int:
    return cv2.LINE_AA if rng.random() < 0.6 else cv2.LINE_8


def _lines(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    edge = _edge(rng)
    for _ in range(1 + int(load * rng.integers(1, 10))):
        thick = 1 if cap < 22 or rng.random() < 0.7 else 2
        cv2.line(canvas, _point(canvas, rng), _point(canvas, rng), _any(palette, rng), thick, edge)


def _strokes(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    """One or two thick lines or curves right through the text, mostly in the ink's own colour."""
    height, width = canvas.shape[:2]
    for _ in range(1 + int(load * rng.integers(0, 3))):
        thick = max(1, int(cap * rng.uniform(0.06, 0.16)))
        knots = int(rng.integers(2, 6))
        x = np.linspace(rng.uniform(-0.05, 0.2), rng.uniform(0.8, 1.05), knots) * width
        y = height * rng.uniform(0.15, 0.85, knots)
        path = np.column_stack((x, y)) if rng.random() < 0.5 else _smooth(x, y)
        cv2.polylines(
            canvas, [np.rint(path).astype(np.int32)], False, _any(palette, rng), thick, _edge(rng)
        )


def _smooth(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A curve through about these points: linear interpolation, then a moving mean."""
    fine = np.linspace(x[0], x[-1], 48)
    rough = np.interp(fine, x, y)
    padded = np.pad(rough, 6, mode="edge")
    return np.column_stack((fine, np.convolve(padded, np.ones(13) / 13, mode="valid")))


def _curves(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    height, width = canvas.shape[:2]
    steps = np.linspace(0, 1, 40)
    for _ in range(1 + int(load * rng.integers(1, 5))):
        thick = 1 if rng.random() < 0.55 else max(1, int(cap * rng.uniform(0.05, 0.11)))
        if rng.random() < 0.45:
            y = height * (
                rng.uniform(0.2, 0.8)
                + rng.uniform(0.05, 0.35) * np.sin(rng.uniform(0, 6.3) + steps * rng.uniform(2, 14))
            )
            x = steps * width
        else:
            knots = rng.uniform(-0.05, 1.05, (4, 2)) * (width, height)
            basis = np.stack(
                [
                    (1 - steps) ** 3,
                    3 * steps * (1 - steps) ** 2,
                    3 * steps**2 * (1 - steps),
                    steps**3,
                ]
            )
            x, y = knots.T @ basis
        path = np.column_stack((x, y)).astype(np.int32)
        cv2.polylines(canvas, [path], False, _any(palette, rng), thick, _edge(rng))


def _circles(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    edge = _edge(rng)
    for _ in range(1 + int(load * rng.integers(1, 9))):
        axes = (int(rng.uniform(0.08, 0.5) * cap) + 2, int(rng.uniform(0.08, 0.5) * cap) + 2)
        if rng.random() < 0.6:
            axes = (axes[0], axes[0])
        if rng.random() < 0.2:
            axes = (axes[0] * 3, axes[1] * 3)
        end = 360 if rng.random() < 0.7 else int(rng.integers(60, 300))
        thick = 1 if rng.random() < 0.75 else max(1, int(cap * 0.07))
        cv2.ellipse(
            canvas,
            _point(canvas, rng),
            axes,
            float(rng.uniform(0, 360)),
            0,
            end,
            _any(palette, rng),
            thick,
            edge,
        )


def _dots(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    largest = max(1, int(cap * 0.09))
    count = 5 + int(load * rng.uniform(0.2, 1) * canvas.shape[0] * canvas.shape[1] / 70)
    for _ in range(min(count, 220)):
        radius = int(rng.integers(0, largest + 1))
        cv2.circle(canvas, _point(canvas, rng), radius, _any(palette, rng), -1)


def _specks(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    height, width = canvas.shape[:2]
    count = int(height * width * load * rng.uniform(0.01, 0.12))
    rows, columns = rng.integers(height, size=count), rng.integers(width, size=count)
    canvas[rows, columns] = palette[rng.integers(len(palette), size=count)]


def _grid(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    height, width = canvas.shape[:2]
    step = int(rng.uniform(4, 16)) + 2
    colour, start = _any(palette, rng), int(rng.integers(step))
    colours = (colour, colour if rng.random() < 0.6 else _any(palette, rng))
    if rng.random() < 0.85:
        for column in range(start, width, step):
            cv2.line(canvas, (column, 0), (column, height), colours[0], 1)
    if rng.random() < 0.85:
        for row in range(start, height, step):
            cv2.line(canvas, (0, row), (width, row), colours[1], 1)


def _letters(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    """Small pale characters, which are not part of the answer."""
    paper = np.median(canvas[::4, ::4].reshape(-1, 3), axis=0)
    for _ in range(3 + int(load * 18)):
        char = "ABCDEFHKLMNPRSTUXYZ23456789abcdefhknrstuxyz"[int(rng.integers(43))]
        mild = 0.5 * np.array(_any(palette, rng)) + 0.5 * paper
        cv2.putText(
            canvas,
            char,
            _point(canvas, rng),
            int(rng.integers(0, 8)),
            cap * 0.011,
            (float(mild[0]), float(mild[1]), float(mild[2])),
            1,
            cv2.LINE_AA,
        )


def _cuts(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    """Thin lines in the colour of the paper, which cut the letters."""
    paper = np.median(canvas[::4, ::4].reshape(-1, 3), axis=0)
    _lines(canvas, load, paper[None], cap, rng)


def _webs(
    canvas: Pixels,
    load: float,
    palette: npt.NDArray[np.float64],
    cap: float,
    rng: np.random.Generator,
) -> None:
    """Rays from one point, or a net of many short lines."""
    if rng.random() < 0.5:
        centre = _point(canvas, rng)
        for _ in range(4 + int(load * 10)):
            cv2.line(canvas, centre, _point(canvas, rng), _any(palette, rng), 1, _edge(rng))
        return
    for _ in range(8 + int(load * 40)):
        x, y = _point(canvas, rng)
        dx, dy = rng.integers(-14, 15, 2)
        cv2.line(canvas, (x, y), (x + int(dx), y + int(dy)), _any(palette, rng), 1, _edge(rng))


_OVERLAY = {
    "lines": _lines,
    "strokes": _strokes,
    "curves": _curves,
    "circles": _circles,
    "dots": _dots,
    "specks": _specks,
    "grid": _grid,
    "letters": _letters,
    "cuts": _cuts,
    "webs": _webs,
}


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


_FIELD = {
    "wave": _wave,
    "ripple": _ripple,
    "perspective": _perspective,
    "lens": _lens,
    "elastic": _elastic,
}


def wear(image: Pixels, style: Style, rng: np.random.Generator) -> Pixels:
    """Blur, noise, loss of size and colours, JPEG: what happens to a picture once it is drawn.

    Args:
        image: uint8, (height, width, 3).
        style: how much of each.
        rng: source of the noise.

    Returns:
        uint8, (height, width, 3).
    """
    height, width = image.shape[:2]
    if style.rescale < 1 and height * style.rescale * style.letter > 9:
        small = cv2.resize(
            image, None, fx=style.rescale, fy=style.rescale, interpolation=cv2.INTER_AREA
        )
        image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    if style.blur:
        image = cv2.GaussianBlur(image, (0, 0), min(style.blur, height * style.letter / 16))
    if style.noise:
        grain = rng.normal(0, style.noise, image.shape[:2] + ((1,) if style.grey else (3,)))
        image = np.clip(image + grain, 0, 255).astype(np.uint8)
    if style.grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    if style.colours:
        image = np.asarray(Image.fromarray(image).quantize(style.colours).convert("RGB"))
    if style.jpeg:
        packed = io.BytesIO()
        Image.fromarray(image).save(packed, "JPEG", quality=style.jpeg)
        image = np.asarray(Image.open(packed).convert("RGB"))
    return image
