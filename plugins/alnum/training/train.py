"""Train the alphanumeric model; run it again to go on from its checkpoint.

python plugins/alnum/training/train.py --shards data/train/alnum --run data/runs/alnum
"""

import argparse
from pathlib import Path

from loupette.toolkit.training import Run, save_weights, train
from loupette_alnum.model import ALPHABET, HEIGHT, WIDTH


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=Path, default=Path("data/train/alnum"))
    parser.add_argument("--run", type=Path, default=Path("data/runs/alnum"))
    parser.add_argument("--init", type=Path, help="checkpoint of another model to start from")
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
    trainer = train(run, init=args.init)
    if args.save:
        save_weights(trainer, args.save)


if __name__ == "__main__":
    main()
