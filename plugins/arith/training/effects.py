"""Looks that sums have and the toolkit lacks: cut-out plates, fine ripples, bad trims."""

import cv2
import numpy as np
import numpy.typing as npt

from loupette.toolkit.synth import FontBook

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float32]


def draw_plates(tokens: list[str], fonts: FontBook, rng: np.random.Generator) -> Pixels:
    """Draw each character as a hole in a coloured plate; neighbouring plates may overlap.

    Args:
        tokens: characters; blanks leave room.
        fonts: where glyphs come from.
        rng: source of shapes, colours and places.

    Returns:
        uint8, (height, width, 3), RGB.

    Raises:
        LookupError: no font has all the characters.
    """
    face = fonts.pick(rng, "".join(token for token in tokens if token != " "))  # noqa: S105
    side = int(rng.integers(28, 56))
    height = int(side * rng.uniform(1.05, 1.5))
    pitch = side * rng.uniform(0.72, 1.25)
    width = int(pitch * len(tokens) + side * 0.5)
    picture = np.full((height, width, 3), 255 if rng.random() < 0.7 else rng.integers(200, 256))
    picture = picture.astype(np.float32)
    palette = rng.uniform(0, 190, (1 if rng.random() < 0.25 else 9, 3))
    round_plates, ragged = rng.random() < 0.5, rng.random() < 0.7
    for place, token in enumerate(tokens):
        if token == " ":  # noqa: S105  # a drawn character, no password
            continue
        glyph = fonts.glyph(face, token, side * 0.5)
        if glyph is None:
            raise LookupError(f"nothing drawn for {token!r}")
        scale = side * float(rng.uniform(0.5, 0.68)) / glyph.cap
        plate = _plate(side, rng, round_plate=bool(round_plates), ragged=bool(ragged))
        _cut_out(plate, glyph.mask, scale)
        top = int(rng.uniform(0, height - side))
        left = int(place * pitch + side * 0.1)
        part = picture[top : top + side, left : left + side]
        alpha = plate[: part.shape[0], : part.shape[1], None]
        part += alpha * (palette[int(rng.integers(len(palette)))] - part)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _plate(side: int, rng: np.random.Generator, *, round_plate: bool, ragged: bool) -> Mask:
    """A disk or an upright board, 1 inside."""
    plate = np.zeros((side, side), np.float32)
    middle = side // 2
    if round_plate:
        cv2.circle(plate, (middle, middle), int(side * 0.46), 1.0, -1, cv2.LINE_AA)
    else:
        half = int(side * rng.uniform(0.30, 0.44))
        cv2.rectangle(plate, (middle - half, 2), (middle + half, side - 3), 1.0, -1)
    if ragged:
        field = rng.normal(0, side * 0.045, (7, 7, 2)).astype(np.float32)
        plate = _bend(plate, cv2.resize(field, (side, side)))
    return plate


def _cut_out(plate: Mask, glyph: npt.NDArray[np.uint8], scale: float) -> None:
    """Take a glyph out of the middle of a plate."""
    side = plate.shape[0]
    size = (max(1, round(glyph.shape[1] * scale)), max(1, round(glyph.shape[0] * scale)))
    hole = cv2.resize(glyph, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    hole = hole[:side, :side]
    top, left = (side - hole.shape[0]) // 2, (side - hole.shape[1]) // 2
    plate[top : top + hole.shape[0], left : left + hole.shape[1]] *= 1 - hole


def _bend(image: npt.NDArray[np.generic], field: Mask) -> npt.NDArray[np.generic]:
    rows, columns = np.indices(image.shape[:2], dtype=np.float32)
    bent: npt.NDArray[np.generic] = cv2.remap(
        image,
        columns + field[..., 0],
        rows + field[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return bent


def ripple_finely(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Bend a picture in short rings around a point, strongest there, as a drop in water does.

    Args:
        picture: uint8, (height, width, 3).
        rng: source of place, length and strength.

    Returns:
        uint8, same shape.
    """
    height, width = picture.shape[:2]
    rows, columns = np.indices((height, width), dtype=np.float32)
    down = rows - height * rng.uniform(0.3, 0.7)
    right = columns - width * rng.uniform(0.3, 0.7)
    distance = np.hypot(down, right) + 1e-3
    length = rng.uniform(2.5, 9.0)
    reach = length * rng.uniform(0.15, 0.45) * np.exp(-distance / (width * rng.uniform(0.15, 0.6)))
    move = reach * np.sin(distance * (2 * np.pi / length)) / distance
    bent = _bend(picture, np.dstack((right * move, down * move)).astype(np.float32))
    return np.asarray(bent, np.uint8)


def trim(picture: Pixels, rng: np.random.Generator) -> Pixels:
    """Cut a little off the sides, letters or not: some captchas are set badly.

    Args:
        picture: uint8, (height, width, 3).
        rng: source of the amounts; a third of the time one edge loses much.

    Returns:
        uint8, (smaller height, smaller width, 3).
    """
    height, width = picture.shape[:2]
    top, bottom = rng.uniform(0, 0.12, 2) * height * (rng.random(2) < 0.5)
    if rng.random() < 0.35:
        top = rng.uniform(0.1, 0.28) * height
    left, right = rng.uniform(0, 0.03, 2) * width
    return picture[int(top) : height - int(bottom), int(left) : width - int(right)]
