"""A contact sheet: many pictures with their labels on one page, to judge a generator by eye."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

_CELL = (200, 84)


def write_sheet(
    pictures: Sequence[npt.NDArray[np.uint8]],
    labels: Sequence[str],
    path: Path,
    *,
    columns: int = 8,
) -> None:
    """Write a page.

    Args:
        pictures: uint8, (height, width, 3) each, any sizes.
        labels: what each should read.
        path: PNG file to write.
        columns: pictures in a row.
    """
    rows = -(-len(pictures) // columns)
    page = Image.new("RGB", (columns * _CELL[0], rows * _CELL[1]), "#999")
    pen = ImageDraw.Draw(page)
    for index, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x, y = index % columns * _CELL[0], index // columns * _CELL[1]
        image = Image.fromarray(picture)
        image.thumbnail((_CELL[0] - 6, _CELL[1] - 18))
        page.paste(image, (x, y))
        pen.text((x + 2, y + _CELL[1] - 16), label, fill="black")
    page.save(path)
