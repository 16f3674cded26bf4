"""Whether what a recogniser said is right, read kindly where a peer answers another question."""

from pathlib import Path

from accuracy import ARITH, SLIDER, Case
from loupette.decoding import decode_picture
from loupette_arith.expression import ExpressionError, evaluate, format_value


def is_right(case: Case, text: str, *, of_peer: bool) -> bool:
    """Whether a text is the answer, in any case or by value; of a slider, within 3 px.

    What a peer says is worked out first: the value of a sum, the left edge of where a piece fits.
    """
    if not text:
        return False
    if of_peer and case.type_id == ARITH:
        text = work_out(text)
    if of_peer and case.image2:
        text = work_out_left(text, case.image2)
    strict, lenient = case.judge(text)
    return strict if case.type_id == SLIDER else lenient


def work_out(text: str) -> str:
    """The value of the sum that a text reads as; "" if it is none.

    Kind to who reads letters: what looks like a sign or a digit counts as one. What follows the
    equals sign is no part of the sum.
    """
    plain = text.translate(ALIKE).split("=")[0].rstrip("?")
    try:
        return format_value(evaluate(plain))
    except ExpressionError:
        return ""


ALIKE = str.maketrans(
    dict.fromkeys("xX×＊", "*")
    | dict.fromkeys("t十＋", "+")
    | dict.fromkeys("—–_一", "-")
    | dict.fromkeys("三二＝", "=")
    | dict.fromkeys("oO", "0")
    | dict.fromkeys("lI|", "1")
    | {"÷": "/", "？": "?", " ": None}
)


def work_out_left(centre_px: str, piece: Path) -> str:
    """The gap's left edge, from the centre of where the whole file of the piece fits.

    The piece begins at the first column that has a pixel at least half opaque.
    """
    opaque = decode_picture(piece.read_bytes()).rgba[..., 3] > 127
    first_px = int(opaque.any(axis=0).argmax())
    return str(float(centre_px) - opaque.shape[1] // 2 + first_px)
