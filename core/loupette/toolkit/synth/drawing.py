"""One picture of a text in a style, from a seed."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from loupette.toolkit.synth import scene
from loupette.toolkit.synth.clutter import draw_overlays
from loupette.toolkit.synth.fonts import FontBook
from loupette.toolkit.synth.letters import Ink, Layer, Placed, place_letter, render_letter, set_line
from loupette.toolkit.synth.style import Style, draw_style
from loupette.toolkit.synth.warps import warp

Pixels = npt.NDArray[np.uint8]

WIDEST = 400
"""Pixels; wider texts are set tighter and then cut to this canvas."""

TRIES = 60
"""Styles tried before a text is given up."""


LEAST_CONTRAST = 50.0
"""Mean distance of letters from their ground, of 255, below which people fail as well."""

MOST_COVERED = 0.22
"""Share of the ink that clutter may hide or recolour."""


MOST_CROWDED = 0.32
"""Clutter within two pixels of the letters, over the ink of the letters."""


class Illegible(LookupError):
    """A picture that nobody could read; another is drawn instead."""


class Studio:
    """Fonts, photos and a random source: all that drawing needs.

    Args:
        assets: folder with ``fonts/latin``, ``fonts/cjk`` and ``photos``.
        seed: everything drawn follows from it and from the order of the calls.
        held: draw with the fonts and styles kept for validation.
        working: faces in use at once; another studio (shard) uses others.
        clean: share of pictures without clutter.
    """

    def __init__(
        self,
        assets: Path,
        seed: int,
        *,
        held: bool = False,
        working: int | None = 500,
        clean: float = 0.2,
    ) -> None:
        self.rng = np.random.default_rng(seed)
        self.fonts = FontBook(assets, held=held, rng=self.rng, working=working)
        self.photos = scene.load_photos(assets / "photos")
        self._held = held
        self._clean = clean

    def draw(self, tokens: Sequence[str], style: Style | None = None) -> Pixels:
        """Draw a text.

        Args:
            tokens: its letters, one a token; ``" "`` leaves room.
            style: how; by default one is drawn at random.

        Returns:
            uint8, (height, width, 3), RGB, at the size a captcha has.

        Raises:
            LookupError: no font has these characters, or the given style is never legible.
        """
        return self.write(lambda _: tokens, style)[0]

    def write(
        self, compose: Callable[[Style], Sequence[str]], style: Style | None = None
    ) -> tuple[Pixels, Sequence[str]]:
        """Draw a text that fits its style, as families of captchas have texts of their own.

        Args:
            compose: gives the letters of a text for a style, as `draw`.
            style: how; by default one is drawn at random.

        Returns:
            The picture, as `draw`, and its letters.

        Raises:
            LookupError: no font has these characters, or the given style is never legible.
        """
        tokens: Sequence[str] = ()
        for _ in range(TRIES):
            chosen = style or draw_style(self.rng, held=self._held, clean=self._clean)
            tokens = compose(chosen)
            with contextlib.suppress(LookupError):
                return draw_text(list(tokens), chosen, self.fonts, self.photos, self.rng), tokens
        raise LookupError(f"{tokens!r} could not be drawn: no font has it, or nothing was legible")

    def draw_nothing(self) -> Pixels:
        """Draw a picture without text: a plain ground, clutter, or a piece of a photo.

        Returns:
            uint8, (height, width, 3), RGB.
        """
        style = draw_style(self.rng, held=self._held)
        if self.rng.random() < 0.4:
            style = replace(style, background="photo")
        width = int(style.height * self.rng.uniform(1.2, 5))
        canvas = scene.draw_background(style, width, self.photos, self.rng)
        inks = scene.mix_inks(style, canvas, 3, self.rng)
        draw_overlays(canvas, style, inks, style.letter * style.height, self.rng)
        return scene.wear(canvas, style, self.rng)


def draw_text(
    tokens: list[str],
    style: Style,
    fonts: FontBook,
    photos: list[Pixels],
    rng: np.random.Generator,
) -> Pixels:
    """Draw a text in a given style.

    Args:
        tokens: its letters, one a token.
        style: how it looks.
        fonts: where glyphs come from.
        photos: for photo backgrounds.
        rng: source of everything that the style leaves open.

    Returns:
        uint8, (height, width, 3), RGB.

    Raises:
        LookupError: no font draws these characters.
    """
    cap = style.letter * style.height
    line = set_line(tokens, style, fonts, rng)
    span = max(item.x + item.width for item in line)
    width = int(np.clip(span / style.room + 4, 1.5 * style.height, WIDEST))
    canvas = scene.draw_background(style, width, photos, rng)
    inks = scene.mix_inks(style, canvas, len(line), rng)
    if style.under:
        draw_overlays(canvas, style, inks, cap, rng)
    layer = np.zeros((*canvas.shape[:2], 4), np.float32)
    _draw_line(layer, line, inks, style, span, rng)
    if not style.warp_all:
        layer = np.asarray(warp(layer, style, cap, rng), np.float32)
    behind, canvas = canvas, _compose(canvas, layer, style.hard_edges)
    _require_contrast(behind, canvas, layer)
    if not style.under:
        before = canvas.copy()
        draw_overlays(canvas, style, inks, cap, rng)
        _require_uncovered(before, canvas, layer)
    if style.warp_all:
        canvas = np.asarray(warp(canvas, style, cap, rng), np.uint8)
    return scene.wear(scene.finish(canvas, style, rng), style, rng)


def _require_contrast(behind: Pixels, canvas: Pixels, layer: Layer) -> None:
    """Refuse letters that hardly differ from what is behind them, seen over the whole text."""
    inked = layer[..., 3] > 0.5
    if not inked.any():
        raise Illegible("no ink")
    change = np.abs(canvas[inked].astype(np.int16) - behind[inked]).max(axis=1)
    if float(change.mean()) < LEAST_CONTRAST:
        raise Illegible("too pale")


def _require_uncovered(before: Pixels, canvas: Pixels, layer: Layer) -> None:
    """Refuse letters of which the clutter hides too much."""
    inked = layer[..., 3] > 0.5
    change = np.abs(canvas[inked].astype(np.int16) - before[inked]).max(axis=1)
    if float((change > 40).mean()) > MOST_COVERED:
        raise Illegible("covered")
    # Clutter in the ink's own colour changes no ink: what it adds beside the letters counts.
    beside = cv2.dilate(inked.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool) & ~inked
    added = np.abs(canvas[beside].astype(np.int16) - before[beside]).max(axis=1)
    if float((added > 60).sum()) > MOST_CROWDED * float(inked.sum()):
        raise Illegible("crowded")


def _draw_line(
    layer: Layer,
    line: list[Placed],
    inks: list[Ink],
    style: Style,
    span: float,
    rng: np.random.Generator,
) -> None:
    """Lay all letters over an empty layer."""
    height, width = layer.shape[:2]
    cap = style.letter * height
    squeeze = min(1.0, (width - 2 + style.spill * cap) / span)
    free_x = width - span * squeeze
    start = free_x * (0.5 if rng.random() < 0.4 else float(rng.uniform(0, 1)))
    # Some generators cut the outer letters off a little.
    start += cap * style.spill * float(rng.uniform(-1, 1))
    free_y = max(0.0, height - 1.15 * cap)
    centre = height / 2 + free_y / 2 * float(rng.uniform(-0.7, 0.7)) * (rng.random() < 0.5)
    lean = float(rng.uniform(-1, 1)) * style.shear + style.lean * (1 if rng.random() < 0.8 else -1)
    slope = float(rng.uniform(-1, 1)) * style.tilt
    on_baseline = rng.random() < 0.6
    for item, ink in zip(line, inks, strict=True):
        letter = render_letter(item, ink, style, rng)
        if style.fade:
            letter *= np.float32(rng.uniform(0.35, 1))
        x = start + (item.x + item.width / 2) * squeeze
        x += item.width * squeeze * style.scatter * float(rng.uniform(-0.5, 0.5))
        y = centre + free_y / 2 * style.lift * float(rng.uniform(-1, 1))
        if on_baseline:  # the middle of the mask stands where its baseline puts it
            middle = item.glyph.mask.shape[0] / 2 - item.glyph.baseline
            y += (middle + item.glyph.cap / 2) * item.scale
        y += slope * (x - width / 2)
        place_letter(layer, letter, item, style=style, lean=lean, at=(x, y), rng=rng)


def _compose(canvas: Pixels, layer: Layer, hard_edges: bool) -> Pixels:
    """Put the letters on the canvas."""
    alpha = layer[..., 3:]
    colour = layer[..., :3]
    if hard_edges:
        colour = colour / np.maximum(alpha, 1e-3)
        alpha = (alpha > 0.5).astype(np.float32)
        colour = colour * alpha
    return np.ascontiguousarray(np.clip(canvas * (1 - alpha) + colour, 0, 255).astype(np.uint8))
