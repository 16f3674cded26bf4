"""Letters as coloured layers: their fill, and where they stand on the canvas."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from loupette.toolkit.synth.fonts import Face, FontBook, Glyph
from loupette.toolkit.synth.style import FILLS, Style, choose

Layer: TypeAlias = npt.NDArray[Any]
"""float32; OpenCV's stubs promise no more than some number, hence Any."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Ink:
    """The colours of one letter, each 0..255.

    Attributes:
        main: colour of the letter.
        second: colour of its shadow, border or fade.
        paper: colour behind it.
    """

    main: Colour
    second: Colour
    paper: Colour


@dataclass(frozen=True)
class Placed:
    """One letter with its place.

    Attributes:
        glyph: the drawn glyph.
        scale: pixels on the canvas per pixel of the glyph.
        x: canvas column of the pen origin before centring.
        width: canvas pixels it advances.
    """

    glyph: Glyph
    scale: float
    x: float
    width: float


def set_line(
    tokens: list[str], style: Style, fonts: FontBook, rng: np.random.Generator
) -> list[Placed]:
    """Choose fonts and set the letters of a text in a line that begins at column 0.

    Args:
        tokens: the letters; a blank only advances.
        style: sizes and spacing.
        fonts: where glyphs come from.
        rng: source of choices.

    Returns:
        One `Placed` for each letter that is drawn.
    """
    cap = style.letter * style.height
    needed = "".join(dict.fromkeys("".join(tokens).replace(" ", "")))
    common = None if style.many_fonts else _face(fonts, rng, needed, style.face)
    pitch = cap * (0.85 + style.spacing) * style.squash
    placed: list[Placed] = []
    x = 0.0
    for token in tokens:
        if token == " ":  # noqa: S105  # a drawn character, no password
            x += 0.4 * cap
            continue
        face = common or fonts.pick(rng, token, style.face)
        size = cap * (1 + style.resize * float(rng.uniform(-1, 0.6)))
        glyph = fonts.glyph(face, token, size * (1.0 if style.fill == "solid" else 1.4))
        if glyph is None:
            raise LookupError(f"{face.path} draws nothing for {token!r}")
        scale = size / glyph.cap
        natural = glyph.mask.shape[1] * scale * style.squash
        advance = max(pitch, natural * 0.8) if style.cells else natural + style.spacing * cap * 0.6
        placed.append(Placed(glyph, scale, x, advance))
        x += max(advance, 0.25 * cap)
    return placed


def _face(fonts: FontBook, rng: np.random.Generator, needed: str, kind: str) -> Face | None:
    """One face for a whole text; None where no single face has all of it."""
    try:
        return fonts.pick(rng, needed, kind)
    except LookupError:
        return None


def render_letter(item: Placed, ink: Ink, style: Style, rng: np.random.Generator) -> Layer:
    """Fill one glyph.

    Returns:
        float32, (height, width, 4), premultiplied RGBA, colour 0..255 and alpha 0..1, padded all
        round by a quarter of the glyph's cap height.
    """
    pad = _pad(item.glyph)
    mask = cv2.copyMakeBorder(item.glyph.mask, pad, pad, pad, pad, cv2.BORDER_CONSTANT)
    mask = mask.astype(np.float32) / 255
    fill = choose(rng, FILLS) if style.fill == "mixed" else style.fill
    return _FILL[fill](mask, ink, rng, item.glyph.cap)


def _pad(glyph: Glyph) -> int:
    return max(2, int(glyph.cap * 0.25))


