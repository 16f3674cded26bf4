"""Export a checkpoint of the recogniser as the plugin's packaged model, with its card.

    python plugins/arith/training/export.py --checkpoint data/runs/arith/checkpoint.npz

It ends with the threshold for registry.toml. ``--calibrate`` leaves the model as it is
and measures its confidences anew.
"""

import argparse
from pathlib import Path

from texts import answer_of

from loupette.plugin import Picture, Unsolvable
from loupette.toolkit.calibration import recommendation
from loupette.toolkit.ctc import CtcRecognizer
from loupette.toolkit.export import Read, calibrate, export
from loupette.toolkit.images import combine_frames
from loupette_arith.decode import ExpressionDecoder
from loupette_arith.expression import format_value
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH
from loupette_arith.solver import WEIGHTS

DATA = "drawn sums only: training/generate.py, from the trunk of the alphanumeric model"


def load_reader(weights: Path) -> Read:
    """The solver without its refusal of unsure readings."""
    recognizer = CtcRecognizer(weights)
    alphabet = recognizer.alphabet
    decoder = ExpressionDecoder(alphabet.symbols, blank=alphabet.blank)

    def read(picture: Picture) -> tuple[str, float]:
        readings = decoder.read(recognizer.read([combine_frames(picture.rgb_frames)])[0])
        if not readings:
            raise Unsolvable("no_expression", "nothing in the image reads as a sum")
        return format_value(readings[0].value), readings[0].confidence

    return read


def main() -> None:
    """Export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("data/runs/arith/checkpoint.npz"))
    parser.add_argument("--held", type=Path, default=Path("data/train/arith/held"))
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    parser.add_argument(
        "--calibrate", action="store_true", help="leave the model, rewrite the card"
    )
    parser.add_argument("--count", type=int, default=4000, help="held-out pictures used at most")
    parser.add_argument("--plot", type=Path, help="draw accuracy over confidence, as PNG")
    args = parser.parse_args()
    if args.calibrate:
        card = calibrate(
            args.out,
            held=args.held,
            load=load_reader,
            answer_of=answer_of,
            plot=args.plot,
            count=args.count,
        )
    else:
        card = export(
            args.checkpoint,
            args.out,
            alphabet=ALPHABET,
            height=HEIGHT,
            width=WIDTH,
            held=args.held,
            facts={"type_id": 50100, "data": DATA},
            load=load_reader,
            answer_of=answer_of,
            count=args.count,
            plot=args.plot,
        )
    print(card["trained"], card["weights"], card["float32_exact"], card["held_out"]["exact"])
    print(recommendation(card, 50100))


if __name__ == "__main__":
    main()
