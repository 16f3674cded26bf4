"""Put an exported network into the package, with its card.

python plugins/slider/training/pack.py gap.tflite --calibration calibration.json --note "..."
"""

import argparse
import datetime
import json
from pathlib import Path

from loupette.toolkit.weights import write_card
from loupette_slider.detector import INPUT_HEIGHT, INPUT_WIDTH

FOLDER = Path(__file__).resolve().parents[1] / "src" / "loupette_slider" / "weights"
NAME = "gap.tflite"
UNFITTED = {
    "single": {"bias": 0.0, "weights": [1.0, 0.0, 0.0]},
    "matched": {"bias": -2.0, "weights": [3.0, 1.0, 2.0, 1.0]},
}


def main() -> None:
    """Copy the network and write ``card.json`` beside it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--calibration", type=Path, help="what calibrate.py wrote")
    parser.add_argument("--note", default="", help="how it was trained and what it scores")
    args = parser.parse_args()
    model = args.model.read_bytes()
    calibration = json.loads(args.calibration.read_text("utf-8")) if args.calibration else UNFITTED
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / NAME).write_bytes(model)
    write_card(
        FOLDER,
        {
            "model_file": NAME,
            "input_shape": [INPUT_HEIGHT, INPUT_WIDTH, 3],
            "output": "48x80x6: logits of gap and piece; left, top, right, bottom in 16 px",
            # The card's layout is shared with the text types; a detector has no alphabet.
            "symbols": "",
            "blank": 0,
            "fold_case": False,
            "temperature": 1.0,
            "data": "scenes of training/scenes.py on photos of training/fetch_photos.sh",
            "note": args.note,
            "date": datetime.date.today().isoformat(),
            "calibration": calibration,
        },
    )


if __name__ == "__main__":
    main()
