"""What is behind the letters, the colours they take, and what happens to a finished picture."""

import io
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

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
    elif style.background in _PATTERN:
        share = _PATTERN[style.background](shape[:2], rng)[..., None]
        other = np.clip(paper + rng.uniform(-1, 1, 3) * rng.uniform(15, 60), 0, 255)
        flat = flat * (1 - share) + other * share
    return np.ascontiguousarray(np.clip(flat, 0, 255).astype(np.uint8))


def _paper(kind: str, rng: np.random.Generator) -> Colour:
    """The colour of the paper."""
    if kind == "white":
        level = 255.0 if rng.random() < 0.7 else float(rng.uniform(240, 255))
        return (level, level, level)
    if kind == "tint":  # one strong hue, very light
        hue = np.array(_hue(rng)) * rng.uniform(0.05, 0.22)
        red, green, blue = 255 - hue
        return float(red), float(green), float(blue)
    low, high = {"dark": (0, 80), "mid": (90, 200)}.get(kind, (195, 255))
    base = rng.uniform(low, high)
    if kind == "dark" and rng.random() < 0.5:
        base = 0.0
    tint = rng.uniform(-1, 1, 3) * (8 if rng.random() < 0.4 else 45)
    red, green, blue = np.clip(base + tint, 0, 255)
    return float(red), float(green), float(blue)


def _hue(rng: np.random.Generator) -> Colour:
    """A strong colour: at least one channel full and one empty."""
    channels = rng.permutation(np.array([0.0, 255.0, rng.uniform(0, 255)]))
    return float(channels[0]), float(channels[1]), float(channels[2])


def _tiles(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    """Patches of unlike tone."""
    cells = (int(rng.integers(1, 6)), int(rng.integers(2, 14)))
    tones = rng.random(cells).astype(np.float32)
    return cv2.resize(tones, shape[::-1], interpolation=cv2.INTER_NEAREST)


def _stripes(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    rows, columns = np.indices(shape)
    angle, period = rng.uniform(0, np.pi), rng.uniform(4, 24)
    along = rows * np.sin(angle) + columns * np.cos(angle)
    return (along % period < period * rng.uniform(0.3, 0.7)).astype(np.float32)


def _checks(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    rows, columns = np.indices(shape)
    side = int(rng.integers(4, 22))
    return ((rows // side + columns // side) % 2).astype(np.float32)


def _mesh(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    """Thin lines or points at equal distances."""
    rows, columns = np.indices(shape)
    side = int(rng.integers(3, 14))
    level, upright = rows % side == 0, columns % side == 0
    drawn = level & upright if rng.random() < 0.3 else level | upright
    return drawn.astype(np.float32)


def _hatch(shape: tuple[int, int], rng: np.random.Generator) -> Layer:
    """A pattern of a few pixels, repeated, as drawing libraries fill areas with."""
    side = int(rng.integers(2, 8))
    cell = rng.random((side, side)) < rng.uniform(0.15, 0.5)
    repeats = (shape[0] // side + 1, shape[1] // side + 1)
    return np.tile(cell, repeats)[: shape[0], : shape[1]].astype(np.float32)


_PATTERN = {
    "tiles": _tiles,
    "stripes": _stripes,
    "checks": _checks,
    "mesh": _mesh,
    "hatch": _hatch,
}


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
    if style.ink == "black" and paper.mean() > 90:
        return (0.0, 0.0, 0.0) if rng.random() < 0.7 else (float(v := rng.uniform(0, 60)), v, v)
    if not style.grey and not style.many_inks and rng.random() < 0.35:
        value = 0.0 if darker else 255.0
        if abs(value - paper.mean()) > style.contrast:
            return (value, value, value)
    pale = style.contrast < 75
    for attempt in range(30):
        colour = rng.uniform(0, 120 if style.ink == "dark" and darker else 255, 3)
        if style.ink == "vivid":
            colour = np.array(_hue(rng)) * (rng.uniform(0.5, 1) if darker else 1.0)
        elif style.grey or rng.random() < 0.12:
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


def finish(image: Pixels, style: Style, rng: np.random.Generator) -> Pixels:
    """Invert parts, draw the frame, cut the sides: the last strokes of a generator.

    Args:
        image: uint8, (height, width, 3).
        style: which of them.
        rng: source of places.

    Returns:
        uint8, (height, width, 3); smaller where sides were cut.
    """
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width))
    if style.negative == "parts":
        place, extent = (columns, width) if rng.random() < 0.6 else (rows, height)
        first, last = np.sort(rng.uniform(0, 1, 2)) * extent
        image = np.where(((place >= first) & (place < last))[..., None], 255 - image, image)
    elif style.negative == "checks":
        side = int(rng.uniform(0.2, 0.7) * height) + 3
        squares = (rows // side + columns // side) % 2 == 1
        image = np.where(squares[..., None], 255 - image, image)
    image = np.ascontiguousarray(image)
    if style.frame:
        tone = float(rng.choice([0.0, 0.0, 128.0, 200.0]))
        cv2.rectangle(image, (0, 0), (width - 1, height - 1), (tone, tone, tone), 1)
    if style.crop:
        top, bottom, left, right = rng.uniform(0, style.crop, 4) * (height, height, width, width)
        image = image[int(top) : height - int(bottom), int(left) : width - int(right)]
    return np.ascontiguousarray(image)


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
