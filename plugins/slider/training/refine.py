"""Train the second network, which finds the exact edges of a box that the first one found.

    python plugins/slider/training/refine.py draw data/slider-photos/photos data/slider-squares
    python plugins/slider/training/refine.py train data/slider-squares data/slider-run
    python plugins/slider/training/refine.py export data/slider-run/edges.weights.h5 edges.tflite

``train`` prints how far the left edges of held-out squares are off, in per cent of the box.
"""

import argparse
import itertools
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import cv2
import keras
import numpy as np
import numpy.typing as npt
from generate import split_photos
from keras import layers, ops
from network import conv, make_optimizer
from scenes import Box as Drawn
from scenes import draw_scene
from tqdm import tqdm

from loupette_slider.detector import Box
from loupette_slider.edges import BINS, Edges
from loupette_slider.refiner import GAP, PIECE, SIDE, Square

BATCH = 64

MOST_OFF = 0.13
"""Standard deviation of how far the first network's edges are off, over the box's size."""

SPREAD = 0.7
"""Standard deviation of the target around the true edge, in bins."""


def jitter(box: Drawn, rng: np.random.Generator) -> Box:
    """A box as the first network may have found it."""
    x, y, w, h = box
    off = np.clip(rng.normal(0, MOST_OFF / 2, 4), -MOST_OFF, MOST_OFF)
    x0, x1 = x + off[0] * w, x + w + off[1] * w
    y0, y1 = y + off[2] * h, y + h + off[3] * h
    return Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0))


def edges_in(square: Square, box: Drawn) -> list[float]:
    """Left, top, right, bottom of a box in pixels of a square."""
    x, y, w, h = box
    places = (x - square.x, y - square.y, x + w - square.x, y + h - square.y)
    return [place * square.scale for place in places]


def draw_squares(
    photos: list[npt.NDArray[np.uint8]], folder: Path, name: str, *, count: int, seed: int
) -> None:
    """Write squares around the boxes of drawn scenes: ``NAME.images.npy``, ``NAME.labels.npy``."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.lib.format.open_memmap(
        folder / f"{name}.images.npy", "w+", np.uint8, (count, SIDE, SIDE, 3)
    )
    labels = np.zeros((count, 6), np.float32)
    rng, scenes, done = np.random.default_rng(seed), itertools.count(), 0
    with tqdm(total=count, desc=name, disable=None) as bar:
        while done < count:
            scene = draw_scene(photos, np.random.default_rng([seed, next(scenes)]))
            boxes = [(GAP, box) for box in ((scene.gap,) if scene.gap else ()) + scene.twins]
            boxes += [(PIECE, scene.piece)] if scene.piece else []
            for kind, box in (boxes * 2)[: count - done]:
                square = Square.around(jitter(box, rng))
                images[done] = square.cut(scene.image)
                labels[done] = (kind, *edges_in(square, box), box[2] * square.scale)
                done += 1
                bar.update()
    images.flush()
    np.save(folder / f"{name}.labels.npy", labels)


def build_refiner() -> keras.Model:
    """Build the network.

    Returns:
        A model from uint8-valued float RGB (batch, SIDE, SIDE, 3) to logits
        (batch, 2 kinds, 4 edges, BINS).
    """
    image = keras.Input((SIDE, SIDE, 3), name="square")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    fine = conv(conv(x, 24, kernel=5, stride=2), 32)
    middle = conv(conv(fine, 48, stride=2), 48)
    middle = layers.Add()([middle, conv(middle, 48)])
    deep = conv(middle, 96, stride=2)
    deep = layers.Add()([deep, conv(conv(deep, 96), 96)])
    x = layers.UpSampling2D(interpolation="nearest")(conv(deep, 48, kernel=1))
    middle = conv(layers.Add()([middle, x]), 48)
    x = layers.UpSampling2D(interpolation="nearest")(conv(middle, 32, kernel=1))
    x = conv(layers.Add()([fine, x]), 48)
    # An edge is a row or a column: what is seen along it, on the whole and at most.
    sides = []
    for axis in (1, 2):
        line = ops.concatenate([ops.mean(x, axis=axis), ops.max(x, axis=axis)], axis=-1)
        line = layers.Conv1D(48, 5, padding="same", activation="relu")(line)
        sides.append(layers.Conv1D(4, 5, padding="same", dtype="float32")(line))
    across, down = (layers.Permute((2, 1), dtype="float32")(side) for side in sides)
    # Each gives first edges (left, top) of both kinds, then last ones (right, bottom).
    kinds = [
        ops.stack([across[:, k], down[:, k], across[:, 2 + k], down[:, 2 + k]], axis=1)
        for k in (GAP, PIECE)
    ]
    return keras.Model(image, ops.stack(kinds, axis=1))


def targets_of(labels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of the bins: float32, (batch, 2 kinds, 4 edges, BINS); 0 for the other kind."""
    at = labels[:, 1:5, None] * (BINS / SIDE) - 0.5
    odds = np.exp(-0.5 * ((np.arange(BINS) - at) / SPREAD) ** 2)
    odds /= np.maximum(odds.sum(axis=2, keepdims=True), 1e-6)
    targets = np.zeros((len(labels), 2, 4, BINS), np.float32)
    targets[np.arange(len(labels)), labels[:, 0].astype(int)] = odds
    return targets


