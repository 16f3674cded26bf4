"""Measure a raw LiteRT detector on the generated validation scenes.

python plugins/slider/training/validate.py data/slider-scenes gap.tflite
"""

import argparse
import time
from pathlib import Path

import numpy as np
from generate import GAP, PIECE

from loupette_slider.detector import Detector


def main() -> None:
    """Print how often the strongest gap is a true one, within 3 and 5 input pixels."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("model", type=Path)
    parser.add_argument("--count", type=int, default=1000)
    args = parser.parse_args()
    images = np.load(args.scenes / "validation.images.npy", mmap_mode="r")[: args.count]
    labels = np.load(args.scenes / "validation.labels.npy", mmap_mode="r")[: args.count]
    detector = Detector(args.model.read_bytes())
    misses, pieces, empty, times = [], [], [], []
    for image, rows in zip(images, labels, strict=True):
        started = time.perf_counter()
        found = detector.detect(np.asarray(image))
        times.append(time.perf_counter() - started)
        gaps, piece = rows[rows[:, 0] == GAP], rows[rows[:, 0] == PIECE]
        if not len(gaps):
            empty.append(found.gaps[0].score if found.gaps else 0.0)
            continue
        x = found.gaps[0].box.x if found.gaps else -99.0
        misses.append(float(np.abs(gaps[:, 1] - x).min()))
        if len(piece):
            pieces.append(abs(found.pieces[0].box.x - piece[0, 1]) if found.pieces else 99.0)
    miss = np.array(misses)
    print(f"gaps {len(miss)}: within 3 px {(miss <= 3).mean():.3f}, 5 px {(miss <= 5).mean():.3f}, "
          f"median {np.median(miss):.2f} px")  # fmt: skip
    print(f"pieces {len(pieces)}: within 3 px {(np.array(pieces) <= 3).mean():.3f}")
    print(f"without gap {len(empty)}: {np.mean(np.array(empty) < 0.4):.3f} score below 0.4")
    print(f"median {1000 * np.median(times):.1f} ms")


if __name__ == "__main__":
    main()
