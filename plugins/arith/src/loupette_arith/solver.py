"""The solver of type 50100: picture in, value of the sum out."""

from pathlib import Path

from loupette.plugin import Answer, Challenge, Picture, Unsolvable
from loupette.toolkit.images import combine_frames, is_blank, is_line_shaped, median_frame
from loupette.toolkit.looks import MOSTLY, further_looks
from loupette.toolkit.recognizer import CtcRecognizer, Recognizer
from loupette_arith.decode import ExpressionDecoder, Reading, average
from loupette_arith.expression import format_value

WEIGHTS = Path(__file__).parent / "weights"

LEAST_CONFIDENCE = 0.1
"""Below it fewer than one reading in ten was right on drawn pictures, and a guess is no answer."""


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
        """The likeliest reading; of a picture in doubt, that of several looks at it."""
        line = combine_frames(picture.rgb_frames)
        if not is_line_shaped(picture.width, picture.height):
            return None
        if is_blank(line):  # what blinks on a moving ground may still stay in it
            line = median_frame(picture.rgb_frames)
        if is_blank(line):
            return None
        log_probs = self._recognizer.read([line])[0]
        readings = self._decoder.read(log_probs)
        if not readings or readings[0].confidence < MOSTLY:
            looks = further_looks(picture, line, log_probs)
            others = [self._decoder.read(self._recognizer.read([look])[0]) for look in looks]
            readings = average([readings, *others])
        return readings[0] if readings else None


def _answer(reading: Reading) -> Answer:
    value = format_value(reading.value)
    return Answer(
        result=value,
        confidence=reading.confidence,
        detail={"expression": reading.expression, "value": value},
    )
