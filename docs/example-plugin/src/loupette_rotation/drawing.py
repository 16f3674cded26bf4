"""Draws what the solver reads: a landscape whose round middle was turned."""

import io

import numpy as np
from PIL import Image, ImageDraw

_SIDE, _RADIUS = 240, 80


def draw(angle: int, *, seed: int) -> bytes:
    """A PNG file.

    Args:
        angle: degrees by which the disc is turned clockwise.
        seed: of the landscape.
    """
    landscape = _draw_landscape(np.random.default_rng(seed))
    disc = Image.new("L", landscape.size, 0)
    middle = _SIDE // 2
    box = (middle - _RADIUS, middle - _RADIUS, middle + _RADIUS, middle + _RADIUS)
    ImageDraw.Draw(disc).ellipse(box, 255)
    turned = landscape.rotate(-angle, Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.composite(turned, landscape, disc).save(file, "PNG")
    return file.getvalue()


def _draw_landscape(rng: np.random.Generator) -> Image.Image:
    """Soft patches of colour, and straight edges as buildings have."""
    patches = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    image = patches.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        corners = rng.integers(0, _SIDE, (3, 2))
        red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
        pen.polygon([(int(x), int(y)) for x, y in corners], (red, green, blue))
    return image
