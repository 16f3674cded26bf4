"""Train the recogniser of sums; run it again to go on from its checkpoint.

python plugins/arith/training/train.py --init data/runs/alnum/checkpoint.npz
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt

from loupette.toolkit.training import Run, save_weights, train
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH

INIT_SYMBOLS = "0123456789abcdefghijklmnopqrstuvw×yz"
"""Symbols of the alphanumeric model; a drawn ``x`` is a multiplication sign here."""


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, default=Path("data/train/arith"))
    parser.add_argument("--run", type=Path, default=Path("data/runs/arith"))
    parser.add_argument("--init", type=Path, help="checkpoint of the alphanumeric model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="at the end, keep the weights alone, as float16")
    args = parser.parse_args()
    run = Run(
        folder=args.run,
        shards=args.shards / "train",
        held=args.shards / "held",
        alphabet=ALPHABET,
        height=HEIGHT,
        width=WIDTH,
        seed=args.seed,
    )
    start = graft(args.init, args.run / "start.npz", seed=args.seed) if args.init else None
    trainer = train(run, init=start)
    if args.save:
        save_weights(trainer, args.save)


def graft(source: Path, target: Path, *, seed: int) -> Path:
    """Rewrite a checkpoint so that its last layer speaks this plugin's alphabet.

    Args:
        source: checkpoint of the alphanumeric model.
        target: file to write; its folder is made.
        seed: of the weights for symbols that the source does not know.

    Returns:
        The target.
    """
    rng = np.random.default_rng(seed)
    saved = np.load(source)
    names = [name for name in saved.files if name.startswith(("model/", "average/"))]
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez(target, **{name: widen(saved[name], rng) for name in names})
    return target


def widen(value: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """The last layer's kernel or bias with one column per symbol of ours; other arrays as is."""
    if value.shape[-1] != len(INIT_SYMBOLS) + 1:
        return value
    # New symbols begin rare: small weights, and a bias below all known ones.
    wide = rng.normal(0, 0.02, (*value.shape[:-1], len(ALPHABET.symbols) + 1)).astype(np.float32)
    wide += value.min() if value.ndim == 1 else 0.0
    wide[..., -1] = value[..., -1]
    for place, symbol in enumerate(ALPHABET.symbols):
        if symbol in INIT_SYMBOLS:
            wide[..., place] = value[..., INIT_SYMBOLS.index(symbol)]
    return wide


if __name__ == "__main__":
    main()
