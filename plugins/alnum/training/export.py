"""Package a checkpoint for serving: LiteRT model and card.json in the plugin's weights folder.

python plugins/alnum/training/export.py --checkpoint data/runs/alnum/checkpoint.npz
"""

import argparse
from pathlib import Path

from loupette.toolkit.export import export
from loupette_alnum.model import ALPHABET, HEIGHT, WIDTH
from loupette_alnum.solver import WEIGHTS

GENERATOR = {
    "what": "loupette.toolkit.synth with draw_alnum",
    "version": 3,
    "seeds": "10000 + shard for shards 0-4, 20000 + shard for 5-11 (generate.py --seed 1 and 2)",
    "pictures_drawn": 136_000,
    "note": "settings were widened during the run: shards 0-4 older, 5-11 as version 3",
    "held_out_seed": 9990000,
    "data": "drawn by this project only; fonts and photos as fetch_assets.py names them",
}


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("data/runs/alnum/checkpoint.npz"))
    parser.add_argument("--held", type=Path, default=Path("data/train/alnum/held"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    facts = {
        "type_id": 50200,
        "generator": GENERATOR,
        "command": "python plugins/alnum/training/train.py --shards data/train/alnum",
    }
    card = export(
        args.checkpoint,
        args.out,
        alphabet=ALPHABET,
        height=HEIGHT,
        width=WIDTH,
        held=args.held,
        facts=facts,
    )
    print(card["trained"], card["weights"], card["float32_exact"], card["held_out"])


if __name__ == "__main__":
    main()
