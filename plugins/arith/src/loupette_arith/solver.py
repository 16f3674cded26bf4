"""The solver of type 50100: picture in, value of the sum out."""

from pathlib import Path

from loupette.plugin import Answer, Challenge, Unsolvable
from loupette.toolkit.ctc import CtcRecognizer
from loupette.toolkit.images import combine_frames
from loupette_arith.decode import ExpressionDecoder, Reading
from loupette_arith.expression import format_value

WEIGHTS = Path(__file__).parent / "weights"

LEAST_CONFIDENCE = 0.1
"""Below it fewer than one reading in ten was right on drawn pictures, and a guess is no answer."""


class SumSolver:
    """Reads pictures of sums; one instance serves one worker.

    Args:
        weights: folder of the model and its card.
    """

    def __init__(self, weights: Path = WEIGHTS) -> None:
        self._recognizer = CtcRecognizer(weights)
        alphabet = self._recognizer.alphabet
        self._decoder = ExpressionDecoder(alphabet.symbols, blank=alphabet.blank)

    def solve(self, challenge: Challenge) -> Answer:
        """Read one picture; an animation is read as one picture of all its frames.

        Args:
            challenge: the picture; this type takes no options.

        Returns:
            The value, and as detail the expression it was read from.

        Raises:
            Unsolvable: ``no_expression``, nothing in the picture reads as a sum.
        """
        picture = combine_frames(challenge.image.rgb_frames)
        readings = self._decoder.read(self._recognizer.read([picture])[0])
        if not readings or readings[0].confidence < LEAST_CONFIDENCE:
            raise Unsolvable("no_expression", "nothing in the image reads as a sum")
        return _answer(readings[0])


def _answer(reading: Reading) -> Answer:
    value = format_value(reading.value)
    return Answer(
        result=value,
        confidence=reading.confidence,
        detail={"expression": reading.expression, "value": value},
    )
