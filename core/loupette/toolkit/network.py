"""The model that reads a line of text: its architecture, and its weights by name.

Needs the ``train`` extra. Keras 3 alone.
"""

from dataclasses import dataclass, fields
from pathlib import Path

import keras
import numpy as np


@dataclass(frozen=True)
class Widths:
    """Units of the layers, all that models of this family differ in.

    Attributes:
        conv1, conv2a, conv2b, conv3a, conv3b: of these convolutions.
        conv4: of the trunk's last two convolutions, which are added.
        head: of the head's convolutions, which are added.
    """

    conv1: int = 24
    conv2a: int = 48
    conv2b: int = 48
    conv3a: int = 96
    conv3b: int = 96
    conv4: int = 128
    head: int = 192


WIDE = Widths()
NARROW = Widths(conv1=16, conv2a=40, conv3a=80, conv3b=80, conv4=112, head=160)
"""0.7 of the multiplications of `WIDE`."""


def build_model(symbols: int, height: int, width: int, widths: Widths = WIDE) -> keras.Model:
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
        widths: units of the layers.

    Returns:
        A model from float32 (batch, height, width, 3), 0..255, to float32 logits
        (batch, width / 4, symbols + 1), the blank last.
    """
    layers = keras.layers
    picture = keras.Input((height, width, 3), name="picture")
    # Paper is about -1, ink about +1.
    x = layers.Rescaling(-1 / 128, offset=1.0, name="scale")(picture)
    x = _conv(x, widths.conv1, "conv1")
    x = layers.MaxPooling2D(2, name="pool1")(x)
    x = _conv(_conv(x, widths.conv2a, "conv2a"), widths.conv2b, "conv2b")
    x = layers.MaxPooling2D(2, name="pool2")(x)
    x = _conv(_conv(x, widths.conv3a, "conv3a"), widths.conv3b, "conv3b")
    x = layers.MaxPooling2D((2, 1), name="pool3")(x)
    x = _conv(x, widths.conv4, "conv4a")
    y = layers.BatchNormalization(name="norm_conv4b")(x)
    x = layers.Add(name="add4")([x, _conv(y, widths.conv4, "conv4b", gain=_QUIET)])
    x = layers.MaxPooling2D((2, 1), name="pool4")(x)
    x = layers.ZeroPadding2D((0, 1), name="pad")(x)
    x = layers.BatchNormalization(name="norm_collapse")(x)
    x = _conv(x, widths.head, "collapse", size=(height // 16, 3), padding="valid")
    for number in range(1, BLOCKS + 1):
        y = layers.BatchNormalization(name=f"norm{number}")(x)
        y = _conv(y, widths.head, f"mix{number}", size=(1, 5), gain=1.0 if number < 3 else _QUIET)
        x = layers.Add(name=f"add_mix{number}")([x, y])
        if number == BLOCKS // 2:
            mean = layers.GlobalAveragePooling2D(keepdims=True, name="mean")(x)
            mean = layers.BatchNormalization(name="norm_whole")(mean)
            whole = _conv(mean, widths.head, "whole", size=(1, 1), gain=_QUIET)
            x = layers.Add(name="add_whole")([x, whole])
    x = layers.BatchNormalization(name="norm_out")(x)
    x = layers.Reshape((width // 4, widths.head), name="steps")(x)
    logits = layers.Dense(symbols + 1, dtype="float32", name="symbols")(x)
    return keras.Model(picture, logits)


BLOCKS = 6
"""Convolutions along the line in the head."""

_QUIET = 0.05
"""Share of the usual spread that side branches begin with: at first they hardly change what the
trunk says, so that branches can be added to a trained model."""


def _conv(
    x: keras.KerasTensor,
    filters: int,
    name: str,
    *,
    size: tuple[int, int] = (3, 3),
    padding: str = "same",
    gain: float = 1.0,
) -> keras.KerasTensor:
    spread = keras.initializers.VarianceScaling(2.0 * gain**2, "fan_in", "truncated_normal")
    layer = keras.layers.Conv2D(
        filters, size, padding=padding, activation="relu", kernel_initializer=spread, name=name
    )
    return layer(x)


def read_widths(path: Path) -> Widths:
    """The widths of the model that a weights file is of."""
    saved = np.load(path)
    layers = {"conv4": "conv4a", "head": "collapse"}

    def units(field: str) -> int:
        layer = layers.get(field, field)
        name = next(n for n in saved.files if n.endswith(f"/{layer}/kernel"))
        return int(saved[name].shape[-1])

    return Widths(**{field.name: units(field.name) for field in fields(Widths)})


def open_model(path: Path, symbols: int, height: int, width: int) -> keras.Model:
    """The model of a weights file."""
    model = build_model(symbols, height, width, read_widths(path))
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
