"""Put the exported networks into the package, with their cards.

python plugins/slider/training/pack.py gap.tflite edges.tflite --calibration calibration.json
"""

import argparse
import datetime
import json
from pathlib import Path

from loupette.toolkit.weights import write_card
from loupette_slider.detector import INPUT_HEIGHT, INPUT_WIDTH
from loupette_slider.edges import BINS
from loupette_slider.packaged import EDGES, FOLDER
from loupette_slider.refiner import SIDE

UNFITTED = {
    "single": {"bias": 0.0, "weights": [1.0, 0.0, 0.0, 0.0]},
    "matched": {"bias": -2.0, "weights": [3.0, 1.0, 2.0, 1.0, 0.0]},
}


def pack(model: Path, folder: Path, name: str, **facts: object) -> None:
    """Copy a network, and write ``card.json`` beside it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(model.read_bytes())
    write_card(
        folder,
        {
            "model_file": name,
            # The card's layout is shared with the text types; a detector has no alphabet.
            "symbols": "",
            "blank": 0,
            "fold_case": False,
            "temperature": 1.0,
            "data": "scenes of training/scenes.py on photos of training/fetch_photos.sh",
            "date": datetime.date.today().isoformat(),
            **facts,
        },
    )


def main() -> None:
    """Pack both networks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("edges", type=Path)
    parser.add_argument("--calibration", type=Path, help="what calibrate.py wrote")
    parser.add_argument("--note", default="", help="how the first was trained, what it scores")
    parser.add_argument("--edges-note", default="", help="the same of the second")
    args = parser.parse_args()
    calibration = json.loads(args.calibration.read_text("utf-8")) if args.calibration else UNFITTED
    pack(
        args.model,
        FOLDER,
        "gap.tflite",
        input_shape=[INPUT_HEIGHT, INPUT_WIDTH, 3],
        output="48x80x6: logits of gap and piece; left, top, right, bottom in 16 px",
        note=args.note,
        calibration=calibration,
    )
    pack(
        args.edges,
        FOLDER / EDGES,
        "edges.tflite",
        input_shape=[SIDE, SIDE, 3],
        output=f"2x4x{BINS}: gap and piece; logits of where left, top, right, bottom edge is",
        note=args.edges_note,
    )


if __name__ == "__main__":
    main()
