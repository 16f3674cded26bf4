"""Figures over time as shapes of an SVG, drawn by the server; the page's style gives colours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loupette.money import format_yuan
from loupette.store.statistics import Figures, Statistics
from loupette.web.console.texts import moment

WIDTH, HEIGHT = 600.0, 160.0
_GAP = 0.22
"""Of a step's width is left free between bars."""


@dataclass(frozen=True)
class Bar:
    """A rectangle of one kind, or the whole height of a step, which is there to be pointed at."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Line:
    """Points joined where they follow one another; a step without a value leaves a gap."""

    kind: str
    path: str


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        bars: what is drawn.
        lines: over it.
        steps: what each step says when pointed at, with its place.
        top: the highest value of the scale, as text; and its half.
        times: at the left, the middle and the right.
    """

    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    steps: tuple[tuple[Bar, str], ...]
    top: str
    middle: str
    times: tuple[str, str, str]


def draw_all(found: Statistics, time_form: str) -> dict[str, Chart]:
    """The charts of the overview, by name."""

    def draw(
        layers: Sequence[tuple[str, Callable[[Figures], float | None]]],
        write: Callable[[float], str],
        *,
        as_bars: bool,
        top: float | None = None,
    ) -> Chart:
        return _draw(found, time_form, layers, write, as_bars=as_bars, top=top)

    return {
        "requests": draw(
            [("good", lambda one: one.answered), ("bad", lambda one: one.requests - one.answered)],
            lambda value: f"{value:,.0f}",
            as_bars=True,
        ),
        "success": draw(
            [("good", lambda one: one.success)],
            lambda value: f"{value * 100:.4g} %",
            as_bars=False,
            top=1.0,
        ),
        "spend": draw(
            [("accent", lambda one: one.spend_micros)],
            lambda value: format_yuan(round(value)),
            as_bars=True,
        ),
        "latency": draw(
            [("accent", lambda one: one.median_ms), ("wait", lambda one: one.p95_ms)],
            lambda value: f"{value:,.0f} ms",
            as_bars=False,
        ),
    }


def _draw(
    found: Statistics,
    time_form: str,
    layers: Sequence[tuple[str, Callable[[Figures], float | None]]],
    write: Callable[[float], str],
    *,
    as_bars: bool,
    top: float | None,
) -> Chart:
    columns = [[value(one) for _, value in layers] for one in found.steps]
    filled = [[value or 0 for value in column] for column in columns]
    heights = [sum(column) if as_bars else max(column) for column in filled]
    scale = top or _round_up(max(heights, default=0))
    times = [
        moment(found.since_ms + step * found.step_ms, time_form) for step in range(len(columns) + 1)
    ]
    kinds = [kind for kind, _ in layers]
    return Chart(
        tuple(_bars(filled, kinds, scale)) if as_bars else (),
        () if as_bars else tuple(_lines(columns, kinds, scale)),
        tuple(_steps(columns, times, write)),
        write(scale),
        write(scale / 2),
        (times[0], times[len(times) // 2], times[-1]),
    )


def _bars(columns: Sequence[Sequence[float]], kinds: Sequence[str], scale: float) -> list[Bar]:
    step = WIDTH / len(columns)
    bars = []
    for place, column in enumerate(columns):
        y = HEIGHT
        for kind, value in zip(kinds, column, strict=True):
            height = value / scale * HEIGHT
            y -= height
            if height:
                x = place * step + step * _GAP / 2
                bars.append(Bar(kind, _place(x), _place(y), _place(step * (1 - _GAP)),
                                _place(height)))  # fmt: skip
    return bars


def _lines(
    columns: Sequence[Sequence[float | None]], kinds: Sequence[str], scale: float
) -> list[Line]:
    step = WIDTH / len(columns)
    lines = []
    for layer, kind in enumerate(kinds):
        path, was_there = "", False
        for place, column in enumerate(columns):
            value = column[layer]
            if value is not None:
                x, y = _place((place + 0.5) * step), _place(HEIGHT - value / scale * HEIGHT)
                path += f"{'L' if was_there else 'M'}{x} {y}h0"  # h0: a lone point is a dot
            was_there = value is not None
        lines.append(Line(kind, path))
    return lines


def _steps(
    columns: Sequence[Sequence[float | None]], times: Sequence[str], write: Callable[[float], str]
) -> list[tuple[Bar, str]]:
    step = WIDTH / len(columns)
    told = []
    for place, column in enumerate(columns):
        values = " / ".join("–" if value is None else write(value) for value in column)
        area = Bar("step", _place(place * step), 0, _place(step), HEIGHT)
        told.append((area, f"{times[place]}: {values}"))
    return told


def _round_up(value: float) -> float:
    """The next round number, half of which is one too; of nothing, 1."""
    if value <= 0:
        return 1.0
    power = float(10 ** math.floor(math.log10(value)))
    return next(
        power * factor
        for factor in (1, 1.5, 2, 3, 4, 5, 6, 8, 10)
        if power * factor >= value * 0.9999
    )


def _place(value: float) -> float:
    return round(value, 2)
