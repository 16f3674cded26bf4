"""Draw the catalogue sample and the scenes of the accuracy test, all on drawn backgrounds.

    python plugins/slider/training/draw_samples.py

No photo is used, so the files carry no one else's rights. Seeds differ from training's.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
from scenes import Scene, draw_scene

PLUGIN = Path(__file__).resolve().parents[1]
SAMPLE_SEED = 323
SCENE_SEED = 3_000_001
SCENE_COUNT = 30
WIDEST_PX = 400


def draw_small_scene(rng: np.random.Generator) -> Scene:
    """Draw until a scene is small and has one true gap that one image can tell."""
    while True:
        scene = draw_scene((), rng)
        decidable = scene.gap is not None and not scene.twins and not scene.decoys
        if decidable and scene.image.shape[1] <= WIDEST_PX:
            return scene


def write_sample() -> None:
    """Write ``sample.png`` and say its answer."""
    scene = draw_small_scene(np.random.default_rng([SCENE_SEED, SAMPLE_SEED]))
    path = PLUGIN / "src" / "loupette_slider" / "sample.png"
    cv2.imwrite(str(path), scene.image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print("sample answer", scene.gap)


def write_scenes() -> None:
    """Write JPEG scenes, every third with its piece, and ``labels.csv``."""
    folder = PLUGIN / "tests" / "scenes"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "x", "y", "w", "h", "piece_file", "piece_x"])
        for index in range(SCENE_COUNT):
            scene = draw_small_scene(np.random.default_rng([SCENE_SEED, 100 + index]))
            name, piece_name = f"{index:02}.jpg", ""
            quality = [cv2.IMWRITE_JPEG_QUALITY, 72]
            cv2.imwrite(str(folder / name), scene.image[..., ::-1], quality)
            if index % 3 == 0 and scene.piece is None and scene.piece_rgba is not None:
                piece_name = f"{index:02}_piece.png"
                rgba = cv2.cvtColor(scene.piece_rgba, cv2.COLOR_RGBA2BGRA)
                cv2.imwrite(str(folder / piece_name), rgba)
            piece_x = scene.piece[0] if scene.piece else ""
            table.writerow([name, *(scene.gap or ()), piece_name, piece_x])


if __name__ == "__main__":
    write_sample()
    write_scenes()
