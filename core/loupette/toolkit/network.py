"""The model that reads a line of text: its architecture, and its weights by name.

Needs the ``train`` extra. Keras 3 alone.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import keras
import numpy as np


@dataclass(frozen=True)
class Ranks:
    """Through how many channels a convolution's output goes; 0 where it does not.

    Such a convolution gives so many sums, of which a second one, 1x1, makes its units: the same as
    one whose kernel, as a matrix (inputs, units), has this rank, and less work. All that models of
    this family differ in.

    Attributes:
        conv2b, conv3a, conv3b, conv4a, conv4b, collapse: of these convolutions.
        mix: of those along the line in the head.
    """

    conv2b: int = 0
    conv3a: int = 0
    conv3b: int = 0
    conv4a: int = 0
    conv4b: int = 0
    collapse: int = 0
    mix: int = 0


WHOLE = Ranks()
FACTORED = Ranks(conv2b=24, conv3a=40, conv3b=56, conv4a=72, conv4b=48, collapse=72, mix=96)
"""0.6 of the multiplications of `WHOLE`."""


def build_model(symbols: int, height: int, width: int, ranks: Ranks = WHOLE) -> keras.Model:
    """The recogniser: plain 3x3 convolutions, then a 1-pixel-high head over 40 time steps.

    No normalisation in most of the trunk: it more than halves the speed on a CPU and the model
    trains without. Batch normalisation where it costs next to nothing: in the head and before the
    layers of which most units died without it (what they read was all of one sign). The head sees
    27 steps around each, and the mean of all: a letter is often told by its neighbours' case and
    font.

    Every layer has a name, by which weights are kept: so a model can grow and keep what it knows.

    Args:
        symbols: size of the alphabet, without the blank.
        height: input height, 48.
        width: input width; a quarter of it is the number of time steps.
        ranks: of the convolutions.

    Returns:
        A model from float32 (batch, height, width, 3), 0..255, to float32 logits
        (batch, width / 4, symbols + 1), the blank last.
    """
    layers = keras.layers
    picture = keras.Input((height, width, 3), name="picture")
    # Paper is about -1, ink about +1.
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(picture)
    x = _conv(x, 24, "conv1")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _conv(_conv(x, 48, "conv2a"), 48, "conv2b", rank=ranks.conv2b)
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _conv(_conv(x, 96, "conv3a", rank=ranks.conv3a), 96, "conv3b", rank=ranks.conv3b)
    x = layers.MaxPooling2D((2, 1), name="pool3")(x)
    x = _conv(x, 128, "conv4a", rank=ranks.conv4a)
    y = layers.BatchNormalization(name="norm_conv4b")(x)
    y = _conv(y, 128, "conv4b", rank=ranks.conv4b, gain=_QUIET)
    x = layers.Add(name="add4")([x, y])
    x = layers.MaxPooling2D((2, 1), name="pool4")(x)
    x = layers.ZeroPadding2D((0, 1), name="pad")(x)
    x = layers.BatchNormalization(name="norm_collapse")(x)
    whole_height = height // 16, 3
    x = _conv(x, HEAD, "collapse", rank=ranks.collapse, size=whole_height, padding="valid")
    for number in range(1, BLOCKS + 1):
        y = layers.BatchNormalization(name=f"norm{number}")(x)
        gain = 1.0 if number < 3 else _QUIET
        y = _conv(y, HEAD, f"mix{number}", rank=ranks.mix, size=(1, 5), gain=gain)
        x = layers.Add(name=f"add_mix{number}")([x, y])
        if number == BLOCKS // 2:
            mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
            mean = layers.BatchNormalization(name="norm_whole")(mean)
            whole = _conv(mean, HEAD, "whole", size=(1, 1), gain=_QUIET)
            x = layers.Add(name="add_whole")([x, whole])
    x = layers.BatchNormalization(name="norm_out")(x)
    x = layers.Reshape((width // 4, HEAD), name="steps")(x)
    logits = layers.Dense(symbols + 1, dtype="float32", name="symbols")(x)
    return keras.Model(picture, logits)


HEAD = 192
"""Units of the head's layers."""

BLOCKS = 6
"""Convolutions along the line in the head."""

UP = "_up"
"""What the name of a convolution's second half ends in."""

_QUIET = 0.05
"""Share of the usual spread that side branches begin with: at first they hardly change what the
trunk says, so that branches can be added to a trained model."""


def _conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    *,
    rank: int = 0,
    size: tuple[int, int] = (3, 3),
    padding: str = "same",
    gain: float = 1.0,
) -> keras.KerasTensor:
    def spread(gain: float) -> keras.initializers.Initializer:
        return keras.initializers.VarianceScaling(gain, "fan_in", "truncated_normal")

    layers, rectified = keras.layers, spread(2.0 * gain**2)
    if rank:
        half = layers.Conv2D(
            rank, size, padding=padding, use_bias=False, kernel_initializer=spread(1.0), name=name
        )
        x, size, name = half(x), (1, 1), name + UP
    layer = layers.Conv2D(
        filters, size, padding=padding, activation="relu", kernel_initializer=rectified, name=name
    )
    return layer(x)


def read_ranks(path: Path) -> Ranks:
    """The ranks of the model that a weights file is of."""
    saved = np.load(path)

    def rank(field: str) -> int:
        layer = "mix1" if field == "mix" else field
        name = next((n for n in saved.files if n.endswith(f"/{layer}{UP}/kernel")), None)
        return int(saved[name].shape[2]) if name else 0

    return Ranks(**{field.name: rank(field.name) for field in fields(Ranks)})


def open_model(path: Path, symbols: int, height: int, width: int) -> keras.Model:
    """The model of a weights file."""
    model = build_model(symbols, height, width, read_ranks(path))
    load_weights(model, path)
    return model


def load_weights(model: keras.Model, path: Path) -> None:
    """Fill a model from a checkpoint, by layer name, where the shapes agree.

    Averaged weights are taken where there are any. Layers that the file does not know stay as they
    were drawn.
    """
    saved = np.load(path)
    for variable in model.variables:
        names = (f"average/{variable.path}", f"model/{variable.path}")
        name = next((name for name in names if name in saved), None)
        if name is not None and saved[name].shape == tuple(variable.shape):
            variable.assign(saved[name])
