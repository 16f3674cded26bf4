"""Curves over time as an SVG, a panel each; they begin at 0, so that flat looks flat."""

from collections.abc import Mapping, Sequence
from html import escape

_WIDTH, _HEIGHT, _LEFT, _GAP = 720, 90, 20, 46


def draw_curves(seconds: Sequence[float], columns: Mapping[str, Sequence[float]]) -> str:
    """The drawing.

    Args:
        seconds: when each value was measured.
        columns: values by what they are.
    """
    panels = [
        _draw_panel(seconds, values, title=name, top=_GAP + number * (_HEIGHT + _GAP))
        for number, (name, values) in enumerate(columns.items())
    ]
    height = _GAP + len(panels) * (_HEIGHT + _GAP)
    width = _WIDTH + 2 * _LEFT
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    style = 'font-family="sans-serif" font-size="13" fill="none"'
    ground = f'<rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([f"{head} {style}>", ground, *panels, "</svg>\n"])


def _draw_panel(
    seconds: Sequence[float], values: Sequence[float], *, title: str, top: float
) -> str:
    most = max(values, default=0) or 1
    end_s = max(seconds, default=0) or 1
    points = " ".join(
        f"{_LEFT + _WIDTH * second / end_s:.1f},{top + _HEIGHT * (1 - value / most):.1f}"
        for second, value in zip(seconds, values, strict=True)
    )
    label = f"{escape(title)}: 0 to {most:g}, over {end_s / 60:.1f} min"
    return "\n".join(
        [
            f'<text x="{_LEFT}" y="{top - 8}" fill="black">{label}</text>',
            f'<rect x="{_LEFT}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" stroke="silver"/>',
            f'<polyline points="{points}" stroke="steelblue" stroke-width="1.5"/>',
        ]
    )
