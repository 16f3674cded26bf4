"""Random sums as captchas write them, and the symbols that a recogniser should put out for them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from loupette_arith.expression import ExpressionError, evaluate, format_value
from loupette_arith.grammar import DRAWN, chinese_numeral
from loupette_arith.model import ALPHABET, ARABIC, BANKING

_T = TypeVar("_T")

_SYMBOL = {"x": "×", "X": "×", "−": "-", "–": "-", "〇": "零", "？": "?", "＝": "=", " ": ""}
_TO_BANKING = str.maketrans("一二三四五六七八九十", BANKING)

LONGEST = 14
"""Most symbols in a sum: the recogniser has 40 steps, and Chinese characters must not get thin."""

_DIGITS = {1: 0.60, 2: 0.33, 3: 0.07}
_SIGNS = {
    "+": {"+": 1.0},
    "-": {"-": 0.85, "−": 0.10, "–": 0.05},
    "*": {"×": 0.33, "x": 0.21, "X": 0.04, "*": 0.42},
    "/": {"÷": 0.55, "/": 0.45},
}
_SIGN_WORDS = {
    "+": {"加": 0.8, "加上": 0.2},
    "-": {"减": 0.8, "减去": 0.2},
    "*": {"乘": 0.5, "乘以": 0.5},
    "/": {"除": 0.3, "除以": 0.7},
}
_ENGLISH = {
    "+": {"plus": 0.7, "Plus": 0.15, "PLUS": 0.15},
    "-": {"minus": 0.7, "Minus": 0.15, "MINUS": 0.15},
    "*": {"times": 0.75, "TIMES": 0.25},
    "/": {"divided by": 1.0},
}
_ENGLISH_TAILS = {"": 0.35, "=": 0.2, "=?": 0.25, "?": 0.1, " equals": 0.1}
_TAILS = {"": 0.30, "=": 0.22, "=?": 0.43, "?": 0.02, "=？": 0.03}
_CHINESE_TAILS = {
    **{"": 0.15, "=": 0.15, "=?": 0.25, "＝？": 0.05, "等于": 0.10, "等于?": 0.10},
    **{"等于几": 0.10, "等于多少": 0.10},
}
_BLANKS = {"": 0.62, " ": 0.26, "  ": 0.09, "   ": 0.03}
_OPERATORS = {"+": 0.30, "-": 0.32, "*": 0.28, "/": 0.10}


@dataclass(frozen=True, eq=False)
class Kind:
    """One way to write sums.

    Attributes:
        number: writes an operand.
        signs: how each operator may be written, with weights.
        tails: what may follow, with weights.
        largest: largest operand.
    """

    number: Callable[[int], str]
    signs: Mapping[str, Mapping[str, float]]
    tails: Mapping[str, float]
    largest: int


def banking_numeral(value: int) -> str:
    """The numeral as banks write it, without the characters for a hundred."""
    return chinese_numeral(value).translate(_TO_BANKING)


_KINDS: Mapping[Kind, float] = {
    Kind(str, _SIGNS, _TAILS, 999): 0.68,
    Kind(str, _ENGLISH, _ENGLISH_TAILS, 20): 0.04,
    Kind(str, _SIGN_WORDS, _CHINESE_TAILS, 99): 0.09,
    Kind(chinese_numeral, _SIGN_WORDS, _CHINESE_TAILS, 30): 0.05,
    Kind(chinese_numeral, _SIGNS, _CHINESE_TAILS, 120): 0.05,
    Kind(banking_numeral, _SIGN_WORDS, _CHINESE_TAILS, 20): 0.025,
    Kind(banking_numeral, _SIGNS, _CHINESE_TAILS, 20): 0.025,
}
_JUMBLED = 0.06
"""Share of texts in no order at all, so that rare symbols are seen and order is not learnt."""


def pick(rng: np.random.Generator, weights: Mapping[_T, float]) -> _T:
    """One key, as likely as its weight."""
    share = np.array(list(weights.values()))
    return list(weights)[int(rng.choice(len(share), p=share / share.sum()))]


def draw_sum(rng: np.random.Generator) -> str:
    """Draw the text of a sum, as it stands in the picture.

    Args:
        rng: source of all choices.

    Returns:
        The text, blanks included; at most `LONGEST` symbols.
    """
    while True:
        text = _jumble(rng) if rng.random() < _JUMBLED else _write(rng, pick(rng, _KINDS))
        if len(to_symbols(text)) <= LONGEST:
            return text


def to_symbols(text: str) -> str:
    """What the recogniser should put out for a drawn text."""
    return "".join(_SYMBOL.get(char, char.lower()) for char in text)


def answer_of(symbols: str) -> str | None:
    """The answer to a drawn text; None for symbols in no order, of which nobody asks a value."""
    try:
        return format_value(evaluate(symbols, DRAWN))
    except ExpressionError:
        return None


def _jumble(rng: np.random.Generator) -> str:
    pool = ARABIC if rng.random() < 0.4 else ALPHABET.symbols
    return "".join(pool[int(i)] for i in rng.integers(len(pool), size=rng.integers(2, 8)))


def _write(rng: np.random.Generator, kind: Kind) -> str:
    count = pick(rng, {2: 0.84, 3: 0.16})
    operators = [pick(rng, _OPERATORS) for _ in range(count - 1)]
    operands = [_operand(rng, kind.largest) for _ in range(count)]
    if operators == ["/"] and rng.random() < 0.7:
        operands = _exact_division(rng, kind.largest)
    # One picture spells each operator one way, and sets blanks one way.
    spelling = {operator: pick(rng, kind.signs[operator]) for operator in operators}
    blank = pick(rng, _BLANKS)
    other = pick(rng, _BLANKS) if rng.random() < 0.15 else blank
    text = kind.number(operands[0])
    for operator, operand in zip(operators, operands[1:], strict=True):
        text += blank + spelling[operator] + other + kind.number(operand)
    tail = pick(rng, kind.tails)
    return text + (blank if tail else "") + tail


def _operand(rng: np.random.Generator, largest: int) -> int:
    digits = pick(rng, _DIGITS)
    low = 0 if digits == 1 else 10 ** (digits - 1)
    return int(rng.integers(min(low, largest), min(10**digits - 1, largest) + 1))


def _exact_division(rng: np.random.Generator, largest: int) -> list[int]:
    divisor = int(rng.integers(1, 10))
    quotient = int(rng.integers(0, min(largest // divisor, 12) + 1))
    return [divisor * quotient, divisor]
