"""Export a checkpoint of the recogniser as the plugin's packaged model, with its card.

python plugins/arith/training/export.py --run data/runs/arith
"""

import argparse
from pathlib import Path

from loupette.toolkit.export import export
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH
from loupette_arith.solver import WEIGHTS

DATA = "drawn sums only: training/generate.py, from the trunk of the alphanumeric model"


def main() -> None:
    """Export and print what the card says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=Path("data/runs/arith"))
    parser.add_argument("--shards", type=Path, default=Path("data/train/arith"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    card = export(
        args.run / "checkpoint.npz",
        args.out,
        alphabet=ALPHABET,
        height=HEIGHT,
        width=WIDTH,
        held=args.shards / "held",
        facts={"data": DATA},
    )
    print(card)


if __name__ == "__main__":
    main()
