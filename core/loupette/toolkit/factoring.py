"""A cheaper model made of a trained one: what convolutions say goes through fewer channels.

X. Zhang, J. Zou, K. He and J. Sun, "Accelerating very deep convolutional networks for
classification and detection", TPAMI 2016: what the units of a layer say, before it is rectified,
lies near a space of far fewer dimensions. Layer after layer that space is found from what the
cheaper model sees by then, so that each makes good what those before it lost (their "asymmetric"
reconstruction; its solution is a reduced rank regression, A. Izenman 1975).

Needs the ``train`` extra.
"""

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from loupette.toolkit.network import (
    FACTORED,
    UP,
    WHOLE,
    Ranks,
    build_model,
    load_weights,
    open_model,
    read_ranks,
)
from loupette.toolkit.synth.shards import list_shards
from loupette.toolkit.training import Run

Floats = npt.NDArray[np.float64]

_ENOUGH = 256
"""Pictures on which it shows what the units say: hundreds of places each."""

_TOGETHER = 32

_RIDGE = 1e-6
"""Of the mean variance of a unit, added to each: some say next to nothing."""


def factor(source: Path, run: Run, target: Path, ranks: Ranks = FACTORED) -> Path:
    """Write weights of a cheaper model, made of another on pictures of a run.

    Args:
        source: weights of the whole model.
        run: its first shard has the pictures.
        target: file to write; its folder is made.
        ranks: of the cheaper model.

    Returns:
        The target.

    Raises:
        ValueError: the source is of a factored model.
        FileNotFoundError: the run has no shards.
    """
    if read_ranks(source) != WHOLE:
        raise ValueError(f"{source} is of a factored model: go on with it by --init")
    shards = list_shards(run.shards)
    if not shards:
        raise FileNotFoundError(f"no shards in {run.shards}: draw some with generate.py")
    shape = len(run.alphabet.symbols), run.height, run.width
    whole, cheap = open_model(source, *shape), build_model(*shape, ranks)
    load_weights(cheap, source)
    pictures = np.load(shards[0], mmap_mode="r")[:_ENOUGH]
    factor_layers(whole, cheap, pictures)
    target.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"model/{v.path}": v.numpy() for v in cheap.variables}
    np.savez(target, **arrays)
    return target


def factor_layers(whole: keras.Model, cheap: keras.Model, pictures: npt.NDArray[np.uint8]) -> None:
    """Set the weights of all convolutions that are in two halves, first to last.

    Args:
        whole: trained.
        cheap: of the same layers, some in two halves; all others have their weights.
        pictures: uint8, (count, height, width, 3).
    """
    for second in cheap.layers:
        if second.name.endswith(UP):
            name = second.name.removesuffix(UP)
            first = cheap.get_layer(name)
            layer = whole.get_layer(name)
            before = keras.Model(whole.input, layer.input), keras.Model(cheap.input, first.input)
            down, up, bias = _halve(layer, first.filters, before, pictures)
            first.set_weights([down])
            second.set_weights([up, bias])


def _halve(
    layer: keras.layers.Conv2D,
    rank: int,
    before: tuple[keras.Model, keras.Model],
    pictures: npt.NDArray[np.uint8],
) -> tuple[Floats, Floats, Floats]:
    """Two convolutions that together say what a layer does, from what the cheaper model sees.

    Args:
        layer: of the whole model.
        rank: channels between the two.
        before: from pictures to what the layer reads, in the whole and in the cheaper model.
        pictures: uint8, (count, height, width, 3).

    Returns:
        The kernel of the first, that of the second, 1x1, and its bias.
    """
    kernel, bias = layer.get_weights()
    units = len(bias)
    sums, squares, count = np.zeros(2 * units), np.zeros((2 * units, 2 * units)), 0
    for start in range(0, len(pictures), _TOGETHER):
        batch = pictures[start : start + _TOGETHER].astype(np.float32)
        said = [
            keras.ops.conv(model(batch, training=False), kernel, padding=layer.padding)
            for model in before
        ]
        both = np.asarray(keras.ops.concatenate(said, axis=-1), np.float64).reshape(-1, 2 * units)
        sums, squares, count = sums + both.sum(axis=0), squares + both.T @ both, count + len(both)
    wanted, own = np.split(sums / count, 2)
    spread = squares / count - np.outer(sums, sums) / count**2
    seen = spread[units:, units:]
    ridge = _RIDGE * np.trace(seen) / units * np.eye(units)
    change = np.linalg.solve(seen + ridge, spread[units:, :units]).T
    _, vectors = np.linalg.eigh(change @ seen @ change.T)  # by size, the largest last
    space = vectors[:, -rank:]
    into = change.T @ space
    return kernel @ into, space.T[None, None], bias + wanted - space @ (into.T @ own)
