"""A type that reads one line of text with a CTC model: options, second looks, refusals.

`TextSolver` is a whole solver; a plugin brings weights, an alphabet, a sample and a price.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from loupette.plugin import Answer, Challenge, Json, OptionValue, Picture, Pixels, Unsolvable
from loupette.toolkit.characters import describe_characters
from loupette.toolkit.ctc import (
    NEVER,
    Alphabet,
    LogProbs,
    Reading,
    average,
    beam_search,
    restrict,
)
from loupette.toolkit.images import combine_frames, is_blank, is_line_shaped, median_frame
from loupette.toolkit.looks import MOSTLY, View, further_looks, is_in_doubt
from loupette.toolkit.recognizer import Recognizer

LEAST_CONFIDENCE = 0.05
"""Below it not one answer of type 50200 in twenty was right; a guess is no answer."""

SHORT = 2
SURE_IF_SHORT = 0.4
"""In four of five photos without text the model sees one or two letters, never as sure as this."""


@dataclass(frozen=True)
class Rules:
    """What the caller's options ask of an answer.

    Attributes:
        spelling: the model's symbols that may occur, each as the caller wants it written.
        least: fewest characters.
        most: most characters.
    """

    spelling: Mapping[str, str]
    least: int
    most: int

    @property
    def symbols(self) -> str:
        """The model's symbols that may occur."""
        return "".join(self.spelling)

    def spell(self, text: str) -> str:
        """A text of the model's symbols as the caller wants it written."""
        return "".join(self.spelling[char] for char in text)


def read_rules(options: Mapping[str, OptionValue], alphabet: Alphabet) -> Rules:
    """Turn `loupette.plugin.TEXT_OPTIONS` into rules for a model's symbols.

    Args:
        options: of the challenge.
        alphabet: of the model; where it folds case, a letter may be written in either.

    Raises:
        Unsolvable: ``options``, as no symbol of the model, or no length, is allowed.
    """
    charset = str(options["charset"]) if "charset" in options else None
    spelling = _spell(alphabet, charset, str(options.get("case", "keep")))
    least, most = int(options.get("min_length", 1)), int(options.get("max_length", 64))
    if not spelling or least > most:
        raise Unsolvable("options", "no text that can be read here fits these options")
    return Rules(spelling, least, most)


@lru_cache(maxsize=64)
def _spell(alphabet: Alphabet, charset: str | None, case: str) -> Mapping[str, str]:
    """How each symbol that may occur is written. Kept, as most callers ask for the same."""
    found = {}
    for char in alphabet.symbols:
        kept = (char, char.upper()) if alphabet.fold_case else (char,)
        written = {"upper": (char.upper(),), "lower": (char.lower(),)}.get(case, kept)
        allowed = [form for form in written if charset is None or form in charset]
        if allowed:
            found[char] = allowed[0]
    return found


