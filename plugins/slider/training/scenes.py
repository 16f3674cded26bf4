"""Slider scenes with known boxes: background, gap, sometimes the piece and false gaps.

Everything is drawn here from `shapes` and `backgrounds`; no captcha generator's code or output.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from backgrounds import draw_background
from shapes import draw_shape

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Box = tuple[int, int, int, int]

# Mean colour step across the outline below which a person would not find the gap either.
_FAINTEST_STEP = 7.0


@dataclass(frozen=True)
class Scene:
    """One drawn challenge.

    Attributes:
        image: uint8, (height, width, 3), RGB, as a server would post it.
        gap: x, y, width, height in pixels of the true gap; None in a scene without one.
        piece: the drawn piece's box; None when it is not drawn.
        twins: boxes of second gaps as strong as the true one.
        decoys: boxes of fainter or differently shaped false gaps.
        piece_rgba: uint8, (gap height, gap width, 4), the piece as a separate image; None
            without a gap.
    """

    image: Image
    gap: Box | None
    piece: Box | None
    twins: tuple[Box, ...]
    decoys: tuple[Box, ...]
    piece_rgba: Image | None


def draw_scene(photos: Sequence[Image], rng: Rng) -> Scene:
    """Draw one scene of random size, shape and style.

    Args:
        photos: uint8 RGB background photos; empty for drawn backgrounds only.
        rng: source of randomness.

    Returns:
        The scene with its true boxes.
    """
    width, height = _pick_size(rng)
    ground = draw_background(width, height, photos, rng)
    size = int(np.clip(rng.uniform(0.2, 0.36) * height, 24, 0.24 * width))
    if rng.random() < 0.35:
        size = int(np.clip(rng.uniform(28, 100), 24, min(0.7 * height, 0.3 * width)))
    shape = draw_shape(size, int(size * rng.uniform(0.82, 1.2)), rng)
    if rng.random() < 0.06:
        return Scene(_finish(ground, rng), None, None, (), (), None)
    return _compose(ground, shape, rng)


def _pick_size(rng: Rng) -> tuple[int, int]:
    width = int(rng.choice([300, 320, 340, 360, 400, 520, 600, rng.integers(250, 640)]))
    return width, int(width * rng.uniform(0.34, 0.86))


def _compose(ground: Image, shape: Floats, rng: Rng) -> Scene:
    height, width = ground.shape[:2]
    h, w = shape.shape
    with_piece = rng.random() < 0.5
    piece_x = int(rng.uniform(0.0, 0.1) * width) if with_piece else None
    least_x = piece_x + w + 2 if piece_x is not None else int(rng.uniform(0.02, 0.3) * width)
    if least_x + w + 2 >= width:
        least_x = 2
    gap_x = int(rng.integers(least_x, max(least_x + 1, width - w)))
    gap_y = int(rng.integers(0, max(1, height - h)))
    gap = (gap_x, gap_y, w, h)
    style = GapStyle.pick(rng)
    canvas = ground.astype(np.float32)
    content = ground[gap_y : gap_y + h, gap_x : gap_x + w]
    twins, decoys = _add_false_gaps(canvas, shape, style, rng, gap=gap, piece_x=piece_x)
    _cut_gap(canvas, shape, gap, style, rng)
    rgba = _make_piece(content, shape, rng)
    piece = None
    if piece_x is not None:
        piece_y = gap_y
        piece = (piece_x, piece_y, w, h)
        _draw_piece(canvas, rgba, piece, rng)
    if rng.random() < 0.12:
        _add_controls(canvas, rng)
    image = _finish(np.clip(canvas, 0, 255).astype(np.uint8), rng)
    return Scene(image, gap, piece, twins, decoys, rgba)


@dataclass(frozen=True)
class GapStyle:
    """How a gap looks. Amounts are 0..1, colours 0..255, widths in pixels."""

    fill: Floats
    opacity: float
    vignette: float
    shadow: float
    shadow_shift: tuple[float, float]
    shadow_blur: float
    outline: float
    outline_colour: Floats
    outline_width: int
    one_sided: bool
    glow: float
    blur: float

    @classmethod
    def pick(cls, rng: Rng) -> "GapStyle":
        """Choose a look: mostly dark, then bright, grey, or an outline alone."""
        kind = rng.choice(
            ["dark", "bright", "grey", "tint", "outline"], p=[0.5, 0.16, 0.2, 0.06, 0.08]
        )
        tone, opacity = {
            "dark": (rng.uniform(0, 50), rng.uniform(0.2, 0.9)),
            "bright": (rng.uniform(200, 255), rng.uniform(0.12, 0.85)),
            "grey": (rng.uniform(60, 190), rng.uniform(0.2, 0.9)),
            "tint": (rng.uniform(0, 255), rng.uniform(0.3, 0.8)),
            "outline": (rng.uniform(0, 255), rng.uniform(0.0, 0.15)),
        }[kind]
        fill = np.full(3, tone) + (rng.normal(0, 60, 3) if kind == "tint" else rng.normal(0, 6, 3))
        lined = kind == "outline" or rng.random() < 0.45
        # A deep shadow takes the body's side for an edge, where a tab is flat.
        deep = rng.random() < 0.4
        return cls(
            fill=np.clip(fill, 0, 255).astype(np.float32),
            opacity=float(opacity),
            vignette=float(rng.uniform(-0.3, 0.6)) if rng.random() < 0.35 else 0.0,
            shadow=float(rng.uniform(0.2, 0.8)) if rng.random() < 0.4 else 0.0,
            shadow_shift=(float(rng.normal(0, 3)), float(rng.normal(0, 3))),
            shadow_blur=float(rng.uniform(3, 8)) if deep else 3.0,
            outline=float(rng.uniform(0.3, 1.0)) if lined else 0.0,
            outline_colour=_outline_colour(rng),
            outline_width=int(rng.choice([1, 1, 2, 3])),
            one_sided=bool(rng.random() < 0.3),
            glow=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.2 else 0.0,
            blur=float(rng.uniform(0.4, 1.6)) if rng.random() < 0.25 else 0.0,
        )

    def weaker(self, rng: Rng) -> "GapStyle":
        """Give the look of a decoy: the same colours, fainter."""
        share = float(rng.uniform(0.2, 0.55))
        return GapStyle(
            self.fill,
            self.opacity * share,
            self.vignette,
            self.shadow * share,
            self.shadow_shift,
            self.shadow_blur,
            self.outline * share,
            self.outline_colour,
            self.outline_width,
            self.one_sided,
            self.glow * share,
            self.blur,
        )


def _outline_colour(rng: Rng) -> Floats:
    if rng.random() < 0.55:
        return np.full(3, rng.uniform(200, 255), np.float32)
    if rng.random() < 0.5:
        return np.full(3, rng.uniform(0, 60), np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def _pad(shape: Floats, margin: int) -> Floats:
    return np.pad(shape, margin)


def _window(canvas: Floats, box: Box, margin: int) -> tuple[Floats, tuple[slice, slice]]:
    """Give the part of the canvas around a box, and the same part of its padded mask."""
    x, y, w, h = box
    height, width = canvas.shape[:2]
    x0, y0 = max(0, x - margin), max(0, y - margin)
    x1, y1 = min(width, x + w + margin), min(height, y + h + margin)
    part = slice(y0 - y + margin, y1 - y + margin), slice(x0 - x + margin, x1 - x + margin)
    return canvas[y0:y1, x0:x1], part


def _cut_gap(canvas: Floats, shape: Floats, box: Box, style: GapStyle, rng: Rng) -> None:
    """Draw the gap into the canvas; stronger when the style alone would hardly show."""
    x, y, w, h = box
    before = canvas[y : y + h, x : x + w].copy()
    _blend_gap(canvas, shape, box, style)
    change = np.abs(canvas[y : y + h, x : x + w] - before).mean(axis=2)
    rim = shape - cv2.erode(shape, np.ones((7, 7), np.uint8))
    step = float((change * rim).sum() / max(rim.sum(), 1.0))
    if step < _FAINTEST_STEP:
        tone = 0.0 if before.mean() > 90 else 255.0
        opacity = float(rng.uniform(0.25, 0.6)) * shape[..., None]
        canvas[y : y + h, x : x + w] += opacity * (tone - canvas[y : y + h, x : x + w])


def _blend_gap(canvas: Floats, shape: Floats, box: Box, style: GapStyle) -> None:
    margin = 10
    mask = _pad(shape, margin)
    if style.blur:
        mask = cv2.GaussianBlur(mask, (0, 0), style.blur)
    area, part = _window(canvas, box, margin)
    if style.glow:
        halo = cv2.GaussianBlur(mask, (0, 0), 4) * (1 - mask)
        area += (style.glow * halo)[part][..., None] * (style.outline_colour - area)
    fill = (mask * style.opacity * _vignette(mask, style.vignette))[part][..., None]
    area += np.clip(fill, 0, 1) * (style.fill - area)
    if style.shadow:
        area *= 1 - (_inner_shadow(mask, style) * style.shadow)[part][..., None]
    if style.outline:
        rim = _rim(mask, style) * style.outline
        area += rim[part][..., None] * (style.outline_colour - area)


def _vignette(mask: Floats, amount: float) -> Floats:
    """Scale the fill from edge to centre: float32 of the mask's shape."""
    if not amount:
        return np.ones_like(mask)
    depth = cv2.distanceTransform((mask > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(1 - amount * depth / max(float(depth.max()), 1.0), np.float32)


def _shift(mask: Floats, dx: float, dy: float) -> Floats:
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(cv2.warpAffine(mask, move, mask.shape[::-1]), np.float32)


def _inner_shadow(mask: Floats, style: GapStyle) -> Floats:
    inside = _shift(cv2.GaussianBlur(mask, (0, 0), style.shadow_blur), *style.shadow_shift)
    return np.asarray(mask * np.clip(1.4 * (1 - inside), 0, 1), np.float32)


def _rim(mask: Floats, style: GapStyle) -> Floats:
    """Outline along the inner edge, whole or (one-sided) lit from one corner."""
    size = 2 * style.outline_width + 1
    rim = mask - cv2.erode(mask, np.ones((size, size), np.uint8))
    if style.one_sided:
        dx, dy = np.sign(style.shadow_shift) * style.outline_width
        rim = np.clip(mask - _shift(mask, float(dx), float(dy)), 0, 1)
    return np.asarray(rim, np.float32)


def _overlaps(box: Box, others: Sequence[Box], margin: int) -> bool:
    x, y, w, h = box
    return any(
        x < ox + ow + margin
        and ox < x + w + margin
        and y < oy + oh + margin
        and oy < y + h + margin
        for ox, oy, ow, oh in others
    )


def _add_false_gaps(
    canvas: Floats, shape: Floats, style: GapStyle, rng: Rng, *, gap: Box, piece_x: int | None
) -> tuple[tuple[Box, ...], tuple[Box, ...]]:
    """Cut second gaps: twins in another row, or fainter and turned ones anywhere."""
    twins: list[Box] = []
    decoys: list[Box] = []
    if rng.random() < 0.72:
        return (), ()
    taken = [gap] if piece_x is None else [gap, (piece_x, gap[1], gap[2], gap[3])]
    for _ in range(rng.integers(1, 3)):
        twin = rng.random() < 0.4
        false = shape if twin or rng.random() < 0.5 else np.ascontiguousarray(np.rot90(shape))
        h, w = false.shape
        box = _free_box(canvas.shape, (w, h), taken, rng)
        if box is None or (twin and abs(box[1] - gap[1]) < 8):
            continue
        taken.append(box)
        _cut_gap(canvas, false, box, style, rng) if twin else _blend_gap(
            canvas, false, box, style.weaker(rng)
        )
        (twins if twin else decoys).append(box)
    return tuple(twins), tuple(decoys)


def _free_box(
    canvas_shape: tuple[int, ...], size: tuple[int, int], taken: Sequence[Box], rng: Rng
) -> Box | None:
    height, width = canvas_shape[:2]
    w, h = size
    if w >= width or h >= height:
        return None
    for _ in range(12):
        box = (int(rng.integers(0, width - w)), int(rng.integers(0, height - h)), w, h)
        if not _overlaps(box, taken, 3):
            return box
    return None


def _make_piece(content: Image, shape: Floats, rng: Rng) -> Image:
    """Cut the piece out of the untouched background: uint8, (h, w, 4), RGBA."""
    rgb = content.astype(np.float32)
    if rng.random() < 0.4:
        tone = rng.choice([0.0, 255.0], p=[0.25, 0.75])
        rgb = rgb + rng.uniform(0, 0.55) * (tone - rgb)
    if rng.random() < 0.5:
        rim = shape - cv2.erode(
            shape, np.ones((3, 3), np.uint8), iterations=int(rng.integers(1, 3))
        )
        if rng.random() < 0.5:
            rim = np.clip(cv2.GaussianBlur(1 - shape, (0, 0), 3) * 1.5, 0, 1)
        strength = rng.uniform(0.3, 1.0)
        rgb = rgb + (strength * rim)[..., None] * (_outline_colour(rng) - rgb)
    alpha = (shape * 255)[..., None]
    return np.concatenate([np.clip(rgb, 0, 255), alpha], axis=2).astype(np.uint8)


def _draw_piece(canvas: Floats, rgba: Image, box: Box, rng: Rng) -> None:
    margin = 16
    area, part = _window(canvas, box, margin)
    alpha = _pad(rgba[..., 3].astype(np.float32) / 255, margin)
    colour = np.pad(rgba[..., :3].astype(np.float32), ((margin,) * 2, (margin,) * 2, (0, 0)))
    if rng.random() < 0.55:
        wide = 7 if rng.random() < 0.3 else 4
        halo = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(1, wide)))
        halo = _shift(halo, float(rng.normal(0, 2)), float(rng.normal(0, 2)))
        tone = _outline_colour(rng) if rng.random() < 0.3 else np.zeros(3, np.float32)
        area += (halo * rng.uniform(0.2, 0.9))[part][..., None] * (tone - area)
    solid = 1.0 if rng.random() < 0.85 else rng.uniform(0.6, 1.0)
    area += (alpha * solid)[part][..., None] * (colour[part] - area)


def _add_controls(canvas: Floats, rng: Rng) -> None:
    """Draw what widgets lay over the image: a reload sign, a white frame."""
    height, width = canvas.shape[:2]
    if rng.random() < 0.6:
        at = (width - int(rng.integers(12, 30)), int(rng.integers(10, max(11, height - 10))))
        cv2.ellipse(canvas, at, (8, 8), 0, 30, 330, (250, 250, 250), 2, cv2.LINE_AA)
    else:
        tone = float(rng.choice([0, 255]))
        cv2.rectangle(
            canvas, (0, 0), (width - 1, height - 1), (tone,) * 3, int(rng.integers(2, 10))
        )


def _finish(image: Image, rng: Rng) -> Image:
    """Add what happens on the way: blur, noise, JPEG."""
    out = image
    if rng.random() < 0.12:
        out = np.asarray(cv2.GaussianBlur(out, (0, 0), float(rng.uniform(0.4, 1.0))), np.uint8)
    if rng.random() < 0.15:
        noise = rng.normal(0, rng.uniform(1, 6), out.shape)
        out = np.clip(out + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.55:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 96))]
        out = cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], cv2.IMREAD_COLOR)
    return np.ascontiguousarray(out)
