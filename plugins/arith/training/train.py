"""Train the recogniser of sums, or fine-tune it; run again to go on from a checkpoint.

    python plugins/arith/training/train.py --init plugins/arith/training/weights.npz

``--graft`` starts from the alphanumeric model. With ``--labelled FOLDER`` or ``--drawn FOLDER`` it
fine-tunes the plugin on pictures of one's own, and writes a weights folder with a report:
plugins/alnum/training/README.md.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from subject import SUBJECT

from loupette.toolkit.commands import train_command
from loupette_arith.model import ALPHABET

INIT_SYMBOLS = "0123456789abcdefghijklmnopqrstuvw×yz"
"""Symbols of the alphanumeric model; a drawn ``x`` is a multiplication sign here."""


def graft(source: Path, target: Path) -> Path:
    """Rewrite a checkpoint so that its last layer speaks this plugin's alphabet.

    Args:
        source: checkpoint of the alphanumeric model.
        target: file to write; its folder is made.

    Returns:
        The target.
    """
    rng = np.random.default_rng(1)
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
    train_command(__doc__, SUBJECT, graft=graft)
