"""Random texts as captchas have them."""

import numpy as np

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
AMBIGUOUS = "0oO1lIi"

_SETS = (
    (DIGITS, 0.30),
    (LOWER, 0.19),
    (UPPER, 0.14),
    (UPPER + DIGITS, 0.14),
    (LOWER + DIGITS, 0.09),
    (UPPER + LOWER + DIGITS, 0.14),
)
_LENGTHS = np.array([0.01, 0.03, 0.05, 0.34, 0.22, 0.17, 0.07, 0.08, 0.02, 0.01])


def draw_alnum(rng: np.random.Generator) -> str:
    """Draw a text of 1 to 10 letters and digits.

    Single-case and digit-only texts are two thirds: so the look of the neighbours can tell an
    ``o`` from a ``0``. Half of the mixed ones leave out what cannot be told apart, as many
    generators do.
    """
    point = float(rng.random())
    chars = _SETS[-1][0]
    for candidates, share in _SETS:
        point -= share
        if point < 0:
            chars = candidates
            break
    if not chars.isdigit() and rng.random() < 0.5:
        chars = "".join(char for char in chars if char not in AMBIGUOUS)
    length = 1 + int(rng.choice(len(_LENGTHS), p=_LENGTHS))
    return "".join(chars[int(i)] for i in rng.integers(len(chars), size=length))
