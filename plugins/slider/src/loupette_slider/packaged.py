"""The packaged networks with their cards: hashes checked, calibration read."""

from dataclasses import dataclass
from pathlib import Path

from loupette.toolkit.weights import read_card
from loupette_slider.confidence import Calibration

FOLDER = Path(__file__).parent / "weights"

EDGES = "edges"
"""Folder of the second network, in that of the first."""


@dataclass(frozen=True)
class Weights:
    """What `load_weights` gives.

    Attributes:
        boxes: LiteRT flatbuffer of the detector.
        edges: LiteRT flatbuffer of the refiner.
        single: calibration of answers from one image.
        matched: calibration of answers with a separate piece.
    """

    boxes: bytes
    edges: bytes
    single: Calibration
    matched: Calibration


def load_weights(folder: Path = FOLDER) -> Weights:
    """Read the networks and their cards.

    Args:
        folder: holds ``card.json`` and the detector, and in ``edges`` those of the refiner.

    Raises:
        PluginError: a file is missing or is not the one that its card describes.
    """
    card, edges = read_card(folder), read_card(folder / EDGES)
    curves = card.facts["calibration"]
    return Weights(
        card.model_path.read_bytes(),
        edges.model_path.read_bytes(),
        Calibration.read(curves["single"]),
        Calibration.read(curves["matched"]),
    )
