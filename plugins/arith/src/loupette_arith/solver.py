"""The solver of type 50100: picture in, value of the sum out."""

from dataclasses import dataclass
from pathlib import Path

from loupette.plugin import Answer, Challenge, Picture, Pixels, Unsolvable
from loupette.toolkit.characters import describe_characters
from loupette.toolkit.ctc import LogProbs
from loupette.toolkit.images import combine_frames, is_blank, is_line_shaped, median_frame
from loupette.toolkit.looks import View, further_looks, is_in_doubt
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
            The value, and as detail the expression it was read from, with its ``characters``
            (`loupette.toolkit.characters.describe_characters`).

        Raises:
            Unsolvable: ``no_expression``, nothing in the picture reads as a sum.
        """
        looks = self._look_well(challenge.image)
        readings = average([look.readings for look in looks])
        if not readings or readings[0].confidence < LEAST_CONFIDENCE:
            raise Unsolvable("no_expression", "nothing in the image reads as a sum")
        return self._answer(readings[0], looks, challenge.image)

    def _look_well(self, picture: Picture) -> "list[_Look]":
        """As many looks as are needed; none where there is nothing to see."""
        if not is_line_shaped(picture.width, picture.height):
            return []
        line = combine_frames(picture.rgb_frames)
        if is_blank(line):  # what blinks on a moving ground may still stay in it
            line = median_frame(picture.rgb_frames)
        if is_blank(line):
            return []
        looks = [self._look(line, View(0, picture.width))]
        readings = looks[0].readings
        if not readings or is_in_doubt(readings[0].confidence):
            further = further_looks(picture, line, looks[0].seen)
            looks += [self._look(pixels, view) for pixels, view in further]
        return looks

    def _look(self, line: Pixels, view: View) -> "_Look":
        seen = self._recognizer.read([line])[0]
        return _Look(view, seen, self._decoder.read(seen))

    def _answer(self, best: Reading, looks: "list[_Look]", picture: Picture) -> Answer:
        characters = describe_characters(
            best.expression,
            self._recognizer.alphabet.encode(best.expression),
            [(self._decoder.join_alike(look.seen), look.view) for look in looks],
            size=(picture.width, picture.height),
        )
        value = format_value(best.value)
        return Answer(
            result=value,
            confidence=best.confidence,
            detail={"expression": best.expression, "value": value, "characters": characters},
        )


@dataclass(frozen=True)
class _Look:
    """What one run of the model made of a picture: its columns, what was seen, and read."""

    view: View
    seen: LogProbs
    readings: list[Reading]
