"""Random texts as captchas have them."""

from collections.abc import Mapping

import numpy as np

DIGITS = "0123456789"
LOWER = "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
AMBIGUOUS = "0oO1lIi"

_SETS: Mapping[str, tuple[tuple[str, float], ...]] = {
    "any": (
        (DIGITS, 0.30),
        (LOWER, 0.19),
        (UPPER, 0.14),
        (UPPER + DIGITS, 0.14),
        (LOWER + DIGITS, 0.09),
        (UPPER + LOWER + DIGITS, 0.14),
    ),
    "digits": ((DIGITS, 1.0),),
    "numbers": ((DIGITS, 1.0),),
    "words": ((LOWER, 0.85), (UPPER, 0.15)),
    "upper": ((UPPER, 0.4), (UPPER + DIGITS, 0.6)),
    "lower": ((LOWER, 0.4), (LOWER + DIGITS, 0.6)),
    "mixed": ((UPPER + LOWER + DIGITS, 1.0),),
}
WRITES = tuple(_SETS)
"""What a family of captchas writes: any of the others; digits; long numbers; words that can be
spoken; upper case; lower case; both cases with digits."""

_LENGTHS = np.array([0.01, 0.02, 0.04, 0.34, 0.25, 0.20, 0.06, 0.06, 0.01, 0.01])
_LONG = np.array([0, 0, 0, 0, 0, 0.1, 0.2, 0.5, 0.1, 0.1])
_WORD = np.array([0, 0, 0.05, 0.1, 0.2, 0.3, 0.25, 0.1, 0, 0])

SPOKEN = 0.25
"""Share of the texts of letters alone in which vowels and consonants take turns, as generators do
that want to be pronounceable."""
_VOWELS = "aeiou"

CROWDED = 0.12
"""Share of the texts with many narrow letters: between broad ones that touch them they are the
first to be overlooked, and side by side to be taken for one."""
_NARROW = "ijlftr1IJ"


def draw_alnum(rng: np.random.Generator, writes: str = "any") -> str:
    """Draw a text of 1 to 10 letters and digits.

    Single-case and digit-only texts are two thirds: so the look of the neighbours can tell an
    ``o`` from a ``0``. Half of the mixed ones leave out what cannot be told apart, as many
    generators do; some of letters alone can be spoken.

    Args:
        rng: source of all choices.
        writes: one of `WRITES`.
    """
    sets = _SETS[writes]
    point = float(rng.random())
    chars = sets[-1][0]
    for candidates, share in sets:
        point -= share
        if point < 0:
            chars = candidates
            break
    if writes != "words" and not chars.isdigit() and rng.random() < 0.5:
        chars = "".join(char for char in chars if char not in AMBIGUOUS)
    if rng.random() < CROWDED:
        chars += 3 * "".join(char for char in chars if char in _NARROW)
    lengths = {"numbers": _LONG, "words": _WORD}.get(writes, _LENGTHS)
    length = 1 + int(rng.choice(len(lengths), p=lengths))
    if chars.isalpha() and rng.random() < (0.8 if writes == "words" else SPOKEN):
        return _speak(rng, chars, length)
    return "".join(chars[int(i)] for i in rng.integers(len(chars), size=length))


def _speak(rng: np.random.Generator, letters: str, length: int) -> str:
    """Letters that can be spoken: after a consonant a vowel, after a vowel mostly a consonant."""
    vowels = "".join(char for char in letters if char.lower() in _VOWELS)
    consonants = "".join(char for char in letters if char.lower() not in _VOWELS)
    text, vowel = "", rng.random() < 0.4
    for _ in range(length):
        pool = vowels if vowel else consonants
        text += pool[int(rng.integers(len(pool)))]
        vowel = not vowel or rng.random() < 0.1
    return text