def place_letter(
    canvas: Layer,
    layer: Layer,
    item: Placed,
    *,
    style: Style,
    lean: float,
    at: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Rotate, shear and scale a letter and lay it over a canvas.

    Args:
        canvas: float32, (height, width, 4), premultiplied; changed in place.
        layer: from `render_letter`.
        item: the letter.
        style: how far it may turn.
        lean: shear that all letters share.
        at: canvas column of the letter's middle and row of its middle.
        rng: source of rotation and shear.
    """
    turn = np.deg2rad(rng.uniform(-style.rotate, style.rotate))
    shear = lean + rng.uniform(-0.4, 0.4) * style.shear
    scale_x, scale_y = item.scale * style.squash, item.scale
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turned @ np.array([[scale_x, -shear * scale_y], [0, scale_y]])
    height, width = layer.shape[:2]
    frame = np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]]) * [[width / 2], [height / 2]]
    corners = matrix @ frame
    if style.pull:
        reach = 0.2 * style.pull * min(height * scale_y, width * scale_x)
        corners = corners + rng.uniform(-reach, reach, (2, 4))
    left, top = np.floor(corners.min(axis=1) + at).astype(int)
    right, bottom = np.ceil(corners.max(axis=1) + at).astype(int)
    left, top = max(left, 0), max(top, 0)
    right, bottom = min(right, canvas.shape[1]), min(bottom, canvas.shape[0])
    if right <= left or bottom <= top:
        return
    middle = np.array([[width / 2], [height / 2]])
    source = (frame + middle).T.astype(np.float32)
    target = (corners + np.array(at)[:, None] - [[left], [top]]).T.astype(np.float32)
    size = (right - left, bottom - top)
    if style.pull:
        moved = cv2.warpPerspective(layer, cv2.getPerspectiveTransform(source, target), size)
    else:
        moved = cv2.warpAffine(layer, cv2.getAffineTransform(source[:3], target[:3]), size)
    part = canvas[top:bottom, left:right]
    part += moved - part * moved[..., 3:]


def _paint(layer: Layer, mask: Layer, colour: Colour) -> None:
    """Lay a colour over a layer wherever the mask is."""
    layer += mask[..., None] * (np.array((*colour, 1), np.float32) - layer)


def _blank(mask: Layer) -> Layer:
    return np.zeros((*mask.shape, 4), np.float32)


def _grow(mask: Layer, radius: float) -> Layer:
    """Dilate (radius above 0) or erode (below 0) by about that many pixels."""
    size = 2 * max(1, round(abs(radius))) + 1
    shape = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return (cv2.dilate if radius > 0 else cv2.erode)(mask, shape)


def _shift(mask: Layer, dx: float, dy: float) -> Layer:
    moved: Layer = cv2.warpAffine(
        mask, np.array([[1, 0, dx], [0, 1, dy]], np.float32), mask.shape[::-1]
    )
    return moved


def _solid(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    layer: Layer = mask[..., None] * np.array((*ink.main, 1), np.float32)
    return layer


def _bold(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    return _solid(_grow(mask, cap * rng.uniform(0.02, 0.05)), ink, rng, cap)


def _thin(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    thinner = _grow(mask, -cap * 0.03)
    legible = thinner.sum() > 0.45 * mask.sum()
    return _solid(thinner if legible else mask, ink, rng, cap)


def _outline(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    radius = cap * rng.uniform(0.02, 0.05)
    outer = _grow(mask, radius) if rng.random() < 0.7 else mask
    layer = _blank(mask)
    _paint(layer, np.clip(outer - _grow(outer, -radius), 0, 1), ink.main)
    return layer


def _lined(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """A letter with a border in another colour; one of the two may equal the paper."""
    layer = _blank(mask)
    wide = _grow(mask, cap * rng.uniform(0.03, 0.08))
    if rng.random() < 0.5:
        wider = _grow(wide, cap * rng.uniform(0.02, 0.06))
        _paint(layer, wider, ink.main)
        _paint(layer, wide, ink.paper)
        _paint(layer, mask, ink.main)
    else:
        _paint(layer, wide, ink.main)
        _paint(layer, mask, ink.second if rng.random() < 0.4 else ink.paper)
    return layer


def _inline(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """A thin line of paper inside the strokes."""
    bold = _grow(mask, cap * rng.uniform(0.02, 0.07))
    layer = _blank(mask)
    _paint(layer, bold, ink.main)
    inner = _grow(bold, -cap * rng.uniform(0.03, 0.06))
    _paint(layer, np.clip(inner - _grow(inner, -cap * 0.04), 0, 1), ink.paper)
    return layer


def _offset(rng: np.random.Generator, cap: float, low: float, high: float) -> tuple[float, float]:
    reach = cap * rng.uniform(low, high)
    sides = rng.choice([-1.0, 1.0], 2)
    return float(sides[0] * reach), float(sides[1] * reach * rng.uniform(0.3, 1))


def _shadow(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    layer = _blank(mask)
    cast = _shift(mask, *_offset(rng, cap, 0.04, 0.2))
    if rng.random() < 0.6:
        cast = cv2.GaussianBlur(cast, (0, 0), cap * rng.uniform(0.03, 0.14))
    _paint(layer, cast * np.float32(rng.uniform(0.4, 1)), ink.second)
    _paint(layer, mask, ink.main)
    return layer


def _relief(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """Only the shadow side of a letter that itself has the colour of the paper."""
    layer = _blank(mask)
    dx, dy = _offset(rng, cap, 0.05, 0.12)
    for step in (1.0, 0.5):
        _paint(layer, _shift(mask, dx * step, dy * step), ink.main)
    if rng.random() < 0.5:
        _paint(layer, _grow(mask, cap * 0.03), ink.main)
    _paint(layer, mask, ink.paper)
    return layer


def _emboss(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    layer = _blank(mask)
    dx, dy = _offset(rng, cap, 0.03, 0.08)
    _paint(layer, _shift(mask, dx, dy), ink.second)
    _paint(layer, _shift(mask, -dx, -dy), ink.main)
    _paint(layer, mask, ink.paper)
    return layer


def _extrude(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    layer = _blank(mask)
    dx, dy = _offset(rng, cap, 0.08, 0.2)
    for step in np.linspace(1, 0.2, 5):
        _paint(layer, _shift(mask, dx * step, dy * step), ink.second)
    _paint(layer, mask, ink.main)
    return layer


def _hatch(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    rows, columns = np.indices(mask.shape)
    period = max(3.0, cap * rng.uniform(0.1, 0.18))
    angle = rng.uniform(0, np.pi)
    phase = (rows * np.sin(angle) + columns * np.cos(angle)) % period
    stripes = (phase < period * rng.uniform(0.5, 0.75)).astype(np.float32)
    return _solid(mask * stripes, ink, rng, cap)


def _dotted(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    period = max(2.5, cap * rng.uniform(0.08, 0.14))
    rows, columns = np.indices(mask.shape)
    distance = np.hypot(rows % period - period / 2, columns % period - period / 2)
    dots = (distance < period * rng.uniform(0.36, 0.5)).astype(np.float32)
    return _solid(_grow(mask, cap * 0.04) * dots, ink, rng, cap)


def _gradient(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    layer = _blank(mask)
    along = np.linspace(0, 1, mask.shape[int(rng.integers(2))], dtype=np.float32)
    ramp = np.broadcast_to(along if len(along) == mask.shape[1] else along[:, None], mask.shape)
    _paint(layer, mask, ink.second)
    _paint(layer, mask * ramp, ink.main)
    return layer


def _plate(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """The letter in the colour of the paper on a plate of ink."""
    layer = _blank(mask)
    plate = np.zeros_like(mask)
    rows, columns = np.nonzero(mask > 0.5)
    margin = cap * 0.12
    if len(rows) == 0:
        return _solid(mask, ink, rng, cap)
    corner = (int(columns.min() - margin), int(rows.min() - margin))
    opposite = (int(columns.max() + margin), int(rows.max() + margin))
    cv2.rectangle(plate, corner, opposite, 1.0, -1)
    _paint(layer, plate, ink.main)
    _paint(layer, mask, ink.paper)
    return layer


def _broken(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """Worn letters: some of the ink is missing in grains or scratches."""
    grain = rng.random((mask.shape[0] // 3 + 1, mask.shape[1] // 3 + 1)).astype(np.float32)
    worn = cv2.resize(grain, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return _solid(mask * (worn > rng.uniform(0.2, 0.38)).astype(np.float32), ink, rng, cap)


def _striped(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """Level or upright stripes of two inks, or of ink and paper."""
    period, upright = max(3.0, cap * rng.uniform(0.1, 0.3)), rng.random() < 0.4
    place = np.arange(mask.shape[1])[None] if upright else np.arange(mask.shape[0])[:, None]
    stripes = ((place % period) < period * rng.uniform(0.4, 0.7)).astype(np.float32)
    layer = _blank(mask)
    if rng.random() < 0.6:
        _paint(layer, mask, ink.second)
    _paint(layer, mask * stripes, ink.main)
    return layer


def _stencil(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """One or two gaps right through the letter."""
    cut = mask.copy()
    rows, columns = np.indices(mask.shape)
    for _ in range(int(rng.integers(1, 3))):
        angle = rng.uniform(0, np.pi)
        along = rows * np.sin(angle) + columns * np.cos(angle)
        middle = along.mean() + cap * rng.uniform(-0.3, 0.3)
        cut[np.abs(along - middle) < cap * rng.uniform(0.02, 0.05)] = 0
    return _solid(cut, ink, rng, cap)


def _matrix(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """The letter on a coarse grid of round or square dots."""
    period = max(3, round(cap * rng.uniform(0.09, 0.14)))
    down, right = -(-mask.shape[0] // period), -(-mask.shape[1] // period)
    coarse = cv2.resize(mask, (right, down), interpolation=cv2.INTER_AREA) > 0.4
    big = np.kron(coarse, np.ones((period, period)))[: mask.shape[0], : mask.shape[1]]
    rows, columns = np.indices(mask.shape)
    half = (period - 1) / 2
    distance = np.hypot(rows % period - half, columns % period - half)
    dots = distance < period * rng.uniform(0.4, 0.75)
    return _solid((big * dots).astype(np.float32), ink, rng, cap)


def _double(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """The letter twice, the second one paler and beside the first."""
    layer = _blank(mask)
    _paint(layer, _shift(mask, *_offset(rng, cap, 0.05, 0.16)), ink.second)
    _paint(layer, mask * np.float32(rng.uniform(0.8, 1)), ink.main)
    return layer


def _soft(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """Edges that fade out, as of a spray or a lamp."""
    layer = _blank(mask)
    _paint(layer, cv2.GaussianBlur(mask, (0, 0), cap * rng.uniform(0.04, 0.09)), ink.main)
    if rng.random() < 0.5:
        _paint(layer, _grow(mask, -cap * 0.02), ink.main)
    return layer


def _sketch(mask: Layer, ink: Ink, rng: np.random.Generator, cap: float) -> Layer:
    """The outline drawn two or three times by an unsteady hand."""
    layer = _blank(mask)
    edge = np.clip(mask - _grow(mask, -cap * 0.025), 0, 1)
    for _ in range(int(rng.integers(2, 4))):
        _paint(layer, _shift(edge, *rng.normal(0, cap * 0.025, 2)), ink.main)
    return layer


_FILL = {
    "solid": _solid,
    "bold": _bold,
    "thin": _thin,
    "outline": _outline,
    "lined": _lined,
    "inline": _inline,
    "shadow": _shadow,
    "relief": _relief,
    "emboss": _emboss,
    "extrude": _extrude,
    "hatch": _hatch,
    "dotted": _dotted,
    "gradient": _gradient,
    "plate": _plate,
    "broken": _broken,
    "striped": _striped,
    "stencil": _stencil,
    "matrix": _matrix,
    "double": _double,
    "soft": _soft,
    "sketch": _sketch,
}
