"""A narrower model cut out of a trained one: the units that matter most for what it gets right.

P. Molchanov et al., "Importance estimation for neural network pruning", CVPR 2019: a unit matters
by the square of what the loss changes, to first order, where it is gone. What is cut this way reads
a little worse; it gets that back, faster the more it learns from the whole model
(`loupette.toolkit.training.Trainer`).

Needs the ``train`` extra.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from loupette.toolkit.network import NARROW, Widths, build_model, open_model
from loupette.toolkit.synth.shards import list_shards, read_labels
from loupette.toolkit.training import Run, ctc_losses

Floats = npt.NDArray[np.float32]

_ENOUGH = 1024
"""Pictures on which it shows which units matter."""

_TOGETHER = 8
"""Pictures whose changes of the loss are added up before they are squared."""


def narrow(source: Path, run: Run, target: Path, widths: Widths = NARROW) -> Path:
    """Write weights of a narrower model, cut out of another on pictures of a run.

    Args:
        source: weights of the wide model.
        run: its first shard tells which units matter.
        target: file to write; its folder is made.
        widths: of the narrower model; none above the wide one's.

    Returns:
        The target.
    """
    shape = len(run.alphabet.symbols), run.height, run.width
    shard = list_shards(run.shards)[0]
    images = np.asarray(np.load(shard, mmap_mode="r")[:_ENOUGH])
    wide, slim = open_model(source, *shape), build_model(*shape, widths)
    cut(wide, slim, measure_importance(wide, images, read_labels(shard)[:_ENOUGH]))
    target.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"model/{v.path}": v.numpy() for v in slim.variables}
    np.savez(target, **arrays)
    return target


def measure_importance(
    model: keras.Model, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int8]
) -> dict[str, Floats]:
    """How much each unit matters for reading some pictures.

    A unit of rectified sums is gone where its kernel and its bias are zero, so the loss changes, to
    first order, by the sum of weights times gradients.

    Args:
        model: of `loupette.toolkit.network.build_model`, on TensorFlow.
        images: uint8, (count, height, width, 3).
        labels: int8, (count, LONGEST).

    Returns:
        For each stream of `streams`, by name, one number for each unit; only their order matters.
    """
    import tensorflow as tf

    names = streams(model)
    layers = [layer for layer in _weighted(model) if layer.name in names]
    variables = [variable.value for layer in layers for variable in (layer.kernel, layer.bias)]
    found = {names[layer.name]: np.zeros(layer.bias.shape, np.float32) for layer in layers}
    for start in range(0, len(images), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        with tf.GradientTape() as tape:
            logits = model(images[some].astype(np.float32), training=False)
            loss = tf.reduce_mean(ctc_losses(logits, labels[some]))
        slopes = tape.gradient(loss, variables)
        each = [_by_unit(v * slope) for v, slope in zip(variables, slopes, strict=True)]
        changes = {stream: np.zeros_like(value) for stream, value in found.items()}
        for layer, kernel, bias in zip(layers, each[::2], each[1::2], strict=True):
            changes[names[layer.name]] += kernel + bias
        for stream, change in changes.items():
            found[stream] += change**2
    return found


def _by_unit(values: Any) -> Floats:
    """Sums over all but the last axis."""
    return np.asarray(values).reshape(-1, values.shape[-1]).sum(axis=0)


def cut(wide: keras.Model, slim: keras.Model, importance: Mapping[str, Floats]) -> None:
    """Fill a narrower model with the units of a wide one that matter most.

    Args:
        wide: trained.
        slim: of the same layers with fewer units; its weights are set.
        importance: `measure_importance` of the wide one.
    """
    names = streams(wide)
    kept: dict[str | None, slice | npt.NDArray[np.intp]] = {None: slice(None)}
    for layer in _weighted(slim):
        if (stream := names.get(layer.name)) is not None:
            best = np.argsort(-importance[stream])[: layer.bias.shape[0]]
            kept[stream] = np.sort(best)
    for layer in wide.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            values = [value[kept[_stream_of(names, layer.input)]] for value in values]
        elif values:
            kernel, bias = values
            own, read = kept[names.get(layer.name)], kept[_stream_of(names, layer.input)]
            values = [kernel[..., read, :][..., own], bias[own]]
        slim.get_layer(layer.name).set_weights(values)


def streams(model: keras.Model) -> dict[str, str]:
    """Which layers' units can only go together, because they are added.

    Returns:
        For each layer that is read by others, the first layer of those it is added to.
    """
    names: dict[str, str] = {}
    for layer in _weighted(model)[:-1]:
        names[layer.name] = layer.name
    for layer in model.layers:
        if isinstance(layer, keras.layers.Add):
            first, *others = (_stream_of(names, tensor) for tensor in layer.input)
            for name, stream in names.items():
                if stream in others:
                    names[name] = str(first)
    return names


def _weighted(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers that mix units, in order; the last gives the logits."""
    kinds = keras.layers.Conv2D, keras.layers.Dense
    return [layer for layer in model.layers if isinstance(layer, kinds)]


def _stream_of(names: Mapping[str, str], tensor: keras.KerasTensor) -> str | None:
    """The stream whose units a tensor's channels are; None for the picture's."""
    layer = tensor._keras_history.operation
    while layer.name not in names:
        if isinstance(layer, keras.layers.InputLayer):
            return None
        inputs = layer.input
        layer = (inputs[0] if isinstance(inputs, list) else inputs)._keras_history.operation
    return names[layer.name]
