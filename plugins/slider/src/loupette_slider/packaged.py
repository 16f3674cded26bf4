"""The packaged network with its card: hash checked, calibration read."""

from dataclasses import dataclass
from pathlib import Path

from loupette.toolkit.weights import read_card
from loupette_slider.confidence import Calibration

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Weights:
    """What `load_weights` gives.

    Attributes:
        model: the LiteRT flatbuffer.
        single: calibration of answers from one image.
        matched: calibration of answers with a separate piece.
    """

    model: bytes
    single: Calibration
    matched: Calibration


def load_weights(folder: Path = FOLDER) -> Weights:
    """Read the network and its card.

    Args:
        folder: holds ``card.json`` and the network.

    Raises:
        PluginError: a file is missing or is not the one that the card describes.
    """
    card = read_card(folder)
    curves = card.facts["calibration"]
    return Weights(
        card.model_path.read_bytes(),
        Calibration.read(curves["single"]),
        Calibration.read(curves["matched"]),
    )
