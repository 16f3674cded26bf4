"""The detector's architecture and losses: a small U-shaped network with centre heatmaps."""

from typing import Any  # Keras layers and tensors carry no types

import keras
from keras import layers, ops

from loupette.toolkit.muon import ConvolutionMuon
from loupette_slider.detector import INPUT_HEIGHT, INPUT_WIDTH

OUTPUTS = 6
"""Channels: gap heatmap, piece heatmap, then distances left, top, right, bottom."""


def conv(x: Any, filters: int, *, kernel: int | tuple[int, int] = 3, stride: int = 1) -> Any:
    """A convolution with batch normalisation and ReLU, of which both networks are made."""
    x = layers.Conv2D(
        filters, kernel, strides=stride, padding="same", use_bias=False,
        kernel_initializer="he_normal",
    )(x)  # fmt: skip
    x = layers.BatchNormalization(momentum=0.95)(x)
    return layers.ReLU()(x)


def _residual(x: Any, filters: int) -> Any:
    return layers.Add()([x, conv(conv(x, filters), filters)])


def build_network(width: int = 48) -> keras.Model:
    """Build the network.

    Args:
        width: channels at stride 4; deeper levels have 1.5 and 2 times as many.

    Returns:
        A model from uint8-valued float RGB (batch, 192, 320, 3) to raw outputs
        (batch, 48, 80, OUTPUTS): two heatmap logits and four distances.
    """
    image = keras.Input((INPUT_HEIGHT, INPUT_WIDTH, 3), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1)(image)
    x = conv(x, width // 2, kernel=5, stride=2)
    fine = _residual(conv(x, width, stride=2), width)
    middle = _residual(conv(fine, width * 3 // 2, stride=2), width * 3 // 2)
    deep = _residual(conv(middle, width * 2, stride=2), width * 2)
    # A drawn piece and its gap share a row: look far along it at the coarsest level.
    deep = layers.Add()([deep, conv(deep, width * 2, kernel=(1, 9))])
    deep = _residual(deep, width * 2)
    x = layers.UpSampling2D(interpolation="nearest")(conv(deep, width * 3 // 2, kernel=1))
    middle = conv(layers.Add()([middle, x]), width * 3 // 2)
    x = layers.UpSampling2D(interpolation="nearest")(conv(middle, width, kernel=1))
    x = conv(layers.Add()([fine, x]), width)
    x = conv(x, width)
    bias = keras.initializers.Constant(0.0)
    heat = layers.Conv2D(2, 1, dtype="float32", bias_initializer=keras.initializers.Constant(-4))(x)
    box = layers.Conv2D(4, 1, dtype="float32", bias_initializer=bias)(x)
    box = layers.Activation("softplus", dtype="float32")(box)
    return keras.Model(image, layers.Concatenate(dtype="float32", name="output")([heat, box]))


def detection_loss(target: Any, output: Any) -> Any:
    """Quality focal loss of the heatmaps plus weighted L1 of the box sides.

    Args:
        target: (batch, 48, 80, 7): two heatmaps, four distances, the weight of the distances.
        output: (batch, 48, 80, OUTPUTS), raw.

    Returns:
        A scalar.
    """
    truth, logits = target[..., :2], ops.cast(output[..., :2], "float32")
    miss = ops.square(truth - ops.sigmoid(logits))
    entropy = ops.relu(logits) - logits * truth + ops.softplus(-ops.abs(logits))
    weight = target[..., 6:]
    count = ops.sum(weight) + 1.0
    gap_l1 = ops.abs(target[..., 2:6] - ops.cast(output[..., 2:], "float32"))
    return (ops.sum(miss * entropy) * 2.0 + ops.sum(weight * gap_l1)) / count


def make_optimizer(rate: float, *, steps: int, warmup: int) -> keras.Optimizer:
    """Muon whose rate rises to `rate` and falls to nothing with a cosine, for either network."""
    schedule = keras.optimizers.schedules.CosineDecay(
        rate * 0.1, steps, alpha=0.01, warmup_target=rate, warmup_steps=warmup
    )
    return ConvolutionMuon(schedule, weight_decay=0.01)
