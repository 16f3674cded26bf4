r"""Draw the training pictures of sums, shard after shard.

A running training picks new shards up; numbers start again at `--keep`, so disk use is bounded::

    python plugins/arith/training/generate.py --out data/train/arith --shards 30
    python plugins/arith/training/generate.py --out data/train/arith --held --shards 1 --count 2000
    python plugins/arith/training/generate.py --sheet build/arith.png
    python plugins/arith/training/generate.py --seed 21 --sample \
        plugins/arith/src/loupette_arith/samples/sample.png
    python plugins/arith/training/generate.py --seed 77 --count 32 \
        --samples plugins/arith/tests/samples
"""

import argparse
import contextlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from effects import draw_plates, ripple_finely, trim
from PIL import Image
from texts import draw_sum, to_symbols

from loupette.toolkit.synth import Studio, Style, draw_style, draw_text, write_sheet
from loupette.toolkit.synth.clutter import draw_overlays
from loupette.toolkit.synth.fonts import held_out
from loupette.toolkit.synth.letters import Ink
from loupette.toolkit.synth.scene import wear
from loupette.toolkit.synth.shards import write_shard
from loupette_arith.expression import ExpressionError, evaluate, format_value
from loupette_arith.grammar import DRAWN
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH

CLEAN = 0.4
"""Share of pictures without clutter: sums are drawn with less of it than plain texts."""

ORNAMENTED = 0.30
ORNAMENTS = ("relief", "relief", "lined", "outline", "inline", "plate", "dotted", "shadow")
"""Fills drawn more often than for texts, where a sign is read from less ink than a letter."""

RIPPLED = 0.15
"""Share of pictures bent in short waves whatever their style: these cost signs the most."""

STEEPEST = 30.0
"""Degrees a sign may turn: at 45 a plus is a multiplication sign."""

PLATED, DROPPED, TRIMMED = 0.07, 0.10, 0.15
"""Shares of pictures with the looks of `effects`."""

SAMPLE = "12+7=?"


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
    parser.add_argument("--samples", type=Path, help="write labelled files for the tests instead")
    parser.add_argument("--sample", type=Path, help="write the catalogue's sample instead")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.sample:
        write_sample(args.sample, Studio(args.assets, args.seed, working=300))
        return
    if args.samples:
        write_samples(args.samples, Studio(args.assets, args.seed, held=True), count=args.count)
        return
    for number in range(args.shards):
        seed = args.seed * 10_000 + number
        studio = Studio(args.assets, seed, held=args.held, working=300)

        def draw(studio: Studio = studio) -> tuple[npt.NDArray[np.uint8], str]:
            return draw_picture(studio, held=args.held)

        if args.sheet:
            pictures, labels = zip(*(draw() for _ in range(144)), strict=True)
            write_sheet(pictures, labels, args.sheet)
            return
        folder, place = args.out / ("held" if args.held else "train"), number % args.keep
        write_shard(folder, place, draw, ALPHABET, count=args.count, height=HEIGHT, width=WIDTH)
        print(f"shard {number} -> {place}", flush=True)


def draw_picture(studio: Studio, *, held: bool = False) -> tuple[npt.NDArray[np.uint8], str]:
    """Draw a sum.

    Args:
        studio: fonts, photos and the random source.
        held: in a style kept for validation.

    Returns:
        uint8, (height, width, 3), RGB, and the symbols to read.
    """
    rng = studio.rng
    while True:
        text = draw_sum(rng)
        # No font has all its characters, or nobody could read it: another text in another style.
        with contextlib.suppress(LookupError):
            picture = _draw(text, studio, held=held)
            if rng.random() < DROPPED:
                picture = ripple_finely(picture, rng)
            return trim(picture, rng) if rng.random() < TRIMMED else picture, to_symbols(text)


def _draw(text: str, studio: Studio, *, held: bool) -> npt.NDArray[np.uint8]:
    rng = studio.rng
    style = _restyle(draw_style(rng, held=held, clean=CLEAN), rng, held=held)
    if rng.random() >= PLATED:
        return draw_text(list(text), style, studio.fonts, studio.photos, rng)
    plates = draw_plates(list(text), studio.fonts, rng)
    colour = tuple(float(v) for v in rng.uniform(0, 255, 3))
    draw_overlays(plates, style, [Ink(colour, colour, colour)], 20.0, rng)
    return wear(plates, style, rng)


def write_sample(path: Path, studio: Studio) -> None:
    """Write a plain picture of `SAMPLE`.

    Args:
        path: PNG file to write; its folder is made.
        studio: fonts and the random source.
    """
    style = draw_style(studio.rng, clean=1.0)
    style = replace(style, height=56, letter=0.5, fill="solid", contrast=150.0, background="light")
    style = replace(style, overlays=("curves",), warp="wave", warp_strength=0.3, spacing=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(studio.draw(SAMPLE, style)).save(path, optimize=True)


def write_samples(folder: Path, studio: Studio, *, count: int) -> None:
    """Write small labelled pictures in fonts and styles kept from training.

    Args:
        folder: gets the files and ``labels.csv`` (columns ``file``, ``answer``, ``expression``).
        studio: one that draws what is held out.
        count: pictures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["file,answer,expression"]
    while len(rows) <= count:
        picture, symbols = draw_picture(studio, held=True)
        with contextlib.suppress(ExpressionError):  # a jumbled text has no value
            value = format_value(evaluate(symbols, DRAWN))
            name = f"{len(rows):02d}.png"
            # 64 colours keep the files small; the letters lose nothing that matters.
            Image.fromarray(picture).quantize(64).save(folder / name, optimize=True)
            rows.append(f"{name},{value},{symbols}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _restyle(style: Style, rng: np.random.Generator, *, held: bool) -> Style:
    """Keep a cross from becoming a plus; ornament some letters and ripple some."""
    style = changed = replace(style, rotate=min(style.rotate, STEEPEST))
    if rng.random() < ORNAMENTED:
        changed = replace(changed, fill=ORNAMENTS[int(rng.integers(len(ORNAMENTS)))])
    if rng.random() < RIPPLED:
        warp = "ripple" if rng.random() < 0.6 else "wave"
        changed = replace(changed, warp=warp, warp_strength=float(rng.uniform(0.4, 1.0)))
    # A kind of style is either held out or trained on, never both; plain ones are in both.
    fits = changed.overlays == () or held_out(changed.kind, share=8) == held
    return changed if fits else style


if __name__ == "__main__":
    main()
