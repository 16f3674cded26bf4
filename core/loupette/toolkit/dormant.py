"""Giving dead units of a model new work: those that say nothing on any picture.

G. Sokar et al., "The Dormant Neuron Phenomenon in Deep Reinforcement Learning", ICML 2023: a
dormant unit gets new incoming weights, and what reads it forgets it. Branches that are added to a
stream are not forgotten, as other units speak in the same channel: they begin quietly instead.
A unit without normalisation before it dies easily, because what it reads is all of one sign: so
new weights do not see the mean of their input.

Needs the ``train`` extra.
"""

import keras
import numpy as np
import numpy.typing as npt

from loupette.toolkit.synth.shards import list_shards
from loupette.toolkit.training import Trainer

DORMANT = 0.001
"""A unit that is above zero at less than this share of all places is dormant."""

_QUIET = 0.03
"""Spread of a new unit that is added to a stream, over the spread of the stream there."""

_FAINT = 1e-4
"""A channel of less than this share of the median variance was dormant."""

_ENOUGH = 512
"""Pictures on which it shows who is dormant."""

Floats = npt.NDArray[np.float32]


def recycle(trainer: Trainer, pictures: npt.NDArray[np.uint8], *, seed: int = 1) -> dict[str, int]:
    """Give all dormant units of a trainer's model new weights.

    Args:
        trainer: its model, averaged weights and optimiser are changed.
        pictures: uint8, (count, height, width, 3); some hundred tell who is dormant.
        seed: of the new weights.

    Returns:
        How many units of each layer were dormant, by its name; layers without any are left out.
    """
    rng, found = np.random.default_rng(seed), {}
    for layer in _rectified(trainer.model):
        active = np.mean(_run(trainer.model, layer.output, pictures) > 0, axis=(0, 1, 2))
        dormant = np.flatnonzero(active < DORMANT)
        if len(dormant):
            _renew(trainer, layer, dormant, pictures, rng)
            found[str(layer.name)] = len(dormant)
    return found


def _rectified(model: keras.Model) -> list[keras.layers.Conv2D]:
    """The convolutions whose units can die: the first halves of others are sums of either sign."""
    rectify = keras.activations.relu
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.activation is rectify
    ]


def mute(model: keras.Model) -> int:
    """Let normalisations not pass on channels that were dormant in training.

    Their variance there was next to nothing, so on the rare picture where such a channel speaks it
    is scaled up a thousandfold and drowns all others.

    Args:
        model: to be packaged; its weights are changed.

    Returns:
        How many channels were muted.
    """
    count = 0
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            variance, scale = layer.moving_variance.numpy(), layer.gamma.numpy()
            dormant = variance < _FAINT * np.median(variance)
            scale[dormant] = 0.0
            layer.gamma.assign(scale)
            count += int(dormant.sum())
    return count


def recycle_on_shards(trainer: Trainer) -> None:
    """Recycle on pictures of the trainer's own run, and print what was dormant."""
    pictures = np.load(list_shards(trainer.run.shards)[0], mmap_mode="r")[:_ENOUGH]
    print("dormant units given new weights:", recycle(trainer, np.asarray(pictures)), flush=True)


def _run(model: keras.Model, wanted: keras.KerasTensor, pictures: npt.NDArray[np.uint8]) -> Floats:
    """What a tensor of the model is on pictures: float32."""
    part = keras.Model(model.input, wanted)
    batches = range(0, len(pictures), 64)
    # Called, not predicted: each tensor is wanted a few times only, and compiling it takes longer.
    parts = [part(pictures[at : at + 64].astype(np.float32), training=False) for at in batches]
    floats = [keras.ops.convert_to_numpy(keras.ops.cast(one, "float32")) for one in parts]
    return np.concatenate(floats)


