"""What lies over or under the letters: lines, curves, rings, dots, and pieces of other letters."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from loupette.toolkit.synth.letters import Colour, Ink
from loupette.toolkit.synth.style import Style

Pixels: TypeAlias = npt.NDArray[Any]
"""uint8; OpenCV's stubs promise no more than some number, hence Any."""

Palette: TypeAlias = npt.NDArray[np.float64]
"""(colours, 3), 0..255: what a kind of clutter takes turns with."""


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


def _palette(inks: list[Ink], own: bool, canvas: Pixels, rng: np.random.Generator) -> Palette:
    """Colours that overlays take turns with."""
    if own:
        return np.array([ink.main for ink in inks])
    count = 1 if rng.random() < 0.4 else 8
    colours = rng.uniform(0, 255, (count, 3))
    if rng.random() < 0.4:  # pale clutter
        colours = 0.45 * colours + 0.55 * np.array(inks[0].paper)
    return np.clip(colours, 0, 255)


def _any(palette: Palette, rng: np.random.Generator) -> Colour:
    red, green, blue = palette[int(rng.integers(len(palette)))]
    return float(red), float(green), float(blue)


def _point(canvas: Pixels, rng: np.random.Generator) -> tuple[int, int]:
    return int(rng.integers(-4, canvas.shape[1] + 4)), int(rng.integers(-2, canvas.shape[0] + 2))


def _edge(rng: np.random.Generator) -> int:
    return cv2.LINE_AA if rng.random() < 0.6 else cv2.LINE_8


