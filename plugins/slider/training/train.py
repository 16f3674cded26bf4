"""Train the detector on generated scenes and export it to LiteRT.

python plugins/slider/training/train.py data/slider-scenes data/slider-run --minutes 40
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from network import build_network, detection_loss, make_optimizer
from targets import draw_targets

BATCH = 32


def read_scenes(folder: Path, name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Map one split: images (n, 192, 320, 3) and label rows (n, MAX_BOXES, 5)."""
    images = np.load(folder / f"{name}.images.npy", mmap_mode="r")
    labels = np.load(folder / f"{name}.labels.npy", mmap_mode="r")
    written = int((np.abs(labels).sum(axis=(1, 2)) > 0).sum())
    return images[:written], labels[:written]


def augment(images: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Vary colours only; geometry is the generator's, as a piece belongs on the left."""
    count = len(images)
    gain = rng.uniform(0.75, 1.25, (count, 1, 1, 1)) * rng.uniform(0.92, 1.08, (count, 1, 1, 3))
    shift = rng.uniform(-20, 20, (count, 1, 1, 1))
    images = images * gain.astype(np.float32) + shift.astype(np.float32)
    for image in images[rng.random(count) < 0.15]:
        image[:] = image[..., rng.permutation(3)]
    return np.clip(images, 0, 255)


def batches(
    folder: Path, rng: np.random.Generator
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """Give endless shuffled batches of images and targets, reading what is written so far."""
    while True:
        images, labels = read_scenes(folder, "train")
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = np.sort(order[start : start + BATCH])
            yield augment(images[rows].astype(np.float32), rng), draw_targets(labels[rows])


def main() -> None:
    """Train for a number of steps or minutes, saving the weights as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--width", type=int, default=48)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(args.seed)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    args.run.mkdir(parents=True, exist_ok=True)
    train(args)


def train(args: argparse.Namespace) -> None:
    """Run the steps; every 250 report and save ``last.weights.h5``."""
    model = build_network(args.width)
    print(f"{model.count_params()} parameters", flush=True)
    if args.start:
        model.load_weights(args.start)
    optimizer = make_optimizer(args.rate, steps=args.steps, warmup=150)
    model.compile(optimizer=optimizer, loss=detection_loss, jit_compile=False)
    rng, started, losses = np.random.default_rng(args.seed), time.monotonic(), []
    for step, (images, targets) in enumerate(batches(args.scenes, rng), start=1):
        losses.append(float(model.train_on_batch(images, targets)))
        if step % 50 == 0:
            speed = step * BATCH / (time.monotonic() - started)
            print(f"step {step} loss {np.mean(losses[-50:]):.3f} {speed:.0f} images/s", flush=True)
        if step % 250 == 0 or step == args.steps:
            model.save_weights(args.run / "last.weights.h5")
        if step == args.steps:
            return


if __name__ == "__main__":
    main()
