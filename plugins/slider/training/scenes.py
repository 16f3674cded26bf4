"""Slider scenes with known boxes: background, gap, sometimes the piece and false gaps.

Everything is drawn here from `shapes` and `backgrounds`; no captcha generator's code or output.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
from backgrounds import draw_background
from false_gaps import add_false_gaps
from gaps import Box, Floats, GapStyle, Rng, cut_gap, pad, pick_outline_colour, shift, window
from screenshots import draw_page
from shapes import draw_shape, turn_shape

Image = npt.NDArray[np.uint8]


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
    scene = Scene(ground, None, None, (), (), None)
    if rng.random() >= 0.06:
        scene = _compose(ground, shape, rng)
    if rng.random() < 0.08:
        scene = _photographed(scene, rng)
    return replace(scene, image=_finish(scene.image, rng))


def _photographed(scene: Scene, rng: Rng) -> Scene:
    """The same in its page, all boxes moved."""
    image, left, top = draw_page(scene.image, rng)

    def moved(box: Box) -> Box:
        return box[0] + left, box[1] + top, box[2], box[3]

    return replace(
        scene,
        image=image,
        gap=scene.gap and moved(scene.gap),
        piece=scene.piece and moved(scene.piece),
        twins=tuple(moved(box) for box in scene.twins),
        decoys=tuple(moved(box) for box in scene.decoys),
    )


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
    twins, decoys = add_false_gaps(canvas, shape, style, rng, gap=gap, piece_x=piece_x)
    outline = turn_shape(shape, rng) if rng.random() < 0.08 else shape
    cut_gap(canvas, outline, gap, style, rng)
    rgba = _make_piece(content, shape, rng)
    piece = None
    if piece_x is not None:
        piece_y = gap_y
        piece = (piece_x, piece_y, w, h)
        _draw_piece(canvas, rgba, piece, rng)
    if rng.random() < 0.12:
        _add_controls(canvas, rng)
    image = np.clip(canvas, 0, 255).astype(np.uint8)
    return Scene(image, gap, piece, twins, decoys, rgba)


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
        rgb = rgb + (strength * rim)[..., None] * (pick_outline_colour(rng) - rgb)
    alpha = (shape * 255)[..., None]
    return np.concatenate([np.clip(rgb, 0, 255), alpha], axis=2).astype(np.uint8)


def _draw_piece(canvas: Floats, rgba: Image, box: Box, rng: Rng) -> None:
    margin = 16
    area, part = window(canvas, box, margin)
    alpha = pad(rgba[..., 3].astype(np.float32) / 255, margin)
    colour = np.pad(rgba[..., :3].astype(np.float32), ((margin,) * 2, (margin,) * 2, (0, 0)))
    if rng.random() < 0.55:
        wide = 7 if rng.random() < 0.3 else 4
        halo = cv2.GaussianBlur(alpha, (0, 0), float(rng.uniform(1, wide)))
        halo = shift(halo, float(rng.normal(0, 2)), float(rng.normal(0, 2)))
        tone = pick_outline_colour(rng) if rng.random() < 0.3 else np.zeros(3, np.float32)
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
