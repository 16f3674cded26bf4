"""Draw the small pictures that the plugin and its tests bring along, in held-out fonts and styles.

python plugins/alnum/training/samples.py
"""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from loupette.toolkit.synth import Studio, draw_alnum, draw_style

HERE = Path(__file__).parent.parent
SEED = 20_261_122
SAMPLE_SEED = 12
COUNT = 40


def pack(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture as PNG with a palette, to keep it small."""
    out = io.BytesIO()
    image = Image.fromarray(picture)
    image.quantize(64).save(out, "PNG", optimize=True)
    return out.getvalue()


def main() -> None:
    """Write ``tests/samples`` and the catalogue's sample."""
    studio = Studio(Path("data/assets"), SEED, held=True)
    rows = []
    for number in range(COUNT):
        # Rather plain: the floor is to notice a broken model, not to rank good ones.
        style = draw_style(studio.rng, held=True, clean=0.75)
        style = replace(
            style,
            height=min(max(style.height, 32), 56),
            letter=max(style.letter, 0.45),
            contrast=max(style.contrast, 110),
            load=min(style.load, 0.4),
            scatter=0.0,
            fade=False,
        )
        text = draw_alnum(studio.rng)
        name = f"{number:02d}.png"
        (HERE / "tests/samples" / name).write_bytes(pack(studio.draw(list(text), style)))
        rows.append((name, text))
    with (HERE / "tests/samples/labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "answer"), *rows])
    # The catalogue's picture is an example, not a measurement: any font will do.
    studio = Studio(Path("data/assets"), SAMPLE_SEED)
    plain = replace(
        draw_style(studio.rng, clean=1.0),
        height=50,
        letter=0.5,
        room=0.75,
        spacing=0.3,
        fill="solid",
        many_fonts=False,
        many_inks=True,
        contrast=130,
        background="white",
        overlays=("curves",),
        warp="none",
        load=0.1,
        rotate=12,
        blur=0,
        rescale=1,
        grey=False,
        hard_edges=False,
        fade=False,
        scatter=0.0,
        frame=False,
        negative="none",
        crop=0.0,
        pull=0.0,
        lean=0.0,
        tilt=0.0,
    )
    sample = studio.draw(list("r7k4m"), plain)
    (HERE / "src/loupette_alnum/samples/sample.png").write_bytes(pack(sample))


if __name__ == "__main__":
    main()
