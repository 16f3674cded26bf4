"""Draw the training pictures of alphanumeric text, shard after shard.

A running training picks new shards up; numbers start again at `--keep`, so disk use is bounded::

    python plugins/alnum/training/generate.py --out data/train/alnum --shards 60
    python plugins/alnum/training/generate.py --out data/train/alnum --held --shards 1 --count 2000
    python plugins/alnum/training/generate.py --sheet build/alnum.png
    python plugins/alnum/training/generate.py --sheets build/recipes
"""

import argparse
import contextlib
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from loupette.toolkit.synth import Studio, draw_alnum, draw_style, draw_text, write_sheet
from loupette.toolkit.synth.recipes import RECIPES
from loupette.toolkit.synth.shards import write_shard
from loupette_alnum.model import ALPHABET, HEIGHT, WIDTH

GENERATOR_VERSION = 10
"""Counts up when what is drawn changes; written into the model's card."""

EMPTY = 0.025
"""Share of pictures without text, so that the model learns to read nothing from nothing."""


def main() -> None:
    """Draw shards, or one contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, default=Path("data/assets"))
    parser.add_argument("--out", type=Path, default=Path("data/train/alnum"))
    parser.add_argument("--first", type=int, default=0, help="number of the first shard")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--count", type=int, default=8_000, help="pictures in a shard")
    parser.add_argument("--keep", type=int, default=40, help="shards on disk at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--held", action="store_true", help="fonts and styles for validation")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet instead")
    parser.add_argument("--sheets", type=Path, help="write a contact sheet of each recipe instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.sheets:
        write_sheets(args.sheets, Studio(args.assets, args.seed, working=300))
        return
    for number in range(args.first, args.first + args.shards):
        studio = Studio(args.assets, args.seed * 10_000 + number, held=args.held, working=300)

        draw = partial(draw_picture, studio)

        if args.sheet:
            pictures, texts = zip(*(draw() for _ in range(144)), strict=True)
            write_sheet(pictures, texts, args.sheet)
            return
        folder, place = args.out / ("held" if args.held else "train"), number % args.keep
        write_shard(folder, place, draw, ALPHABET, count=args.count, height=HEIGHT, width=WIDTH)
        print(f"shard {number} -> {place}", flush=True)


def draw_picture(studio: Studio) -> tuple[npt.NDArray[np.uint8], str]:
    """Draw a picture, and say what it reads.

    Args:
        studio: fonts, photos and the random source.

    Returns:
        uint8, (height, width, 3), RGB, and its text; empty where there is none.
    """
    if studio.rng.random() < EMPTY:
        return studio.draw_nothing(), ""
    picture, letters = studio.write(lambda style: draw_alnum(studio.rng, style.writes))
    return picture, "".join(letters)


def write_sheets(folder: Path, studio: Studio) -> None:
    """Write one page of pictures for each recipe.

    Args:
        folder: gets ``NAME.png`` for each; made when absent.
        studio: fonts, photos and the random source.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in track(list(RECIPES), "recipes"):
        pictures, texts = [], []
        while len(pictures) < 32:
            style = draw_style(studio.rng, recipe=name)
            text = draw_alnum(studio.rng, style.writes)
            with contextlib.suppress(LookupError):  # not legible in this style
                pictures.append(
                    draw_text(list(text), style, studio.fonts, studio.photos, studio.rng)
                )
                texts.append(text)
        write_sheet(pictures, texts, folder / f"{name}.png")


if __name__ == "__main__":
    main()
