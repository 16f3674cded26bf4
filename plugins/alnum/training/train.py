"""Train the alphanumeric model, or fine-tune it; run again to go on from a checkpoint.

    python plugins/alnum/training/train.py --shards data/train/alnum --run data/runs/alnum

With ``--labelled FOLDER`` or ``--drawn FOLDER`` it fine-tunes the plugin on pictures of one's own,
and writes a weights folder with a report: README.md beside this file.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from loupette.toolkit.finetune import Subject, adapt, take_drawn, take_labelled
from loupette.toolkit.training import Run, save_weights, train
from loupette_alnum.model import ALPHABET, HEIGHT, WIDTH
from loupette_alnum.solver import WEIGHTS, AlnumSolver

HERE = Path(__file__).parent


def package(checkpoint: Path, held: Path, out: Path) -> None:
    """Export a checkpoint into a weights folder."""
    command = [sys.executable, str(HERE / "export.py"), "--checkpoint", str(checkpoint)]
    # Only TensorFlow writes LiteRT models.
    env = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    subprocess.run([*command, "--held", str(held), "--out", str(out)], env=env, check=True)


SUBJECT = Subject(AlnumSolver, package, WEIGHTS, text_of=lambda row: row["answer"])


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shards", type=Path, default=Path("data/train/alnum"))
    parser.add_argument("--run", type=Path, help="default data/runs/alnum, data/own/alnum to tune")
    parser.add_argument("--init", type=Path, help="checkpoint of another model to start from")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, help="at the end, keep the weights alone, as float16")
    own = parser.add_mutually_exclusive_group()
    own.add_argument("--labelled", type=Path, help="fine-tune on a folder with labels.csv")
    own.add_argument("--drawn", type=Path, help="fine-tune on shards drawn in fonts of one's own")
    parser.add_argument("--out", type=Path, default=Path("data/own/alnum/weights"))
    parser.add_argument("--steps", type=int, default=600, help="of fine-tuning, at most")
    args = parser.parse_args()
    tuning = args.labelled or args.drawn
    run = Run(
        folder=args.run or Path("data/own/alnum" if tuning else "data/runs/alnum"),
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
    trainer = train(run, init=args.init)
    if args.save:
        save_weights(trainer, args.save)


if __name__ == "__main__":
    main()
