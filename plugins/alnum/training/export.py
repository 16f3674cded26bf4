"""Package a checkpoint for serving: LiteRT model and card.json in the plugin's weights folder.

    python plugins/alnum/training/export.py --checkpoint data/runs/alnum/checkpoint.npz

It ends with the threshold for registry.toml. ``--calibrate`` leaves the model as it is
and measures its confidences anew.
"""

import argparse
from pathlib import Path

from loupette.plugin import Picture
from loupette.toolkit.calibration import recommendation
from loupette.toolkit.export import Read, calibrate, export
from loupette_alnum.model import ALPHABET, HEIGHT, WIDTH
from loupette_alnum.solver import WEIGHTS, AlnumSolver, read_rules

GENERATOR = {
    "what": "loupette.toolkit.synth with draw_alnum",
    "version": 5,
    "seeds": "10000 x --seed + shard: 4 (shards 0-11), 5 (0-9), 6 (0-9), 7 (8-15)",
    "note": "seed 4 is version 4; how often each recipe is drawn was changed before seeds 6 and 7. "
    "Begun from the weights of 2026-11-22: 600,000 pictures of versions 3 and 4",
    "held_out_seed": 9990000,
    "data": "drawn by this project only; fonts and photos as fetch_assets.py names them",
}
FACTS = {
    "type_id": 50200,
    "generator": GENERATOR,
    "command": "python plugins/alnum/training/train.py --shards data/train/alnum",
}


def load_reader(weights: Path) -> Read:
    """The solver without its refusal of unsure readings."""
    solver, rules = AlnumSolver(weights), read_rules({}, ALPHABET)

    def read(picture: Picture) -> tuple[str, float]:
        best = solver.read(picture, rules)[0]
        return best.text, best.probability

    return read


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("data/runs/alnum/checkpoint.npz"))
    parser.add_argument("--held", type=Path, default=Path("data/train/alnum/held"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument(
        "--calibrate", action="store_true", help="leave the model, rewrite the card"
    )
    parser.add_argument("--count", type=int, default=4000, help="held-out pictures used at most")
    parser.add_argument("--plot", type=Path, help="draw accuracy over confidence, as PNG")
    args = parser.parse_args()
    if args.calibrate:
        card = calibrate(
            args.out, held=args.held, load=load_reader, plot=args.plot, count=args.count
        )
    else:
        card = export(
            args.checkpoint,
            args.out,
            alphabet=ALPHABET,
            height=HEIGHT,
            width=WIDTH,
            held=args.held,
            facts=FACTS,
            load=load_reader,
            count=args.count,
            plot=args.plot,
        )
    print(card["trained"], card["weights"], card["float32_exact"], card["held_out"]["exact"])
    print(recommendation(card, 50200))


if __name__ == "__main__":
    main()
