"""Train the recogniser of sums, or fine-tune it; run again to go on from a checkpoint.

    python plugins/arith/training/train.py --init data/runs/alnum/checkpoint.npz

With ``--labelled FOLDER`` or ``--drawn FOLDER`` it fine-tunes the plugin on pictures of one's own,
and writes a weights folder with a report: plugins/alnum/training/README.md.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
from texts import answer_of, to_symbols

from loupette.toolkit.finetune import Subject, adapt, take_drawn, take_labelled
from loupette.toolkit.training import Run, save_weights, train
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH
from loupette_arith.solver import WEIGHTS, SumSolver

HERE = Path(__file__).parent

INIT_SYMBOLS = "0123456789abcdefghijklmnopqrstuvw×yz"
"""Symbols of the alphanumeric model; a drawn ``x`` is a multiplication sign here."""


def package(checkpoint: Path, held: Path, out: Path) -> None:
    """Export a checkpoint into a weights folder."""
    command = [sys.executable, str(HERE / "export.py"), "--checkpoint", str(checkpoint)]
    # Only TensorFlow writes LiteRT models.
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([*command, "--held", str(held), "--out", str(out)], env=env, check=True)


SUBJECT = Subject(
    SumSolver,
    package,
    WEIGHTS,
    text_of=lambda row: to_symbols(row["expression"]),
    answer_of=answer_of,
)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path, default=Path("data/train/arith"))
    parser.add_argument("--run", type=Path, help="default data/runs/arith, data/own/arith to tune")
    parser.add_argument("--init", type=Path, help="checkpoint of the alphanumeric model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="at the end, keep the weights alone, as float16")
    own = parser.add_mutually_exclusive_group()
    own.add_argument("--labelled", type=Path, help="fine-tune on a folder with labels.csv")
    own.add_argument("--drawn", type=Path, help="fine-tune on shards drawn in fonts of one's own")
    parser.add_argument("--out", type=Path, default=Path("data/own/arith/weights"))
    parser.add_argument("--steps", type=int, default=600, help="of fine-tuning, at most")
    args = parser.parse_args()
    tuning = args.labelled or args.drawn
    run = Run(
        folder=args.run or Path("data/own/arith" if tuning else "data/runs/arith"),
        shards=args.shards / "train",
        held=args.shards / "held",
        alphabet=ALPHABET,
        height=HEIGHT,
        width=WIDTH,
        seed=args.seed,
    )
    if tuning:
        take = take_labelled if args.labelled else take_drawn
        try:
            own_pictures, cases = take(run, SUBJECT, tuning)
        except (ValueError, OSError) as error:  # what the user brought is not as it should be
            parser.error(str(error))
        init = args.init or HERE / "weights.npz"
        print(adapt(run, SUBJECT, own_pictures, cases, init=init, out=args.out, steps=args.steps))
        return
    start = graft(args.init, run.folder / "start.npz", seed=args.seed) if args.init else None
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
