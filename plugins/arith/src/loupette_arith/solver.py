"""The solver of type 50100: picture in, value of the sum out."""

from pathlib import Path

from loupette.plugin import Answer, Challenge, Picture, Pixels, Unsolvable
from loupette.toolkit.images import combine_frames, is_blank, is_line_shaped, median_frame
from loupette.toolkit.recognizer import CtcRecognizer, Recognizer
from loupette_arith.decode import ExpressionDecoder, Reading
from loupette_arith.expression import format_value

WEIGHTS = Path(__file__).parent / "weights"

LEAST_CONFIDENCE = 0.1
"""Below it fewer than one reading in ten was right on drawn pictures, and a guess is no answer."""


SURE = 0.5
"""A reading as sure as this needs no second look."""


class SumSolver:
    """Reads pictures of sums; one instance serves one worker.

    Args:
        weights: folder of the model and its card.
        recognizer: reads in its place.
    """

    def __init__(self, weights: Path = WEIGHTS, *, recognizer: Recognizer | None = None) -> None:
        self._recognizer = recognizer or CtcRecognizer(weights)
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
        best = self._read(challenge.image)
        if best is None or best.confidence < LEAST_CONFIDENCE:
            raise Unsolvable("no_expression", "nothing in the image reads as a sum")
        return _answer(best)

    def _read(self, picture: Picture) -> Reading | None:
        """The likeliest reading; of an animation in doubt, also of what stays in it."""
        if not is_line_shaped(picture.width, picture.height):
            return None
        best = self._look(combine_frames(picture.rgb_frames))
        if len(picture.frames) == 1 or (best is not None and best.confidence >= SURE):
            return best
        again = self._look(median_frame(picture.rgb_frames))
        if again is None or best is None:
            return again or best
        # A look that lost a digit reads a shorter sum, and may be surer of it.
        longer = len(again.expression) >= len(best.expression)
        return again if longer and again.confidence > best.confidence else best

    def _look(self, line: Pixels) -> Reading | None:
        if is_blank(line):
            return None
        readings = self._decoder.read(self._recognizer.read([line])[0])
        return readings[0] if readings else None


def _answer(reading: Reading) -> Answer:
    value = format_value(reading.value)
    return Answer(
        result=value,
        confidence=reading.confidence,
        detail={"expression": reading.expression, "value": value},
    )