def edge_loss(target: Any, logits: Any) -> Any:
    """Cross-entropy of the bins, the left edge counting twice."""
    losses = -ops.sum(target * ops.log_softmax(ops.cast(logits, "float32"), axis=-1), axis=-1)
    return ops.mean(ops.sum(losses * ops.convert_to_tensor([2.0, 1.0, 1.0, 1.0]), axis=(1, 2)))


def augment(images: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Vary brightness and colours, which no edge depends on."""
    count = len(images)
    gain = rng.uniform(0.75, 1.25, (count, 1, 1, 1)) * rng.uniform(0.92, 1.08, (count, 1, 1, 3))
    changed = images * gain.astype(np.float32) + rng.uniform(-20, 20, (count, 1, 1, 1))
    return np.clip(changed[..., rng.permutation(3)], 0, 255).astype(np.float32)


def train(folder: Path, run: Path, *, steps: int, rate: float, start: Path | None) -> None:
    """Train, and write ``edges.weights.h5`` every 500 steps."""
    keras.utils.set_random_seed(1)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    model = build_refiner()
    print(f"{model.count_params()} parameters", flush=True)
    if start:
        model.load_weights(start)
    optimizer = make_optimizer(rate, steps=steps, warmup=200)
    model.compile(optimizer=optimizer, loss=edge_loss, jit_compile=False)
    images, labels = (np.load(folder / f"train.{kind}.npy", mmap_mode="r") for kind in PARTS)
    rng, begun, losses = np.random.default_rng(1), time.monotonic(), []
    run.mkdir(parents=True, exist_ok=True)
    order = rng.permutation(len(images))
    for step in range(1, steps + 1):
        if len(order) < BATCH:
            order = rng.permutation(len(images))
        rows, order = np.sort(order[:BATCH]), order[BATCH:]
        losses.append(model.train_on_batch(augment(images[rows], rng), targets_of(labels[rows])))
        if step % 500 == 0 or step == steps:
            model.save_weights(run / "edges.weights.h5")
            speed = step * BATCH / (time.monotonic() - begun)
            print(
                f"step {step} loss {np.mean(losses[-500:]):.3f} {speed:.0f} squares/s", flush=True
            )
            print(validate(model, folder), flush=True)


PARTS = ("images", "labels")


def validate(model: keras.Model, folder: Path) -> str:
    """How far left edges are off, over the width of the box."""
    images, labels = (np.load(folder / f"validation.{kind}.npy") for kind in PARTS)
    logits = model.predict(images.astype(np.float32), batch_size=256, verbose=0)
    own = logits[np.arange(len(labels)), labels[:, 0].astype(int)]
    left = np.array([Edges.read(edges, x=0, y=0, side=SIDE).sides[0] for edges in own])
    off = np.abs(left - labels[:, 1]) / labels[:, 5]
    parts = []
    for kind, name in ((GAP, "gap"), (PIECE, "piece")):
        some = off[labels[:, 0] == kind]
        parts.append(
            f"{name}: median {np.median(some):.3f}, within .03 {np.mean(some < 0.03):.3f}, "
            f"within .06 {np.mean(some < 0.06):.3f} of {len(some)}"
        )
    return "; ".join(parts)


def export(weights: Path, target: Path) -> None:
    """Write the network as a LiteRT flatbuffer with int8 weights."""
    import tensorflow as tf

    keras.mixed_precision.set_global_policy("float32")
    model = build_refiner()
    model.load_weights(weights)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    target.write_bytes(converter.convert())
    print(target, target.stat().st_size, "bytes")


def main() -> None:
    """Draw, train or export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["draw", "train", "export"])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--count", type=int, default=60_000)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.what == "draw":
        held = split_photos(args.source, validation=True)
        draw_squares(held, args.target, "validation", count=3000, seed=args.seed + 10**6)
        photos = split_photos(args.source, validation=False)
        draw_squares(photos, args.target, "train", count=args.count, seed=args.seed)
    elif args.what == "train":
        train(args.source, args.target, steps=args.steps, rate=args.rate, start=args.start)
    else:
        export(args.source, args.target)


if __name__ == "__main__":
    main()
