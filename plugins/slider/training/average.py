"""Average the weights of several checkpoints of one run, for a run cut off before its rate fell.

python plugins/slider/training/average.py data/slider-scenes mean.weights.h5 A.h5 B.h5
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from network import build_network

BATCHES, BATCH = 50, 24


def main() -> None:
    """Write the mean, its batch-norm statistics estimated anew on training scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("--width", type=int, default=32)
    args = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    model = build_network(args.width)
    states = []
    for checkpoint in args.checkpoints:
        model.load_weights(checkpoint)
        states.append(model.get_weights())
    model.set_weights([np.mean(tensors, axis=0) for tensors in zip(*states, strict=True)])
    images = np.load(args.scenes / "train.images.npy", mmap_mode="r")
    rng = np.random.default_rng(0)
    for _ in range(BATCHES):
        rows = np.sort(rng.choice(len(images), BATCH, replace=False))
        model(images[rows].astype(np.float32), training=True)
    model.save_weights(args.target)


if __name__ == "__main__":
    main()
