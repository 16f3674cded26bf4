"""Reads one line of letters and digits: the toolkit's text solver with this package's model."""

from pathlib import Path

from loupette.toolkit.recognizer import CtcRecognizer, Recognizer
from loupette.toolkit.text import TextSolver

WEIGHTS = Path(__file__).parent / "weights"


def load(weights: Path = WEIGHTS, *, recognizer: Recognizer | None = None) -> TextSolver:
    """Make the solver.

    Args:
        weights: folder of the model and its card.
        recognizer: reads in its place.
    """
    return TextSolver(recognizer or CtcRecognizer(weights))
