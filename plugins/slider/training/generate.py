"""Write scenes at the detector's input size, with their boxes, for training and validation.

python plugins/slider/training/generate.py data/slider-photos/photos data/slider-scenes
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from backgrounds import load_photos
from scenes import Box, draw_scene

from loupette_slider.detector import INPUT_HEIGHT, INPUT_WIDTH, fit_to_input

MAX_BOXES = 5
GAP, PIECE, DECOY = 0, 1, 2
VALIDATION_PACKAGES = (
    "gnome-backgrounds",
    "jquery-backstretch",
    "lightgallery",
    "now-ui-dashboard",
    "startbootstrap-agency",
    "startbootstrap-creative",
    "wallpapers",
)


def split_photos(folder: Path, *, validation: bool) -> list[npt.NDArray[np.uint8]]:
    """Load the photos of one side of the split; whole packages are held out."""
    photos = load_photos(
        folder, keep=lambda name: name.startswith(VALIDATION_PACKAGES) == validation
    )
    if not photos:
        raise SystemExit(f"no photos in {folder}; run fetch_photos.sh first")
    return photos


def label_rows(
    gap: Box | None,
    piece: Box | None,
    twins: tuple[Box, ...],
    decoys: tuple[Box, ...],
    *,
    scale: float,
) -> npt.NDArray[np.float32]:
    """Give float32, (MAX_BOXES, 5): kind, x, y, w, h in input pixels; kind -1 is empty."""
    rows = np.full((MAX_BOXES, 5), -1, np.float32)
    boxes = [(GAP, b) for b in ((gap,) if gap else ()) + twins]
    boxes += [(PIECE, piece)] if piece else []
    boxes += [(DECOY, b) for b in decoys]
    for row, (kind, box) in zip(rows, boxes, strict=False):
        row[0] = kind
        row[1:] = np.array(box, np.float32) * scale
    return rows


def write_scenes(
    photos: list[npt.NDArray[np.uint8]], target: Path, *, count: int, seed: int
) -> None:
    """Write `count` scenes to ``target.images`` (raw uint8) and ``target.labels.npy``."""
    shape = (count, INPUT_HEIGHT, INPUT_WIDTH, 3)
    images = np.lib.format.open_memmap(target.with_suffix(".images.npy"), "w+", np.uint8, shape)
    labels = np.lib.format.open_memmap(
        target.with_suffix(".labels.npy"), "w+", np.float32, (count, MAX_BOXES, 5)
    )
    started = time.monotonic()
    for index in range(count):
        scene = draw_scene(photos, np.random.default_rng([seed, index]))
        images[index], scale = fit_to_input(scene.image)
        labels[index] = label_rows(scene.gap, scene.piece, scene.twins, scene.decoys, scale=scale)
        if (index + 1) % 2000 == 0:
            print(target.name, index + 1, f"{time.monotonic() - started:.0f} s", flush=True)
    images.flush()
    labels.flush()


def main() -> None:
    """Write the validation scenes, then the training scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--train", type=int, default=24000)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    args.target.mkdir(parents=True, exist_ok=True)
    held_out = split_photos(args.photos, validation=True)
    write_scenes(
        held_out, args.target / "validation", count=args.validation, seed=args.seed + 10**6
    )
    photos = split_photos(args.photos, validation=False)
    print(f"{len(photos)} photos for training, {len(held_out)} held out", flush=True)
    write_scenes(photos, args.target / "train", count=args.train, seed=args.seed)


if __name__ == "__main__":
    main()
