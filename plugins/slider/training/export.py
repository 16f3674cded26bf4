"""Export trained weights to LiteRT.

python plugins/slider/training/export.py data/slider-run/last.weights.h5 gap.tflite
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from network import build_network


def export(weights: Path, target: Path, *, width: int, quantize: bool) -> None:
    """Write the network as one LiteRT flatbuffer.

    Args:
        weights: what train.py saved.
        target: the .tflite file.
        width: channels at stride 4, as trained.
        quantize: keep the weights as int8 (a quarter of the size, faster) instead of float32.
    """
    keras.mixed_precision.set_global_policy("float32")
    model = build_network(width)
    model.load_weights(weights)
    import tensorflow as tf

    options = {"optimizations": [tf.lite.Optimize.DEFAULT]} if quantize else {}
    model.export(target, format="litert", verbose=False, **options)


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--float", action="store_true", help="do not quantize the weights")
    args = parser.parse_args()
    export(args.weights, args.target, width=args.width, quantize=not args.float)
    print(args.target, args.target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
