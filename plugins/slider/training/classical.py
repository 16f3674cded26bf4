"""The detector's rival: square outlines of many sizes, slid over one image. For comparison only.

    python plugins/slider/training/classical.py DATA

DATA as for evaluate.py. What is dark or bright all along a square's outline is taken for the gap.
"""

import argparse
import csv
from pathlib import Path

import cv2
import numpy as np
from evaluate import read_picture

from loupette.plugin import Pixels
from loupette.toolkit.metrics import Share
from loupette_slider.matching import Piece, find_places

SIZES_PX = (32, 40, 48, 56, 64, 72, 80, 96)


def find_square(rgb: Pixels) -> int:
    """Give the left edge of the square outline that stands out most."""
    best, x = -1.0, 0
    for size in SIZES_PX:
        if size >= rgb.shape[0]:
            continue
        plain = np.full((size, size, 3), 128, np.uint8)
        place = find_places(rgb, Piece(plain, np.ones((size, size), np.float32), 0, 0, None))[0]
        # A long outline is rarer by chance than a short one.
        score = place.outline * size**0.5
        if score > best and place.x > 0.12 * rgb.shape[1]:
            best, x = score, place.x
    return x


def main() -> None:
    """Print the share within 5 px for each source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for labels in sorted(args.data.glob("*/labels.csv")):
        with labels.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        misses = [
            abs(find_square(read_picture(labels.parent / row["file"]).rgb) - float(row["x"]))
            for row in rows
        ]
        right = Share(sum(miss <= 5 for miss in misses), len(misses))
        print(labels.parent.name, "within 5 px", right)


if __name__ == "__main__":
    main()
