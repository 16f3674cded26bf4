"""How a gap looks, cut into a scene: its fill, its outline, its shadow."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Rng = np.random.Generator
Box = tuple[int, int, int, int]

# Mean colour step across the outline below which a person would not find the gap either.
_FAINTEST_STEP = 7.0


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
    frost: float
    grain: float

    @classmethod
    def pick(cls, rng: Rng) -> "GapStyle":
        """Choose a look: mostly dark, then bright, grey, an outline alone, frosted, or grainy."""
        kind = rng.choice(
            ["dark", "bright", "grey", "tint", "outline", "frost", "grain"],
            p=[0.46, 0.15, 0.18, 0.06, 0.07, 0.04, 0.04],
        )
        tone, opacity = {
            "dark": (rng.uniform(0, 50), rng.uniform(0.2, 0.9)),
            "bright": (rng.uniform(200, 255), rng.uniform(0.12, 0.85)),
            "grey": (rng.uniform(60, 190), rng.uniform(0.2, 0.9)),
            "tint": (rng.uniform(0, 255), rng.uniform(0.3, 0.8)),
            "outline": (rng.uniform(0, 255), rng.uniform(0.0, 0.15)),
            "frost": (rng.uniform(0, 255), rng.uniform(0.0, 0.3)),
            "grain": (rng.uniform(0, 255), rng.uniform(0.0, 0.4)),
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
            outline_colour=pick_outline_colour(rng),
            outline_width=int(rng.choice([1, 1, 2, 3])),
            one_sided=bool(rng.random() < 0.3),
            glow=float(rng.uniform(0.1, 0.6)) if rng.random() < 0.2 else 0.0,
            blur=float(rng.uniform(0.4, 1.6)) if rng.random() < 0.25 else 0.0,
            frost=float(rng.uniform(2, 7)) if kind == "frost" else 0.0,
            grain=float(rng.uniform(12, 60)) if kind == "grain" else 0.0,
        )

    def weaker(self, rng: Rng) -> "GapStyle":
        """Give the look of a decoy: the same colours, fainter."""
        share = float(rng.uniform(0.2, 0.55))
        return replace(
            self,
            opacity=self.opacity * share,
            shadow=self.shadow * share,
            outline=self.outline * share,
            glow=self.glow * share,
            frost=self.frost * share,
            grain=self.grain * share,
        )


def pick_outline_colour(rng: Rng) -> Floats:
    """Most often white or black: float32, (3,), 0..255."""
    if rng.random() < 0.55:
        return np.full(3, rng.uniform(200, 255), np.float32)
    if rng.random() < 0.5:
        return np.full(3, rng.uniform(0, 60), np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def pad(shape: Floats, margin: int) -> Floats:
    """Put nothing round an outline, so many pixels on each side."""
    return np.pad(shape, margin)


def window(canvas: Floats, box: Box, margin: int) -> tuple[Floats, tuple[slice, slice]]:
    """Give the part of the canvas around a box, and the same part of its padded mask."""
    x, y, w, h = box
    height, width = canvas.shape[:2]
    x0, y0 = max(0, x - margin), max(0, y - margin)
    x1, y1 = min(width, x + w + margin), min(height, y + h + margin)
    part = slice(y0 - y + margin, y1 - y + margin), slice(x0 - x + margin, x1 - x + margin)
    return canvas[y0:y1, x0:x1], part


def cut_gap(canvas: Floats, shape: Floats, box: Box, style: GapStyle, rng: Rng) -> None:
    """Draw the gap into the canvas; stronger when the style alone would hardly show."""
    x, y, w, h = box
    before = canvas[y : y + h, x : x + w].copy()
    blend_gap(canvas, shape, box, style, rng)
    change = np.abs(canvas[y : y + h, x : x + w] - before).mean(axis=2)
    rim = shape - cv2.erode(shape, np.ones((7, 7), np.uint8))
    step = float((change * rim).sum() / max(rim.sum(), 1.0))
    if step < _FAINTEST_STEP:
        tone = 0.0 if before.mean() > 90 else 255.0
        opacity = float(rng.uniform(0.25, 0.6)) * shape[..., None]
        canvas[y : y + h, x : x + w] += opacity * (tone - canvas[y : y + h, x : x + w])


def blend_gap(canvas: Floats, shape: Floats, box: Box, style: GapStyle, rng: Rng) -> None:
    """Draw the gap into the canvas, however faint."""
    margin = 10
    mask = pad(shape, margin)
    if style.blur:
        mask = cv2.GaussianBlur(mask, (0, 0), style.blur)
    area, part = window(canvas, box, margin)
    if style.glow:
        halo = cv2.GaussianBlur(mask, (0, 0), 4) * (1 - mask)
        area += (style.glow * halo)[part][..., None] * (style.outline_colour - area)
    inside = mask[part][..., None]
    if style.frost:
        area += inside * (cv2.GaussianBlur(area, (0, 0), style.frost) - area)
    if style.grain:
        area += inside * rng.normal(0, style.grain, (*area.shape[:2], 1))
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


def shift(mask: Floats, dx: float, dy: float) -> Floats:
    """Move an outline by so many pixels, within its array."""
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    return np.asarray(cv2.warpAffine(mask, move, mask.shape[::-1]), np.float32)


def _inner_shadow(mask: Floats, style: GapStyle) -> Floats:
    inside = shift(cv2.GaussianBlur(mask, (0, 0), style.shadow_blur), *style.shadow_shift)
    return np.asarray(mask * np.clip(1.4 * (1 - inside), 0, 1), np.float32)


def _rim(mask: Floats, style: GapStyle) -> Floats:
    """Outline along the inner edge, whole or (one-sided) lit from one corner."""
    size = 2 * style.outline_width + 1
    rim = mask - cv2.erode(mask, np.ones((size, size), np.uint8))
    if style.one_sided:
        dx, dy = np.sign(style.shadow_shift) * style.outline_width
        rim = np.clip(mask - shift(mask, float(dx), float(dy)), 0, 1)
    return np.asarray(rim, np.float32)