class TextSolver:
    """Reads one line of text, in the options that the caller sets, or refuses.

    It has no ``solve_batch``: batches save a tenth of the model's CPU, which is a twentieth of an
    answer's (int8 weights on LiteRT, one thread; ``make bench-batches``), and each of a batch
    waits for the last.

    Args:
        recognizer: usually a `loupette.toolkit.recognizer.CtcRecognizer`.
        least_confidence: 0..1, a text less likely than this is refused as ``unsure``.
    """

    def __init__(
        self, recognizer: Recognizer, *, least_confidence: float = LEAST_CONFIDENCE
    ) -> None:
        self._recognizer = recognizer
        self._least_confidence = least_confidence

    def solve(self, challenge: Challenge) -> Answer:
        """Read the text.

        Of an alphabet that folds case, letters come back in lower case, unless ``case`` or an
        upper-case ``charset`` says otherwise: the model does not tell cases apart.

        Args:
            challenge: the picture; of the options those in `loupette.plugin.TEXT_OPTIONS`.

        Returns:
            The text; its probability as confidence; as detail ``characters``
            (`loupette.toolkit.characters.describe_characters`) and ``candidates``, the three
            likeliest texts with their confidence.

        Raises:
            Unsolvable: ``no_text``, ``bad_shape``, ``unsure`` or ``options``.
        """
        rules = read_rules(challenge.options, self._recognizer.alphabet)
        looks = self._look_well(challenge.image, rules)
        readings = _together(looks)
        best = readings[0]
        doubtful = len(best.text) <= SHORT < rules.most
        if best.probability < (SURE_IF_SHORT if doubtful else self._least_confidence):
            # No texts: a refusal is free, and must not carry what an answer costs.
            confidence = round(best.probability, 4)
            raise Unsolvable("unsure", "no reading is likely", detail={"confidence": confidence})
        detail = {
            "characters": self._characters(best.text, looks, challenge.image, rules),
            "candidates": _candidates(readings, rules),
        }
        return Answer(rules.spell(best.text), best.probability, detail)

    def read(self, picture: Picture, rules: Rules) -> list[Reading]:
        """All likely texts that keep the rules, likeliest first; at least one."""
        return _together(self._look_well(picture, rules))

    def _look_well(self, picture: Picture, rules: Rules) -> "list[_Look]":
        """As many looks as are needed, one at least."""
        line = _line_of_text(picture)
        looks = [self._look(line, View(0, picture.width), rules)]
        if is_in_doubt(looks[0].readings[0].probability):
            further = further_looks(picture, line, looks[0].seen)
            looks += [self._look(pixels, view, rules) for pixels, view in further]
        return looks

    def _look(self, pixels: Pixels, view: View, rules: Rules) -> "_Look":
        seen = self._recognizer.read([pixels])[0]
        allowed = restrict(seen, self._recognizer.alphabet, rules.symbols)
        return _Look(view, seen, allowed, self._decode(allowed, rules))

    def _decode(self, allowed: LogProbs, rules: Rules) -> list[Reading]:
        """Texts that keep the rules, likeliest first; one empty text if there is none."""
        alphabet = self._recognizer.alphabet
        if allowed[:, alphabet.blank].sum() > np.log(MOSTLY):
            return [Reading("", NEVER)]
        found = beam_search(allowed, alphabet, min_length=rules.least, max_length=rules.most)
        return found or [Reading("", NEVER)]

    def _characters(
        self, text: str, looks: "list[_Look]", picture: Picture, rules: Rules
    ) -> list[dict[str, Json]]:
        return describe_characters(
            rules.spell(text),
            self._recognizer.alphabet.encode(text),
            [(look.allowed, look.view) for look in looks],
            size=(picture.width, picture.height),
        )


@dataclass(frozen=True)
class _Look:
    """What one run of the model made of a picture.

    Attributes:
        view: the columns it was given.
        seen: what it gave.
        allowed: the same, of the symbols that may occur.
        readings: likeliest first; at least one, of an empty text if nothing is there.
    """

    view: View
    seen: LogProbs
    allowed: LogProbs
    readings: list[Reading]


def _together(looks: list[_Look]) -> list[Reading]:
    """What the looks say together, likeliest first.

    Raises:
        Unsolvable: that nothing is there.
    """
    first, *further = [look.readings for look in looks]
    readings = average([first, *further]) if further else first
    if readings[0].text == "":
        raise Unsolvable("no_text", "no text of the wanted length was found")
    return readings


def _line_of_text(picture: Picture) -> Pixels:
    """The one picture to read, of all frames.

    Raises:
        Unsolvable: it is blank, or no line of text has this shape.
    """
    if not is_line_shaped(picture.width, picture.height):
        size = f"{picture.width}x{picture.height}"
        raise Unsolvable("bad_shape", f"{size} is not the shape of a line of text")
    for compose in (combine_frames, median_frame):
        line = compose(picture.rgb_frames)
        if not is_blank(line):
            return line
    raise Unsolvable("no_text", "the picture is blank")


def _candidates(readings: list[Reading], rules: Rules) -> list[dict[str, Json]]:
    """The three likeliest texts, for the caller to see how close it was."""
    return [
        {"text": rules.spell(r.text), "confidence": round(r.probability, 4)} for r in readings[:3]
    ]