def _lines(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    edge = _edge(rng)
    for _ in range(1 + int(load * rng.integers(1, 10))):
        thick = 1 if cap < 22 or rng.random() < 0.7 else 2
        cv2.line(canvas, _point(canvas, rng), _point(canvas, rng), _any(palette, rng), thick, edge)


def _strokes(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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


def _tails(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Kinked lines, thick where they begin beside the text as if a letter, then thinner."""
    height, width = canvas.shape[:2]
    for _ in range(1 + int(load * rng.uniform(0, 2))):
        kinks = int(rng.integers(2, 5))
        x = np.concatenate([np.sort(rng.uniform(0.0, 0.22, kinks)), [rng.uniform(0.3, 0.7), 1.0]])
        y = np.concatenate([rng.uniform(0.02, 0.98, kinks), rng.uniform(0.1, 0.9, 2)])
        along = np.linspace(0, len(x) - 1, 40)
        path = np.column_stack([np.interp(along, np.arange(len(x)), of) for of in (x, y)])
        if rng.random() < 0.2:
            path[:, 0] = 1 - path[:, 0]
        points = np.rint(path * (width * rng.uniform(0.9, 1.02), height)).astype(np.int32)
        thick, colour, edge = cap * rng.uniform(0.06, 0.2), _any(palette, rng), _edge(rng)
        for place, (begin, end) in enumerate(pairwise(points.tolist())):
            wide = max(1, round(thick * (1 - place / len(points))))
            cv2.line(canvas, begin, end, colour, wide, edge)


def _smooth(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A curve through about these points: linear interpolation, then a moving mean."""
    fine = np.linspace(x[0], x[-1], 48)
    rough = np.interp(fine, x, y)
    padded = np.pad(rough, 6, mode="edge")
    return np.column_stack((fine, np.convolve(padded, np.ones(13) / 13, mode="valid")))


def _curves(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    largest = max(1, int(cap * 0.09))
    count = 5 + int(load * rng.uniform(0.2, 1) * canvas.shape[0] * canvas.shape[1] / 70)
    for _ in range(min(count, 220)):
        radius = int(rng.integers(0, largest + 1))
        cv2.circle(canvas, _point(canvas, rng), radius, _any(palette, rng), -1)


def _specks(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    height, width = canvas.shape[:2]
    count = int(height * width * load * rng.uniform(0.01, 0.12))
    rows, columns = rng.integers(height, size=count), rng.integers(width, size=count)
    canvas[rows, columns] = palette[rng.integers(len(palette), size=count)]


def _grid(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Thin lines in the colour of the paper, which cut the letters."""
    paper = np.median(canvas[::4, ::4].reshape(-1, 3), axis=0)
    _lines(canvas, load, paper[None], cap, rng)


def _webs(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
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


def _arc(canvas: Pixels, centre: tuple[int, int], axes: tuple[int, int], pen: "_Pen") -> None:
    start, turn = pen.rng.uniform(0, 360, 2)
    sweep = pen.rng.uniform(50, 200)
    box = (centre, axes, float(turn))
    cv2.ellipse(canvas, *box, float(start), float(start + sweep), pen.colour(), pen.thick, pen.edge)


class _Pen:
    """The colours, the thickness and the edge that one kind of clutter is drawn with.

    Args:
        palette: colours to take turns with.
        cap: cap height of the letters in pixels.
        rng: source of choices.
        thick: bounds of the thickness over the cap height; at least one pixel is drawn.
    """

    def __init__(
        self,
        palette: Palette,
        cap: float,
        rng: np.random.Generator,
        thick: tuple[float, float] = (0.0, 0.05),
    ) -> None:
        self._palette, self.rng = palette, rng
        self.edge = _edge(rng)
        self.thick = max(1, round(cap * float(rng.uniform(*thick))))

    def colour(self) -> Colour:
        """The next colour."""
        return _any(self._palette, self.rng)

    def path(self, canvas: Pixels, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        """An open line through points."""
        points = np.rint(np.column_stack((x, y))).astype(np.int32)
        cv2.polylines(canvas, [points], False, self.colour(), self.thick, self.edge)

    def area(self, canvas: Pixels, points: npt.ArrayLike) -> None:
        """A filled shape."""
        corners = np.rint(np.asarray(points)).astype(np.int32)
        cv2.fillPoly(canvas, [corners], self.colour(), self.edge)


def _arcs(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Long flat pieces of ellipses across the text."""
    height, width = canvas.shape[:2]
    for _ in range(1 + int(load * rng.integers(1, 4))):
        pen = _Pen(palette, cap, rng, (0.03, 0.12))
        axes = (int(rng.uniform(0.2, 0.7) * width), int(rng.uniform(0.2, 0.8) * height))
        _arc(canvas, _point(canvas, rng), axes, pen)


def _ovals(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Outlines of ellipses as large as letters and larger."""
    pen = _Pen(palette, cap, rng, (0.0, 0.09))
    for _ in range(1 + int(load * rng.integers(2, 12))):
        axes = (int(rng.uniform(0.1, 1.2) * cap) + 2, int(rng.uniform(0.1, 0.6) * cap) + 2)
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(
            canvas, _point(canvas, rng), axes, turn, 0, 360, pen.colour(), pen.thick, pen.edge
        )


def _dashes(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Many short straight lines."""
    pen = _Pen(palette, cap, rng, (0.0, 0.04))
    reach = rng.uniform(0.2, 0.9) * cap
    for _ in range(6 + int(load * rng.integers(20, 110))):
        x, y = _point(canvas, rng)
        dx, dy = rng.uniform(-reach, reach, 2)
        cv2.line(canvas, (x, y), (int(x + dx), int(y + dy)), pen.colour(), pen.thick, pen.edge)


def _sine(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """A thick wave through the whole text, sometimes made of two unlike halves."""
    height, width = canvas.shape[:2]
    pen = _Pen(palette, cap, rng, (0.06, 0.16))
    x = np.linspace(rng.uniform(-2, 0.2 * width), width * rng.uniform(0.8, 1.02), 80)
    waves = rng.uniform(0.5, 2.5, 2) * 6.283 / width
    swing = rng.uniform(0.08, 0.3) * height
    phase = float(rng.uniform(0, 6.283))
    y = np.sin(x * waves[0] + phase)
    if rng.random() < 0.5:
        middle = len(x) // 2
        y[middle:] = y[middle] + np.sin((x[middle:] - x[middle]) * waves[1])
    pen.path(canvas, x, height * rng.uniform(0.35, 0.65) + swing * y)


def _wedges(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Strokes of a brush: long bent shapes that begin in a point and grow thick."""
    height, width = canvas.shape[:2]
    for _ in range(1 + int(load * rng.integers(1, 4))):
        pen = _Pen(palette, cap, rng)
        t = np.linspace(0, 1, 24)
        x = width * (rng.uniform(-0.1, 0.4) + t * rng.uniform(0.4, 1.0))
        y = height * (rng.uniform(0.1, 0.9) + t * rng.uniform(-0.7, 0.7))
        y = y + height * rng.uniform(-0.3, 0.3) * np.sin(t * rng.uniform(1, 4))
        half = cap * rng.uniform(0.02, 0.11) * t ** rng.uniform(0.5, 2)
        if rng.random() < 0.5:
            half = half[::-1]
        shape = np.column_stack((np.r_[x, x[::-1]], np.r_[y - half, (y + half)[::-1]]))
        pen.area(canvas, shape)


def _zigzag(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """One bent line from side to side, thick in places, with a corner or two."""
    height, width = canvas.shape[:2]
    pen = _Pen(palette, cap, rng, (0.03, 0.12))
    knots = int(rng.integers(3, 6))
    x = np.sort(rng.uniform(-0.02, 1.0, knots)) * width
    y = rng.uniform(0.1, 0.95, knots) * height
    if rng.random() < 0.5:  # turns back at the left side
        x[0], x[1] = 0.1 * width * rng.random(), 0.02 * width
    pen.path(canvas, x, y)
    if rng.random() < 0.4 and knots > 3:
        pen.thick += 1
        pen.path(canvas, x[1:3], y[1:3])


def _rips(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """A bent line, as `_zigzag`, in the colour of the paper or white: it cuts the letters."""
    paper = np.median(canvas[::4, ::4].reshape(-1, 3), axis=0)
    _zigzag(canvas, load, np.stack([paper, np.full(3, 255.0)]), cap, rng)


def _through(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """One or two nearly straight lines right through the letters."""
    height, width = canvas.shape[:2]
    for _ in range(1 + int(load * rng.integers(0, 3))):
        pen = _Pen(palette, cap, rng, (0.03, 0.13))
        x = np.array([rng.uniform(-0.05, 0.15), rng.uniform(0.4, 0.6), rng.uniform(0.85, 1.05)])
        start, end = rng.uniform(0.2, 0.8, 2)
        middle = (start + end) / 2 + rng.normal(0, 0.05)
        pen.path(canvas, x * width, np.array([start, middle, end]) * height)


def _confetti(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Small filled ellipses and shreds of many colours."""
    colours = rng.uniform(0, 230, (12, 3))
    for _ in range(8 + int(load * rng.integers(20, 110))):
        axes = (int(rng.uniform(0, 0.14) * cap) + 1, int(rng.uniform(0, 0.09) * cap) + 1)
        turn = float(rng.uniform(0, 180))
        cv2.ellipse(canvas, _point(canvas, rng), axes, turn, 0, 360, _any(colours, rng), -1)


def _blob(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """A flat patch of another tone under or over part of the text."""
    height, width = canvas.shape[:2]
    tone = 0.6 * np.median(canvas[::4, ::4].reshape(-1, 3), axis=0) + 0.4 * palette[0]
    axes = (int(rng.uniform(0.1, 0.35) * width), int(rng.uniform(0.08, 0.4) * height))
    shade = canvas.copy()
    colour = (float(tone[0]), float(tone[1]), float(tone[2]))
    cv2.ellipse(shade, _point(canvas, rng), axes, float(rng.uniform(0, 180)), 0, 360, colour, -1)
    weight = float(rng.uniform(0.3, 0.7))
    canvas[:] = np.rint(canvas * (1 - weight) + shade * weight)


def _spiral(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    height, width = canvas.shape[:2]
    pen = _Pen(palette, cap, rng)
    turns = np.linspace(0, 6.283 * rng.uniform(4, 14), 400)
    radius = turns * rng.uniform(0.2, 0.7) + 1
    x, y = width * rng.uniform(0.1, 0.9), height * rng.uniform(0.2, 0.8)
    pen.path(canvas, x + radius * np.cos(turns), y + radius * np.sin(turns))


def _rings(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Ellipses about one point, as in a fingerprint or a target."""
    pen, centre = _Pen(palette, cap, rng), _point(canvas, rng)
    step, flat = rng.uniform(4, 12), rng.uniform(0.4, 1)
    for number in range(1, 6 + int(load * 20)):
        axes = (int(number * step), int(number * step * flat) + 1)
        cv2.ellipse(canvas, centre, axes, 0, 0, 360, pen.colour(), pen.thick, pen.edge)


def _bars(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Upright or level bars at equal distances."""
    height, width = canvas.shape[:2]
    pen = _Pen(palette, cap, rng, (0.02, 0.09))
    step, colour = cap * rng.uniform(0.35, 1.2) + 4, pen.colour()
    upright = rng.random() < 0.6
    lean = float(rng.uniform(-0.3, 0.3)) * (rng.random() < 0.5)
    for at in np.arange(rng.uniform(0, step), width if upright else height, step):
        if upright:
            ends = (int(at), 0), (int(at + lean * height), height)
        else:
            ends = (0, int(at)), (width, int(at + lean * height))
        cv2.line(canvas, *ends, colour, pen.thick, pen.edge)


def _rays(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Lines from one point to all sides."""
    pen, centre = _Pen(palette, cap, rng), _point(canvas, rng)
    count = 6 + int(load * 30)
    reach = float(np.hypot(*canvas.shape[:2]))
    for angle in np.linspace(0, 6.283, count, endpoint=False) + rng.uniform(0, 1):
        end = (int(centre[0] + reach * np.cos(angle)), int(centre[1] + reach * np.sin(angle)))
        cv2.line(canvas, centre, end, pen.colour(), pen.thick, pen.edge)


def _discs(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Filled circles, from specks to the size of a letter's dot."""
    for _ in range(3 + int(load * rng.integers(5, 25))):
        radius = int(rng.uniform(0, 0.12) * cap) + 1
        cv2.circle(canvas, _point(canvas, rng), radius, _any(palette, rng), -1, cv2.LINE_AA)


def _holes(
    canvas: Pixels, load: float, palette: Palette, cap: float, rng: np.random.Generator
) -> None:
    """Specks in the colour of the paper, which eat into the letters."""
    paper = np.median(canvas[::4, ::4].reshape(-1, 3), axis=0)[None]
    _dots(canvas, load, paper, cap * 0.7, rng)


_Overlay: TypeAlias = Callable[[Pixels, float, Palette, float, np.random.Generator], None]

_OVERLAY: dict[str, _Overlay] = {
    "lines": _lines,
    "strokes": _strokes,
    "tails": _tails,
    "curves": _curves,
    "circles": _circles,
    "dots": _dots,
    "specks": _specks,
    "grid": _grid,
    "letters": _letters,
    "cuts": _cuts,
    "webs": _webs,
    "arcs": _arcs,
    "ovals": _ovals,
    "dashes": _dashes,
    "sine": _sine,
    "wedges": _wedges,
    "zigzag": _zigzag,
    "rips": _rips,
    "through": _through,
    "confetti": _confetti,
    "blob": _blob,
    "spiral": _spiral,
    "rings": _rings,
    "bars": _bars,
    "rays": _rays,
    "discs": _discs,
    "holes": _holes,
}
