"""The grammar of the expressions that captchas show, as an automaton over single characters.

The parser and the decoder both walk it, so there is one grammar. An expression is operands joined
by operators, then an optional tail such as ``=?``. There are no signs, brackets or unknowns.
"""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, NamedTuple, TypeAlias

Phase: TypeAlias = Literal["start", "number", "operator", "tail"]

_SAME_MEANING = {
    "-": "−–—‐‑⁃﹣",
    "*": "×x✕✖⨯∗✱·⋅",
    "/": "÷∕⁄➗",
    "+": "➕﹢",
    "零": "〇○",
    **dict(zip("一二三四五六七八九十百", "壹贰叁肆伍陆柒捌玖拾佰", strict=True)),
}
_TRADITIONAL = dict(zip("貳參叄陸兩減於幾", "二三三六两减于几", strict=True))
_DIGITS = "0123456789"
_UNITS = "一二三四五六七八九"

OPERATORS: Mapping[str, str] = MappingProxyType(
    {
        "+": "+",
        "-": "-",
        "*": "*",
        "/": "/",
        "加": "+",
        "加上": "+",
        "plus": "+",
        "减": "-",
        "减去": "-",
        "minus": "-",
        "乘": "*",
        "乘以": "*",
        "times": "*",
        "dividedby": "/",
        "除": "/",
        "除以": "/",
    }
)
"""Each way to write an operator, in canonical characters, and what it means.

``八除二`` is read as captchas mean it, 8 / 2, although schoolbooks divide two by eight there.
"""

TAILS = frozenset(
    {"", "?", "=", "=?", "=几", "=几?", "=多少", "=多少?"}
    | {"等于", "等于?", "等于几", "等于几?", "等于多少", "等于多少?", "equals", "equals?"}
)
"""All that may follow the last operand, in canonical characters."""


def _below_hundred(value: int) -> str:
    tens, units = divmod(value, 10)
    ten = "" if tens == 0 else "十" if tens == 1 else _UNITS[tens - 1] + "十"
    return ten + (_UNITS[units - 1] if units else "")


def chinese_numeral(value: int) -> str:
    """Write a number the usual way, ``15`` as ``十五`` and ``115`` as ``一百一十五``.

    Args:
        value: 0..999.

    Returns:
        The numeral, in plain (not banking) characters.

    Raises:
        ValueError: the number is out of range.
    """
    if not 0 <= value <= 999:
        raise ValueError(f"no numeral for {value}: it must lie in 0..999")
    hundreds, rest = divmod(value, 100)
    if hundreds == 0:
        return _below_hundred(rest) or "零"
    if rest == 0:
        tail = ""
    elif rest < 10:
        tail = "零" + _below_hundred(rest)
    else:
        tail = ("一" if rest < 20 else "") + _below_hundred(rest)
    return _UNITS[hundreds - 1] + "百" + tail


def _all_numerals() -> dict[str, int]:
    numerals = {chinese_numeral(value): value for value in range(1000)}
    numerals |= {"一" + chinese_numeral(value): value for value in range(10, 20)}
    numerals |= {"两百" + text[2:]: value for text, value in numerals.items() if text[:2] == "二百"}
    return numerals | {"两": 2}


def _prefixes(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word[:end] for word in words for end in range(1, len(word) + 1))


NUMERALS: Mapping[str, int] = MappingProxyType(_all_numerals())
"""Every Chinese numeral of 0..999 in canonical characters, and its value."""

_NUMERAL_PREFIXES = _prefixes(NUMERALS)
_OPERATOR_PREFIXES = _prefixes(OPERATORS)
_TAIL_PREFIXES = _prefixes(TAILS)


def _canonical_table() -> dict[int, str]:
    table = {char: plain for plain, chars in _SAME_MEANING.items() for char in chars}
    table |= _TRADITIONAL
    table |= {char: char.lower() for char in string.ascii_uppercase} | {"X": "*"}
    # Full-width forms stand in ASCII order. Other compatibility forms are not folded: a raised
    # two is not the digit two.
    wide = {chr(ord(char) + 0xFEE0): table.get(char, char) for char in string.printable[:94]}
    return str.maketrans(table | wide)


_CANONICAL = _canonical_table()


def canonical(text: str) -> str:
    """Write a text in the grammar's own characters.

    Full-width forms become plain ones, ``×`` and ``x`` become ``*``, ``÷`` becomes ``/``, banking
    and traditional numerals plain ones, and blanks go.

    Args:
        text: any text.

    Returns:
        The text, rewritten character by character; unknown characters stay as they are.
    """
    return "".join(text.split()).translate(_CANONICAL)


class State(NamedTuple):
    """Where the automaton stands.

    Attributes:
        phase: what is being written.
        text: the characters of that number, operator or tail so far.
        operands: operands begun so far.
    """

    phase: Phase = "start"
    text: str = ""
    operands: int = 0


START = State()


@dataclass(frozen=True)
class Grammar:
    """The grammar with its limits.

    Attributes:
        min_operands: fewest operands of a complete expression.
        max_operands: most operands.
        max_digits: most digits of an operand written in digits.
        padded: numbers may begin with zeros, as ``05`` does.
    """

    min_operands: int
    max_operands: int
    max_digits: int
    padded: bool

    def step(self, state: State, char: str) -> State | None:
        """Read one character.

        Args:
            state: where the automaton stands.
            char: one canonical character.

        Returns:
            The next state, or ``None`` if no expression goes on like this.
        """
        if state.phase == "start":
            return self._begin_number(state, char)
        if state.phase == "number":
            return self._after_number(state, char)
        longer = state.text + char
        if state.phase == "tail":
            return state._replace(text=longer) if longer in _TAIL_PREFIXES else None
        if longer in _OPERATOR_PREFIXES:
            return state._replace(text=longer)
        return self._begin_number(state, char) if state.text in OPERATORS else None

    def is_complete(self, state: State) -> bool:
        """Whether the characters read so far are an expression."""
        if state.phase == "tail":
            return state.text in TAILS
        return state.phase == "number" and state.operands >= self.min_operands and _ended(state)

    def _begin_number(self, state: State, char: str) -> State | None:
        if state.operands < self.max_operands and self._continues("", char):
            return State("number", char, state.operands + 1)
        return None

    def _after_number(self, state: State, char: str) -> State | None:
        if self._continues(state.text, char):
            return state._replace(text=state.text + char)
        if not _ended(state):
            return None
        if char in _OPERATOR_PREFIXES and state.operands < self.max_operands:
            return State("operator", char, state.operands)
        if char in _TAIL_PREFIXES and state.operands >= self.min_operands:
            return State("tail", char, state.operands)
        return None

    def _continues(self, number: str, char: str) -> bool:
        if char in _DIGITS and (not number or number[0] in _DIGITS):
            return len(number) < self.max_digits and (self.padded or number != "0")
        return number + char in _NUMERAL_PREFIXES


def _ended(state: State) -> bool:
    return state.text in NUMERALS or state.text[0] in _DIGITS


WRITTEN = Grammar(min_operands=1, max_operands=9, max_digits=9, padded=True)
"""For texts that somebody typed: generous."""

DRAWN = Grammar(min_operands=2, max_operands=3, max_digits=3, padded=False)
"""For images: what captchas draw; a lone number is not a sum."""
