"""Draw the training pictures of sums, shard after shard.

A running training picks new shards up; numbers start again at `--keep`, so disk use is bounded::

    python plugins/arith/training/generate.py --out data/train/arith --shards 30
    python plugins/arith/training/generate.py --out data/train/arith --held --shards 1 --count 2000
    python plugins/arith/training/generate.py --sheet build/arith.png
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from loupette.toolkit.synth import Studio, write_sheet
from loupette.toolkit.synth.shards import write_shard
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH
from texts import draw_sum, to_symbols

CLEAN = 0.4
"""Share of pictures without clutter: sums are drawn with less of it than plain texts."""


def main() -> None:
    """Draw shards, or one contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=Path("data/assets"))
    parser.add_argument("--out", type=Path, default=Path("data/train/arith"))
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000, help="pictures in a shard")
    parser.add_argument("--keep", type=int, default=20, help="shards on disk at most")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--held", action="store_true", help="fonts and styles for validation")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    for number in range(args.shards):
        seed = args.seed * 10_000 + number
        studio = Studio(args.assets, seed, held=args.held, working=300, clean=CLEAN)

        def draw(studio: Studio = studio) -> tuple[npt.NDArray[np.uint8], str]:
            return draw_picture(studio)

        if args.sheet:
            pictures, labels = zip(*(draw() for _ in range(144)), strict=True)
            write_sheet(pictures, labels, args.sheet)
            return
        folder, place = args.out / ("held" if args.held else "train"), number % args.keep
        write_shard(folder, place, draw, ALPHABET, count=args.count, height=HEIGHT, width=WIDTH)
        print(f"shard {number} -> {place}", flush=True)


def draw_picture(studio: Studio) -> tuple[npt.NDArray[np.uint8], str]:
    """Draw a sum.

    Args:
        studio: fonts, photos and the random source.

    Returns:
        uint8, (height, width, 3), RGB, and the symbols to read.
    """
    while True:
        text = draw_sum(studio.rng)
        try:
            return studio.draw(list(text)), to_symbols(text)
        except LookupError:  # no font has all of a rare mixture of scripts
            continue


if __name__ == "__main__":
    main()
