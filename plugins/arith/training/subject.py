"""The plugin as training, exporting and fine-tuning know it."""

from pathlib import Path

from texts import answer_of, to_symbols

from loupette.plugin import Picture, Unsolvable
from loupette.toolkit.images import combine_frames
from loupette.toolkit.recognizer import CtcRecognizer
from loupette.toolkit.subject import Read, Subject
from loupette_arith.decode import ExpressionDecoder
from loupette_arith.expression import format_value
from loupette_arith.model import ALPHABET, HEIGHT, WIDTH
from loupette_arith.solver import WEIGHTS, SumSolver

DATA = "drawn sums only: training/generate.py --seed 8 and 93 to 110, from the alphanumeric model"


def load_reader(weights: Path) -> Read:
    """The solver without its refusal of unsure readings."""
    recognizer = CtcRecognizer(weights)
    alphabet = recognizer.alphabet
    decoder = ExpressionDecoder(alphabet.symbols, blank=alphabet.blank)

    def read(picture: Picture) -> tuple[str, float]:
        readings = decoder.read(recognizer.read([combine_frames(picture.rgb_frames)])[0])
        if not readings:
            raise Unsolvable("no_expression", "nothing in the image reads as a sum")
        return format_value(readings[0].value), readings[0].confidence

    return read


SUBJECT = Subject(
    name="arith",
    type_id=50100,
    alphabet=ALPHABET,
    height=HEIGHT,
    width=WIDTH,
    load=SumSolver,
    reader=load_reader,
    packaged=WEIGHTS,
    training=Path(__file__).parent,
    facts={"data": DATA},
    text_of=lambda row: to_symbols(row["expression"]),
    answer_of=answer_of,
    # Drawn sums are harder than any source seen: where .975 of them were right, .998 of those were.
    wanted=0.96,
)