def _renew(
    trainer: Trainer,
    layer: keras.layers.Conv2D,
    dormant: npt.NDArray[np.intp],
    pictures: npt.NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    """Draw new weights for some units of a layer."""
    seen = _run(trainer.model, layer.input, pictures)
    said = _run(trainer.model, layer.output, pictures)
    kernel, bias = (np.array(value, np.float32) for value in layer.get_weights())
    stream = _stream(layer)
    if stream is None:
        alive = np.setdiff1d(np.arange(kernel.shape[-1]), dormant)
        target = np.full(len(dormant), np.median(said.std(axis=(0, 1, 2))[alive]))
    else:
        target = _QUIET * _run(trainer.model, stream, pictures).std(axis=(0, 1, 2))[dormant]
    mean = seen.mean(axis=(0, 1, 2))
    new = rng.normal(size=(*kernel.shape[:-1], len(dormant))).astype(np.float32)
    direction = mean / max(float(np.linalg.norm(mean)), 1e-6)
    new -= direction[None, None, :, None] * np.einsum("hwio,i->hwo", new, direction)[:, :, None]
    kernel[..., dormant], bias[dormant] = new, 0.0
    _write(trainer, layer.kernel, kernel)
    _write(trainer, layer.bias, bias)
    # Measured, not reckoned: neighbouring places are alike, so spreads do not just add up.
    kind, layer.activation = layer.activation, keras.activations.linear
    raw = _run(trainer.model, layer.output, pictures)[..., dormant]
    layer.activation = kind
    scale = target / np.maximum(raw.std(axis=(0, 1, 2)), 1e-6)
    kernel[..., dormant] *= scale
    bias[dormant] = -raw.mean(axis=(0, 1, 2)) * scale
    _write(trainer, layer.kernel, kernel)
    _write(trainer, layer.bias, bias)
    _settle(trainer, layer.kernel, dormant)
    _settle(trainer, layer.bias, dormant)
    for reader in _readers(layer):
        if isinstance(reader, keras.layers.Conv2D):
            weights = reader.kernel.numpy().astype(np.float32)
            weights[:, :, dormant] = 0.0
            _write(trainer, reader.kernel, weights)
        else:
            said = _run(trainer.model, layer.output, pictures)[..., dormant]
            for statistic, value in (
                (reader.moving_mean, said.mean(axis=(0, 1, 2))),
                (reader.moving_variance, said.var(axis=(0, 1, 2))),
            ):
                whole = statistic.numpy().copy()
                whole[dormant] = value
                statistic.assign(whole)


def _write(trainer: Trainer, variable: keras.Variable, value: Floats) -> None:
    """Set weights, and the averaged ones where they changed."""
    places = {v.path: i for i, v in enumerate(trainer.model.trainable_variables)}
    average = trainer.average[places[variable.path]]
    changed = value != variable.numpy()
    average[changed] = value[changed]
    variable.assign(value)


def _settle(trainer: Trainer, variable: keras.Variable, dormant: npt.NDArray[np.intp]) -> None:
    """Let the optimiser forget what it knew of the units; their steps are as large as others'."""
    name = variable.path.replace("/", "_")
    for slot in trainer.optimizer.variables:
        if not slot.path.split("/")[-1].startswith(name):
            continue
        value = slot.numpy().copy()
        value[..., dormant] = np.median(value) if slot.path.endswith("velocity") else 0.0
        slot.assign(value)


def _readers(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """The convolutions that read a layer and nothing else, and the normalisations on the way."""
    found: list[keras.layers.Layer] = []
    for node in layer._outbound_nodes:
        after = node.operation
        if isinstance(after, keras.layers.Conv2D):
            found.append(after)
        elif not isinstance(after, keras.layers.Add):
            found += [after] * isinstance(after, keras.layers.BatchNormalization)
            found += _readers(after)
    return found


def _stream(layer: keras.layers.Layer) -> keras.KerasTensor | None:
    """What a layer's output is a part of; None if it is read by itself."""
    added = (node.operation for node in layer._outbound_nodes)
    return next((after.output for after in added if isinstance(after, keras.layers.Add)), None)
